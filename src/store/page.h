/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_PAGE_H
#define POMBO_STORE_PAGE_H

#include "base/mem.h"
#include "base/view.h"

/* Packed pages: what a mailbox knows of its copies, by UID. A state page holds what changes, for 256 UIDs; a facts page what does
 * not, for 64. An image is {u8 version, u8 kind, u16 count} and `count` entries of fixed size, little-endian, ascending by slot (the
 * UID's place in the page). Either fits one database page when full. Pure. */
enum page_kind { PAGE_STATE, PAGE_FACTS };

enum {
	PAGE_HEAD_BYTES = 4,
	STATE_SLOTS = 256,
	STATE_BYTES = 12,
	FACTS_SLOTS = 64,
	FACTS_BYTES = 44,
	PAGE_BYTES_MAX = PAGE_HEAD_BYTES + STATE_SLOTS * STATE_BYTES,
};
#define PAGE_MODSEQ_MAX ((1ULL << 48) - 1)
#define PAGE_SIZE_MAX ((1ULL << 40) - 1)

struct page {
	enum page_kind kind;
	uint32_t count;
	uint8_t bytes[PAGE_BYTES_MAX + 8];
};

struct state_entry {
	uint32_t slot;
	uint32_t flags; /* STORE_SEEN … */
	bool gone; /* expunged; modseq is that of the expunge */
	bool has_uidl; /* a POP3 id of its own in table uidl */
	uint32_t keyset; /* 0: no keywords */
	uint64_t modseq;
};

struct facts_entry {
	uint32_t slot;
	uint64_t message;
	uint64_t size_bytes;
	int64_t internal_s, saved_s, sent_s; /* clamped to 40 bits, some 17,000 years either way */
	uint32_t prefix_off, prefix_bytes;
	uint64_t born; /* modseq of its creation */
};

void page_init(struct page *p, enum page_kind kind);
/* False when `image` is not a page of this kind: damaged. */
must_check bool page_load(struct page *p, enum page_kind kind, struct view image);
struct view page_image(struct page *p); /* valid until the page changes */

/* Entry at index i (i < count). */
uint32_t page_slot(const struct page *p, uint32_t i);
/* The index of the first entry whose slot is `slot` or above; count when there is none. */
uint32_t page_lower(const struct page *p, uint32_t slot);
/* The index of `slot`'s entry, or count. */
uint32_t page_find(const struct page *p, uint32_t slot);
void page_remove(struct page *p, uint32_t i);

/* Is entry i there (not expunged)? */
bool page_is_live(const struct page *p, uint32_t i);
/* The next run of entries that are there and whose slots follow each other, from index *i on; *i is then behind it. */
must_check bool page_live_run(const struct page *p, uint32_t *i, uint32_t *ret_first, uint32_t *ret_last);
void page_get_state(const struct page *p, uint32_t i, struct state_entry *ret);
void page_get_facts(const struct page *p, uint32_t i, struct facts_entry *ret);
/* Inserts, or replaces the entry of that slot. */
void page_put_state(struct page *p, const struct state_entry *e);
void page_put_facts(struct page *p, const struct facts_entry *e);

/* What stands beside a state page in its row, so that a scan need not open it. */
struct state_summary {
	uint64_t maxmodseq;
	uint32_t live, unseen;
};
void page_summarize(const struct page *p, struct state_summary *ret);

/* Which page of the mailbox, which slot of the page. */
static inline uint32_t state_page_no(uint32_t uid)
{
	return uid / STATE_SLOTS;
}
static inline uint32_t facts_page_no(uint32_t uid)
{
	return uid / FACTS_SLOTS;
}
/* Row keys: pages of a mailbox are neighbours. */
static inline uint64_t state_key(uint64_t mailbox, uint32_t page_no)
{
	return mailbox << 24 | page_no;
}
static inline uint64_t facts_key(uint64_t mailbox, uint32_t page_no)
{
	return mailbox << 26 | page_no;
}
static inline uint64_t copy_key(uint64_t mailbox, uint32_t uid)
{
	return mailbox << 32 | uid;
}
#define MAILBOX_ID_MAX ((1ULL << 31) - 1)

#endif
