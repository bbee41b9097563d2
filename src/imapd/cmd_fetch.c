/* SPDX-License-Identifier: ISC
 * FETCH and UID FETCH. */
#include "imapd/commands.h"
#include "imapd/fetch.h"
#include "imapd/selected.h"
#include "mail/imap_args.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SPANS_MAX = 8192 }; /* of one rows_want */

static void forget_page(struct fetch *f)
{
	free(f->page.copy);
	f->page = (struct fetch_page){0};
	free(f->seen);
	f->seen = NULL;
	f->n_seen = 0;
}

void fetch_forget(struct fetch *f)
{
	forget_page(f);
	fetch_row_fini(&f->row);
}

static void forget(struct command *c)
{
	fetch_forget(c->state);
}

/* ---- a page that has to outlive the answer it came in ---- */

static struct view *row_views(struct mailbox_row *row, size_t i)
{
	struct view *views[] = {&row->keywords, &row->header, &row->index, &row->message, &row->uidl};

	return i < ARRAY_LEN(views) ? views[i] : NULL;
}

static size_t row_bytes(const struct mailbox_row *row)
{
	return row->keywords.n + row->header.n + row->index.n + row->message.n + row->uidl.n;
}

static void copy_rows(struct fetch_page *page, struct mailbox_row *to, char *bytes, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct view *v;

		to[i] = page->rows[page->at + i];
		for (size_t j = 0; (v = row_views(&to[i], j)); j++) {
			if (!v->p || v->n == 0)
				continue;
			memcpy(bytes, v->p, v->n);
			v->p = bytes;
			bytes += v->n;
		}
	}
}

static void keep_page(struct fetch_page *page)
{
	uint32_t n = page->n - page->at;
	size_t rows_bytes = n * sizeof(struct mailbox_row), total = rows_bytes;
	char *copy;

	if (page->copy || n == 0)
		return;
	for (uint32_t i = 0; i < n; i++)
		total += row_bytes(&page->rows[page->at + i]);
	copy = xmalloc(total);
	copy_rows(page, (struct mailbox_row *)copy, copy + rows_bytes, n);
	*page = (struct fetch_page){.rows = (struct mailbox_row *)copy, .n = n, .copy = copy};
}

/* ---- what is asked of stored ---- */

static enum step ask_rows(struct session *s, struct command *c, struct fetch *f)
{
	struct mailbox_rows_want m = {
	    .session = s->conn.store_id,
	    .mailbox = s->selected->mailbox,
	    .ranges = f->spans + f->span_at,
	    .n_ranges = f->n_spans - f->span_at,
	    .uid_from = f->uid_from,
	    .fields = fetch_marks_fields(f),
	    .changed_since = f->args.changedsince ? f->args.changedsince_modseq : 0,
	    .inline_max = FETCH_INLINE_MAX,
	};

