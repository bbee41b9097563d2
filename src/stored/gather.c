/* SPDX-License-Identifier: ISC
 * What SORT and THREAD need of many messages. */
#include "stored/gather.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 2000, HEADER_ROWS = 500, HEADER_BYTES = 1024 * 1024, PAGE_ARENA_MAX = 8 * 1024 * 1024 };

/* One page's messages that the index cannot tell all of. */
struct open_list {
	struct uid_range ranges[PAGE];
	size_t count;
	uint32_t first_uid[PAGE]; /* of the page, with their places behind `at` */
	size_t uids;
	bool headers; /* some lack digests */
};

void gather_init(struct gather *g, unsigned what, gather_fn *take, void *ctx)
{
	g->what = what;
	g->take = take;
	g->ctx = ctx;
	g->range = g->at = 0;
	g->uid = 0;
	g->searching = true;
}

void gather_fini(struct gather *g)
{
	search_fini(&g->search);
}

static bool record(struct gather *g, enum digest_column column, uint32_t uid, struct view *ret)
{
	struct search *s = &g->search;

	return uid < s->indexed && search_record(s->r, s->account, column, s->mailbox, uid, &s->columns[column], ret);
}

/* False: the row must be asked for the arrival. */
static bool take_date(struct gathered *m, struct view v)
{
	struct digest_date date;

	if (!digest_read_date(v, &date) || !date.known)
		return false;
	m->sent_s = date.date.utc_s;
	return true;
}

/* By the index alone. `*ret_header`: the header block is needed. */
static bool by_index(struct gather *g, struct gathered *m, bool *ret_header)
{
	struct view date, keys, thread;
	bool ok;

	*ret_header = ((g->what & GATHER_SENT) && !record(g, DIGEST_DATE, m->uid, &date)) ||
		      ((g->what & GATHER_KEYS) && !record(g, DIGEST_SORT, m->uid, &keys)) ||
		      ((g->what & GATHER_THREAD) && !record(g, DIGEST_THREAD, m->uid, &thread));
	if (*ret_header || (g->what & (GATHER_ARRIVAL | GATHER_SIZE)))
		return false;
	ok = !(g->what & GATHER_SENT) || take_date(m, date);
	ok = ok && (!(g->what & GATHER_KEYS) || digest_read_sort(keys, m->keys));
	return ok && (!(g->what & GATHER_THREAD) || digest_read_thread(thread, &m->thread));
}

static bool by_columns(const struct gather *g, struct gathered *m, const struct view *columns)
{
	if ((g->what & GATHER_SENT) && !take_date(m, columns[DIGEST_DATE]))
		m->sent_s = m->internaldate_s; /* RFC 5256 §2.2 */
	if ((g->what & GATHER_KEYS) && !digest_read_sort(columns[DIGEST_SORT], m->keys))
		return false;
	return !(g->what & GATHER_THREAD) || digest_read_thread(columns[DIGEST_THREAD], &m->thread);
}

/* With the row, and digests of the index or of its header block. */
static void by_row(struct gather *g, const struct box_row *row, size_t at)
{
	struct gathered m = {
	    .at = at, .uid = row->uid, .internaldate_s = row->internaldate_s, .size_bytes = row->size_bytes};
	struct view v[DIGEST_COLUMNS] = {{NULL, 0}};
	struct buf made[DIGEST_COLUMNS];
	static const unsigned needs[DIGEST_COLUMNS] = {
	    [DIGEST_DATE] = GATHER_SENT, [DIGEST_SORT] = GATHER_KEYS, [DIGEST_THREAD] = GATHER_THREAD};
	bool make = false;

	for (enum digest_column i = DIGEST_DATE; i < DIGEST_COLUMNS; i++) {
		buf_init(&made[i], DIGEST_RECORD_MAX);
		if ((g->what & needs[i]) && !record(g, i, row->uid, &v[i]))
			make = true;
	}
	if (make && row->header.n) {
		search_digest(g->search.r, view_sub(row->header, row->prefix_bytes, row->header.n), made);
		for (enum digest_column i = DIGEST_DATE; i < DIGEST_COLUMNS; i++)
			v[i] = buf_view(&made[i]);
	}
	if ((!make || row->header.n) && by_columns(g, &m, v))
		g->take(g->ctx, &m);
	for (enum digest_column i = DIGEST_DATE; i < DIGEST_COLUMNS; i++)
		buf_fini(&made[i]);
}

