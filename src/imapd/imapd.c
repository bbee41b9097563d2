/* SPDX-License-Identifier: ISC
 * The process: what its sessions share, and what they wait for. */
#include "imapd/imapd.h"

#include "imapd/command.h"
#include "imapd/notify.h"

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
	struct conn *c;
	bool more = false;

	(void)fd;
	(void)what;
	TAILQ_FOREACH (c, &d->front.conns, link)
		more |= command_tell_progress(session_of(c));
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

static bool awaits(const struct conn *c, enum command_wait wait)
{
	const struct command *command = ((const struct session *)c)->command;

	return command && command->wait == wait;
}

/* Who waits again is not run again before the loop has looked at what came in. */
static void on_turns(evutil_socket_t fd, short what, void *ctx)
{
	struct imapd *d = ctx;
	struct conn *c;

	(void)fd;
	(void)what;
	TAILQ_FOREACH (c, &d->front.conns, link) {
		if (!awaits(c, AWAIT_TURN))
			continue;
		session_of(c)->command->answered = true;
		conn_run(c);
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
	*d = (struct imapd){0};
	front_init(&d->front, &session_protocol, base, index);
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

	front_configure(&d->front, conf, conf->imap_idle_timeout);
	s->max_message_bytes = conf->max_message_size;
	s->max_bytes_in_flight = conf->max_bytes_in_flight;
	s->unauthenticate = conf->imap_unauthenticate;
}

static struct session *find(const struct front *f, uint64_t store_id)
{
	return (struct session *)front_find(f, store_id);
}

void imapd_on_store_msg(struct front *f, const struct mailbox_msg *m)
{
	struct session *s;

	if (m->type == MAILBOX_CHANGED) {
		s = find(f, m->changed.session);
		if (s)
			session_notice(s, &m->changed);
	} else if (m->type == MAILBOX_ACCOUNT_CHANGED) {
		s = find(f, m->account_changed.session);
		if (s)
			notify_account_changed(s);
	} else if (m->type == MAILBOX_ANNOTATED) {
		s = find(f, m->annotated.session);
		if (s)
			notify_annotated(s, &m->annotated);
	}
}

void imapd_on_store_room(struct front *f)
{
	struct conn *c;

	TAILQ_FOREACH (c, &f->conns, link)
		if (awaits(c, AWAIT_CHANNEL))
			conn_run(c);
}

void imapd_fini(struct imapd *d)
{
	front_fini(&d->front);
	event_free(d->progress);
	event_free(d->turns);
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
