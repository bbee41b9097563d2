/* SPDX-License-Identifier: ISC
 * The role popd. */
#include "io/ports.h"
#include "io/tls.h"
#include "ipc/role.h"
#include "ipc/tls_keys.h"
#include "popd/popd.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct state {
	struct popd popd;
	struct ports *ports;
	struct tls_keys *keys;
};

static void on_stream(void *ctx, struct stream *stream, const struct port_service *service)
{
	struct state *state = ctx;

	popd_accept(&state->popd, stream, service->name, service->tls_first);
}

static int prepare(struct role *r)
{
	static const struct port_service services[] = {{"pop3", false}, {"pop3s", true}, {NULL, false}};
	static const struct ports_spec spec = {
	    .stream_limits = &popd_stream_limits,
	    .services = services,
	    .too_many = {"-ERR [SYS/TEMP] Too many connections, try again later\r\n",
			 sizeof "-ERR [SYS/TEMP] Too many connections, try again later\r\n" - 1},
	    .too_many_from_address = {"-ERR [SYS/TEMP] Too many connections from your address\r\n",
				      sizeof "-ERR [SYS/TEMP] Too many connections from your address\r\n" - 1},
	    .on_stream = on_stream,
	};
	struct state *state = xcalloc(1, sizeof *state);
	int result = tls_prepare();

	if (result < 0)
		return result;
	popd_init(&state->popd, role_base(r), role_index(r), role_conf(r));
	state->ports = ports_new(role_base(r), role_conf(r), &spec, state);
	state->keys = tls_keys_new();
	role_set_state(r, state);
	return 0;
}

static int on_channel(struct role *r, const char *list, const char *peer, unsigned index, int fd)
{
	struct state *state = role_state(r);

	(void)peer;
	(void)index;
	if (strcmp(list, "mailbox") == 0) {
		popd_set_store(&state->popd, fd);
	} else if (strcmp(list, "auth") == 0) {
		popd_set_auth(&state->popd, fd);
	} else if (strcmp(list, "sign") == 0) {
		tls_keys_set_channel(state->keys, fd);
	} else {
		(void)close(fd);
		return -EINVAL;
	}
	return 0;
}

static int on_certificate(struct role *r, struct view pem)
{
	struct state *state = role_state(r);
	unsigned min_version = role_conf(r)->tls_min_version == 0 ? 12 : 13; /* the words "1.2 1.3" */
	struct buf error = BUF_INIT(512);
	struct tls_server *tls = NULL;
	int result = tls_server_new(pem, min_version, tls_keys_sign, state->keys, &tls, &error);

	if (result < 0)
		log_event(LOG_LEVEL_ERROR, "bad_certificate", buf_cstr(&error));
	else
		popd_set_tls(&state->popd, tls);
	buf_fini(&error);
	return result;
}

static int on_listener(struct role *r, const char *service, const char *address, uint16_t port, bool tls, int fd)
{
	struct state *state = role_state(r);

	(void)tls; /* the service says it */
	return ports_add(state->ports, service, address, port, fd);
}

static void on_listener_gone(struct role *r, const char *service, const char *address, uint16_t port)
{
	struct state *state = role_state(r);

	ports_remove(state->ports, service, address, port);
}

static int reloaded(struct role *r)
{
	struct state *state = role_state(r);

	ports_configure(state->ports, role_conf(r));
	popd_configure(&state->popd, role_conf(r));
	return 0;
}

static void stopped(void *ctx)
{
	role_finished(ctx);
}

static void stop(struct role *r, uint32_t grace_ms)
{
	struct state *state = role_state(r);

	(void)grace_ms; /* the skeleton ends the process when it is over */
	ports_close(state->ports);
	popd_stop(&state->popd, stopped, r);
}

static void count(struct role *r, uint64_t *ret_sessions, uint64_t *ret_accepted, uint64_t *ret_messages,
		  uint64_t *ret_in_flight)
{
	const struct state *state = role_state(r);

	*ret_sessions = state->popd.session_count;
	*ret_accepted = state->popd.accepted_count;
	*ret_messages = state->popd.message_count;
	*ret_in_flight = 0;
}

int main(void)
{
	static const struct role_spec spec = {
	    .name = "popd",
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

	return role_run(&spec);
}
