/* SPDX-License-Identifier: ISC
 * An image of any bytes: refused, or a page whose entries are in order and survive being put into another page. */
#include "store/page.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void copy_entry(const struct page *from, uint32_t i, struct page *to)
{
	struct facts_entry facts;
	struct state_entry state;

	if (from->kind == PAGE_STATE) {
		page_get_state(from, i, &state);
		assert(state.slot < STATE_SLOTS && page_is_live(from, i) == !state.gone);
		page_put_state(to, &state);
	} else {
		page_get_facts(from, i, &facts);
		assert(facts.slot < FACTS_SLOTS);
		page_put_facts(to, &facts);
	}
}

static void check(enum page_kind kind, struct view image)
{
	struct page page, copy;
	struct state_summary sum;

	if (!page_load(&page, kind, image))
		return;
	assert(view_eq(page_image(&page), image));
	page_init(&copy, kind);
	for (uint32_t i = page.count; i-- > 0;) {
		uint32_t slot = page_slot(&page, i);

		assert(i == 0 || page_slot(&page, i - 1) < slot);
		assert(page_find(&page, slot) == i && page_lower(&page, slot) == i);
		copy_entry(&page, i, &copy);
	}
	assert(copy.count == page.count);
	if (kind == PAGE_STATE) {
		uint32_t i = 0, first, last, live = 0;

		while (page_live_run(&page, &i, &first, &last))
			live += last - first + 1;
		page_summarize(&page, &sum);
		assert(sum.live == live && live <= page.count && sum.unseen <= sum.live);
	}
	for (uint32_t i = 0; i < page.count; i++)
		assert(page_slot(&copy, i) == page_slot(&page, i));
	while (copy.count > 0)
		page_remove(&copy, copy.count / 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check(PAGE_STATE, view_from(data, size));
	check(PAGE_FACTS, view_from(data, size));
	return 0;
}
