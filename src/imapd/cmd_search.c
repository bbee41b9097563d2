/* SPDX-License-Identifier: ISC
 * SEARCH and UID SEARCH, with RETURN (RFC 4731, 5182, 9394). stored finds UIDs, the session's numbers are put to them here; what was found
 * is kept as spans of numbers, and written as the client takes it. */
#include "imapd/commands.h"
#include "imapd/search_program.h"
#include "mail/imap_write.h"

#include <stdlib.h>

enum { PROGRAM_MAX = 786432, NUMBERS_A_PIECE = 1024 };

enum search_phase { SEARCHING, ASKING_MODSEQ, SAYING };

struct search {
	enum search_phase phase;
	struct imap_search_program args;
	struct seqmap_span *hits;
	uint32_t n, cap;
	struct seqmap_span *part; /* those of PARTIAL */
	uint32_t n_part;
	uint64_t modseq;
	/* SAYING */
	bool begun;
	const struct seqmap_span *spans; /* what is said one by one: hits, or part */
	uint32_t n_spans;
	uint32_t span, seq; /* next to say; seq 0: the first of the span */
	struct imap_set_writer set;
};

static void forget(struct command *c)
{
	struct search *search = c->state;

	free(search->hits);
	free(search->part);
}

/* ---- finding ---- */

static bool add_hits(struct search *search, struct seqmap_span seqs)
{
	struct seqmap_span *last = search->n ? &search->hits[search->n - 1] : NULL;

	if (last && seqs.first <= last->last)
		return false;
	if (last && seqs.first == last->last + 1) {
		last->last = seqs.last;
		return true;
	}
	if (search->n == search->cap) {
		search->cap = search->cap ? search->cap * 2 : 16;
		search->hits = xrealloc(search->hits, search->cap * sizeof *search->hits);
	}
	search->hits[search->n++] = seqs;
	return true;
}

static bool take_matches(const struct session *s, struct search *search, const struct mailbox_matches *m)
{
	struct seqmap_span seqs;

	if (m->highestmodseq > search->modseq)
		search->modseq = m->highestmodseq;
	for (uint32_t i = 0; i < m->n_ranges; i++)
		if (seqmap_find(&s->selected->map, m->ranges[i].first, m->ranges[i].last, &seqs) &&
		    !add_hits(search, seqs))
			return false;
	return true;
}

static enum step ask(struct session *s, struct command *c, struct view program)
{
	struct mailbox_range all;
	struct mailbox_search m = {
	    .session = s->conn.store_id,
	    .mailbox = s->selected->mailbox,
	    .ranges = &all,
	    .program = program,
	};

