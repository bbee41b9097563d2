/* SPDX-License-Identifier: ISC
 * The process: its channels, its sessions, its end. */
#include "imapd/imapd.h"

#include "imapd/command.h"
#include "imapd/notify.h"
#include "io/tls.h"
#include "ipc/msgs/auth_msgs.h"

#include <event2/event.h>
#include <stdlib.h>

/* What is produced is looked at piece by piece: a handler stops when stream_is_full(), and writes at most one page of stored's
 * (1 MiB) or one header block (512 KiB) with a few numbers around each row before it looks again. */
const struct stream_limits imapd_stream_limits = {
    .in_max = 64 << 10,
    .out_max = 8 << 20,
    .out_high = 256 << 10,
    .out_low = 64 << 10,
};

enum { PROGRESS_MS = 10 * 1000 };

static void on_progress(evutil_socket_t fd, short what, void *ctx)
{
	struct imapd *d = ctx;
	struct session *s;
	bool more = false;

	(void)fd;
	(void)what;
	TAILQ_FOREACH (s, &d->sessions, link)
		more |= command_tell_progress(s);
	if (more)
		imapd_watch_progress(d);
}

void imapd_watch_progress(struct imapd *d)
{
	const uint64_t ms = d->settings.progress_ms / 2; /* so that nobody waits longer than half as long again */
	struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};

	if (!evtimer_pending(d->progress, NULL))
		(void)evtimer_add(d->progress, &tv);
}

/* Who waits again is not run again before the loop has looked at what came in. */
static void on_turns(evutil_socket_t fd, short what, void *ctx)
{
	struct imapd *d = ctx;
	struct session *s;

	(void)fd;
	(void)what;
	TAILQ_FOREACH (s, &d->sessions, link) {
		if (!s->command || s->command->wait != AWAIT_TURN)
			continue;
		s->command->answered = true;
		session_run(s);
	}
}

void imapd_give_turns(struct imapd *d)
{
	const struct timeval next = {0};

	if (!evtimer_pending(d->turns, NULL))
		(void)evtimer_add(d->turns, &next);
}

void imapd_init(struct imapd *d, struct event_base *base, unsigned index, const struct conf *conf)
{
	*d = (struct imapd){.base = base};
	TAILQ_INIT(&d->sessions);
	map_init(&d->by_store_id);
	id_source_init(&d->ids, index, 0);
	buf_init(&d->settings.hostname, 1024);
	imapd_configure(d, conf);
	d->settings.progress_ms = PROGRESS_MS;
	d->progress = evtimer_new(base, on_progress, d);
	d->turns = evtimer_new(base, on_turns, d);
	if (!d->progress || !d->turns)
		abort(); /* memory */
}

void imapd_configure(struct imapd *d, const struct conf *conf)
{
	struct imapd_settings *s = &d->settings;

	buf_reset(&s->hostname);
	buf_append_cstr(&s->hostname, conf->hostname);
	s->max_message_bytes = conf->max_message_size;
	s->max_bytes_in_flight = conf->max_bytes_in_flight;
	s->login_timeout_ms = conf->login_timeout;
	s->idle_timeout_ms = conf->imap_idle_timeout;
	s->max_auth_failures = (uint32_t)conf->max_auth_failures;
	s->max_errors = (uint32_t)conf->max_command_errors;
	s->unauthenticate = conf->imap_unauthenticate;
	s->plaintext_auth_on_loopback = conf->allow_plaintext_auth_on_loopback;
}

/* ---- stored ---- */

static void on_store_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct imapd *d = ctx;
	const struct mailbox_msg *m = msg;
	struct session *s;

	(void)c;
	(void)id;
	if (m->type == MAILBOX_CHANGED) {
		s = map_u64_get(&d->by_store_id, m->changed.session);
		if (s)
			session_notice(s, &m->changed);
	} else if (m->type == MAILBOX_ACCOUNT_CHANGED) {
		s = map_u64_get(&d->by_store_id, m->account_changed.session);
		if (s)
			notify_account_changed(s);
	} else if (m->type == MAILBOX_ANNOTATED) {
		s = map_u64_get(&d->by_store_id, m->annotated.session);
		if (s)
			notify_annotated(s, &m->annotated);
	} else if (m->type == MAILBOX_SESSION_ENDED) {
		s = map_u64_get(&d->by_store_id, m->session_ended.session);
		if (s)
			session_bye(s, "[UNAVAILABLE] The login has ended, log in again");
	}
}

