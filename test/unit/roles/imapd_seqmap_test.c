/* SPDX-License-Identifier: ISC
 * Runs of UIDs against a plain array of them. */
#include "imapd/seqmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MODEL_MAX = 4096 };

struct model {
	uint32_t uids[MODEL_MAX];
	uint32_t count;
};

static uint32_t seed = 20260731;

static uint32_t roll(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % below;
}

static uint32_t model_seq(const struct model *m, uint32_t uid)
{
	for (uint32_t i = 0; i < m->count; i++)
		if (m->uids[i] == uid)
			return i + 1;
	return 0;
}

static void compare(const struct seqmap *map, const struct model *m)
{
	uint32_t last = m->count ? m->uids[m->count - 1] : 0;

	assert_int_equal(map->count, m->count);
	assert_int_equal(seqmap_last_uid(map), last);
	assert_int_equal(seqmap_first_uid(map), m->count ? m->uids[0] : 0);
	assert_int_equal(seqmap_uid(map, 0), 0);
	assert_int_equal(seqmap_uid(map, m->count + 1), 0);
	for (uint32_t seq = 1; seq <= m->count; seq++)
		assert_int_equal(seqmap_uid(map, seq), m->uids[seq - 1]);
	for (uint32_t uid = 0; uid < last + 3; uid++)
		assert_int_equal(seqmap_seq(map, uid), model_seq(m, uid));
}

static void compare_find(const struct seqmap *map, const struct model *m, uint32_t first, uint32_t last)
{
	struct seqmap_span seqs = {0, 0};
	uint32_t low = 0, high = 0;

	for (uint32_t i = 0; i < m->count; i++)
		if (m->uids[i] >= first && m->uids[i] <= last) {
			low = low ? low : i + 1;
			high = i + 1;
		}
	assert_int_equal(seqmap_find(map, first, last, &seqs), low != 0);
	assert_int_equal(seqs.first, low);
	assert_int_equal(seqs.last, high);
}

static void compare_uids(const struct seqmap *map, const struct model *m, uint32_t first, uint32_t last)
{
	struct seqmap_span uids;
	uint32_t at = first, expected = first;

	while (seqmap_next_uids(map, &at, last, &uids))
		for (uint32_t uid = uids.first; uid <= uids.last; uid++)
			assert_int_equal(uid, m->uids[expected++ - 1]);
	assert_int_equal(expected, last + 1);
}

static void append(struct seqmap *map, struct model *m)
{
	uint32_t first = (m->count ? m->uids[m->count - 1] : 0) + 1 + roll(3), n = 1 + roll(20);

	if (m->count + n > MODEL_MAX)
		return;
	assert_true(seqmap_append(map, first, first + n - 1));
	for (uint32_t i = 0; i < n; i++)
		m->uids[m->count++] = first + i;
}

static void remove_some(struct seqmap *map, struct model *m)
{
	struct seqmap_span spans[64];
	size_t n = 0;
	uint32_t from = 1, kept = 0;

	while (n < ARRAY_LEN(spans) && from <= m->count) {
		uint32_t first = from + roll(10), last = first + roll(4);

		if (last > m->count)
			break;
		spans[n++] = (struct seqmap_span){first, last};
		from = last + 1;
	}
	seqmap_remove(map, spans, n);
	for (uint32_t i = 0; i < m->count; i++) {
		bool gone = false;

		for (size_t j = 0; j < n; j++)
			gone = gone || (i + 1 >= spans[j].first && i + 1 <= spans[j].last);
		if (!gone)
			m->uids[kept++] = m->uids[i];
	}
	m->count = kept;
}

static void test_random(void **state)
{
	struct seqmap map = {0};
	static struct model m;

	(void)state;
	for (int round = 0; round < 400; round++) {
		if (roll(3) == 0)
			remove_some(&map, &m);
		else
			append(&map, &m);
		compare(&map, &m);
		for (int i = 0; i < 10; i++)
			compare_find(&map, &m, roll(400), roll(400));
		if (m.count) {
			uint32_t first = 1 + roll(m.count);

			compare_uids(&map, &m, first, first + roll(m.count - first + 1));
		}
	}
	seqmap_fini(&map);
}

static void test_small_when_whole(void **state)
{
	struct seqmap map = {0};

	(void)state;
	for (uint32_t uid = 1; uid <= 1000; uid++)
		assert_true(seqmap_append(&map, uid, uid));
	assert_int_equal(map.n, 1);
	seqmap_fini(&map);
}

static void test_order(void **state)
{
	struct seqmap map = {0};
	struct seqmap_span all = {1, 6};

	(void)state;
	assert_false(seqmap_append(&map, 1, UINT32_MAX));
	assert_true(seqmap_append(&map, 5, 9));
	assert_false(seqmap_append(&map, 9, 10));
	assert_false(seqmap_append(&map, 1, 2));
	assert_false(seqmap_append(&map, 12, 11));
	assert_true(seqmap_append(&map, UINT32_MAX, UINT32_MAX));
	assert_int_equal(seqmap_seq(&map, UINT32_MAX), 6);
	assert_int_equal(seqmap_last_uid(&map), UINT32_MAX);
	compare_find(&map, &(struct model){{5, 6, 7, 8, 9, UINT32_MAX}, 6}, 8, UINT32_MAX);
	seqmap_remove(&map, &all, 1);
	assert_int_equal(map.count, 0);
	assert_int_equal(seqmap_last_uid(&map), 0);
	seqmap_fini(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_small_when_whole),
	    cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
