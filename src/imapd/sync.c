/* SPDX-License-Identifier: ISC
 * Tells the client what happened to its mailbox.
 *
 * Each page of changes covers a span of UIDs and is a snapshot of its own. What the first page knew counts as told afterwards:
 * arrivals it did not know are left to the next round (stored need not name an expunge of what came after `since`), and flags that later
 * pages knew better are told again, which does no harm. Of one page, flags go first, under the numbers the client has, then arrivals,
 * then expunges from the last to the first, so that no number moves under another. */
#include "imapd/sync.h"

#include "imapd/command.h"
#include "imapd/notify.h"
#include "imapd/selected.h"

#include <stdlib.h>

enum { EXPUNGES_A_PIECE = 512, VANISHED_A_LINE = 1024 };

void sync_fini(struct sync *y)
{
	free(y->gone);
	free(y->vanished);
	*y = (struct sync){0};
}

bool sync_is_under_way(const struct sync *y)
{
	return y->asked || y->began;
}

bool sync_is_due(const struct session *s, bool expunges)
{
	const struct selected *x = s->selected;

	return x && (x->noticed || x->latest > x->told || (expunges && x->held_n));
}

static enum step ask(struct session *s, struct command *c)
{
	struct selected *x = s->selected;
	struct mailbox_changes_want want = {
	    .session = s->conn.store_id,
	    .mailbox = x->mailbox,
	    .since = x->told,
	    .uid_from = c->sync.uid_from,
	};

	x->noticed = false;
	c->sync.asked = true;
	return command_await_answer(
	    c, mailbox_call_changes_want(session_store(s), &want, STORE_DEADLINE_MS, command_on_answer, s));
}

void sync_meet_keywords(struct session *s, const struct mailbox_changes *m, uint64_t above_modseq)
{
	struct selected_meeting met = {.session = s};

	for (uint32_t i = 0; i < m->n_rows; i++)
		if (m->rows[i].modseq > above_modseq)
			selected_meet(&met, m->rows[i].uid, m->rows[i].keywords);
	selected_say_met(&met);
}

void sync_tell_flags(struct session *s, bool with_uid, const struct mailbox_change *row)
{
	struct buf *out = session_out(s);

	if (!selected_begin_fetch(s, row->uid))
		return;
	if (!s->uidonly && (s->condstore || with_uid))
		buf_printf(out, "UID %u ", row->uid);
	selected_format_flags(out, row->flags, row->keywords);
	if (s->condstore)
		buf_printf(out, " MODSEQ (%llu)", (unsigned long long)row->modseq);
	buf_append_cstr(out, ")\r\n");
}

static void take_rows(struct session *s, struct command *c, const struct mailbox_changes *m)
{
	struct selected *x = s->selected;
	bool arrived = false;

	if (notify_tells_flags(s, c->spec->flags))
		sync_meet_keywords(s, m, x->told);
	for (uint32_t i = 0; i < m->n_rows; i++) {
		const struct mailbox_change *row = &m->rows[i];
		uint32_t seq = seqmap_seq(&x->map, row->uid);

		if (seq && row->modseq > x->told) {
			if (notify_tells_flags(s, c->spec->flags))
				sync_tell_flags(s, (c->spec->flags & COMMAND_UID) || s->notify, row);
		} else if (!seq && row->uid < x->uidnext && seqmap_append(&x->map, row->uid, row->uid)) {
			arrived = true;
			notify_arrived(s, row->uid);
		}
	}
	if (arrived) {
		buf_append_cstr(session_out(s), "* ");
		buf_append_u64(session_out(s), x->map.count);
		buf_append_cstr(session_out(s), " EXISTS\r\n");
	}
}

/* The numbers of those vanished that the client knows: into y->gone, ascending and apart. False: not as stored promised. */
static bool find_vanished(const struct selected *x, struct sync *y, const struct mailbox_changes *m)
{
	y->gone = xcalloc(m->n_vanished ? m->n_vanished : 1, sizeof *y->gone);
	y->gone_n = 0;
	for (uint32_t i = 0; i < m->n_vanished; i++) {
		struct seqmap_span *span = &y->gone[y->gone_n];

		if (!seqmap_find(&x->map, m->vanished[i].first, m->vanished[i].last, span))
			continue;
		if (y->gone_n && span->first <= span[-1].last)
			return false;
		y->gone_n++;
	}
	return true;
}

/* The numbers in y->gone as UIDs. */
static void hold_back(struct selected *x, struct sync *y)
{
	for (size_t i = 0; i < y->gone_n; i++)
		y->gone[i] =
		    (struct seqmap_span){seqmap_uid(&x->map, y->gone[i].first), seqmap_uid(&x->map, y->gone[i].last)};
	selected_hold(x, y->gone, y->gone_n);
	y->gone_n = 0;
}

static void add_vanished(struct sync *y, struct seqmap_span uids)
{
	if ((y->vanished_n & (y->vanished_n + 1)) == 0)
		y->vanished = xrealloc(y->vanished, (y->vanished_n * 2 + 2) * sizeof *y->vanished);
	y->vanished[y->vanished_n++] = uids;
}

/* The numbers in y->gone go; the client will hear of each number, or, exactly, of each UID (RFC 7162 §3.2.10.2). */
static void remove_gone(struct session *s, struct sync *y)
{
	struct seqmap *map = &s->selected->map;
	struct seqmap_span uids;

	if (session_tells_vanished(s)) {
		for (size_t i = 0; i < y->gone_n; i++)
			for (uint32_t at = y->gone[i].first; seqmap_next_uids(map, &at, y->gone[i].last, &uids);)
				add_vanished(y, uids);
	}
	seqmap_remove(map, y->gone, y->gone_n);
	if (session_tells_vanished(s))
		y->gone_n = 0;
}

