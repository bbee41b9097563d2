/* SPDX-License-Identifier: ISC
 * SORT (RFC 5256, 5957): a search, then the keys of what was found, then their order. */
#include "stored/gather.h"
#include "stored/mailbox_peer.h"

#include <stdlib.h>
#include <string.h>

enum {
	CRITERIA_MAX = 32,
	STRINGS_MAX = 128 << 20, /* of one sort */
	ANSWER_UIDS = 65536,
};

/* As in msgs/mailbox.def. */
enum sort_key {
	KEY_ARRIVAL,
	KEY_CC,
	KEY_DATE,
	KEY_FROM,
	KEY_SIZE,
	KEY_SUBJECT,
	KEY_TO,
	KEY_DISPLAYFROM,
	KEY_DISPLAYTO,
	KEYS
};

static const struct {
	unsigned what; /* of enum gather_what */
	enum digest_key key; /* with GATHER_KEYS */
} keys[KEYS] = {
    [KEY_ARRIVAL] = {GATHER_ARRIVAL, 0},
    [KEY_CC] = {GATHER_KEYS, DIGEST_KEY_CC},
    [KEY_DATE] = {GATHER_SENT, 0},
    [KEY_FROM] = {GATHER_KEYS, DIGEST_KEY_FROM},
    [KEY_SIZE] = {GATHER_SIZE, 0},
    [KEY_SUBJECT] = {GATHER_KEYS, DIGEST_KEY_SUBJECT},
    [KEY_TO] = {GATHER_KEYS, DIGEST_KEY_TO},
    [KEY_DISPLAYFROM] = {GATHER_KEYS, DIGEST_KEY_DISPLAYFROM},
    [KEY_DISPLAYTO] = {GATHER_KEYS, DIGEST_KEY_DISPLAYTO},
};

struct criterion {
	enum sort_key key;
	bool reverse;
};

/* One value: a number, or a string's place in `strings` (length << 32 | offset), compared first by its first eight bytes. */
struct value {
	uint64_t first;
	uint64_t place;
};

struct sort_op {
	struct op op;
	struct gather gather;
	struct criterion criteria[CRITERIA_MAX];
	size_t criterion_count;
	size_t count; /* messages found */
	struct value *values; /* criterion_count of each message */
	uint32_t *uids; /* 0: gone meanwhile */
	uint32_t *order; /* places, sorted */
	size_t order_n;
	struct buf strings;
};

static uint64_t biased(int64_t v)
{
	return (uint64_t)v ^ 1ULL << 63;
}

static struct value string_value(struct sort_op *o, struct view v)
{
	struct value value = {0, (uint64_t)v.n << 32 | o->strings.n};

	for (size_t i = 0; i < 8; i++)
		value.first = value.first << 8 | (i < v.n ? (unsigned char)v.p[i] : 0);
	if (v.n > 8)
		buf_append_view(&o->strings, v);
	return value;
}

static struct value value_of(struct sort_op *o, enum sort_key key, const struct gathered *g)
{
	switch (keys[key].what) {
	case GATHER_ARRIVAL:
		return (struct value){biased(g->internaldate_s), 0};
	case GATHER_SENT:
		return (struct value){biased(g->sent_s), 0};
	case GATHER_SIZE:
		return (struct value){g->size_bytes, 0};
	default:
		return string_value(o, g->keys[keys[key].key]);
	}
}

static void take(void *ctx, const struct gathered *g)
{
	struct sort_op *o = ctx;

	if (!o->values) {
		o->count = search_found(&o->gather.search);
		o->values = xcalloc(o->count * o->criterion_count + 1, sizeof *o->values);
		o->uids = xcalloc(o->count + 1, sizeof *o->uids);
	}
	o->uids[g->at] = g->uid;
	for (size_t i = 0; i < o->criterion_count; i++)
		o->values[g->at * o->criterion_count + i] = value_of(o, o->criteria[i].key, g);
}

/* ---- the order ---- */

static int compare_strings(const struct sort_op *o, uint64_t a, uint64_t b)
{
	size_t an = a >> 32, bn = b >> 32;

	if (an > 8 && bn > 8)
		return view_cmp(view_from(o->strings.p + (uint32_t)a, an), view_from(o->strings.p + (uint32_t)b, bn));
	return an < bn ? -1 : an > bn; /* the first eight bytes are alike */
}

