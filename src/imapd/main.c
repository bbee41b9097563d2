/* SPDX-License-Identifier: ISC
 * The role imapd. */
#include "imapd/imapd.h"
#include "io/ports.h"
#include "io/tls.h"
#include "ipc/role.h"
#include "ipc/tls_keys.h"
#include "mail/charset.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct state {
	struct imapd imapd;
	struct ports *ports;
	struct tls_keys *keys;
};

static void on_stream(void *ctx, struct stream *stream, const struct port_service *service)
{
	struct state *state = ctx;

	imapd_accept(&state->imapd, stream, service->name, service->tls_first);
}

static int prepare(struct role *r)
{
	static const struct port_service services[] = {{"imap", false}, {"imaps", true}, {NULL, false}};
	static const struct ports_spec spec = {
	    .stream_limits = &imapd_stream_limits,
	    .services = services,
	    .too_many = {"* BYE [UNAVAILABLE] Too many connections, try again later\r\n",
			 sizeof "* BYE [UNAVAILABLE] Too many connections, try again later\r\n" - 1},
	    .too_many_from_address = {"* BYE [LIMIT] Too many connections from your address\r\n",
				      sizeof "* BYE [LIMIT] Too many connections from your address\r\n" - 1},
	    .on_stream = on_stream,
	};
	struct state *state = xcalloc(1, sizeof *state);
	int result = tls_prepare();

	if (result < 0)
		return result;
	charset_preload(); /* files cannot be opened later */
	imapd_init(&state->imapd, role_base(r), role_index(r), role_conf(r));
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
		imapd_set_store(&state->imapd, fd);
	} else if (strcmp(list, "auth") == 0) {
		imapd_set_auth(&state->imapd, fd);
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
		imapd_set_tls(&state->imapd, tls);
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
	imapd_configure(&state->imapd, role_conf(r));
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
	imapd_stop(&state->imapd, stopped, r);
}

static void count(struct role *r, uint64_t *ret_sessions, uint64_t *ret_accepted, uint64_t *ret_messages,
		  uint64_t *ret_in_flight)
{
	const struct state *state = role_state(r);

	*ret_sessions = state->imapd.session_count;
	*ret_accepted = state->imapd.accepted_count;
	*ret_messages = state->imapd.message_count;
	*ret_in_flight = state->imapd.bytes_in_flight;
}

int main(void)
{
	static const struct role_spec spec = {
	    .name = "imapd",
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
