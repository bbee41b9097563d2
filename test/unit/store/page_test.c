/* SPDX-License-Identifier: ISC
 * Packed pages: entries in and out, order, bounds, damaged images; lists of ranges. */
#include "store/page.h"
#include "store/ranges.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct state_entry state_of(uint32_t slot)
{
	return (struct state_entry){slot,          slot % 32,        slot % 3 == 0,
				    slot % 5 == 0, slot * 16000000u, PAGE_MODSEQ_MAX - slot};
}

static struct facts_entry facts_of(uint32_t slot)
{
	return (struct facts_entry){
	    .slot = slot,
	    .message = 0x7fffffffffffff00 + slot,
	    .size_bytes = PAGE_SIZE_MAX - slot,
	    .internal_s = -(int64_t)slot * 1000000007,
	    .saved_s = 1700000000 + slot,
	    .sent_s = slot ? INT64_MAX : INT64_MIN,
	    .prefix_off = UINT32_MAX - slot,
	    .prefix_bytes = 350,
	    .born = PAGE_MODSEQ_MAX,
	};
}

static void check_state(const struct page *p, uint32_t slot)
{
	struct state_entry want = state_of(slot), is;
	uint32_t i = page_find(p, slot);

	assert_true(i < p->count);
	page_get_state(p, i, &is);
	assert_int_equal(is.slot, want.slot);
	assert_int_equal(is.flags, want.flags);
	assert_int_equal(is.gone, want.gone);
	assert_int_equal(page_is_live(p, i), !want.gone);
	assert_int_equal(is.has_uidl, want.has_uidl);
	assert_int_equal(is.keyset, want.keyset);
	assert_int_equal(is.modseq, want.modseq);
}

/* Entries put in any order stand in order; images load again. */
static void test_state(void **state)
{
	struct page p, q;

	(void)state;
	page_init(&p, PAGE_STATE);
	for (uint32_t k = 0; k < STATE_SLOTS; k++) {
		struct state_entry e = state_of(k * 77 % STATE_SLOTS);

		page_put_state(&p, &e);
		assert_int_equal(p.count, k + 1);
		assert_true(page_load(&q, PAGE_STATE, page_image(&p)));
		check_state(&q, e.slot);
	}
	for (uint32_t slot = 0; slot < STATE_SLOTS; slot++)
		check_state(&p, slot);
	for (uint32_t slot = 0; slot < STATE_SLOTS; slot += 2)
		page_remove(&p, page_find(&p, slot));
	assert_int_equal(p.count, STATE_SLOTS / 2);
	for (uint32_t slot = 0; slot < STATE_SLOTS; slot++) {
		assert_int_equal(page_find(&p, slot) == p.count, slot % 2 == 0);
		assert_int_equal(page_lower(&p, slot), slot / 2);
	}
	assert_true(page_image(&p).n <= 4061); /* fits a row of one database page */
}

static void test_facts(void **state)
{
	struct page p;

	(void)state;
	page_init(&p, PAGE_FACTS);
	for (uint32_t slot = FACTS_SLOTS; slot-- > 0;) {
		struct facts_entry e = facts_of(slot);

		page_put_facts(&p, &e);
		page_put_facts(&p, &e);
	}
	assert_int_equal(p.count, FACTS_SLOTS);
	for (uint32_t slot = 0; slot < FACTS_SLOTS; slot++) {
		struct facts_entry want = facts_of(slot), is;

		page_get_facts(&p, page_find(&p, slot), &is);
		assert_int_equal(is.message, want.message);
		assert_int_equal(is.size_bytes, want.size_bytes);
		assert_int_equal(is.internal_s, want.internal_s);
		assert_int_equal(is.saved_s, want.saved_s);
		assert_int_equal(is.sent_s, slot ? (1LL << 39) - 1 : -(1LL << 39) + 1);
		assert_int_equal(is.prefix_off, want.prefix_off);
		assert_int_equal(is.prefix_bytes, want.prefix_bytes);
		assert_int_equal(is.born, want.born);
	}
	assert_true(page_image(&p).n <= 4061);
}