static bool take_vanished(struct session *s, struct sync *y, const struct mailbox_changes *m)
{
	free(y->gone);
	y->gone = NULL;
	y->gone_n = 0;
	if (m->n_vanished == 0)
		return true;
	if (!find_vanished(s->selected, y, m))
		return false;
	if (y->gone_n && !y->expunges)
		hold_back(s->selected, y);
	else if (y->gone_n)
		remove_gone(s, y);
	return true;
}

/* What was held back is told now. */
static void take_held(struct session *s, struct sync *y)
{
	struct selected *x = s->selected;

	y->gone = x->held;
	y->gone_n = 0;
	for (size_t i = 0; i < x->held_n; i++)
		if (seqmap_find(&x->map, x->held[i].first, x->held[i].last, &y->gone[y->gone_n]))
			y->gone_n++;
	remove_gone(s, y);
	x->held = NULL;
	x->held_n = 0;
	y->flushed = true;
}

/* The page is known; what it says of expunges is told by tell_expunges(). */
static bool take_page(struct session *s, struct command *c, const struct mailbox_changes *m)
{
	struct sync *y = &c->sync;

	if (!y->began) {
		y->highestmodseq = m->highestmodseq;
		if (m->uidnext > s->selected->uidnext)
			s->selected->uidnext = m->uidnext;
	}
	y->began = true;
	y->uid_from = m->next;
	if (m->highestmodseq > s->selected->latest)
		s->selected->latest = m->highestmodseq;
	take_rows(s, c, m);
	return take_vanished(s, y, m);
}

static bool tell_vanished(struct session *s, struct sync *y)
{
	struct imap_set_writer w;

	while (y->vanished_at < y->vanished_n) {
		if (stream_is_full(s->conn.stream))
			return false;
		buf_append_cstr(session_out(s), "* VANISHED ");
		imap_set_writer_init(&w, session_out(s));
		for (size_t n = 0; n < VANISHED_A_LINE && y->vanished_at < y->vanished_n; n++, y->vanished_at++)
			imap_set_writer_add_span(&w, y->vanished[y->vanished_at].first,
						 y->vanished[y->vanished_at].last);
		imap_set_writer_end(&w);
		buf_append_cstr(session_out(s), "\r\n");
	}
	free(y->vanished);
	y->vanished = NULL;
	y->vanished_n = y->vanished_at = 0;
	return true;
}

static bool tell_expunges(struct session *s, struct sync *y)
{
	unsigned told = 0;

	while (y->gone_n) {
		struct seqmap_span *span = &y->gone[y->gone_n - 1];

		if (++told % EXPUNGES_A_PIECE == 0 && stream_is_full(s->conn.stream))
			return false;
		conn_say(&s->conn, "* %u EXPUNGE", span->last);
		if (span->last-- == span->first)
			y->gone_n--;
	}
	return true;
}

static enum step over(struct session *s, struct sync *y)
{
	struct selected *x = s->selected;

	if (y->highestmodseq > x->told)
		x->told = y->highestmodseq;
	if (x->told > x->latest)
		x->latest = x->told;
	if (y->flushed && s->qresync)
		conn_say(&s->conn, "* OK [HIGHESTMODSEQ %llu] All is told", (unsigned long long)x->told);
	/* A commit that came after the first page's snapshot is still to be told. */
	if (x->latest > x->told)
		x->noticed = true;
	sync_fini(y);
	return STEP_DONE;
}

static bool has_news(const struct session *s, const struct command *c)
{
	return sync_is_due(s, false) || (c->spec->flags & COMMAND_ASKS);
}

static enum step lost(struct session *s, const char *why)
{
	conn_part(&s->conn, why);
	return STEP_CLOSE;
}

/* Without its mailbox a session cannot go on (RFC 2180 §3), unless it was this command that took it away. */
static enum step gone(struct session *s, struct command *c)
{
	sync_fini(&c->sync);
	if (!(c->spec->flags & COMMAND_DELETES))
		return lost(s, "[CLOSED] The mailbox was deleted");
	conn_say(&s->conn, "* OK [CLOSED] The mailbox is closed");
	session_deselect(s);
	return STEP_DONE;
}

/* Without news now, there is another time: `latest` stays ahead. */
static enum step without_answer(struct session *s, struct command *c)
{
	if (c->answer && c->answer->type == MAILBOX_FAILED && c->answer->failed.code == 1)
		return gone(s, c);
	sync_fini(&c->sync);
	return STEP_DONE;
}

enum step sync_run(struct session *s, struct command *c)
{
	struct sync *y = &c->sync;

	if (y->asked && !c->answered)
		return STEP_WAIT;
	if (c->answered && y->asked) {
		y->asked = false;
		if (!c->answer || c->answer->type != MAILBOX_CHANGES)
			return without_answer(s, c);
		if (c->answer->changes.mailbox_gone)
			return gone(s, c);
		if (!take_page(s, c, &c->answer->changes))
			return lost(s, "[SERVERBUG] The mailbox is not as expected");
	}
	if (!y->began && y->expunges && s->selected->held_n)
		take_held(s, y);
	if (!tell_vanished(s, y) || !tell_expunges(s, y))
		return command_await_drain(c);
	if (y->began ? y->uid_from == 0 : !has_news(s, c))
		return over(s, y);
	return stream_is_full(s->conn.stream) ? command_await_drain(c) : ask(s, c);
}