/* stored has forgotten its sessions, so ours are worth nothing. */
static void end_logins(struct imapd *d)
{
	struct session *s;

	TAILQ_FOREACH (s, &d->sessions, link)
		if (s->store_id)
			session_bye(s, "[UNAVAILABLE] The mail store is away, try again later");
}

static void on_store_close(void *ctx, struct channel *c)
{
	struct imapd *d = ctx;

	if (d->store != c)
		return;
	log_event(LOG_LEVEL_WARNING, "store_away", NULL);
	d->store = NULL;
	end_logins(d);
}

static void on_store_drain(void *ctx, struct channel *c)
{
	struct imapd *d = ctx;
	struct session *s;

	(void)c;
	TAILQ_FOREACH (s, &d->sessions, link)
		if (s->command && s->command->wait == AWAIT_CHANNEL)
			session_run(s);
}

static const struct channel_handlers store_handlers = {on_store_msg, on_store_close, on_store_drain};

void imapd_set_store(struct imapd *d, int fd)
{
	struct channel *old = d->store;

	d->store = NULL;
	if (old)
		end_logins(d);
	channel_free(&old);
	d->store = channel_new(d->base, fd, &mailbox_proto, MAILBOX_PEER_IMAP, MAILBOX_PEER_STORE, &store_handlers, d);
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
	struct imapd *d = ctx;

	if (d->auth == c)
		d->auth = NULL;
}

static const struct channel_handlers auth_handlers = {on_auth_msg, on_auth_close, NULL};

void imapd_set_auth(struct imapd *d, int fd)
{
	channel_free(&d->auth);
	d->auth = channel_new(d->base, fd, &auth_proto, AUTH_PEER_IMAP, AUTH_PEER_AUTH, &auth_handlers, d);
}

/* ---- sessions ---- */

void imapd_set_tls(struct imapd *d, struct tls_server *tls)
{
	tls_server_unref(&d->tls);
	d->tls = tls;
}

void imapd_accept(struct imapd *d, struct stream *stream, const char *service, bool tls_first)
{
	if (d->stopping || (tls_first && !d->tls)) {
		stream_close(stream);
		return;
	}
	d->session_count++;
	d->accepted_count++;
	session_new(d, stream, service, tls_first);
}

static void tell_stopped(struct imapd *d)
{
	if (d->stopping && d->session_count == 0 && d->on_stopped) {
		d->on_stopped(d->on_stopped_ctx);
		d->on_stopped = NULL;
	}
}

void imapd_session_gone(struct imapd *d)
{
	d->session_count--;
	tell_stopped(d);
}

void imapd_stop(struct imapd *d, void (*fn)(void *ctx), void *ctx)
{
	struct session *s;

	d->stopping = true;
	d->on_stopped = fn;
	d->on_stopped_ctx = ctx;
	TAILQ_FOREACH (s, &d->sessions, link)
		session_stop(s);
	tell_stopped(d);
}

void imapd_fini(struct imapd *d)
{
	struct session *s;

	TAILQ_FOREACH (s, &d->sessions, link)
		session_close(s);
	channel_free(&d->store);
	channel_free(&d->auth);
	event_free(d->progress);
	event_free(d->turns);
	tls_server_unref(&d->tls);
	map_fini(&d->by_store_id);
	buf_fini(&d->settings.hostname);
}

bool imapd_take_room(struct imapd *d, uint64_t bytes)
{
	if (d->bytes_in_flight && d->bytes_in_flight + bytes > d->settings.max_bytes_in_flight)
		return false;
	d->bytes_in_flight += bytes;
	return true;
}

void imapd_give_room(struct imapd *d, uint64_t bytes)
{
	d->bytes_in_flight -= bytes;
}
