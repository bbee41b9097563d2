/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_MBOX_WALK_H
#define POMBO_STORE_MBOX_WALK_H

#include "store/ranges.h"
#include "store/writer.h"

/* Goes through the copies of a mailbox that lie in a normalized list of ranges, page by page:
 *
 *     while (walk_page(w, m, &ranges, &next, &found) == 0 && found)
 *             for (struct walk k = walk_begin(&ranges, m); walk_next(&k, &m->state.page, &i);)
 *                     … entry i of m->state.page, expunged ones too …
 */

/* Loads the first state page at or after `*next` that exists and may hold some of the ranges; *next is then the one behind it. */
must_check int walk_page(struct writer *w, struct mbox *m, const struct range_list *ranges, uint32_t *next,
			 bool *ret_found);

struct walk {
	const struct range_list *ranges;
	size_t range;
	uint32_t first_uid; /* of the page */
	uint32_t i;
};
struct walk walk_begin(const struct range_list *ranges, const struct mbox *m);
bool walk_next(struct walk *k, const struct page *page, uint32_t *ret_i);

#endif
