/* SPDX-License-Identifier: ISC
 * Packed pages of copies: fixed-size entries, ascending by slot. */
#include "store/page.h"

#include "store/store.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

enum { VERSION = 1, GONE = 0x80, HAS_UIDL = 0x40 };

static const struct {
	uint32_t slots, bytes;
} kinds[] = {
    [PAGE_STATE] = {STATE_SLOTS, STATE_BYTES},
    [PAGE_FACTS] = {FACTS_SLOTS, FACTS_BYTES},
};

/* `n` bytes, at most 8. Reads 8: a page has room for that behind its last entry. */
static inline uint64_t get(const uint8_t *at, unsigned n)
{
	uint64_t v;

	memcpy(&v, at, sizeof v);
	return n == 8 ? le64toh(v) : le64toh(v) & ((1ULL << 8 * n) - 1);
}

static void put(uint8_t *at, unsigned n, uint64_t v)
{
	for (unsigned i = 0; i < n; i++, v >>= 8)
		at[i] = (uint8_t)v;
}

enum { TIME_BYTES = 5 };
static const int64_t time_max = (1LL << 39) - 1;

static int64_t get_time(const uint8_t *at)
{
	uint64_t v = get(at, TIME_BYTES);

	return (int64_t)(v << 24) >> 24;
}

static void put_time(uint8_t *at, int64_t v)
{
	if (v > time_max)
		v = time_max;
	if (v < -time_max)
		v = -time_max;
	put(at, TIME_BYTES, (uint64_t)v);
}

static const uint8_t *entry(const struct page *p, uint32_t i)
{
	assert(i < p->count);
	return p->bytes + PAGE_HEAD_BYTES + (size_t)i * kinds[p->kind].bytes;
}

void page_init(struct page *p, enum page_kind kind)
{
	p->kind = kind;
	p->count = 0;
}

bool page_load(struct page *p, enum page_kind kind, struct view image)
{
	const uint8_t *b = (const uint8_t *)image.p;
	uint32_t count;

	if (image.n < PAGE_HEAD_BYTES || b[0] != VERSION || b[1] != (uint8_t)kind)
		return false;
	count = (uint32_t)b[2] | (uint32_t)b[3] << 8;
	if (count > kinds[kind].slots || image.n != PAGE_HEAD_BYTES + (size_t)count * kinds[kind].bytes)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *e = b + PAGE_HEAD_BYTES + (size_t)i * kinds[kind].bytes;

		if (e[0] >= kinds[kind].slots || (i > 0 && e[0] <= e[-(ptrdiff_t)kinds[kind].bytes]))
			return false;
	}
	p->kind = kind;
	p->count = count;
	memcpy(p->bytes, b, image.n);
	return true;
}

struct view page_image(struct page *p)
{
	p->bytes[0] = VERSION;
	p->bytes[1] = (uint8_t)p->kind;
	put(p->bytes + 2, 2, p->count);
	return view_from(p->bytes, PAGE_HEAD_BYTES + (size_t)p->count * kinds[p->kind].bytes);
}

uint32_t page_slot(const struct page *p, uint32_t i)
{
	return entry(p, i)[0];
}

