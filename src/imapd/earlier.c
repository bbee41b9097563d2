/* SPDX-License-Identifier: ISC
 * What happened to a mailbox before the session looked at it. */
#include "imapd/earlier.h"

#include "imapd/command.h"

struct vanished_line {
	struct session *session;
	struct imap_set_writer set;
	bool begun;
};

static void add(struct vanished_line *line, uint32_t first, uint32_t last)
{
	if (first > last)
		return;
	if (!line->begun) {
		buf_append_cstr(session_out(line->session), "* VANISHED (EARLIER) ");
		imap_set_writer_init(&line->set, session_out(line->session));
		line->begun = true;
	}
	imap_set_writer_add_span(&line->set, first, last);
}

/* Without what the session still has: that is told later, as what goes under its eyes. */
static void add_unknown(struct vanished_line *line, uint32_t first, uint32_t last)
{
	const struct seqmap *map = &line->session->selected->map;
	struct seqmap_span seqs, uids;

	if (first > last)
		return;
	if (seqmap_find(map, first, last, &seqs)) {
		for (uint32_t at = seqs.first; seqmap_next_uids(map, &at, seqs.last, &uids);) {
			if (uids.first > first)
				add(line, first, uids.first - 1);
			if (uids.last >= last)
				return;
			first = uids.last + 1;
		}
	}
	add(line, first, last);
}

enum step earlier_ask(struct session *s, struct command *c, const struct earlier *e)
{
	struct mailbox_changes_want want = {
	    .session = s->conn.store_id,
	    .mailbox = s->selected->mailbox,
	    .since = e->since,
	    .uid_from = e->uid_from ? e->uid_from : 1,
	    .all = true,
	};

	return command_await_answer(
	    c, mailbox_call_changes_want(session_store(s), &want, STORE_DEADLINE_MS, command_on_answer, s));
}

/* stored takes it that the session heard of what the page knew: what is new in it is to be told. */
static void hear(struct selected *x, const struct mailbox_changes *m)
{
	if (m->highestmodseq > x->latest)
		x->latest = m->highestmodseq;
	x->noticed = x->noticed || x->latest > x->told;
}

void earlier_tell_vanished(struct session *s, const struct earlier *e, const struct mailbox_changes *m)
{
	struct vanished_line line = {.session = s};
	uint32_t at = 0;

	hear(s->selected, m);
	for (uint32_t i = 0; i < m->n_vanished; i++) {
		uint32_t first = m->vanished[i].first, last = m->vanished[i].last;

		if (first <= e->above)
			first = e->above + 1;
		if (!e->has_known) {
			add_unknown(&line, first, last);
			continue;
		}
		while (at < e->known.count && e->known.spans[at].last < first)
			at++;
		for (uint32_t k = at; k < e->known.count && e->known.spans[k].first <= last; k++)
			add_unknown(&line, e->known.spans[k].first > first ? e->known.spans[k].first : first,
				    e->known.spans[k].last < last ? e->known.spans[k].last : last);
	}
	if (line.begun) {
		imap_set_writer_end(&line.set);
		buf_append_cstr(session_out(s), "\r\n");
	}
}

void earlier_tell_rows(struct session *s, const struct earlier *e, const struct mailbox_changes *m)
{
	hear(s->selected, m);
	sync_meet_keywords(s, m, 0);
	for (uint32_t i = 0; i < m->n_rows; i++)
		if (!e->has_known || imap_set_has(&e->known, m->rows[i].uid))
			sync_tell_flags(s, true, &m->rows[i]);
}

/* ---- message sequence match data ---- */

/* The numbers of a set, span by span. */
struct walk {
	const struct imap_set *set;
	uint32_t at;
	uint32_t next, last; /* of the span at hand */
};

/* False: over, or not ascending. */
static bool fill(struct walk *w)
{
	const struct imap_span *span;

	if (w->next && w->next <= w->last)
		return true;
	if (w->at == w->set->count)
		return false;
	span = &w->set->spans[w->at++];
	if (span->first <= w->last || span->last < span->first)
		return false;
	w->next = span->first;
	w->last = span->last;
	return true;
}

/* The last of `n` neighbours from (seq, uid) on that are what they were; 0: none. */
static uint32_t match_run(const struct seqmap *map, uint32_t seq, uint32_t uid, uint32_t n)
{
	uint32_t at = seq, before = seq, found = 0;
	struct seqmap_span uids;

	while (seqmap_next_uids(map, &at, seq + (n - 1), &uids)) {
		if (uids.first >= before && uids.first - before == uid - seq)
			found = uids.last;
		before = at;
	}
	return found;
}

uint32_t earlier_match(const struct selected *x, const struct imap_set *numbers, const struct imap_set *uids)
{
	struct walk seq = {.set = numbers}, uid = {.set = uids};
	uint32_t found = 0;

	while (fill(&seq) && fill(&uid)) {
		uint32_t n = seq.last - seq.next < uid.last - uid.next ? seq.last - seq.next : uid.last - uid.next;
		uint32_t run = match_run(&x->map, seq.next, uid.next, n + 1);

		if (run > found)
			found = run;
		if (seq.next > UINT32_MAX - n - 1 || uid.next > UINT32_MAX - n - 1)
			break;
		seq.next += n + 1;
		uid.next += n + 1;
	}
	return found;
}
