/* SPDX-License-Identifier: ISC
 * The role smtpd, as mx and as submission. */
#include "front/serve.h"
#include "smtpd/smtpd.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int complain(int r, struct buf *error)
{
	if (r < 0)
		log_event(LOG_LEVEL_ERROR, "bad_settings", buf_cstr(error));
	buf_fini(error);
	return r;
}

static void on_stream(void *ctx, struct stream *stream, const struct port_service *service)
{
	smtpd_accept(ctx, stream, service->name, service->tls_first);
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

static int prepare(struct role *r, void **ret_server, const struct ports_spec **ret_ports)
{
	bool is_mx = strcmp(role_kind(r), "mx") == 0;
	struct buf error = BUF_INIT(512);
	struct smtpd *d = NULL;
	int result =
	    smtpd_new(role_base(r), is_mx ? SMTPD_MX : SMTPD_SUBMISSION, role_index(r), role_conf(r), &d, &error);

	*ret_server = d;
	*ret_ports = is_mx ? &mx_ports : &submission_ports;
	return complain(result, &error);
}

static int set_channel(void *server, const char *list, int fd)
{
	if (strcmp(list, "smtp") == 0)
		return smtpd_set_store(server, fd);
	if (strcmp(list, "auth") == 0)
		return smtpd_set_auth(server, fd);
	(void)close(fd);
	return -EINVAL;
}

static void set_tls(void *server, struct tls_server *tls)
{
	smtpd_set_tls(server, tls);
}

static int configure(void *server, const struct conf *conf)
{
	struct buf error = BUF_INIT(512);

	return complain(smtpd_configure(server, conf, &error), &error);
}

static void stop(void *server, void (*fn)(void *ctx), void *ctx)
{
	smtpd_stop(server, fn, ctx);
}

static void count(void *server, uint64_t *ret_sessions, uint64_t *ret_accepted, uint64_t *ret_messages,
		  uint64_t *ret_in_flight)
{
	const struct smtpd *d = server;

	*ret_sessions = d->session_count;
	*ret_accepted = d->accepted_count;
	*ret_messages = d->message_count;
	*ret_in_flight = d->bytes_held;
}

int main(void)
{
	static const struct serve_spec spec = {
	    .name = "smtpd",
	    .prepare = prepare,
	    .set_channel = set_channel,
	    .set_tls = set_tls,
	    .configure = configure,
	    .stop = stop,
	    .count = count,
	};

	return serve_run(&spec);
}
