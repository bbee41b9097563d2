/* SPDX-License-Identifier: ISC
 * Keywords: each combination in use in a mailbox is one row and has a number, which the copies carry. */
#include "store/keyset.h"

#include "store/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	KEYSETS_MAX = 16384,
	WORDS_BYTES_MAX = 65536,
	KEYSETS_BYTES_MAX = 4 * 1024 * 1024,
	SET_OVERHEAD = 96, /* of one in memory: its entry in the map, its allocation */
	KEYSETS_WORDS_MAX = 262144, /* of all combinations: they are gone through when a mailbox's are read */
};

struct keysets {
	struct keyset *at; /* ascending by id; the words owned */
	size_t count, cap;
	struct map by_words; /* hash → index + 1 */
	struct known_words known; /* in use; into at[].words */
	size_t bytes, words; /* of all */
	size_t kept; /* about what all this takes */
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

/* Long words that differ at their end only are as good as any: what is the same is passed over eight bytes at a time. */
static int cmp_nocase(const void *a, const void *b)
{
	const struct view *x = a, *y = b;
	size_t i = 0, n = x->n < y->n ? x->n : y->n;

	while (i + 8 <= n && memcmp(x->p + i, y->p + i, 8) == 0)
		i += 8;
	for (; i < n; i++) {
		unsigned char cx = (unsigned char)ascii_lower(x->p[i]), cy = (unsigned char)ascii_lower(y->p[i]);

		if (cx != cy)
			return cx < cy ? -1 : 1;
	}
	return x->n == y->n ? 0 : x->n < y->n ? -1 : 1;
}

/* ---- for the readers too ---- */

const struct keyset *keyset_find(const struct keyset *at, size_t count, uint32_t id)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (at[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < count && at[low].id == id ? &at[low] : NULL;
}

bool keyset_next_word(struct view *left, struct view *ret)
{
	if (left->n == 0)
		return false;
	if (!view_cut(*left, ' ', ret, left)) {
		*ret = *left;
		*left = VIEW_EMPTY;
	}
	return true;
}

void known_words_init(struct known_words *k)
{
	*k = (struct known_words){.folded = BUF_INIT(WORDS_BYTES_MAX)};
	map_init(&k->by_name);
}

void known_words_fini(struct known_words *k)
{
	map_fini(&k->by_name);
	buf_fini(&k->folded);
	free(k->at);
}

static struct view fold(struct known_words *k, struct view word)
{
	buf_reset(&k->folded);
	buf_append_lower(&k->folded, word);
	return buf_view(&k->folded);
}

const struct view *known_words_find(struct known_words *k, struct view word)
{
	size_t at = (size_t)(uintptr_t)map_get(&k->by_name, fold(k, word));

	return at ? &k->at[at - 1] : NULL;
}

void known_words_learn(struct known_words *k, struct view words)
{
	struct view word;

	while (keyset_next_word(&words, &word)) {
		if (known_words_find(k, word))
			continue;
		if (k->count == k->cap) {
			k->cap = k->cap ? k->cap * 2 : 16;
			k->at = xrealloc(k->at, k->cap * sizeof *k->at);
		}
		k->at[k->count++] = word;
		(void)map_set(&k->by_name, fold(k, word), (void *)(uintptr_t)k->count);
	}
}

/* ---- those of a mailbox, in memory ---- */

static size_t count_words(struct view words)
{
	size_t n = words.n > 0;

	for (size_t i = 0; i < words.n; i++)
		n += words.p[i] == ' ';
	return n;
}

/* Of words that may be new, or not. */
static void add(struct writer *w, struct keysets *k, uint32_t id, struct view words, bool new_words)
{
	const size_t kept = words.n + sizeof(struct keyset) + SET_OVERHEAD;
	struct keyset set = {id, {xmemdup(words.n ? words.p : "", words.n ? words.n : 1), words.n}};

	if (k->count == k->cap) {
		k->cap = k->cap ? k->cap * 2 : 16;
		k->at = xrealloc(k->at, k->cap * sizeof *k->at);
	}
	k->at[k->count++] = set;
	(void)map_u64_set(&k->by_words, map_hash(words), (void *)(uintptr_t)k->count);
	k->bytes += words.n;
	k->words += count_words(words);
	k->kept += kept;
	w->keyset_bytes += kept;
	if (id > k->last_id)
		k->last_id = id;
	if (new_words)
		known_words_learn(&k->known, set.words);
}

static int load(struct writer *w, struct mbox *m)
{
	struct keysets *k;
	struct sql_stmt *st;
	int rc;

	if (m->keysets)
		return 0;
	m->keysets = k = xcalloc(1, sizeof *k);
	map_init(&k->by_words);
	known_words_init(&k->known);
	st = sql_use(w->sql, SQL_keyset_list);
	sql_bind_u64(st, 1, m->id);
	while ((rc = sql_step(st)) > 0)
		add(w, k, (uint32_t)sql_u64(st, 0), sql_bytes(st, 1), true);
	sql_reset(st);
	if (rc < 0)
		keyset_forget(w, m);
	return rc;
}

void keyset_forget(struct writer *w, struct mbox *m)
{
	struct keysets *k = m->keysets;

	if (!k)
		return;
	for (size_t i = 0; i < k->count; i++)
		free((void *)(uintptr_t)k->at[i].words.p);
	w->keyset_bytes -= k->kept;
	map_fini(&k->by_words);
	known_words_fini(&k->known);
	free(k->at);
	free(k);
	m->keysets = NULL;
}

int keyset_count(struct writer *w, struct mbox *m, size_t *ret)
{
	int rc = load(w, m);

	*ret = rc == 0 ? m->keysets->count : 0;
	return rc;
}

int keyset_words(struct writer *w, struct mbox *m, uint32_t id, struct view *ret)
{
	const struct keyset *found;
	int rc = id ? load(w, m) : 0;

	*ret = VIEW_EMPTY;
	if (rc < 0 || id == 0)
		return rc;
	found = keyset_find(m->keysets->at, m->keysets->count, id);
	if (!found)
		return -EUCLEAN;
	*ret = found->words;
	return 0;
}

/* ---- a combination ---- */

/* `fresh`: so many of its words are not known here yet. */
static int make(struct writer *w, struct mbox *m, struct view words, size_t fresh, uint32_t *ret, bool *ret_limit)
{
	struct keysets *k = m->keysets;
	struct sql_stmt *st = sql_use(w->sql, SQL_keyset_insert);
	int rc;

	*ret_limit = k->count >= KEYSETS_MAX || k->bytes + words.n > KEYSETS_BYTES_MAX ||
		     k->words + count_words(words) > KEYSETS_WORDS_MAX ||
		     k->known.count + fresh > STORE_KEYWORDS_PER_MAILBOX_MAX;
	if (*ret_limit)
		return 0;
	sql_bind_u64(st, 1, m->id);
	sql_bind_u64(st, 2, k->last_id + 1ULL);
	sql_bind_text(st, 3, words);
	rc = sql_run(st);
	if (rc < 0)
		return rc;
	add(w, k, k->last_id + 1, words, fresh > 0);
	*ret = k->last_id;
	return 0;
}

/* `words` as the mailbox spells and sorts them. */
static int intern(struct writer *w, struct mbox *m, const struct view *words, size_t count, size_t fresh, uint32_t *ret,
		  bool *ret_limit)
{
	const struct keysets *k = m->keysets;
	struct buf joined = BUF_INIT(WORDS_BYTES_MAX);
	size_t at;
	int rc = 0;

	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_append_char(&joined, ' ');
		buf_append_view(&joined, words[i]);
	}
	*ret_limit = joined.overflow;
	at = (size_t)(uintptr_t)map_u64_get(&k->by_words, map_hash(buf_view(&joined)));
	if (at && view_eq(k->at[at - 1].words, buf_view(&joined)))
		*ret = k->at[at - 1].id;
	else if (!*ret_limit)
		rc = make(w, m, buf_view(&joined), fresh, ret, ret_limit);
	buf_fini(&joined);
	return rc;
}

int keyset_delta_init(struct writer *w, struct mbox *m, const struct view *words, size_t count,
		      struct keyset_delta *ret)
{
	int rc = count ? load(w, m) : 0;