static int compare_values(const struct sort_op *o, enum sort_key key, const struct value *a, const struct value *b)
{
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	return keys[key].what == GATHER_KEYS ? compare_strings(o, a->place, b->place) : 0;
}

static int compare(const void *a, const void *b, void *ctx)
{
	const struct sort_op *o = ctx;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	for (size_t i = 0; i < o->criterion_count; i++) {
		int c = compare_values(o, o->criteria[i].key, &o->values[x * o->criterion_count + i],
				       &o->values[y * o->criterion_count + i]);

		if (c)
			return o->criteria[i].reverse ? -c : c;
	}
	return x < y ? -1 : x > y; /* the order of the mailbox */
}

static bool is_sorted(struct sort_op *o)
{
	for (size_t i = 1; i < o->order_n; i++)
		if (compare(&o->order[i - 1], &o->order[i], o) > 0)
			return false;
	return true;
}

static void put_in_order(struct sort_op *o)
{
	o->order = xcalloc(o->count + 1, sizeof *o->order);
	for (uint32_t i = 0; i < o->count; i++)
		if (o->uids[i])
			o->order[o->order_n++] = i;
	if (!is_sorted(o))
		qsort_r(o->order, o->order_n, sizeof *o->order, compare, o);
}

/* ---- the request ---- */

static void sort_run(struct op *op, struct store_reader *r)
{
	struct sort_op *o = (struct sort_op *)op;

	op->outcome = gather_step(&o->gather, r, &op->again);
	if (op->outcome == STORE_OK && o->strings.overflow)
		op->outcome = STORE_LIMIT;
	if (op->outcome != STORE_OK)
		op->again = false;
	else if (!op->again)
		put_in_order(o);
}

static void send_sorted(struct sort_op *o, struct channel *c)
{
	struct mailbox_number *numbers = xcalloc(ANSWER_UIDS, sizeof *numbers);
	size_t at = 0;

	do {
		size_t n = o->order_n - at < ANSWER_UIDS ? o->order_n - at : ANSWER_UIDS;

		for (size_t i = 0; i < n; i++)
			numbers[i].number = o->uids[o->order[at + i]];
		at += n;
		(void)mailbox_send_sorted(
		    c, o->op.reply.id,
		    &(struct mailbox_sorted){numbers, (uint32_t)n, o->gather.search.highestmodseq, at < o->order_n});
	} while (at < o->order_n);
	free(numbers);
}

static void sort_answer(struct op *op, struct channel *c)
{
	struct sort_op *o = (struct sort_op *)op;

	if (op->outcome != STORE_OK)
		mailbox_send_outcome(c, op->reply.id, op->outcome);
	else if (c)
		send_sorted(o, c);
	gather_fini(&o->gather);
	buf_fini(&o->strings);
	free(o->values);
	free(o->uids);
	free(o->order);
}

void mailbox_on_sort(struct stored *sd, struct peer *peer, uint32_t id, struct session *s, const struct mailbox_msg *m)
{
	const struct mailbox_sort *w = &m->sort;
	struct sort_op *o = op_new(sd, sizeof *o, peer, id);
	struct arena *a = &o->op.arena;
	unsigned what = 0;

	o->op.run = sort_run;
	o->op.answer = sort_answer;
	buf_init(&o->strings, STRINGS_MAX);
	for (; o->criterion_count < w->n_criteria && o->criterion_count < CRITERIA_MAX; o->criterion_count++) {
		const struct mailbox_criterion *k = &w->criteria[o->criterion_count];

		o->criteria[o->criterion_count] = (struct criterion){(enum sort_key)k->key, k->reverse};
		what |= keys[k->key].what;
	}
	search_init(&o->gather.search, a, s->grant->account, w->mailbox, arena_copy(a, w->program),
		    mailbox_copy_ranges(a, w->ranges, w->n_ranges), w->n_ranges, w->expunged);
	gather_init(&o->gather, what, take, o);
	op_read_long(&o->op, s);
}
