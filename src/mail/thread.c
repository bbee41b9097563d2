/* SPDX-License-Identifier: ISC
 * THREAD=REFERENCES and THREAD=ORDEREDSUBJECT (RFC 5256 §3).
 *
 * A node is a message or a dummy. While links are made only parents are kept; lists of children are built when they are needed, in
 * one walk over the messages by date: every list is then in the order in which it is put out, whatever its level. */
#include "mail/thread.h"

#include <stdlib.h>
#include <string.h>

enum { NONE = UINT32_MAX };

struct node {
	uint32_t parent;
	uint32_t first, last, next; /* children; siblings */
	uint32_t children; /* counted while linking */
};

/* Open addressing, from a hash (not 0) to a node. */
struct table {
	uint64_t *keys;
	uint32_t *values;
	size_t mask, used;
};

struct forest {
	const struct thread_message *messages;
	uint32_t count; /* nodes below are messages, the others dummies */
	struct node *nodes;
	uint32_t n, cap;
	uint32_t *by_date; /* messages */
	struct table ids;
	uint64_t steps;
	struct node root; /* its children are the threads */
};

static void table_init(struct table *t, size_t expected)
{
	size_t size = 64;

	while (size < expected * 2)
		size *= 2;
	t->keys = xcalloc(size, sizeof *t->keys);
	t->values = xmalloc(size * sizeof *t->values);
	t->mask = size - 1;
	t->used = 0;
}

static void table_fini(struct table *t)
{
	free(t->keys);
	free(t->values);
}

static size_t table_slot(const struct table *t, uint64_t key)
{
	size_t i = (size_t)(key * 0x9e3779b97f4a7c15U >> 32) & t->mask;

	while (t->keys[i] && t->keys[i] != key)
		i = (i + 1) & t->mask;
	return i;
}

static void table_grow(struct table *t)
{
	struct table bigger;

	table_init(&bigger, t->mask + 1);
	for (size_t i = 0; i <= t->mask; i++) {
		size_t to;

		if (!t->keys[i])
			continue;
		to = table_slot(&bigger, t->keys[i]);
		bigger.keys[to] = t->keys[i];
		bigger.values[to] = t->values[i];
		bigger.used++;
	}
	table_fini(t);
	*t = bigger;
}

/* Where the node of `key` stands; *ret_new: it is to be written there. */
static uint32_t *table_at(struct table *t, uint64_t key, bool *ret_new)
{
	size_t i;

	if (t->used * 2 > t->mask)
		table_grow(t);
	i = table_slot(t, key);
	*ret_new = t->keys[i] == 0;
	if (*ret_new) {
		t->keys[i] = key;
		t->used++;
	}
	return &t->values[i];
}

static uint32_t add_node(struct forest *f)
{
	if (f->n == f->cap) {
		f->cap += f->cap / 2 + 64;
		f->nodes = xrealloc(f->nodes, f->cap * sizeof *f->nodes);
	}
	f->nodes[f->n] = (struct node){NONE, NONE, NONE, NONE, 0};
	return f->n++;
}

static bool is_dummy(const struct forest *f, uint32_t node)
{
	return node >= f->count;
}

/* ---- step 1: links ---- */

/* The node of the message that has this id: one of the messages (find_ids() came first), or a dummy. */
static uint32_t node_of(struct forest *f, uint64_t id)
{
	bool is_new;
	uint32_t *at;

	if (f->n - f->count >= THREAD_IDS_MAX && !f->ids.keys[table_slot(&f->ids, id)])
		return NONE;
	at = table_at(&f->ids, id, &is_new);
	if (is_new)
		*at = add_node(f);
	return *at;
}

/* Of several messages with one id the first has it. */
static void find_ids(struct forest *f)
{
	for (uint32_t i = 0; i < f->count; i++) {
		bool is_new;
		uint32_t *at;

		if (f->messages[i].id == 0)
			continue;
		at = table_at(&f->ids, f->messages[i].id, &is_new);
		if (is_new)
			*at = i;
	}
}

/* Is `node` above `below`, or the same? What has no children is above nothing. */
static bool would_loop(struct forest *f, uint32_t node, uint32_t below)
{
	if (node == below)
		return true;
	if (f->nodes[node].children == 0)
		return false;
	for (uint32_t at = f->nodes[below].parent; at != NONE; at = f->nodes[at].parent)
		if (at == node || ++f->steps > THREAD_STEPS_MAX)
			return true;
	return false;
}

static void link(struct forest *f, uint32_t parent, uint32_t child)
{
	if (parent == NONE || would_loop(f, child, parent))
		return;
	f->nodes[child].parent = parent;
	f->nodes[parent].children++;
}