	if (m.n_ranges > SPANS_MAX)
		m.n_ranges = SPANS_MAX;
	f->spans_asked = m.n_ranges;
	f->asked = FETCH_ASKED_ROWS;
	return command_await_answer(
	    c, mailbox_call_rows_want(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

static enum step mark_seen(struct session *s, struct command *c, struct fetch *f)
{
	struct mailbox_flags m = {
	    .session = s->conn.store_id,
	    .mailbox = s->selected->mailbox,
	    .ranges = f->seen,
	    .n_ranges = f->n_seen,
	    .mode = IMAP_STORE_ADD,
	    .flags = IMAP_SEEN,
	    .unchanged_since = UINT64_MAX,
	};

	f->asked = FETCH_ASKED_FLAGS;
	return command_await_answer(c,
				    mailbox_call_flags(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

/* ---- the walk ---- */

static enum step over(struct session *s, struct command *c, const struct fetch *f)
{
	struct log_line l;

	if (f->damaged) {
		conn_log_begin(&l, &s->conn, LOG_LEVEL_ERROR, "message_unreadable");
		log_u64(&l, "mailbox", s->selected->mailbox);
		log_end(&l);
		return command_no(c, "[SERVERBUG]", "Some of it cannot be read");
	}
	if (f->unknown_cte)
		return command_no(c, "[UNKNOWN-CTE]", "A part is encoded in a way that is not known");
	if (c->result == COMMAND_OK && f->written < f->wanted)
		return command_no(c, "[EXPUNGEISSUED]", "Some of these messages are gone");
	return STEP_DONE;
}

/* False: that was the last page. */
static bool advance(struct fetch *f)
{
	f->uid_from = f->next;
	if (f->next == 0) {
		f->span_at += f->spans_asked;
		f->uid_from = 1;
	}
	return f->span_at < f->n_spans;
}

static enum step next_page(struct session *s, struct command *c, struct fetch *f)
{
	forget_page(f);
	return advance(f) ? ask_rows(s, c, f) : over(s, c, f);
}

/* Whether stored may look for the next page while this one is written: nothing else is to be asked for these rows, and there is room for
 * one page more than there should be. */
static bool reads_ahead(const struct session *s, const struct fetch *f)
{
	return !f->marks_seen && !f->args.sections && !(f->args.items & (IMAP_FETCH_PREVIEW | IMAP_FETCH_THREADID)) &&
	       (f->next || f->span_at + f->spans_asked < f->n_spans) && !stream_is_full(s->conn.stream);
}

static enum step write_ahead(struct session *s, struct command *c, struct fetch *f)
{
	enum step step = STEP_DONE;

	if (advance(f))
		step = ask_rows(s, c, f);
	channel_flush(session_store(s));
	f->ahead = true;
	for (; f->page.at < f->page.n; f->page.at++) {
		enum step written = fetch_row_write(s, c, f);

		assert(written == STEP_DONE); /* rows without sections need nothing */
		(void)written;
	}
	f->ahead = false;
	forget_page(f);
	return step;
}

static enum step write_rows(struct session *s, struct command *c, struct fetch *f)
{
	while (f->page.at < f->page.n) {
		enum step step = fetch_row_write(s, c, f);

		if (step == STEP_WAIT)
			keep_page(&f->page);
		if (step != STEP_DONE)
			return step;
		f->page.at++;
	}
	return f->n_seen ? mark_seen(s, c, f) : next_page(s, c, f);
}

static enum step take_marks(struct session *s, struct command *c, struct fetch *f)
{
	const struct mailbox_marks *m = &c->answer->marks;
	enum step step = STEP_DONE;
	bool ahead;

	f->next = m->next;
	ahead = reads_ahead(s, f);
	if (ahead) {
		(void)advance(f);
		step = ask_rows(s, c, f);
		channel_flush(session_store(s));
	}
	fetch_marks_write(s, f, m);
	if (ahead)
		return step;
	return stream_is_full(s->conn.stream) ? command_await_drain(c) : next_page(s, c, f);
}

static void meet_keywords(struct session *s, const struct fetch *f)
{
	struct selected_meeting met = {.session = s};

	for (uint32_t i = 0; i < f->page.n; i++)
		selected_meet(&met, f->page.rows[i].uid, f->page.rows[i].keywords);
	selected_say_met(&met);
}

static enum step take_rows(struct session *s, struct command *c, struct fetch *f)
{
	if (c->answer && c->answer->type == MAILBOX_MARKS)
		return take_marks(s, c, f);
	if (!c->answer || c->answer->type != MAILBOX_ROWS)
		return command_failed(c, "[NONEXISTENT]");
	f->page = (struct fetch_page){.rows = c->answer->rows.rows, .n = c->answer->rows.n_rows};
	f->next = c->answer->rows.next;
	meet_keywords(s, f);
	if (reads_ahead(s, f))
		return write_ahead(s, c, f);
	if (f->marks_seen)
		f->seen = xcalloc(f->page.n ? f->page.n : 1, sizeof *f->seen);
	return write_rows(s, c, f);
}

static enum step marked(struct session *s, struct command *c, struct fetch *f)
{
	const struct mailbox_msg *m = c->answer;

	if (!m || m->type != MAILBOX_FLAGS_DONE)
		return command_failed(c, "[NONEXISTENT]");
	if (m->flags_done.more)
		return command_await(c, AWAIT_ANSWER);
	/* The FETCH responses have shown it; only a client that follows modseqs has to hear of it. */
	selected_wrote(s->selected, m->flags_done.before, m->flags_done.highestmodseq, !s->condstore);
	return next_page(s, c, f);
}

/* ---- (CHANGEDSINCE … VANISHED): what has vanished comes before all else (RFC 7162 §3.2.6) ---- */

static enum step ask_vanished(struct session *s, struct command *c, struct fetch *f)
{
	f->asked = FETCH_ASKED_VANISHED;
	return earlier_ask(s, c, &f->earlier);
}

static enum step take_vanished(struct session *s, struct command *c, struct fetch *f)
{
	const struct mailbox_changes *m = c->answer ? &c->answer->changes : NULL;

	if (!m || c->answer->type != MAILBOX_CHANGES)
		return command_failed(c, "[NONEXISTENT]");
	earlier_tell_vanished(s, &f->earlier, m);
	f->earlier.uid_from = m->next;
	if (stream_is_full(s->conn.stream))
		return command_await_drain(c);
	if (m->next)
		return ask_vanished(s, c, f);
	return f->n_spans ? ask_rows(s, c, f) : STEP_DONE;
}

/* There was no room behind a page. */
static enum step go_on_vanished(struct session *s, struct command *c, struct fetch *f)
{
	if (f->earlier.uid_from)
		return ask_vanished(s, c, f);
	return f->n_spans ? ask_rows(s, c, f) : STEP_DONE;
}

enum step fetch_go_on(struct session *s, struct command *c, struct fetch *f)
{
	if (f->asked == FETCH_ASKED_VANISHED)
		return c->answered ? take_vanished(s, c, f) : go_on_vanished(s, c, f);
	switch (c->answered ? f->asked : FETCH_ASKED_NOTHING) {
	case FETCH_ASKED_ROWS:
		return take_rows(s, c, f);
	case FETCH_ASKED_FLAGS:
		return marked(s, c, f);
	case FETCH_ASKED_BYTES:
	case FETCH_ASKED_VANISHED:
	case FETCH_ASKED_NOTHING:
		break;
	}
	return write_rows(s, c, f);
}

/* ---- the beginning ---- */

static enum step prepare(struct session *s, struct command *c, struct fetch *f)
{
	struct imap_fetch *args = &f->args;

	if (args->changedsince)
		args->items |= IMAP_FETCH_MODSEQ; /* RFC 7162 §3.1.4.1 */
	if (args->items & IMAP_FETCH_MODSEQ)
		session_enable_condstore(s);
	if ((c->spec->flags & COMMAND_UID) && !s->uidonly) /* UIDFETCH begins with it (RFC 9586 §3.3) */
		args->items |= IMAP_FETCH_UID;
	f->marks_seen = args->sets_seen && !s->selected->read_only;
	f->fields = fetch_fields(args) | (f->marks_seen ? 1 << 0 : 0);
	f->uid_from = 1;
	f->row.section = args->sections;
	if (args->vanished) {
		f->earlier.since = args->changedsince_modseq;
		return ask_vanished(s, c, f);
	}
	return f->n_spans ? ask_rows(s, c, f) : STEP_DONE;
}

enum step fetch_begin(struct session *s, struct command *c, struct fetch *f)
{
	fetch_row_init(&f->row);
	if (s->condstore) /* RFC 7162 §3.1 */
		f->args.items |= IMAP_FETCH_MODSEQ | (s->uidonly ? 0 : IMAP_FETCH_UID);
	return prepare(s, c, f);
}

/* Only those at the positions asked for (RFC 9394 §3.3). */
static bool cut_spans(const struct selected *x, struct command *c, struct fetch *f)
{
	struct mailbox_range *kept = arena_array(&c->arena, f->n_spans + 1, sizeof *kept);
	uint32_t first, last, total = 0, n = 0, at = 1;

	if (!kept)
		return false;
	for (uint32_t i = 0; i < f->n_spans; i++)
		total += seqmap_seq(&x->map, f->spans[i].last) - seqmap_seq(&x->map, f->spans[i].first) + 1;
	if (!imap_partial_of(&f->args.partial, total, &first, &last))
		first = 1, last = 0;
	for (uint32_t i = 0; i < f->n_spans; i++) {
		uint32_t seq = seqmap_seq(&x->map, f->spans[i].first);
		uint32_t end = at + seqmap_seq(&x->map, f->spans[i].last) - seq;
		uint32_t from = at > first ? at : first, to = end < last ? end : last;

		if (from <= to)
			kept[n++] = (struct mailbox_range){seqmap_uid(&x->map, seq + (from - at)),
							   seqmap_uid(&x->map, seq + (to - at))};
		at = end + 1;
	}
	f->spans = kept;
	f->n_spans = n;
	return true;
}

static uint64_t count(const struct selected *x, const struct fetch *f)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < f->n_spans; i++)
		n += seqmap_seq(&x->map, f->spans[i].last) - seqmap_seq(&x->map, f->spans[i].first) + 1;
	return n;
}

static enum step begin(struct session *s, struct command *c, const struct imap_arg *items)
{
	struct fetch *f = command_state(c, sizeof *f);
	bool uids = (c->spec->flags & COMMAND_UID) != 0;
	const char *error;
	struct imap_set set;

	fetch_row_init(&f->row);
	c->forget = forget;
	if (!command_set_arg(c, c->args, &set))
		return command_bad(c, "Not a set of messages");
	if (!imap_fetch_parse(items, &c->arena, &f->args, &error))
		return command_bad(c, error);
	if ((f->args.vanished || f->args.has_partial) && !uids)
		return command_bad(c, "Not without UID");
	if (f->args.vanished && !s->qresync)
		return command_bad(c, "QRESYNC was not enabled");
	if (!selected_resolve(s->selected, &set, uids, &c->arena, &f->spans, &f->n_spans))
		return command_bad(c, "There is no such message");
	f->earlier.has_known = true;
	f->earlier.known = set; /* resolved */
	if (f->args.has_partial && !cut_spans(s->selected, c, f))
		return command_no(c, "[LIMIT]", "The set has too many parts");
	if (!uids && !f->args.changedsince)
		f->wanted = count(s->selected, f);
	return prepare(s, c, f);
}

static enum step fetch(struct session *s, struct command *c)
{
	if (c->state)
		return fetch_go_on(s, c, c->state);
	return c->args ? begin(s, c, c->args->next) : command_bad(c, "A set and items are needed");
}

const struct command_spec cmd_fetch_table[] = {
    {"FETCH", fetch, SESSION_SELECTED, COMMAND_NO_EXPUNGE | COMMAND_NUMBERS},
    {"UID FETCH", fetch, SESSION_SELECTED, COMMAND_UID},
    {NULL, NULL, 0, 0},
};
