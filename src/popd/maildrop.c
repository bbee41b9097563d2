/* SPDX-License-Identifier: ISC
 * The messages of a session as they were at login. */
#include "popd/maildrop.h"

#include <stdlib.h>

void maildrop_fini(struct maildrop *d)
{
	free(d->at);
	*d = (struct maildrop){0};
}

bool maildrop_add(struct maildrop *d, uint32_t uid, uint64_t size_bytes)
{
	if (d->n && uid <= d->at[d->n - 1].uid)
		return false;
	if (d->n == d->cap) {
		d->cap = d->cap ? d->cap + d->cap / 2 : 16;
		d->at = xrealloc(d->at, d->cap * sizeof *d->at);
	}
	d->at[d->n++] = (struct maildrop_message){.uid = uid, .size_bytes = size_bytes};
	return true;
}

struct maildrop_message *maildrop_get(const struct maildrop *d, uint32_t number)
{
	if (number == 0 || number > d->n || d->at[number - 1].deleted)
		return NULL;
	return &d->at[number - 1];
}

uint32_t maildrop_count(const struct maildrop *d, uint64_t *ret_bytes)
{
	uint64_t bytes = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < d->n; i++) {
		if (d->at[i].deleted)
			continue;
		bytes += d->at[i].size_bytes;
		n++;
	}
	*ret_bytes = bytes;
	return n;
}

uint32_t maildrop_number(const struct maildrop *d, uint32_t uid)
{
	uint32_t low = 0, high = d->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (d->at[mid].uid < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low < d->n && d->at[low].uid == uid ? low + 1 : 0;
}

bool maildrop_next_deleted(const struct maildrop *d, uint32_t *at, struct maildrop_span *ret)
{
	uint32_t i = *at;

	while (i < d->n && !d->at[i].deleted)
		i++;
	if (i == d->n)
		return false;
	ret->first = d->at[i].uid;
	while (i < d->n && d->at[i].deleted)
		ret->last = d->at[i++].uid;
	*at = i;
	return true;
}

void maildrop_reset(struct maildrop *d)
{
	for (uint32_t i = 0; i < d->n; i++)
		d->at[i].deleted = false;
}
