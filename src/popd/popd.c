/* SPDX-License-Identifier: ISC
 * The process: its channels, its sessions, its end. */
#include "popd/popd.h"

#include "io/tls.h"
#include "ipc/msgs/auth_msgs.h"
#include "popd/session.h"

/* A piece of a message is 256 KiB at most, and a little more with its dots doubled. */
const struct stream_limits popd_stream_limits = {
    .in_max = 32 << 10,
    .out_max = 2 << 20,
    .out_high = 256 << 10,
    .out_low = 64 << 10,
};

void popd_init(struct popd *d, struct event_base *base, unsigned index, const struct conf *conf)
{
	*d = (struct popd){.base = base};
	TAILQ_INIT(&d->sessions);
	map_init(&d->by_store_id);
	id_source_init(&d->ids, index, 0);
	buf_init(&d->settings.hostname, 1024);
	popd_configure(d, conf);
}

void popd_configure(struct popd *d, const struct conf *conf)
{
	struct popd_settings *s = &d->settings;

	buf_reset(&s->hostname);
	buf_append_cstr(&s->hostname, conf->hostname);
	s->login_timeout_ms = conf->login_timeout;
	s->idle_timeout_ms = conf->pop_idle_timeout;
	s->max_auth_failures = (uint32_t)conf->max_auth_failures;
	s->max_errors = (uint32_t)conf->max_command_errors;
	s->plaintext_auth_on_loopback = conf->allow_plaintext_auth_on_loopback;
}

/* ---- stored ---- */

static void on_store_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct popd *d = ctx;
	const struct mailbox_msg *m = msg;
	struct session *s = NULL;

	(void)c;
	(void)id;
	if (m->type == MAILBOX_SESSION_ENDED)
		s = map_u64_get(&d->by_store_id, m->session_ended.session);
	if (s)
		session_part(s, "[AUTH] The login has ended, log in again");
}

/* stored has forgotten its sessions, so ours are worth nothing. */
static void end_logins(struct popd *d)
{
	struct session *s;

	TAILQ_FOREACH (s, &d->sessions, link)
		if (s->store_id)
			session_part(s, "[SYS/TEMP] The mail store is away, try again later");
}

static void on_store_close(void *ctx, struct channel *c)
{
	struct popd *d = ctx;

	if (d->store != c)
		return;
	log_event(LOG_LEVEL_WARNING, "store_away", NULL);
	d->store = NULL;
	end_logins(d);
}

static const struct channel_handlers store_handlers = {on_store_msg, on_store_close, NULL};

void popd_set_store(struct popd *d, int fd)
{
	struct channel *old = d->store;

	d->store = NULL;
	if (old)
		end_logins(d);
	channel_free(&old);
	d->store = channel_new(d->base, fd, &mailbox_proto, MAILBOX_PEER_POP, MAILBOX_PEER_STORE, &store_handlers, d);
}

/* ---- authd ---- */

static void on_auth_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	(void)ctx;
	(void)c;
	(void)id;
	(void)msg;
}

static void on_auth_close(void *ctx, struct channel *c)
{
	struct popd *d = ctx;

	if (d->auth == c)
		d->auth = NULL;
}

static const struct channel_handlers auth_handlers = {on_auth_msg, on_auth_close, NULL};

void popd_set_auth(struct popd *d, int fd)
{
	channel_free(&d->auth);
	d->auth = channel_new(d->base, fd, &auth_proto, AUTH_PEER_POP, AUTH_PEER_AUTH, &auth_handlers, d);
}

/* ---- sessions ---- */

void popd_set_tls(struct popd *d, struct tls_server *tls)
{
	tls_server_unref(&d->tls);
	d->tls = tls;
}

void popd_accept(struct popd *d, struct stream *stream, const char *service, bool tls_first)
{
	if (d->stopping || (tls_first && !d->tls)) {
		stream_close(stream);
		return;
	}
	d->session_count++;
	d->accepted_count++;
	session_new(d, stream, service, tls_first);
}

static void tell_stopped(struct popd *d)
{
	if (d->stopping && d->session_count == 0 && d->on_stopped) {
		d->on_stopped(d->on_stopped_ctx);
		d->on_stopped = NULL;
	}
}

void popd_session_gone(struct popd *d)
{
	d->session_count--;
	tell_stopped(d);
}

void popd_stop(struct popd *d, void (*fn)(void *ctx), void *ctx)
{
	struct session *s;

	d->stopping = true;
	d->on_stopped = fn;
	d->on_stopped_ctx = ctx;
	TAILQ_FOREACH (s, &d->sessions, link)
		session_stop(s);
	tell_stopped(d);
}

void popd_fini(struct popd *d)
{
	struct session *s;

	TAILQ_FOREACH (s, &d->sessions, link)
		session_close(s);
	channel_free(&d->store);
	channel_free(&d->auth);
	tls_server_unref(&d->tls);
	map_fini(&d->by_store_id);
	buf_fini(&d->settings.hostname);
}
