/* SPDX-License-Identifier: ISC
 * What SELECT and STATUS ask: counters, and the UIDs that exist. */
#include "store/mailbox_read.h"

#include "store/box.h"

#include <errno.h>

/* ---- counters ---- */

/* The first page from the hint on that holds an unseen message holds the first of them. */
static int first_unseen(struct store_reader *r, const struct box *box, uint32_t *ret_uid)
{
	struct state_cursor c;
	struct page page;
	uint32_t no;
	int rc;

	*ret_uid = 0;
	if (box->unseen == 0)
		return 0;
	state_cursor_open(&c, r, box, box->unseen_page);
	while ((rc = state_cursor_next(&c, &no)) > 0 && *ret_uid == 0) {
		if (state_cursor_unseen(&c) == 0)
			continue;
		if (!state_cursor_load(&c, &page)) {
			rc = -EUCLEAN;
			break;
		}
		for (uint32_t i = 0; i < page.count && *ret_uid == 0; i++) {
			struct state_entry e;

			page_get_state(&page, i, &e);
			if (!e.gone && !(e.flags & STORE_SEEN))
				*ret_uid = no * STATE_SLOTS + e.slot;
		}
	}
	state_cursor_close(&c);
	return rc < 0 ? rc : 0;
}

/* `found` is what reading the box said. */
static enum store_outcome status_of(struct store_reader *r, int found, const struct box *box, struct arena *a,
				    struct box_status *ret)
{
	int rc = found;

	if (rc <= 0)
		return box_outcome(r, rc);
	*ret = (struct box_status){
	    .mailbox = box->mailbox,
	    .uidvalidity = box->uidvalidity,
	    .uidnext = box->uidnext,
	    .exists = (uint32_t)box->messages,
	    .unseen = (uint32_t)box->unseen,
	    .deleted = (uint32_t)box->deleted,
	    .size_bytes = box->bytes,
	    .highestmodseq = box->highestmodseq,
	};
	rc = first_unseen(r, box, &ret->first_unseen_uid);
	if (rc == 0)
		rc = box_all_keywords(r, box, a, &ret->keywords, &ret->keyword_count);
	return rc < 0 ? box_outcome(r, rc) : STORE_OK;
}

enum store_outcome box_open(struct store_reader *r, uint64_t account, struct view name, struct arena *a,
			    struct box_status *ret)
{
	enum store_outcome outcome;
	struct box box;
	int rc = reader_begin(r);

	rc = rc < 0 ? rc : box_read_by_name(r, account, name, &box);
	outcome = status_of(r, rc, &box, a, ret);
	reader_end(r);
	return outcome;
}

enum store_outcome box_status(struct store_reader *r, uint64_t account, uint64_t mailbox, struct arena *a,
			      struct box_status *ret)
{
	enum store_outcome outcome;
	struct box box;
	int rc = reader_begin(r);

	rc = rc < 0 ? rc : box_read(r, account, mailbox, &box);
	outcome = status_of(r, rc, &box, a, ret);
	reader_end(r);
	return outcome;
}

/* ---- UIDs ---- */

struct uid_page {
	struct uid_range *ranges;
	size_t count, max;
	uint32_t next;
};

/* False when the list is full: the next page starts there. */
static bool add_run(struct uid_page *p, uint32_t first, uint32_t last)
{
	if (p->count > 0 && p->ranges[p->count - 1].last == first - 1) {
		p->ranges[p->count - 1].last = last;
		return true;
	}
	if (p->count == p->max) {
		p->next = first;
		return false;
	}
	p->ranges[p->count++] = (struct uid_range){first, last};
	return true;
}

static bool add_page(struct uid_page *p, const struct page *page, uint32_t no, uint32_t uid_from)
{
	uint32_t first_uid = no * STATE_SLOTS, first, last;
	uint32_t i = uid_from > first_uid ? page_lower(page, uid_from - first_uid) : 0;

	while (page_live_run(page, &i, &first, &last))
		if (!add_run(p, first_uid + first, first_uid + last))
			return false;
	return true;
}

static int collect_uids(struct store_reader *r, const struct box *box, uint32_t uid_from, struct uid_page *p)
{
	struct state_cursor c;
	struct page page;
	uint32_t no;
	int rc;

	state_cursor_open(&c, r, box, state_page_no(uid_from));
	while ((rc = state_cursor_next(&c, &no)) > 0) {
		if (!state_cursor_load(&c, &page)) {
			rc = -EUCLEAN;
			break;
		}
		if (!add_page(p, &page, no, uid_from))
			break;
	}
	state_cursor_close(&c);
	return rc < 0 ? rc : 1;
}

enum store_outcome box_uids(struct store_reader *r, uint64_t account, uint64_t mailbox, uint32_t uid_from,
			    size_t max_ranges, struct arena *a, struct box_uids *ret)
{
	struct uid_page p = {arena_array(a, max_ranges, sizeof *p.ranges), 0, max_ranges, 0};
	enum store_outcome outcome;
	struct box box;
	int rc;

	if (!p.ranges || max_ranges == 0)
		return STORE_TOO_BIG;
	rc = reader_begin(r);
	rc = rc < 0 ? rc : box_read(r, account, mailbox, &box);
	if (rc > 0)
		rc = collect_uids(r, &box, uid_from, &p);
	outcome = box_outcome(r, rc);
	reader_end(r);
	if (outcome == STORE_OK)
		*ret = (struct box_uids){box.highestmodseq, box.uidnext, p.ranges, p.count, p.next};
	return outcome;
}

enum store_outcome quota_read(struct store_reader *r, uint64_t account, struct quota_usage *ret)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_account_for_writer);
	enum store_outcome outcome = STORE_OK;
	int rc = reader_begin(r);

	sql_bind_u64(st, 1, account);
	rc = rc < 0 ? rc : sql_step(st);
	if (rc > 0)
		*ret = (struct quota_usage){{sql_u64(st, 1), sql_u64(st, 2)}, {sql_u64(st, 0), sql_u64(st, 4)}};
	else
		outcome = rc < 0 ? reader_failed(r, rc) : STORE_NO_ACCOUNT;
	sql_reset(st);
	reader_end(r);
	return outcome;
}
