/* SPDX-License-Identifier: ISC
 * Sets of message numbers or UIDs. */
#include "mail/imap_set.h"

#include <stdlib.h>

/* seq-number = nz-number / "*" */
static bool parse_number(struct view v, uint32_t *ret)
{
	if (view_eq_lit(v, "*")) {
		*ret = IMAP_STAR;
		return true;
	}
	return v.n > 0 && v.p[0] != '0' && view_to_u32(v, UINT32_MAX, ret);
}

/* seq-number / seq-range */
static bool parse_span(struct view v, struct imap_span *ret)
{
	struct view first = v, last = v;

	(void)view_cut(v, ':', &first, &last);
	return parse_number(first, &ret->first) && parse_number(last, &ret->last);
}

static uint32_t count_spans(struct view v)
{
	uint32_t n = 1;

	for (size_t i = 0; i < v.n; i++)
		n += v.p[i] == ',';
	return n;
}

bool imap_set_parse(struct view text, struct arena *a, struct imap_set *ret)
{
	struct imap_set set = {NULL, 0, view_eq_lit(text, "$")};
	struct view head, rest = text;

	if (text.n == 0 || text.n > UINT32_MAX / 2)
		return false;
	if (!set.saved) {
		set.spans = arena_array(a, count_spans(text), sizeof *set.spans);
		if (!set.spans)
			return false;
		while (view_cut(rest, ',', &head, &rest))
			if (!parse_span(head, &set.spans[set.count++]))
				return false;
		if (!parse_span(rest, &set.spans[set.count++]))
			return false;
	}
	*ret = set;
	return true;
}

bool imap_set_parse_known(struct view text, struct arena *a, struct imap_set *ret)
{
	if (view_find_char(text, '*') != text.n || view_find_char(text, '$') != text.n)
		return false;
	return imap_set_parse(text, a, ret);
}

static int by_first(const void *a, const void *b)
{
	const struct imap_span *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* Without stars, the right way round; returns false for a span that vanishes. */
static bool settle(struct imap_span *s, uint32_t max)
{
	uint32_t first = s->first == IMAP_STAR ? max : s->first;
	uint32_t last = s->last == IMAP_STAR ? max : s->last;

	s->first = first < last ? first : last;
	s->last = first < last ? last : first;
	return s->first != 0;
}

void imap_set_resolve(struct imap_set *set, uint32_t max)
{
	uint32_t kept = 0, joined = 0;

	for (uint32_t i = 0; i < set->count; i++)
		if (settle(&set->spans[i], max))
			set->spans[kept++] = set->spans[i];
	if (kept > 1)
		qsort(set->spans, kept, sizeof *set->spans, by_first);
	for (uint32_t i = 0; i < kept; i++) {
		struct imap_span *s = &set->spans[i], *before = joined ? &set->spans[joined - 1] : NULL;

		if (!before || s->first - 1 > before->last)
			set->spans[joined++] = *s;
		else if (s->last > before->last)
			before->last = s->last;
	}
	set->count = joined;
}

bool imap_set_has(const struct imap_set *set, uint32_t n)
{
	uint32_t lo = 0, hi = set->count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (n < set->spans[mid].first)
			hi = mid;
		else if (n > set->spans[mid].last)
			lo = mid + 1;
		else
			return true;
	}
	return false;
}

uint64_t imap_set_count(const struct imap_set *set)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < set->count; i++)
		n += (uint64_t)set->spans[i].last - set->spans[i].first + 1;
	return n;
}

bool imap_set_max(const struct imap_set *set, uint32_t *ret)
{
	if (set->count == 0)
		return false;
	*ret = set->spans[set->count - 1].last;
	return true;
}

/* partial-range-first = nz-number ":" nz-number; partial-range-last = MINUS nz-number ":" MINUS nz-number */
bool imap_partial_parse(struct view text, struct imap_partial *ret)
{
	struct imap_partial p = {.from_end = text.n > 0 && text.p[0] == '-'};
	struct view first, last;

	if (!view_cut(text, ':', &first, &last))
		return false;
	if (p.from_end) {
		if (last.n == 0 || last.p[0] != '-')
			return false;
		first = view_sub(first, 1, first.n);
		last = view_sub(last, 1, last.n);
	}
	if (!parse_number(first, &p.first) || !parse_number(last, &p.last) || p.first == IMAP_STAR ||
	    p.last == IMAP_STAR)
		return false;
	if (p.first > p.last) {
		uint32_t lower = p.last;

		p.last = p.first;
		p.first = lower;
	}
	*ret = p;
	return true;
}

bool imap_partial_of(const struct imap_partial *p, uint32_t total, uint32_t *ret_first, uint32_t *ret_last)
{
	uint32_t last = p->last < total ? p->last : total;

	if (p->first > total)
		return false;
	*ret_first = p->from_end ? total + 1 - last : p->first;
	*ret_last = p->from_end ? total + 1 - p->first : last;
	return true;
}

void imap_set_writer_init(struct imap_set_writer *w, struct buf *out)
{
	*w = (struct imap_set_writer){.out = out};
}

static void write_run(struct imap_set_writer *w)
{
	if (w->first == 0)
		return;
	if (w->any)
		buf_append_char(w->out, ',');
	buf_append_u64(w->out, w->first);
	if (w->last != w->first) {
		buf_append_char(w->out, ':');
		buf_append_u64(w->out, w->last);
	}
	w->any = true;
}

void imap_set_writer_add_span(struct imap_set_writer *w, uint32_t first, uint32_t last)
{
	if (w->first != 0 && w->last != UINT32_MAX && first == w->last + 1) {
		w->last = last;
		return;
	}
	write_run(w);
	w->first = first;
	w->last = last;
}

void imap_set_writer_add(struct imap_set_writer *w, uint32_t n)
{
	imap_set_writer_add_span(w, n, n);
}

void imap_set_writer_end(struct imap_set_writer *w)
{
	write_run(w);
	w->first = 0;
}
