/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_BOX_H
#define POMBO_STORE_BOX_H

#include "base/arena.h"
#include "store/page.h"
#include "store/sql.h"
#include "store/store_private.h"

/* A mailbox as a reader sees it, within one snapshot. */
struct box {
	uint64_t mailbox;
	uint32_t uidvalidity, uidnext;
	uint64_t highestmodseq, forgotten_modseq;
	uint64_t messages, unseen, deleted, bytes;
	uint32_t unseen_page;
	bool overlay; /* staged pages come before those in their place */
};
/* 1 found, 0 not there, deleted, or not the account's; negative errno. */
must_check int box_read(struct store_reader *r, uint64_t account, uint64_t mailbox, struct box *ret);
must_check int box_read_by_name(struct store_reader *r, uint64_t account, struct view name, struct box *ret);

/* What a call says whose work ended with rc (1 done, 0 no such mailbox, negative errno). */
enum store_outcome box_outcome(struct store_reader *r, int rc);

/* State pages in order, the staged ones before the others of the same number. Only one cursor a connection at a time. */
struct state_cursor {
	struct store_reader *r;
	const struct box *box;
	struct sql_stmt *base, *staged; /* staged NULL: no overlay */
	int has_base, has_staged;
	struct sql_stmt *at; /* the row it stands on */
};
void state_cursor_open(struct state_cursor *c, struct store_reader *r, const struct box *box, uint32_t from_page);
void state_cursor_close(struct state_cursor *c);
/* 1: stands on a page; 0 the end; negative errno. */
must_check int state_cursor_next(struct state_cursor *c, uint32_t *ret_no);
/* Of the page it stands on. */
uint64_t state_cursor_maxmodseq(const struct state_cursor *c);
uint64_t state_cursor_unseen(const struct state_cursor *c);
must_check bool state_cursor_load(const struct state_cursor *c, struct page *ret); /* false: damaged */

/* One state page by number. 1, 0, negative errno. */
must_check int box_state(struct store_reader *r, const struct box *box, uint32_t no, struct page *ret);
/* The facts of a UID whose state was seen; `cache` keeps the page between calls (count 0 and `*no` UINT32_MAX at first). */
struct facts_cache {
	uint32_t no;
	struct page page;
};
must_check int box_facts(struct store_reader *r, const struct box *box, uint32_t uid, struct facts_cache *cache,
			 struct facts_entry *ret);

/* The names of keyword sets, read when the first is asked for; texts in the arena. */
struct keyset_cache {
	struct arena *a;
	struct keyset *at; /* ascending by id */
	size_t count;
	bool loaded;
};
must_check int box_keywords(struct store_reader *r, const struct box *box, struct keyset_cache *cache, uint32_t keyset,
			    struct view *ret);
/* Every keyword in use, each once. */
must_check int box_all_keywords(struct store_reader *r, const struct box *box, struct arena *a, const struct view **ret,
				size_t *ret_count);

#endif
