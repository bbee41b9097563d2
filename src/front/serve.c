/* SPDX-License-Identifier: ISC
 * The main() of a role that listens. */
#include "front/serve.h"

#include "io/tls.h"
#include "ipc/tls_keys.h"

#include <string.h>

/* The process's one role. */
static const struct serve_spec *spec;
static void *server;
static struct ports *ports;
static struct tls_keys *keys;

static int prepare(struct role *r)
{
	const struct ports_spec *ports_spec;
	int result = tls_prepare();

	if (result == 0)
		result = spec->prepare(r, &server, &ports_spec);
	if (result < 0)
		return result;
	ports = ports_new(role_base(r), role_conf(r), ports_spec, server);
	keys = tls_keys_new();
	return 0;
}

static int on_channel(struct role *r, const char *list, const char *peer, unsigned index, int fd)
{
	(void)r;
	(void)peer;
	(void)index;
	if (strcmp(list, "sign") != 0)
		return spec->set_channel(server, list, fd);
	tls_keys_set_channel(keys, fd);
	return 0;
}

static int on_certificate(struct role *r, struct view pem)
{
	unsigned min_version = role_conf(r)->tls_min_version == 0 ? 12 : 13; /* the words "1.2 1.3" */
	struct buf error = BUF_INIT(512);
	struct tls_server *tls = NULL;
	int result = tls_server_new(pem, min_version, tls_keys_sign, keys, &tls, &error);

	if (result < 0)
		log_event(LOG_LEVEL_ERROR, "bad_certificate", buf_cstr(&error));
	else
		spec->set_tls(server, tls);
	buf_fini(&error);
	return result;
}

static int on_listener(struct role *r, const char *service, const char *address, uint16_t port, bool tls, int fd)
{
	(void)r;
	(void)tls; /* the service says it */
	return ports_add(ports, service, address, port, fd);
}

static void on_listener_gone(struct role *r, const char *service, const char *address, uint16_t port)
{
	(void)r;
	ports_remove(ports, service, address, port);
}

static int reloaded(struct role *r)
{
	ports_configure(ports, role_conf(r));
	return spec->configure(server, role_conf(r));
}

static void stopped(void *ctx)
{
	role_finished(ctx);
}

static void stop(struct role *r, uint32_t grace_ms)
{
	(void)grace_ms; /* the skeleton ends the process when it is over */
	ports_close(ports);
	spec->stop(server, stopped, r);
}

static void count(struct role *r, uint64_t *ret_sessions, uint64_t *ret_accepted, uint64_t *ret_messages,
		  uint64_t *ret_in_flight)
{
	(void)r;
	spec->count(server, ret_sessions, ret_accepted, ret_messages, ret_in_flight);
}

int serve_run(const struct serve_spec *what)
{
	const struct role_spec role = {
	    .name = what->name,
	    .sandbox = SANDBOX_NET,
	    .prepare = prepare,
	    .on_listener = on_listener,
	    .on_listener_gone = on_listener_gone,
	    .on_channel = on_channel,
	    .on_certificate = on_certificate,
	    .reloaded = reloaded,
	    .stop = stop,
	    .count = count,
	};

	spec = what;
	return role_run(&role);
}
