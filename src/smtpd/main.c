/* SPDX-License-Identifier: ISC
 * The role smtpd, as mx and as submission. */
#include "io/ports.h"
#include "io/tls.h"
#include "ipc/role.h"
#include "ipc/tls_keys.h"
#include "smtpd/smtpd.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct state {
	struct smtpd *smtpd;
	struct ports *ports;
	struct tls_keys *keys;
};

static int complain(int r, const char *what, struct buf *error)
{
	if (r < 0)
		log_event(LOG_LEVEL_ERROR, what, buf_cstr(error));
	buf_fini(error);
	return r;
}

static void on_stream(void *ctx, struct stream *stream, const struct port_service *service)
{
	struct state *state = ctx;

	smtpd_accept(state->smtpd, stream, service->name, service->tls_first);
}

/* A pipelining client fills 64 KiB; a reply line is 512 bytes. */
static const struct stream_limits stream_limits = {
    .in_max = 65536,
    .out_max = 262144,
    .out_high = 65536,
    .out_low = 16384,
};

#define TOO_MANY "421 4.7.0 Too many connections; try again later\r\n"
#define TOO_MANY_FROM_ADDRESS "421 4.7.0 Too many connections from your address\r\n"

static const struct port_service mx_services[] = {{"smtp", false}, {NULL, false}};
static const struct port_service submission_services[] = {
    {"submission", false}, {"submission-alt", false}, {"submissions", true}, {NULL, false}};

static const struct ports_spec mx_ports = {
    .stream_limits = &stream_limits,
    .services = mx_services,
    .too_many = {TOO_MANY, sizeof TOO_MANY - 1},
    .too_many_from_address = {TOO_MANY_FROM_ADDRESS, sizeof TOO_MANY_FROM_ADDRESS - 1},
    .on_stream = on_stream,
};
static const struct ports_spec submission_ports = {
    .stream_limits = &stream_limits,
    .services = submission_services,
    .too_many = {TOO_MANY, sizeof TOO_MANY - 1},
    .too_many_from_address = {TOO_MANY_FROM_ADDRESS, sizeof TOO_MANY_FROM_ADDRESS - 1},
    .on_stream = on_stream,
};

static int prepare(struct role *r)
{
	bool is_mx = strcmp(role_kind(r), "mx") == 0;
	struct state *state = xcalloc(1, sizeof *state);
	struct buf error = BUF_INIT(512);
	int result = tls_prepare();

	if (result < 0)
		return result;
	result = smtpd_new(role_base(r), is_mx ? SMTPD_MX : SMTPD_SUBMISSION, role_index(r), role_conf(r),
			   &state->smtpd, &error);
	if (complain(result, "bad_settings", &error) < 0)
		return result;
	state->ports = ports_new(role_base(r), role_conf(r), is_mx ? &mx_ports : &submission_ports, state);
	state->keys = tls_keys_new();
	role_set_state(r, state);
	return 0;
}

static int on_channel(struct role *r, const char *list, const char *peer, unsigned index, int fd)
{
	struct state *state = role_state(r);

	(void)peer;
	(void)index;
	if (strcmp(list, "smtp") == 0)
		return smtpd_set_store(state->smtpd, fd);
	if (strcmp(list, "auth") == 0)
		return smtpd_set_auth(state->smtpd, fd);
	if (strcmp(list, "sign") != 0) {
		(void)close(fd);
		return -EINVAL;
	}
	tls_keys_set_channel(state->keys, fd);
	return 0;
}

static int on_certificate(struct role *r, struct view pem)
{
	struct state *state = role_state(r);
	unsigned min_version = role_conf(r)->tls_min_version == 0 ? 12 : 13; /* the words "1.2 1.3" */
	struct buf error = BUF_INIT(512);
	struct tls_server *tls = NULL;
	int result = tls_server_new(pem, min_version, tls_keys_sign, state->keys, &tls, &error);

	if (complain(result, "bad_certificate", &error) == 0)
		smtpd_set_tls(state->smtpd, tls);
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
	struct buf error = BUF_INIT(512);

	ports_configure(state->ports, role_conf(r));
	return complain(smtpd_configure(state->smtpd, role_conf(r), &error), "bad_settings", &error);
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
	smtpd_stop(state->smtpd, stopped, r);
}

static void count(struct role *r, uint64_t *ret_sessions, uint64_t *ret_accepted, uint64_t *ret_messages,
		  uint64_t *ret_in_flight)
{
	const struct state *state = role_state(r);

	*ret_sessions = state->smtpd->session_count;
	*ret_accepted = state->smtpd->accepted_count;
	*ret_messages = state->smtpd->message_count;
	*ret_in_flight = state->smtpd->bytes_held;
}

int main(void)
{
	static const struct role_spec spec = {
	    .name = "smtpd",
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
