/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_KEYSET_H
#define POMBO_STORE_KEYSET_H

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"

/* The keywords of a mailbox as the writer and its readers know them. Each combination in use is one row and has a number, which the
 * copies carry. */
struct keyset {
	uint32_t id;
	struct view words; /* sorted, joined by one space */
};

/* Of `count` that ascend by id; NULL: none has that one. */
const struct keyset *keyset_find(const struct keyset *at, size_t count, uint32_t id);
/* The next word of "a b c"; false at the end. */
must_check bool keyset_next_word(struct view *left, struct view *ret);

/* Every keyword once, as it was first spelt; the words are their owner's. */
struct known_words {
	struct view *at;
	size_t count, cap;
	struct map by_name; /* folded keyword → index + 1 */
	struct buf folded;
};
void known_words_init(struct known_words *k);
void known_words_fini(struct known_words *k);
/* NULL: not known. Valid until more is learnt. */
const struct view *known_words_find(struct known_words *k, struct view word);
void known_words_learn(struct known_words *k, struct view words);

#endif
