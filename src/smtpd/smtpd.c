/* SPDX-License-Identifier: ISC
 * The process: its channels, its sessions, and what they share. */
#include "smtpd/smtpd.h"

#include "io/stream.h"
#include "io/tls.h"
#include "ipc/msgs/auth_msgs.h"
#include "ipc/msgs/smtp_msgs.h"
#include "smtpd/auth.h"
#include "smtpd/refusals.h"
#include "smtpd/reply.h"
#include "smtpd/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	SCRATCH_MAX = 128 * 1024, /* a line, its parsed form, the recipients of one message */
	TEXT_MAX = 512,
	SPARE_BUFFER_MAX = 16 * 1024, /* larger ones go back to the system */
};

int smtpd_new(struct event_base *base, enum smtpd_kind kind, unsigned index, const struct conf *conf,
	      struct smtpd **ret, struct buf *error)
{
	struct settings *settings;
	struct smtpd *d;
	int r = settings_new(conf, &settings, error);

	if (r < 0)
		return r;
	d = xcalloc(1, sizeof *d);
	d->base = base;
	d->kind = kind;
	d->settings = settings;
	TAILQ_INIT(&d->sessions);
	TAILQ_INIT(&d->stalled);
	id_source_init(&d->ids, index, 0);
	arena_init(&d->scratch, SCRATCH_MAX);
	buf_init(&d->text, TEXT_MAX);
	d->refusals = refusals_new(d);
	*ret = d;
	return 0;
}

void smtpd_free(struct smtpd **dp)
{
	struct smtpd *d = *dp;

	*dp = NULL;
	if (!d)
		return;
	d->on_stopped = NULL;
	while (!TAILQ_EMPTY(&d->sessions))
		session_abandon(TAILQ_FIRST(&d->sessions));
	refusals_free(&d->refusals);
	channel_free(&d->store);
	channel_free(&d->auth);
	tls_server_unref(&d->tls);
	for (unsigned i = 0; i < d->spare_count; i++)
		buf_fini(&d->spare[i]);
	arena_fini(&d->scratch);
	buf_fini(&d->text);
	settings_unref(&d->settings);
	free(d);
}

int smtpd_configure(struct smtpd *d, const struct conf *conf, struct buf *error)
{
	struct settings *settings;
	int r = settings_new(conf, &settings, error);

	if (r < 0)
		return r;
	settings_unref(&d->settings);
	d->settings = settings;
	return 0;
}

/* Each session that holds `grant` (empty: any grant) ends. Ending does not free, so the list stays. */
static void end_logins(struct smtpd *d, struct view grant)
{
	struct session *s;

	TAILQ_FOREACH (s, &d->sessions, link) {
		struct view own = auth_grant(s);

		if (own.n && (grant.n == 0 || view_eq(own, grant)))
			session_part(s, &reply_login_ended);
	}
}

/* Each once: who still finds no room stalls again, at the end of the list. */
static void wake_stalled(struct smtpd *d)
{
	for (uint64_t n = d->stalled_count; n && !TAILQ_EMPTY(&d->stalled); n--)
		session_run(TAILQ_FIRST(&d->stalled));
}

static void on_store_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	const struct smtp_msg *m = msg;
	struct smtpd *d = ctx;

	(void)c;
	(void)id;
	if (m->type == SMTP_GRANT_ENDED && m->grant_ended.grant.n)
		end_logins(d, m->grant_ended.grant);
	else if (m->type == SMTP_SPACE)
		d->space_low = m->space.low;
}

/* stored knows the grants of its channel only: who is logged in has to do it again. */
static void store_lost(struct smtpd *d)
{
	end_logins(d, VIEW_EMPTY);
	wake_stalled(d);
}

static void on_store_close(void *ctx, struct channel *c)
{
	struct smtpd *d = ctx;

	if (d->store == c)
		d->store = NULL;
	store_lost(d);
}

static void on_store_drain(void *ctx, struct channel *c)
{
	(void)c;
	wake_stalled(ctx);
}

int smtpd_set_store(struct smtpd *d, int fd)
{
	static const struct channel_handlers handlers = {on_store_msg, on_store_close, on_store_drain};
	unsigned self = d->kind == SMTPD_MX ? SMTP_PEER_MX : SMTP_PEER_SUBMISSION;

	if (d->store) {
		channel_free(&d->store);
		store_lost(d);
	}
	d->space_low = false;
	d->store = channel_new(d->base, fd, &smtp_proto, self, SMTP_PEER_STORE, &handlers, d);
	return 0;
}

int smtpd_set_auth(struct smtpd *d, int fd)
{
	return channel_renew(&d->auth, d->base, fd, &auth_proto, AUTH_PEER_SUBMISSION, AUTH_PEER_AUTH);
}

void smtpd_set_tls(struct smtpd *d, struct tls_server *tls)
{
	tls_server_unref(&d->tls);
	d->tls = tls;
}

void smtpd_accept(struct smtpd *d, struct stream *stream, const char *service, bool tls_first)
{
	d->session_count++;
	d->accepted_count++;
	session_new(d, stream, service, tls_first);
	if (d->stopping)
		session_part(TAILQ_LAST(&d->sessions, session_list), &reply_shutting_down);
}

void smtpd_stop(struct smtpd *d, void (*fn)(void *ctx), void *ctx)
{
	struct session *s;

	d->stopping = true;
	d->on_stopped = fn;
	d->on_stopped_ctx = ctx;
	TAILQ_FOREACH (s, &d->sessions, link)
		session_part(s, &reply_shutting_down);
	d->session_count++;
	smtpd_session_gone(d);
}

void smtpd_session_gone(struct smtpd *d)
{
	void (*fn)(void *ctx) = d->on_stopped;

	d->session_count--;
	if (!d->stopping || d->session_count || !fn)
		return;
	d->on_stopped = NULL;
	refusals_flush(d->refusals);
	channel_flush(d->store);
	fn(d->on_stopped_ctx);
}

bool smtpd_store_has_room(const struct smtpd *d)
{
	return !d->store || !channel_is_full(d->store);
}

void smtpd_stall(struct smtpd *d, struct session *s)
{
	if (s->stalled)
		return;
	s->stalled = true;
	d->stalled_count++;
	TAILQ_INSERT_TAIL(&d->stalled, s, stalled_link);
}

void smtpd_unstall(struct smtpd *d, struct session *s)
{
	if (!s->stalled)
		return;
	s->stalled = false;
	d->stalled_count--;
	TAILQ_REMOVE(&d->stalled, s, stalled_link);
}

struct view smtpd_text(struct smtpd *d, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	buf_reset(&d->text);
	buf_append_cstr(&d->text, text);
	return buf_view(&d->text);
}

struct buf smtpd_take_buffer(struct smtpd *d, size_t max_bytes)
{
	struct buf b = BUF_INIT(max_bytes);

	if (d->spare_count)
		b = d->spare[--d->spare_count];
	b.max = max_bytes;
	return b;
}

void smtpd_give_buffer(struct smtpd *d, struct buf *b)
{
	if (b->p && b->cap <= SPARE_BUFFER_MAX && d->spare_count < SMTPD_SPARE_BUFFERS) {
		buf_reset(b);
		d->spare[d->spare_count++] = *b;
		*b = BUF_INIT(b->max);
	} else {
		buf_fini(b);
	}
}
