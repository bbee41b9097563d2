/* SPDX-License-Identifier: ISC
 * The selected mailbox as the client believes it to be. */
#include "imapd/selected.h"

#include <stdlib.h>

enum {
	KEYWORDS_MAX = 1 << 20, /* bytes of names a mailbox can have in use */
	KEYWORDS_WALKED = 512, /* so many are looked through name by name */
	KEYWORD_BYTES = 255,
};

static struct view lower(struct view keyword, struct buf *out)
{
	buf_reset(out);
	buf_append_lower(out, keyword);
	return buf_view(out);
}

/* Many names also as a map, so that thousands of keywords cost each message no more than a few do. */
static void map_names(struct selected *x)
{
	struct buf name = BUF_INIT(KEYWORD_BYTES);
	struct view rest = view_sub(buf_view(&x->keywords), x->mapped_bytes, x->keywords.n), one;

	while (view_cut(rest, ' ', &one, &rest))
		(void)map_set(&x->keyword_names, lower(one, &name), x);
	x->mapped_bytes = x->keywords.n;
	buf_fini(&name);
}

static bool is_mapped(const struct selected *x, struct view keyword)
{
	struct buf name = BUF_INIT(KEYWORD_BYTES);
	bool there = map_get(&x->keyword_names, lower(keyword, &name)) != NULL;

	buf_fini(&name);
	return there;
}

static bool knows(const struct selected *x, struct view keyword)
{
	struct view rest = buf_view(&x->keywords), one;

	if (x->mapped_bytes)
		return is_mapped(x, keyword);
	while (view_cut(rest, ' ', &one, &rest))
		if (view_eq_nocase(one, keyword))
			return true;
	return false;
}

/* True: some are new. */
static bool learn(struct selected *x, struct view keywords)
{
	bool learnt = false;

	while (keywords.n) {
		struct view one = keywords, rest = VIEW_EMPTY;

		(void)view_cut(keywords, ' ', &one, &rest);
		if (one.n && !knows(x, one)) {
			buf_append_view(&x->keywords, one);
			buf_append_char(&x->keywords, ' ');
			if (x->keywords.n > KEYWORDS_WALKED)
				map_names(x);
			learnt = true;
		}
		keywords = rest;
	}
	return learnt;
}

struct selected *selected_new(const struct mailbox_opened *m, bool read_only)
{
	struct selected *x = xcalloc(1, sizeof *x);

	x->mailbox = m->mailbox;
	x->read_only = read_only;
	x->uidvalidity = m->uidvalidity;
	x->uidnext = m->uidnext;
	buf_init(&x->keywords, KEYWORDS_MAX);
	map_init(&x->keyword_names);
	for (uint32_t i = 0; i < m->n_keywords; i++)
		(void)learn(x, m->keywords[i].word);
	return x;
}

void selected_free(struct selected **xp)
{
	struct selected *x = *xp;

	if (!x)
		return;
	seqmap_fini(&x->map);
	free(x->held);
	free(x->saved);
	buf_fini(&x->keywords);
	map_fini(&x->keyword_names);
	free(x);
	*xp = NULL;
}

void selected_wrote(struct selected *x, uint64_t before, uint64_t after, bool quiet)
{
	if (after > x->latest)
		x->latest = after;
	if (quiet && before && before == x->told) /* nothing else lies between */
		x->told = after;
}

/* The next span of two ascending lists, joined with what it touches. */
static struct seqmap_span take_next(const struct seqmap_span **a, size_t *a_n, const struct seqmap_span **b,
				    size_t *b_n)
{
	struct seqmap_span span = {0, 0};

	for (;;) {
		const struct seqmap_span **from = *b_n == 0 || (*a_n && (*a)->first <= (*b)->first) ? a : b;
		size_t *n = from == a ? a_n : b_n;

		if (*n == 0 || (span.first && (*from)->first > span.last + 1))
			return span;
		span.first = span.first ? span.first : (*from)->first;
		span.last = (*from)->last > span.last ? (*from)->last : span.last;
		(*from)++;
		(*n)--;
	}
}

void selected_hold(struct selected *x, const struct seqmap_span *uids, size_t n)
{
	struct seqmap_span *both = xcalloc(x->held_n + n + 1, sizeof *both);
	const struct seqmap_span *held = x->held;
	size_t held_n = x->held_n, both_n = 0;

	if (held_n == 0)
		x->held_since = x->told;
	while (held_n || n)
		both[both_n++] = take_next(&held, &held_n, &uids, &n);
	free(x->held);
	x->held = both;
	x->held_n = both_n;
}

void selected_wrote_into(struct session *s, uint32_t uidvalidity)
{
	if (s->selected && s->selected->uidvalidity == uidvalidity)
		s->selected->noticed = true;
}

void selected_say_flags(struct session *s)
{
	const struct selected *x = s->selected;
	struct view keywords = buf_view(&x->keywords);
	struct buf *out = session_out(s);
	const char *system = "\\Answered \\Flagged \\Deleted \\Seen \\Draft";

	keywords.n -= keywords.n ? 1 : 0;
	buf_printf(out, "* FLAGS (%s%s", system, keywords.n ? " " : "");
	buf_append_view(out, keywords);
	buf_append_cstr(out, ")\r\n");
	if (x->read_only) {
		conn_say(&s->conn, "* OK [PERMANENTFLAGS ()] Read-only mailbox");
		return;
	}
	buf_printf(out, "* OK [PERMANENTFLAGS (%s ", system);
	buf_append_view(out, keywords);
	buf_append_cstr(out, keywords.n ? " \\*)] Flags are kept\r\n" : "\\*)] Flags are kept\r\n");
}