	m.n_ranges = selected_everything(s->selected, &all);
	return command_await_answer(c,
				    mailbox_call_search(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

/* ---- saying ---- */

static bool is_uid(const struct command *c)
{
	return (c->spec->flags & COMMAND_UID) != 0;
}

static uint32_t number_of(const struct session *s, const struct command *c, uint32_t seq)
{
	return is_uid(c) ? seqmap_uid(&s->selected->map, seq) : seq;
}

static uint64_t count_hits(const struct search *search)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < search->n; i++)
		n += search->hits[i].last - search->hits[i].first + 1;
	return n;
}

static void put_one(struct session *s, struct search *search, uint32_t number)
{
	if (search->args.extended) {
		search->set.out = session_out(s);
		imap_set_writer_add(&search->set, number);
		return;
	}
	buf_append_char(session_out(s), ' ');
	buf_append_u64(session_out(s), number);
}

/* The next numbers of one span. */
static void put_piece(struct session *s, const struct command *c, struct search *search)
{
	const struct seqmap_span *span = &search->spans[search->span];
	uint32_t seq = search->seq ? search->seq : span->first;

	for (unsigned n = 0; n < NUMBERS_A_PIECE && seq <= span->last; n++, seq++)
		put_one(s, search, number_of(s, c, seq));
	search->seq = seq;
	if (seq > span->last) {
		search->span++;
		search->seq = 0;
	}
}

/* RFC 4466 §2.6.2, 4731 §3.1 */
static void begin_esearch(struct session *s, const struct command *c, struct search *search)
{
	const uint32_t returns = search->args.returns;
	struct buf *out = session_out(s);

	buf_append_cstr(out, "* ESEARCH (TAG ");
	imap_write_string(out, view_from_cstr(c->tag));
	buf_append_cstr(out, is_uid(c) ? ") UID" : ")");
	if ((returns & IMAP_RETURN_MIN) && search->n)
		buf_printf(out, " MIN %u", number_of(s, c, search->hits[0].first));
	if ((returns & IMAP_RETURN_MAX) && search->n)
		buf_printf(out, " MAX %u", number_of(s, c, search->hits[search->n - 1].last));
	if (returns & IMAP_RETURN_COUNT)
		buf_printf(out, " COUNT %llu", (unsigned long long)count_hits(search));
	if (returns & IMAP_RETURN_PARTIAL) {
		buf_printf(out, " PARTIAL (%.*s ", VIEW_FMT(search->args.partial_text));
		search->spans = search->part;
		search->n_spans = search->n_part;
	} else if (!(returns & IMAP_RETURN_ALL)) {
		search->n_spans = 0;
	} else if (search->n) {
		buf_append_cstr(out, " ALL ");
	}
	imap_set_writer_init(&search->set, out);
}

static void end_response(struct session *s, struct search *search)
{
	struct buf *out = session_out(s);

	if (search->args.extended) {
		search->set.out = out;
		imap_set_writer_end(&search->set);
	}
	if (search->args.returns & IMAP_RETURN_PARTIAL)
		buf_append_cstr(out, search->n_part ? ")" : "NIL)");
	if (search->args.uses_modseq && search->n)
		buf_printf(out, search->args.extended ? " MODSEQ %llu" : " (MODSEQ %llu)",
			   (unsigned long long)search->modseq);
	buf_append_cstr(out, "\r\n");
}

static enum step say(struct session *s, struct command *c, struct search *search)
{
	if (search->args.returns == IMAP_RETURN_SAVE)
		return STEP_DONE; /* RFC 5182 §1: no response */
	if (!search->begun) {
		search->begun = true;
		search->spans = search->hits;
		search->n_spans = search->n;
		if (search->args.extended)
			begin_esearch(s, c, search);
		else
			buf_append_cstr(session_out(s), "* SEARCH");
	}
	while (search->span < search->n_spans) {
		if (stream_is_full(s->conn.stream))
			return command_await_drain(c);
		put_piece(s, c, search);
	}
	end_response(s, search);
	return STEP_DONE;
}

/* RFC 4731 §3.2: of MIN and MAX alone, MODSEQ is that of the messages they name. */
static enum step ask_modseq(struct session *s, struct command *c, struct search *search)
{
	const struct seqmap *map = &s->selected->map;
	uint32_t low = seqmap_uid(map, search->hits[0].first);
	uint32_t high = seqmap_uid(map, search->hits[search->n - 1].last);
	bool min = (search->args.returns & IMAP_RETURN_MIN) != 0, max = (search->args.returns & IMAP_RETURN_MAX) != 0;
	struct mailbox_range ranges[2] = {{min ? low : high, min ? low : high}, {high, high}};
	struct mailbox_rows_want m = {
	    .session = s->conn.store_id,
	    .mailbox = s->selected->mailbox,
	    .ranges = ranges,
	    .n_ranges = min && max && high != low ? 2 : 1,
	    .uid_from = 1,
	    .fields = 1 << 1,
	};

