/* SPDX-License-Identifier: ISC
 * What happened after a modseq: IDLE's news, CONDSTORE and QRESYNC. */
#include "store/mailbox_read.h"

#include "store/box.h"
#include "store/ranges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CHANGES_BYTES = 256 * 1024 }; /* of keywords: the page ends behind them */

struct changes_work {
	struct store_reader *r;
	struct box box;
	uint64_t since;
	uint32_t uid; /* the next to look at */
	uint32_t new_from; /* UIDs from here on were born after `since` */
	bool all; /* those too that came and went */
	bool forgotten; /* tombstones are gone: what is absent counts as vanished */
	struct keyset_cache keysets;
	struct box_change *rows; /* on the heap until the page is whole */
	size_t count, cap, max, bytes;
	struct range_list vanished;
	bool full;
};

/* UIDs rise with their modseq of birth: from the end backwards to the first page that begins with an old one. */
static int find_new_from(struct changes_work *x, uint32_t *ret)
{
	uint64_t below = facts_key(x->box.mailbox, facts_page_no(UINT32_MAX));
	uint32_t found = x->box.uidnext;

	if (x->since == 0) {
		*ret = 1;
		return 0;
	}
	for (bool old = false; !old;) {
		struct sql_stmt *st = sql_use(x->r->sql, SQL_facts_before);
		struct page page;
		uint32_t no;
		int rc;

		sql_bind_u64(st, 1, facts_key(x->box.mailbox, 0));
		sql_bind_u64(st, 2, below);
		rc = sql_step(st);
		if (rc > 0) {
			below = sql_u64(st, 0) - 1;
			no = (uint32_t)(sql_u64(st, 0) & 0x3ffffff);
			if (!page_load(&page, PAGE_FACTS, sql_bytes(st, 1)))
				rc = -EUCLEAN;
		}
		sql_reset(st);
		if (rc < 0)
			return rc;
		if (rc == 0)
			break;
		for (uint32_t i = page.count; i-- > 0 && !old;) {
			struct facts_entry e;
			uint32_t uid = no * FACTS_SLOTS + page_slot(&page, i);

			page_get_facts(&page, i, &e);
			old = e.born <= x->since && uid < x->box.uidnext;
			if (!old && uid < found)
				found = uid;
		}
		old |= below < facts_key(x->box.mailbox, 0);
	}
	*ret = found;
	return 0;
}

/* first..last are absent. False: no room, the page ends before them. */
static bool add_vanished(struct changes_work *x, uint32_t first, uint32_t last)
{
	if (!x->all && last >= x->new_from)
		last = x->new_from - 1; /* came and went: nobody was told of them */
	if (first > last)
		return true;
	if (x->vanished.count == STORE_RANGES_MAX)
		return false;
	range_list_add(&x->vanished, first);
	x->vanished.at[x->vanished.count - 1].last = last;
	return true;
}

static int add_changed(struct changes_work *x, uint32_t uid, const struct state_entry *e)
{
	struct box_change *row;
	int rc;

	if (x->count == x->max || x->bytes > CHANGES_BYTES) {
		x->full = true;
		return 0;
	}
	if (x->count == x->cap) {
		x->cap = x->cap ? x->cap * 2 : 16;
		x->rows = xrealloc(x->rows, x->cap * sizeof *x->rows);
	}
	row = &x->rows[x->count];
	*row = (struct box_change){.uid = uid, .flags = e->flags, .modseq = e->modseq, .is_new = uid >= x->new_from};
	rc = box_keywords(x->r, &x->box, &x->keysets, e->keyset, &row->keywords);
	if (rc == -EMSGSIZE && x->count > 0) {
		x->full = true;
		return 0;
	}
	x->count++;
	x->bytes += row->keywords.n;
	return rc;
}