/* ---- pages ---- */

static void add_open(struct open_list *l, uint32_t uid)
{
	struct uid_range *last = l->count ? &l->ranges[l->count - 1] : NULL;

	if (last && last->last + 1 == uid)
		last->last = uid;
	else
		l->ranges[l->count++] = (struct uid_range){uid, uid};
}

static bool next_uid(struct gather *g, uint32_t *ret)
{
	const struct search *s = &g->search;

	if (g->range == s->found_count)
		return false;
	if (g->uid == 0)
		g->uid = s->found[g->range].first;
	*ret = g->uid;
	if (g->uid == s->found[g->range].last) {
		g->range++;
		g->uid = 0;
	} else {
		g->uid++;
	}
	return true;
}

static size_t place_of(const struct open_list *l, uint32_t uid)
{
	size_t low = 0, high = l->uids;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (l->first_uid[mid] < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static enum store_outcome read_open(struct gather *g, const struct open_list *l, size_t base)
{
	const struct search *s = &g->search;
	struct rows_query q = {
	    .account = s->account,
	    .mailbox = s->mailbox,
	    .ranges = l->ranges,
	    .range_count = l->count,
	    .uid_from = 1,
	    .fields = ROW_INTERNALDATE | ROW_SIZE | (l->headers ? ROW_HEADER : 0),
	    .with_expunged = s->query.with_expunged,
	    .max_rows = l->headers ? HEADER_ROWS : PAGE,
	    .max_bytes = HEADER_BYTES,
	};
	enum store_outcome outcome = STORE_OK;

	while (outcome == STORE_OK && q.uid_from) {
		struct box_rows rows;
		struct arena a;

		arena_init(&a, PAGE_ARENA_MAX);
		outcome = box_rows(s->r, &q, &a, &rows);
		for (size_t i = 0; outcome == STORE_OK && i < rows.count; i++)
			by_row(g, &rows.rows[i], base + place_of(l, rows.rows[i].uid));
		q.uid_from = outcome == STORE_OK ? rows.next : 0;
		arena_fini(&a);
	}
	return outcome;
}

static enum store_outcome gather_page(struct gather *g, bool *ret_again)
{
	struct open_list *l = xcalloc(1, sizeof *l);
	enum store_outcome outcome = STORE_OK;
	size_t base = g->at;
	uint32_t uid;

	while (l->uids < PAGE && next_uid(g, &uid)) {
		struct gathered m = {.at = g->at, .uid = uid};
		bool header;

		l->first_uid[l->uids++] = uid;
		g->at++;
		if (by_index(g, &m, &header)) {
			g->take(g->ctx, &m);
			continue;
		}
		l->headers |= header;
		add_open(l, uid);
	}
	*ret_again = g->range < g->search.found_count;
	if (l->count)
		outcome = read_open(g, l, base);
	free(l);
	return outcome;
}

enum store_outcome gather_step(struct gather *g, struct store_reader *r, bool *ret_again)
{
	enum store_outcome outcome;
	bool more = false;

	if (!g->searching) {
		g->search.r = r;
		return gather_page(g, ret_again);
	}
	outcome = search_step(&g->search, r, &more);
	*ret_again = outcome == STORE_OK;
	if (outcome != STORE_OK || more)
		return outcome;
	g->searching = false;
	if (search_found(&g->search) > GATHER_MESSAGES_MAX)
		return STORE_LIMIT;
	if (g->search.indexed == 0)
		g->search.indexed = search_indexed(r, g->search.account, g->search.mailbox);
	*ret_again = g->search.found_count > 0;
	return STORE_OK;
}