uint32_t page_lower(const struct page *p, uint32_t slot)
{
	uint32_t low = 0, high = p->count;

	if (p->count == kinds[p->kind].slots)
		return slot < p->count ? slot : p->count;
	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (page_slot(p, mid) < slot)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint32_t page_find(const struct page *p, uint32_t slot)
{
	uint32_t i = page_lower(p, slot);

	return i < p->count && page_slot(p, i) == slot ? i : p->count;
}

void page_remove(struct page *p, uint32_t i)
{
	uint32_t bytes = kinds[p->kind].bytes;
	uint8_t *at = p->bytes + PAGE_HEAD_BYTES + (size_t)i * bytes;

	assert(i < p->count);
	memmove(at, at + bytes, (size_t)(p->count - i - 1) * bytes);
	p->count--;
}

/* The place for `slot`'s entry: its own, or room made for it. */
static uint8_t *place(struct page *p, uint32_t slot)
{
	uint32_t bytes = kinds[p->kind].bytes;
	uint32_t i = page_lower(p, slot);
	uint8_t *at = p->bytes + PAGE_HEAD_BYTES + (size_t)i * bytes;

	assert(slot < kinds[p->kind].slots);
	if (i == p->count || at[0] != slot) {
		assert(p->count < kinds[p->kind].slots);
		memmove(at + bytes, at, (size_t)(p->count - i) * bytes);
		p->count++;
	}
	at[0] = (uint8_t)slot;
	return at;
}

bool page_is_live(const struct page *p, uint32_t i)
{
	return !(entry(p, i)[1] & GONE);
}

bool page_live_run(const struct page *p, uint32_t *i, uint32_t *ret_first, uint32_t *ret_last)
{
	const uint8_t *e = p->bytes + PAGE_HEAD_BYTES + (size_t)*i * STATE_BYTES;
	const uint8_t *end = p->bytes + PAGE_HEAD_BYTES + (size_t)p->count * STATE_BYTES;
	uint32_t last;

	while (e < end && e[1] & GONE)
		e += STATE_BYTES;
	if (e >= end)
		return false;
	*ret_first = last = e[0];
	for (e += STATE_BYTES; e < end && e[0] == last + 1 && !(e[1] & GONE); e += STATE_BYTES)
		last++;
	*ret_last = last;
	*i = (uint32_t)((size_t)(e - p->bytes - PAGE_HEAD_BYTES) / STATE_BYTES);
	return true;
}

void page_get_state(const struct page *p, uint32_t i, struct state_entry *ret)
{
	const uint8_t *e = entry(p, i);

	ret->slot = e[0];
	ret->flags = e[1] & STORE_FLAGS_ALL;
	ret->gone = e[1] & GONE;
	ret->has_uidl = e[1] & HAS_UIDL;
	ret->keyset = (uint32_t)get(e + 2, 4);
	ret->modseq = get(e + 6, 6);
}

void page_put_state(struct page *p, const struct state_entry *e)
{
	uint8_t *at = place(p, e->slot);

	assert(e->modseq <= PAGE_MODSEQ_MAX);
	at[1] = (uint8_t)((e->flags & STORE_FLAGS_ALL) | (e->gone ? GONE : 0u) | (e->has_uidl ? HAS_UIDL : 0u));
	put(at + 2, 4, e->keyset);
	put(at + 6, 6, e->modseq);
}

void page_get_facts(const struct page *p, uint32_t i, struct facts_entry *ret)
{
	const uint8_t *e = entry(p, i);

	ret->slot = e[0];
	ret->message = get(e + 1, 8);
	ret->size_bytes = get(e + 9, 5);
	ret->internal_s = get_time(e + 14);
	ret->saved_s = get_time(e + 19);
	ret->sent_s = get_time(e + 24);
	ret->prefix_off = (uint32_t)get(e + 29, 4);
	ret->prefix_bytes = (uint32_t)get(e + 33, 4);
	ret->born = get(e + 37, 6);
}

void page_put_facts(struct page *p, const struct facts_entry *e)
{
	uint8_t *at = place(p, e->slot);

	assert(e->born <= PAGE_MODSEQ_MAX && e->size_bytes <= PAGE_SIZE_MAX);
	put(at + 1, 8, e->message);
	put(at + 9, 5, e->size_bytes);
	put_time(at + 14, e->internal_s);
	put_time(at + 19, e->saved_s);
	put_time(at + 24, e->sent_s);
	put(at + 29, 4, e->prefix_off);
	put(at + 33, 4, e->prefix_bytes);
	put(at + 37, 6, e->born);
	at[43] = 0;
}

void page_summarize(const struct page *p, struct state_summary *ret)
{
	struct state_summary s = {0, 0, 0};

	for (uint32_t i = 0; i < p->count; i++) {
		struct state_entry e;

		page_get_state(p, i, &e);
		if (e.modseq > s.maxmodseq)
			s.maxmodseq = e.modseq;
		if (e.gone)
			continue;
		s.live++;
		if (!(e.flags & STORE_SEEN))
			s.unseen++;
	}
	*ret = s;
}