	search->phase = ASKING_MODSEQ;
	return command_await_answer(
	    c, mailbox_call_rows_want(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

/* The hits at the positions asked for (RFC 9394 §3.1). */
static void cut_part(struct search *search)
{
	uint32_t first, last, at = 1;

	if (!imap_partial_of(&search->args.partial, (uint32_t)count_hits(search), &first, &last))
		return;
	search->part = xcalloc(search->n, sizeof *search->part);
	for (uint32_t i = 0; i < search->n && at <= last; i++) {
		uint32_t seq = search->hits[i].first, end = at + (search->hits[i].last - seq);
		uint32_t from = at > first ? at : first, to = end < last ? end : last;

		if (from <= to)
			search->part[search->n_part++] = (struct seqmap_span){seq + (from - at), seq + (to - at)};
		at = end + 1;
	}
}

static void save_one(struct seqmap_span *to, size_t *n, uint32_t seq)
{
	for (size_t i = 0; i < *n; i++)
		if (seq >= to[i].first && seq <= to[i].last)
			return;
	to[(*n)++] = (struct seqmap_span){seq, seq};
}

static int by_first(const void *a, const void *b)
{
	const struct seqmap_span *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* What "$" becomes (RFC 5182 §2.4, 9394 §3.2): all, unless only some are asked for. */
static void save(struct session *s, const struct search *search)
{
	const uint32_t returns = search->args.returns, all = IMAP_RETURN_ALL | IMAP_RETURN_COUNT;
	const uint32_t some = IMAP_RETURN_MIN | IMAP_RETURN_MAX | IMAP_RETURN_PARTIAL;
	struct seqmap_span *kept;
	size_t n = 0;

	if ((returns & all) || !(returns & some) || search->n == 0) {
		selected_save(s->selected, search->hits, search->n);
		return;
	}
	kept = xcalloc(search->n_part + 2, sizeof *kept);
	for (uint32_t i = 0; i < search->n_part; i++)
		kept[n++] = search->part[i];
	if (returns & IMAP_RETURN_MIN)
		save_one(kept, &n, search->hits[0].first);
	if (returns & IMAP_RETURN_MAX)
		save_one(kept, &n, search->hits[search->n - 1].last);
	qsort(kept, n, sizeof *kept, by_first);
	selected_save(s->selected, kept, n);
	free(kept);
}

static enum step found(struct session *s, struct command *c, struct search *search)
{
	const uint32_t many = IMAP_RETURN_ALL | IMAP_RETURN_COUNT | IMAP_RETURN_PARTIAL | IMAP_RETURN_SAVE;
	const struct imap_search_program *args = &search->args;

	if (args->returns & IMAP_RETURN_PARTIAL)
		cut_part(search);
	if (args->returns & IMAP_RETURN_SAVE)
		save(s, search);
	if (args->extended && args->uses_modseq && search->n && !(args->returns & many))
		return ask_modseq(s, c, search);
	search->phase = SAYING;
	return say(s, c, search);
}

static enum step take_modseq(struct session *s, struct command *c, struct search *search)
{
	if (!c->answer || c->answer->type != MAILBOX_ROWS)
		return command_failed(c, "[NONEXISTENT]");
	search->modseq = 0;
	for (uint32_t i = 0; i < c->answer->rows.n_rows; i++)
		if (c->answer->rows.rows[i].modseq > search->modseq)
			search->modseq = c->answer->rows.rows[i].modseq;
	search->phase = SAYING;
	return say(s, c, search);
}

static enum step heard(struct session *s, struct command *c, struct search *search)
{
	const struct mailbox_msg *m = c->answer;

	if (!m || m->type != MAILBOX_MATCHES)
		return command_failed(c, "[NONEXISTENT]");
	if (!take_matches(s, search, &m->matches))
		return command_no(c, "[SERVERBUG]", "The result is not as expected");
	return m->matches.more ? command_await(c, AWAIT_ANSWER) : found(s, c, search);
}

static enum step go_on(struct session *s, struct command *c, struct search *search)
{
	switch (search->phase) {
	case SEARCHING:
		return heard(s, c, search);
	case ASKING_MODSEQ:
		return take_modseq(s, c, search);
	case SAYING:
		return say(s, c, search);
	}
	return STEP_CLOSE;
}

static enum step begin(struct session *s, struct command *c)
{
	struct search *search = command_state(c, sizeof *search);
	struct buf program = BUF_INIT(PROGRAM_MAX);
	enum search_program made;
	const char *error;
	struct view text;

	c->forget = forget;
	if (!imap_search_parse(c->args, &c->arena, &search->args, &error))
		return command_bad(c, error);
	if (s->uidonly && search->args.uses_numbers)
		return command_bad(c, "[UIDREQUIRED] Message numbers are not used in this session");
	if (s->utf8 && search->args.charset.n)
		return command_bad(c, "The charset is UTF-8 (RFC 6855)");
	c->no_expunge = search->args.uses_numbers; /* RFC 9051 §7.5.1 */
	if (s->rev2 && !search->args.extended) { /* RFC 9051 §6.4.4: always ESEARCH */
		search->args.extended = true;
		search->args.returns = IMAP_RETURN_ALL;
	}
	if (search->args.returns & IMAP_RETURN_SAVE)
		selected_save(s->selected, NULL, 0); /* unless it is found out (RFC 5182 §2.1) */
	made = search_program_format(&search->args, s->selected, &c->arena, &program);
	text = arena_copy(&c->arena, buf_view(&program));
	buf_fini(&program);
	if (made == SEARCH_PROGRAM_CHARSET)
		return command_no(c, "[BADCHARSET (US-ASCII UTF-8)]", "The charset is not known");
	if (made == SEARCH_PROGRAM_TOO_LONG || !text.p)
		return command_no(c, "[LIMIT]", "That is too much to search for");
	if (search->args.uses_modseq)
		session_enable_condstore(s);
	if (s->selected->map.count)
		return ask(s, c, text);
	return found(s, c, search);
}

static enum step search_command(struct session *s, struct command *c)
{
	return c->state ? go_on(s, c, c->state) : begin(s, c);
}

const struct command_spec cmd_search_table[] = {
    {"SEARCH", search_command, SESSION_SELECTED, COMMAND_NO_EXPUNGE | COMMAND_NUMBERS},
    {"UID SEARCH", search_command, SESSION_SELECTED, COMMAND_UID},
    {NULL, NULL, 0, 0},
};
