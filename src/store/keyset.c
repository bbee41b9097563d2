/* SPDX-License-Identifier: ISC
 * Keywords: each combination in use in a mailbox is one row and has a number, which the copies carry. */
#include "store/writer.h"

#include "base/buf.h"

#include <errno.h>
#include <stdlib.h>

enum { KEYSETS_MAX = 16384, WORDS_BYTES_MAX = 65536, KEYSETS_BYTES_MAX = 4 * 1024 * 1024 };

struct keyset {
	uint32_t id;
	struct view words; /* owned; joined by one space */
};

struct keysets {
	struct keyset *at;
	size_t count, cap;
	struct view *known; /* every keyword in use, as it was first spelt; into at[].words */
	size_t known_count, known_cap;
	size_t bytes; /* of all words */
	uint32_t last_id;
};

bool keyset_valid(const struct view *words, size_t count)
{
	if (count > STORE_KEYWORDS_PER_MESSAGE_MAX)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (words[i].n == 0 || words[i].n > STORE_KEYWORD_MAX || !view_is_utf8(words[i]))
			return false;
		for (size_t k = 0; k < words[i].n; k++)
			if ((unsigned char)words[i].p[k] <= ' ' || words[i].p[k] == 0x7f)
				return false;
	}
	return true;
}

/* The next word of "a b c"; false at the end. */
static bool next_word(struct view *left, struct view *ret)
{
	if (left->n == 0)
		return false;
	if (!view_cut(*left, ' ', ret, left)) {
		*ret = *left;
		*left = VIEW_EMPTY;
	}
	return true;
}

static const struct view *find_known(const struct keysets *k, struct view word)
{
	for (size_t i = 0; i < k->known_count; i++)
		if (view_eq_nocase(k->known[i], word))
			return &k->known[i];
	return NULL;
}

static void learn(struct keysets *k, struct view words)
{
	struct view word;

	while (next_word(&words, &word)) {
		if (find_known(k, word))
			continue;
		if (k->known_count == k->known_cap) {
			k->known_cap = k->known_cap ? k->known_cap * 2 : 16;
			k->known = xrealloc(k->known, k->known_cap * sizeof *k->known);
		}
		k->known[k->known_count++] = word;
	}
}

static void add(struct keysets *k, uint32_t id, struct view words)
{
	struct keyset set = {id, {xmemdup(words.n ? words.p : "", words.n ? words.n : 1), words.n}};

	if (k->count == k->cap) {
		k->cap = k->cap ? k->cap * 2 : 16;
		k->at = xrealloc(k->at, k->cap * sizeof *k->at);
	}
	k->at[k->count++] = set;
	k->bytes += words.n;
	if (id > k->last_id)
		k->last_id = id;
	learn(k, set.words);
}

static int load(struct writer *w, struct mbox *m)
{
	struct sql_stmt *st;
	int rc;

	if (m->keysets)
		return 0;
	m->keysets = xcalloc(1, sizeof *m->keysets);
	st = sql_use(w->sql, SQL_keyset_list);
	sql_bind_u64(st, 1, m->id);
	while ((rc = sql_step(st)) > 0)
		add(m->keysets, (uint32_t)sql_u64(st, 0), sql_bytes(st, 1));
	sql_reset(st);
	if (rc < 0)
		keyset_forget(m);
	return rc;
}

void keyset_forget(struct mbox *m)
{
	struct keysets *k = m->keysets;

	if (!k)
		return;
	for (size_t i = 0; i < k->count; i++)
		free((void *)(uintptr_t)k->at[i].words.p);
	free(k->at);
	free(k->known);
	free(k);
	m->keysets = NULL;
}

int keyset_words(struct writer *w, struct mbox *m, uint32_t id, struct view *ret)
{
	int rc = id ? load(w, m) : 0;

	*ret = VIEW_EMPTY;
	if (rc < 0 || id == 0)
		return rc;
	for (size_t i = 0; i < m->keysets->count; i++)
		if (m->keysets->at[i].id == id) {
			*ret = m->keysets->at[i].words;
			return 0;
		}
	return -EUCLEAN;
}