static void link_message(struct forest *f, uint32_t i)
{
	const struct thread_message *m = &f->messages[i];
	uint32_t last = NONE;

	for (uint32_t k = 0; k < m->ref_count; k++) {
		uint32_t node = node_of(f, m->refs[k]);

		if (node == NONE)
			continue;
		if (last != NONE && f->nodes[node].parent == NONE)
			link(f, last, node);
		last = node;
	}
	if (f->nodes[i].parent != NONE) {
		f->nodes[f->nodes[i].parent].children--;
		f->nodes[i].parent = NONE;
	}
	link(f, last, i);
}

/* ---- steps 2 and 3: dummies go, but for those at the top that hold several ---- */

/* The nearest message above `node`, or the dummy at the top; NONE: it is at the top itself. What was walked is shortened. */
static uint32_t effective_parent(struct forest *f, uint32_t node)
{
	uint32_t top = f->nodes[node].parent;

	if (top == NONE)
		return NONE;
	while (is_dummy(f, top) && f->nodes[top].parent != NONE)
		top = f->nodes[top].parent;
	for (uint32_t at = node, up; f->nodes[at].parent != top; at = up) {
		up = f->nodes[at].parent;
		f->nodes[at].parent = top;
	}
	return top;
}

static void prune(struct forest *f)
{
	for (uint32_t i = 0; i < f->count; i++)
		f->nodes[i].parent = effective_parent(f, i);
	for (uint32_t i = 0; i < f->n; i++)
		f->nodes[i].children = 0;
	for (uint32_t i = 0; i < f->count; i++)
		if (f->nodes[i].parent != NONE)
			f->nodes[f->nodes[i].parent].children++;
	for (uint32_t i = 0; i < f->count; i++) {
		uint32_t parent = f->nodes[i].parent;

		if (parent != NONE && is_dummy(f, parent) && f->nodes[parent].children == 1)
			f->nodes[i].parent = NONE;
	}
}

/* ---- lists of children ---- */

static void append(struct forest *f, struct node *parent, uint32_t child)
{
	if (parent->last == NONE)
		parent->first = child;
	else
		f->nodes[parent->last].next = child;
	parent->last = child;
	f->nodes[child].next = NONE;
}

/* A dummy stands among the threads where its first child would. */
static void make_lists(struct forest *f)
{
	f->root.first = f->root.last = NONE;
	for (uint32_t i = 0; i < f->n; i++)
		f->nodes[i].first = f->nodes[i].last = f->nodes[i].next = NONE;
	for (uint32_t i = 0; i < f->count; i++) {
		uint32_t node = f->by_date[i], parent = f->nodes[node].parent;

		if (parent == NONE) {
			append(f, &f->root, node);
			continue;
		}
		if (is_dummy(f, parent) && f->nodes[parent].first == NONE)
			append(f, &f->root, parent);
		append(f, &f->nodes[parent], node);
	}
}

/* ---- step 5: threads with one subject ---- */

static const struct thread_message *subject_holder(const struct forest *f, uint32_t node)
{
	return &f->messages[is_dummy(f, node) ? f->nodes[node].first : node];
}

static bool is_reply(const struct forest *f, uint32_t node)
{
	return !is_dummy(f, node) && f->messages[node].is_reply;
}

static void fill_subjects(struct forest *f, struct table *subjects)
{
	for (uint32_t node = f->root.first; node != NONE; node = f->nodes[node].next) {
		uint64_t subject = subject_holder(f, node)->subject;
		bool is_new;
		uint32_t *at;

		if (subject == 0)
			continue;
		at = table_at(subjects, subject, &is_new);
		if (is_new || (!is_dummy(f, *at) && (is_dummy(f, node) || (is_reply(f, *at) && !is_reply(f, node)))))
			*at = node;
	}
}

/* `node` and the one that stands for its subject become one thread. Only parents change: the lists are made anew afterwards. */
static void merge(struct forest *f, uint32_t *at, uint32_t node)
{
	uint32_t both;

	if (is_dummy(f, *at) && is_dummy(f, node)) {
		for (uint32_t child = f->nodes[node].first; child != NONE; child = f->nodes[child].next)
			f->nodes[child].parent = *at;
	} else if (is_dummy(f, *at) || (is_reply(f, node) && !is_reply(f, *at))) {
		f->nodes[node].parent = *at;
	} else {
		both = add_node(f);
		f->nodes[node].parent = f->nodes[*at].parent = both;
		*at = both;
	}
}

