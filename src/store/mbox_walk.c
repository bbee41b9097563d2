/* SPDX-License-Identifier: ISC
 * Going through the copies that a list of ranges names, touching only pages that exist. */
#include "store/mbox_walk.h"

int walk_page(struct writer *w, struct mbox *m, const struct range_list *ranges, uint32_t *next, bool *ret_found)
{
	struct page *page;
	uint32_t no, from, last;
	size_t r;
	int rc;

	*ret_found = false;
	if (ranges->count == 0)
		return 0;
	last = state_page_no(ranges->at[ranges->count - 1].last);
	if (*next > last)
		return 0;
	r = range_list_seek(ranges->at, ranges->count, *next * STATE_SLOTS);
	from = state_page_no(ranges->at[r].first);
	rc = mbox_next_state(w, m, from > *next ? from : *next, last, ret_found, &no);
	if (rc < 0 || !*ret_found)
		return rc;
	*next = no + 1;
	return mbox_state(w, m, no * STATE_SLOTS, &page);
}

struct walk walk_begin(const struct range_list *ranges, const struct mbox *m)
{
	uint32_t first = m->state.no * STATE_SLOTS;

	return (struct walk){ranges, range_list_seek(ranges->at, ranges->count, first), first, 0};
}

bool walk_next(struct walk *k, const struct page *page, uint32_t *ret_i)
{
	while (k->i < page->count && k->range < k->ranges->count) {
		struct uid_range range = k->ranges->at[k->range];
		uint32_t uid = k->first_uid + page_slot(page, k->i);

		if (uid > range.last) {
			k->range++;
		} else if (uid < range.first) {
			if (range.first - k->first_uid >= STATE_SLOTS)
				return false;
			k->i = page_lower(page, range.first - k->first_uid);
		} else {
			*ret_i = k->i++;
			return true;
		}
	}
	return false;
}