	*ret = (struct keyset_delta){NULL, 0};
	if (rc < 0 || count == 0)
		return rc;
	ret->words = xcalloc(count, sizeof *ret->words);
	memcpy(ret->words, words, count * sizeof *words);
	qsort(ret->words, count, sizeof *ret->words, cmp_nocase);
	for (size_t i = 0; i < count; i++) {
		const struct view *known;

		if (ret->count && cmp_nocase(&ret->words[i], &ret->words[ret->count - 1]) == 0)
			continue;
		known = known_words_find(&m->keysets->known, ret->words[i]);
		ret->words[ret->count++] = known ? *known : ret->words[i];
	}
	return 0;
}

void keyset_delta_fini(struct keyset_delta *d)
{
	free(d->words);
	*d = (struct keyset_delta){NULL, 0};
}

/* Those of the delta that nobody has used here; the others are spelt as they were first. */
static size_t count_fresh(struct keysets *k, struct keyset_delta *d)
{
	size_t fresh = 0;

	for (size_t i = 0; i < d->count; i++) {
		const struct view *known = known_words_find(&k->known, d->words[i]);

		if (known)
			d->words[i] = *known;
		else
			fresh++;
	}
	return fresh;
}

/* Two sorted lists, `left` of them joined, as one; or what of the first is not in the second. */
static size_t merge(struct view left, const struct keyset_delta *d, bool add_words, struct view *all)
{
	struct view word;
	size_t n = 0, i = 0;
	bool more = keyset_next_word(&left, &word);

	while (more || i < d->count) {
		int order = !more ? 1 : i == d->count ? -1 : cmp_nocase(&word, &d->words[i]);

		if (order <= 0 && (order < 0 || add_words))
			all[n++] = word;
		else if (order > 0 && add_words)
			all[n++] = d->words[i];
		i += order >= 0;
		if (order <= 0)
			more = keyset_next_word(&left, &word);
	}
	return n;
}

int keyset_change(struct writer *w, struct mbox *m, uint32_t id, bool add_words, struct keyset_delta *d, uint32_t *ret,
		  bool *ret_limit)
{
	struct view before, *all;
	size_t n;
	int rc;

	*ret = id;
	*ret_limit = false;
	if (d->count == 0)
		return 0;
	rc = load(w, m);
	if (rc == 0)
		rc = keyset_words(w, m, id, &before);
	if (rc < 0)
		return rc;
	all = xcalloc(before.n / 2 + 1 + d->count, sizeof *all);
	n = merge(before, d, add_words, all);
	if (n == 0)
		*ret = 0;
	else if (n > STORE_KEYWORDS_PER_MESSAGE_MAX)
		*ret_limit = true;
	else
		rc = intern(w, m, all, n, add_words && !d->known ? count_fresh(m->keysets, d) : 0, ret, ret_limit);
	d->known |= add_words && rc == 0 && !*ret_limit;
	free(all);
	return rc;
}

int keyset_intern(struct writer *w, struct mbox *m, const struct view *words, size_t count, uint32_t *ret,
		  bool *ret_limit)
{
	struct keyset_delta d;
	int rc = keyset_delta_init(w, m, words, count, &d);

	*ret = 0;
	*ret_limit = false;
	if (rc == 0)
		rc = keyset_change(w, m, 0, true, &d, ret, ret_limit);
	keyset_delta_fini(&d);
	return rc;
}