static void test_summary(void **state)
{
	struct state_summary sum;
	struct page p;

	(void)state;
	page_init(&p, PAGE_STATE);
	page_put_state(&p, &(struct state_entry){1, STORE_SEEN, false, false, 0, 7});
	page_put_state(&p, &(struct state_entry){2, 0, false, false, 0, 5});
	page_put_state(&p, &(struct state_entry){3, 0, true, false, 0, 9});
	page_summarize(&p, &sum);
	assert_int_equal(sum.maxmodseq, 9);
	assert_int_equal(sum.live, 2);
	assert_int_equal(sum.unseen, 1);
}

static void test_damaged(void **state)
{
	struct page p, q;
	struct view image;
	char bytes[PAGE_BYTES_MAX];

	(void)state;
	page_init(&p, PAGE_STATE);
	for (uint32_t slot = 10; slot < 14; slot++)
		page_put_state(&p, &(struct state_entry){.slot = slot});
	image = page_image(&p);
	for (size_t n = 0; n < image.n; n++)
		assert_false(page_load(&q, PAGE_STATE, view_sub(image, 0, n)));
	assert_false(page_load(&q, PAGE_FACTS, image));
	memcpy(bytes, image.p, image.n);
	bytes[0] = 2; /* version */
	assert_false(page_load(&q, PAGE_STATE, view_from(bytes, image.n)));
	memcpy(bytes, image.p, image.n);
	bytes[PAGE_HEAD_BYTES + STATE_BYTES] = 10; /* a slot twice */
	assert_false(page_load(&q, PAGE_STATE, view_from(bytes, image.n)));
	page_init(&p, PAGE_FACTS);
	page_put_facts(&p, &(struct facts_entry){.slot = 1});
	image = page_image(&p);
	memcpy(bytes, image.p, image.n);
	bytes[PAGE_HEAD_BYTES] = FACTS_SLOTS; /* no such slot */
	assert_false(page_load(&q, PAGE_FACTS, view_from(bytes, image.n)));
}

static void test_ranges(void **state)
{
	static const struct uid_range messy[] = {{9, 7}, {0, 2}, {3, 3}, {20, UINT32_MAX}, {8, 12}, {0, 0}, {15, 15}};
	static const struct uid_range want[] = {{1, 3}, {7, 12}, {15, 15}, {20, 30}};
	struct range_list l = {NULL, 0, 0};

	(void)state;
	range_list_normalize(&l, messy, ARRAY_LEN(messy), 30);
	assert_int_equal(l.count, ARRAY_LEN(want));
	assert_memory_equal(l.at, want, sizeof want);
	for (uint32_t uid = 0; uid < 40; uid++) {
		bool in = false;

		for (size_t i = 0; i < ARRAY_LEN(want); i++)
			in |= uid >= want[i].first && uid <= want[i].last;
		assert_int_equal(range_list_has(&l, uid), in);
	}
	range_list_from(&l, 8);
	assert_int_equal(l.count, 3);
	assert_int_equal(l.at[0].first, 8);
	range_list_from(&l, 31);
	assert_int_equal(l.count, 0);
	for (uint32_t uid = 5; uid < 8; uid++)
		range_list_add(&l, uid);
	range_list_add(&l, 10);
	range_list_cut(&l, 1, 6);
	range_list_add(&l, 7);
	assert_int_equal(l.count, 1);
	assert_int_equal(l.at[0].last, 7);
	range_list_fini(&l);
	range_list_normalize(&l, (const struct uid_range[]){{1, UINT32_MAX}, {5, UINT32_MAX}}, 2, UINT32_MAX);
	assert_int_equal(l.count, 1);
	range_list_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_state),   cmocka_unit_test(test_facts),  cmocka_unit_test(test_summary),
	    cmocka_unit_test(test_damaged), cmocka_unit_test(test_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