static void gather_subjects(struct forest *f)
{
	struct table subjects;

	table_init(&subjects, f->count);
	fill_subjects(f, &subjects);
	for (uint32_t node = f->root.first, next; node != NONE; node = next) {
		uint64_t subject = subject_holder(f, node)->subject;
		bool is_new;
		uint32_t *at;

		next = f->nodes[node].next;
		if (subject == 0)
			continue;
		at = table_at(&subjects, subject, &is_new);
		if (*at != node && f->nodes[node].parent != *at)
			merge(f, at, node);
	}
	table_fini(&subjects);
}

/* ---- ORDEREDSUBJECT ---- */

/* By date: the first message with a subject is the parent of the others. The empty subject is one like any other. */
static void link_by_subject(struct forest *f)
{
	struct table subjects;

	table_init(&subjects, f->count);
	for (uint32_t i = 0; i < f->count; i++) {
		uint32_t node = f->by_date[i];
		uint64_t subject = f->messages[node].subject;
		bool is_new;
		uint32_t *at = table_at(&subjects, subject ? subject : 1, &is_new);

		if (is_new)
			*at = node;
		else
			f->nodes[node].parent = *at;
	}
	table_fini(&subjects);
}

/* ---- order ---- */

struct dated {
	int64_t sent_s;
	uint32_t node;
};

static int compare_dated(const void *a, const void *b)
{
	const struct dated *x = a, *y = b;

	if (x->sent_s != y->sent_s)
		return x->sent_s < y->sent_s ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

static bool is_sorted(const struct dated *d, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++)
		if (d[i].sent_s < d[i - 1].sent_s)
			return false;
	return true;
}

static void sort_by_date(struct forest *f)
{
	struct dated *dated = xmalloc((f->count + 1ULL) * sizeof *dated);

	for (uint32_t i = 0; i < f->count; i++)
		dated[i] = (struct dated){f->messages[i].sent_s, i};
	if (!is_sorted(dated, f->count))
		qsort(dated, f->count, sizeof *dated, compare_dated);
	f->by_date = xmalloc((f->count + 1ULL) * sizeof *f->by_date);
	for (uint32_t i = 0; i < f->count; i++)
		f->by_date[i] = dated[i].node;
	free(dated);
}

/* ---- putting out ---- */

/* A node that starts a list of its own: a thread, or one of several children. */
static bool is_nested(const struct forest *f, uint32_t node)
{
	uint32_t parent = f->nodes[node].parent;

	return parent == NONE || f->nodes[parent].first != f->nodes[parent].last;
}

/* Up from a node without children to the next one to put out. */
static uint32_t climb(const struct forest *f, uint32_t node, uint32_t *out, size_t *n)
{
	for (;;) {
		if (is_nested(f, node))
			out[(*n)++] = THREAD_CLOSE;
		if (f->nodes[node].next != NONE || f->nodes[node].parent == NONE)
			return f->nodes[node].next;
		node = f->nodes[node].parent;
	}
}

static uint32_t *put_out(const struct forest *f, size_t *ret_n)
{
	uint32_t *out = xmalloc((3ULL * f->n + 1) * sizeof *out);
	uint32_t node = f->root.first;
	size_t n = 0;

	while (node != NONE) {
		if (is_nested(f, node))
			out[n++] = THREAD_OPEN;
		if (!is_dummy(f, node))
			out[n++] = f->messages[node].number;
		node = f->nodes[node].first != NONE ? f->nodes[node].first : climb(f, node, out, &n);
	}
	*ret_n = n;
	return out;
}

static void thread_references(struct forest *f)
{
	table_init(&f->ids, f->count * 2ULL);
	find_ids(f);
	for (uint32_t i = 0; i < f->count; i++)
		link_message(f, i);
	table_fini(&f->ids);
	prune(f);
	make_lists(f);
	gather_subjects(f);
	make_lists(f);
}

uint32_t *thread_build(enum thread_algorithm algorithm, const struct thread_message *messages, uint32_t count,
		       size_t *ret_tokens)
{
	struct forest f = {.messages = messages, .count = count};
	uint32_t *out;

	if (count > THREAD_MESSAGES_MAX)
		return NULL;
	f.cap = count + count / 4 + 64;
	f.nodes = xmalloc(f.cap * sizeof *f.nodes);
	for (uint32_t i = 0; i < count; i++)
		(void)add_node(&f);
	sort_by_date(&f);
	if (algorithm == THREAD_REFERENCES) {
		thread_references(&f);
	} else {
		link_by_subject(&f);
		make_lists(&f);
	}
	out = put_out(&f, ret_tokens);
	free(f.nodes);
	free(f.by_date);
	return out;
}