static int cmp_nocase(const void *a, const void *b)
{
	const struct view *x = a, *y = b;

	for (size_t i = 0; i < x->n && i < y->n; i++) {
		unsigned char cx = (unsigned char)ascii_lower(x->p[i]), cy = (unsigned char)ascii_lower(y->p[i]);

		if (cx != cy)
			return cx < cy ? -1 : 1;
	}
	return x->n == y->n ? 0 : x->n < y->n ? -1 : 1;
}

/* Sorted, each once, in the mailbox's spelling, joined. */
static void join(const struct keysets *k, struct view *words, size_t count, struct buf *out)
{
	qsort(words, count, sizeof *words, cmp_nocase);
	for (size_t i = 0; i < count; i++) {
		const struct view *known = find_known(k, words[i]);

		if (i > 0 && view_eq_nocase(words[i], words[i - 1]))
			continue;
		if (out->n > 0)
			buf_append_char(out, ' ');
		buf_append_view(out, known ? *known : words[i]);
	}
}

static int make(struct writer *w, struct mbox *m, struct view words, uint32_t *ret, bool *ret_limit)
{
	struct keysets *k = m->keysets;
	struct sql_stmt *st = sql_use(w->sql, SQL_keyset_insert);
	struct view left = words, word;
	size_t fresh = 0;
	int rc;

	while (next_word(&left, &word))
		if (!find_known(k, word))
			fresh++;
	*ret_limit = k->count >= KEYSETS_MAX || k->bytes + words.n > KEYSETS_BYTES_MAX ||
		     k->known_count + fresh > STORE_KEYWORDS_PER_MAILBOX_MAX;
	if (*ret_limit)
		return 0;
	sql_bind_u64(st, 1, m->id);
	sql_bind_u64(st, 2, k->last_id + 1ULL);
	sql_bind_text(st, 3, words);
	rc = sql_run(st);
	if (rc < 0)
		return rc;
	add(k, k->last_id + 1, words);
	*ret = k->last_id;
	return 0;
}

/* `words` is sorted in place. */
static int intern(struct writer *w, struct mbox *m, struct view *words, size_t count, uint32_t *ret, bool *ret_limit)
{
	struct buf joined = BUF_INIT(WORDS_BYTES_MAX);
	int rc = 0;

	join(m->keysets, words, count, &joined);
	*ret_limit = joined.overflow;
	for (size_t i = 0; i < m->keysets->count; i++)
		if (view_eq(m->keysets->at[i].words, buf_view(&joined))) {
			*ret = m->keysets->at[i].id;
			buf_fini(&joined);
			return 0;
		}
	if (!*ret_limit)
		rc = make(w, m, buf_view(&joined), ret, ret_limit);
	buf_fini(&joined);
	return rc;
}

int keyset_intern(struct writer *w, struct mbox *m, const struct view *words, size_t count, uint32_t *ret,
		  bool *ret_limit)
{
	return keyset_change(w, m, 0, true, words, count, ret, ret_limit);
}

static bool is_among(struct view word, const struct view *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (view_eq_nocase(word, words[i]))
			return true;
	return false;
}

int keyset_change(struct writer *w, struct mbox *m, uint32_t id, bool add_words, const struct view *words, size_t count,
		  uint32_t *ret, bool *ret_limit)
{
	struct view before, word, *all;
	size_t n = 0, room = count;
	int rc;

	*ret = id;
	*ret_limit = false;
	if (count == 0)
		return 0;
	rc = load(w, m);
	if (rc == 0)
		rc = keyset_words(w, m, id, &before);
	if (rc < 0)
		return rc;
	room += before.n / 2 + 1;
	all = xcalloc(room, sizeof *all);
	while (next_word(&before, &word))
		if (!is_among(word, words, count))
			all[n++] = word;
	for (size_t i = 0; add_words && i < count; i++)
		all[n++] = words[i];
	if (n == 0)
		*ret = 0;
	else if (n > STORE_KEYWORDS_PER_MESSAGE_MAX)
		*ret_limit = true;
	else
		rc = intern(w, m, all, n, ret, ret_limit);
	free(all);
	return rc;
}