/* Everything from x->uid up to and with `uid`, whose entry this is. */
static int look_at(struct changes_work *x, uint32_t uid, const struct state_entry *e)
{
	if (x->forgotten && uid > x->uid && !add_vanished(x, x->uid, uid - 1)) {
		x->full = true;
		return 0;
	}
	if (e->gone) {
		if ((x->forgotten || e->modseq > x->since) && !add_vanished(x, uid, uid))
			x->full = true;
	} else if (e->modseq > x->since) {
		int rc = add_changed(x, uid, e);

		if (rc < 0)
			return rc;
	}
	if (!x->full)
		x->uid = uid + 1;
	return 0;
}

static int look_at_page(struct changes_work *x, const struct page *page, uint32_t no)
{
	for (uint32_t i = 0; i < page->count && !x->full; i++) {
		struct state_entry e;
		uint32_t uid = no * STATE_SLOTS + page_slot(page, i);
		int rc;

		if (uid < x->uid)
			continue;
		page_get_state(page, i, &e);
		rc = look_at(x, uid, &e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int collect(struct changes_work *x)
{
	struct state_cursor c;
	struct page page;
	uint32_t no;
	int rc = 0;

	state_cursor_open(&c, x->r, &x->box, state_page_no(x->uid));
	while (!x->full && (rc = state_cursor_next(&c, &no)) > 0) {
		if (!x->forgotten && state_cursor_maxmodseq(&c) <= x->since)
			continue;
		rc = state_cursor_load(&c, &page) ? look_at_page(x, &page, no) : -EUCLEAN;
		if (rc < 0)
			break;
	}
	state_cursor_close(&c);
	if (rc < 0)
		return rc;
	if (!x->full && x->forgotten && x->uid < x->box.uidnext && !add_vanished(x, x->uid, x->box.uidnext - 1))
		x->full = true;
	return 1;
}

static int work(struct changes_work *x)
{
	int rc;

	x->forgotten = x->since < x->box.forgotten_modseq;
	rc = find_new_from(x, &x->new_from);
	return rc < 0 ? rc : collect(x);
}

/* Rows and ranges into the arena. */
static enum store_outcome give(const struct changes_work *x, struct arena *a, struct box_changes *ret)
{
	struct box_change *rows = arena_array(a, x->count, sizeof *rows);
	const struct uid_range *vanished;
	size_t vanished_count;

	if (!rows || !range_list_copy(&x->vanished, a, &vanished, &vanished_count))
		return STORE_TOO_BIG;
	if (x->count > 0)
		memcpy(rows, x->rows, x->count * sizeof *rows);
	*ret = (struct box_changes){
	    .highestmodseq = x->box.highestmodseq,
	    .uidnext = x->box.uidnext,
	    .vanished = vanished,
	    .vanished_count = vanished_count,
	    .rows = rows,
	    .count = x->count,
	    .next = x->full ? x->uid : 0,
	};
	return STORE_OK;
}

enum store_outcome box_changes(struct store_reader *r, const struct changes_query *q, struct arena *a,
			       struct box_changes *ret)
{
	struct changes_work x = {
	    .r = r,
	    .since = q->since,
	    .uid = q->uid_from ? q->uid_from : 1,
	    .all = q->all,
	    .keysets = {.a = a},
	    .max = q->max_rows,
	};
	enum store_outcome outcome;
	int rc;

	if (q->max_rows == 0)
		return STORE_BAD_REQUEST;
	rc = reader_begin(r);
	rc = rc < 0 ? rc : box_read(r, q->account, q->mailbox, &x.box);
	if (rc > 0)
		rc = work(&x);
	outcome = box_outcome(r, rc);
	reader_end(r);
	if (outcome == STORE_OK) {
		outcome = give(&x, a, ret);
	} else if (outcome == STORE_NO_MAILBOX) {
		*ret = (struct box_changes){.mailbox_gone = true};
		outcome = STORE_OK;
	}
	range_list_fini(&x.vanished);
	free(x.rows);
	return outcome;
}
