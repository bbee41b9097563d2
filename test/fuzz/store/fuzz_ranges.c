/* SPDX-License-Identifier: ISC
 * Ranges in any order: the normalized list is sorted, apart, and holds just the same UIDs. */
#include "store/ranges.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RANGES_MAX = 64 };

static bool holds(const struct uid_range *ranges, size_t n, uint32_t uid)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t low = ranges[i].first < ranges[i].last ? ranges[i].first : ranges[i].last;
		uint32_t high = ranges[i].first < ranges[i].last ? ranges[i].last : ranges[i].first;

		if (uid >= low && uid <= high)
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct range_list l = {NULL, 0, 0};
	struct uid_range ranges[RANGES_MAX] = {0};
	size_t n = size / sizeof *ranges < RANGES_MAX ? size / sizeof *ranges : RANGES_MAX;

	if (n > 0)
		memcpy(ranges, data, n * sizeof *ranges);
	range_list_normalize(&l, ranges, n, UINT32_MAX);
	for (size_t i = 0; i < l.count; i++) {
		assert(l.at[i].first > 0 && l.at[i].first <= l.at[i].last);
		assert(i == 0 || l.at[i].first > l.at[i - 1].last + 1ULL);
	}
	for (size_t i = 0; i < n; i++)
		for (uint32_t d = 0; d < 3; d++) {
			uint32_t first = ranges[i].first + d - 1, last = ranges[i].last + d - 1;

			assert(first == 0 || range_list_has(&l, first) == holds(ranges, n, first));
			assert(last == 0 || range_list_has(&l, last) == holds(ranges, n, last));
		}
	range_list_fini(&l);
	return 0;
}