void selected_meet(struct selected_meeting *m, uint32_t uid, struct view keywords)
{
	struct selected *x = m->session->selected;

	if (keywords.n == 0 || view_eq(keywords, m->last) || !seqmap_seq(&x->map, uid))
		return;
	m->last = keywords;
	m->learnt |= learn(x, keywords);
}

void selected_say_met(const struct selected_meeting *m)
{
	if (m->learnt)
		selected_say_flags(m->session);
}

void selected_format_flags(struct buf *out, uint32_t flags, struct view keywords)
{
	bool any;

	buf_append_cstr(out, "FLAGS (");
	any = imap_flags_format_system(out,
				       flags & (IMAP_SEEN | IMAP_ANSWERED | IMAP_FLAGGED | IMAP_DELETED | IMAP_DRAFT));
	if (any && keywords.n)
		buf_append_char(out, ' ');
	buf_append_view(out, keywords);
	buf_append_char(out, ')');
}

bool selected_begin_fetch(struct session *s, uint32_t uid)
{
	uint32_t seq = seqmap_seq(&s->selected->map, uid);

	if (!seq)
		return false;
	buf_append_cstr(session_out(s), "* ");
	buf_append_u64(session_out(s), s->uidonly ? uid : seq);
	buf_append_cstr(session_out(s), s->uidonly ? " UIDFETCH (" : " FETCH (");
	return true;
}

/* UIDs, not numbers: those that are expunged drop out by themselves. */
void selected_save(struct selected *x, const struct seqmap_span *seqs, size_t n)
{
	free(x->saved);
	x->saved = n ? xcalloc(n, sizeof *x->saved) : NULL;
	x->saved_n = n;
	for (size_t i = 0; i < n; i++)
		x->saved[i] =
		    (struct seqmap_span){seqmap_uid(&x->map, seqs[i].first), seqmap_uid(&x->map, seqs[i].last)};
}

/* Whether the set names a number that no message has. "*" is let pass in an empty mailbox, where RFC 3501 §9 wants BAD: too
 * many clients send 1:* without looking. */
static bool is_beyond(const struct imap_set *set, uint32_t count)
{
	for (uint32_t i = 0; i < set->count; i++) {
		const struct imap_span *span = &set->spans[i];

		if (span->first != IMAP_STAR && span->last != IMAP_STAR && (span->first > count || span->last > count))
			return true;
	}
	return false;
}

/* The known messages of one resolved span, as the UIDs at its ends. */
static bool known_span(const struct selected *x, const struct imap_span *span, bool uids, struct mailbox_range *ret)
{
	struct seqmap_span seqs = {span->first, span->last < x->map.count ? span->last : x->map.count};

	if (uids ? !seqmap_find(&x->map, span->first, span->last, &seqs) : seqs.first > seqs.last)
		return false;
	*ret = (struct mailbox_range){seqmap_uid(&x->map, seqs.first), seqmap_uid(&x->map, seqs.last)};
	return true;
}

static bool known_saved(const struct selected *x, struct arena *a, struct mailbox_range **ret_spans, uint32_t *ret_n)
{
	struct mailbox_range *spans = arena_array(a, x->saved_n + 1, sizeof *spans);
	uint32_t n = 0;

	if (!spans)
		return false;
	for (size_t i = 0; i < x->saved_n; i++)
		if (known_span(x, &(struct imap_span){x->saved[i].first, x->saved[i].last}, true, &spans[n]))
			n++;
	*ret_spans = spans;
	*ret_n = n;
	return true;
}

bool selected_known(const struct selected *x, struct imap_set *set, bool uids, struct arena *a,
		    struct mailbox_range **ret_spans, uint32_t *ret_n)
{
	struct mailbox_range *spans = arena_array(a, set->count ? set->count : 1, sizeof *spans);
	uint32_t n = 0;

	if (!spans)
		return false;
	if (set->saved)
		return known_saved(x, a, ret_spans, ret_n);
	imap_set_resolve(set, uids ? seqmap_last_uid(&x->map) : x->map.count);
	for (uint32_t i = 0; i < set->count; i++)
		if (known_span(x, &set->spans[i], uids, &spans[n]))
			n++;
	*ret_spans = spans;
	*ret_n = n;
	return true;
}

bool selected_resolve(const struct selected *x, struct imap_set *set, bool uids, struct arena *a,
		      struct mailbox_range **ret_spans, uint32_t *ret_n)
{
	if (!uids && is_beyond(set, x->map.count))
		return false;
	return selected_known(x, set, uids, a, ret_spans, ret_n);
}

uint32_t selected_everything(const struct selected *x, struct mailbox_range *ret_span)
{
	*ret_span = (struct mailbox_range){seqmap_first_uid(&x->map), seqmap_last_uid(&x->map)};
	return x->map.count ? 1 : 0;
}
