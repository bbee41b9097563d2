/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_RANGES_H
#define POMBO_STORE_RANGES_H

#include "base/arena.h"
#include "store/store.h"

/* Lists of UID ranges. */
struct range_list {
	struct uid_range *at;
	size_t count, cap;
};

/* Adds a UID at the end, or joins it to the last range. In ascending order the list is normalized. */
void range_list_add(struct range_list *l, uint32_t uid);
void range_list_fini(struct range_list *l);
/* Takes back what was added: the list as it was when it had `count` ranges, the last of them ending at `last`. */
void range_list_cut(struct range_list *l, size_t count, uint32_t last);
/* Into an arena; false when it does not fit. */
must_check bool range_list_copy(const struct range_list *l, struct arena *a, const struct uid_range **ret,
				size_t *ret_count);

/* Sorted, joined, without 0, first <= last, nothing above `max`. */
void range_list_normalize(struct range_list *l, const struct uid_range *ranges, size_t count, uint32_t max);
/* The index of the first range of a normalized list that ends at `uid` or behind; count when there is none. */
size_t range_list_seek(const struct uid_range *ranges, size_t count, uint32_t uid);
/* Drops what lies below `uid` from a normalized list. */
void range_list_from(struct range_list *l, uint32_t uid);
bool range_list_has(const struct range_list *l, uint32_t uid);

#endif
