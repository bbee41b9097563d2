/* SPDX-License-Identifier: ISC
 * Lists of UID ranges. */
#include "store/ranges.h"

#include <stdlib.h>
#include <string.h>

static void append(struct range_list *l, struct uid_range range)
{
	if (l->count == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 8;
		l->at = xrealloc(l->at, l->cap * sizeof *l->at);
	}
	l->at[l->count++] = range;
}

void range_list_add(struct range_list *l, uint32_t uid)
{
	if (l->count > 0 && uid > 0 && l->at[l->count - 1].last == uid - 1)
		l->at[l->count - 1].last = uid;
	else
		append(l, (struct uid_range){uid, uid});
}

void range_list_fini(struct range_list *l)
{
	free(l->at);
	*l = (struct range_list){NULL, 0, 0};
}

void range_list_cut(struct range_list *l, size_t count, uint32_t last)
{
	l->count = count;
	if (count > 0)
		l->at[count - 1].last = last;
}

bool range_list_copy(const struct range_list *l, struct arena *a, const struct uid_range **ret, size_t *ret_count)
{
	struct uid_range *at = arena_array(a, l->count, sizeof *at);

	if (!at)
		return false;
	if (l->count > 0)
		memcpy(at, l->at, l->count * sizeof *at);
	*ret = at;
	*ret_count = l->count;
	return true;
}

static int by_first(const void *a, const void *b)
{
	const struct uid_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

void range_list_normalize(struct range_list *l, const struct uid_range *ranges, size_t count, uint32_t max)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		struct uid_range r = ranges[i];

		if (r.first > r.last)
			r = (struct uid_range){r.last, r.first};
		if (r.first == 0)
			r.first = 1;
		if (r.last > max)
			r.last = max;
		if (r.first <= r.last)
			append(l, r);
	}
	if (l->count > 1)
		qsort(l->at, l->count, sizeof *l->at, by_first);
	for (size_t i = 0; i < l->count; i++) {
		struct uid_range r = l->at[i];

		if (kept > 0 && r.first <= l->at[kept - 1].last + 1ULL) {
			if (r.last > l->at[kept - 1].last)
				l->at[kept - 1].last = r.last;
		} else {
			l->at[kept++] = r;
		}
	}
	l->count = kept;
}

size_t range_list_seek(const struct uid_range *ranges, size_t count, uint32_t uid)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (ranges[mid].last < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool range_list_has(const struct range_list *l, uint32_t uid)
{
	size_t i = range_list_seek(l->at, l->count, uid);

	return i < l->count && l->at[i].first <= uid;
}

void range_list_from(struct range_list *l, uint32_t uid)
{
	size_t skip = range_list_seek(l->at, l->count, uid);

	if (skip > 0)
		memmove(l->at, l->at + skip, (l->count - skip) * sizeof *l->at);
	l->count -= skip;
	if (l->count > 0 && l->at[0].first < uid)
		l->at[0].first = uid;
}
