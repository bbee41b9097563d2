/* SPDX-License-Identifier: ISC
 * Brings an account's search index up to date, a slice at a time: digests by UID, trigrams by message. */
#include "store/search_write.h"

#include "mail/mime_index.h"
#include "store/search_file.h"
#include "store/search_read.h"
#include "store/search_segment.h"
#include "store/sql_sqlite.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	BATCH_DOCS = 1024,
	PAGE_ROWS = 256,
	PAGE_ROWS_BYTES = 1024 * 1024,
	INLINE_MAX = 128 * 1024,
	PAGE_ARENA_MAX = 8 * 1024 * 1024,
	PIECE = 262144,
	BOXES_PAGE = 64,
	WORTH_MESSAGES = 100,
	INDEXED_HEADER_MAX = 256 << 10, /* search_match.c looks at no more of one */
	WAL_PAGES_MAX = 2000,
};

struct search_writer {
	struct store_reader *r;
	uint64_t account;
	struct sql *sql;
	struct trigrams trigrams;
	uint64_t ids[BATCH_DOCS]; /* of the documents gathered */
	uint64_t *known; /* message ids in the index, ascending; loaded when first needed */
	size_t known_n;
	bool known_loaded;
	uint64_t last_id; /* no message in the index, or gathered, has a greater one */
	struct buf columns[DIGEST_COLUMNS];
	bool merging; /* something was written since the last look for joins */
};

/* A mailbox that is behind. */
struct behind {
	uint64_t mailbox;
	uint32_t uidvalidity, uidnext;
	uint32_t from; /* first UID to index */
	bool found, starts_over;
};

static int last_id(struct sql *c, uint64_t *ret)
{
	struct sql_stmt *st = sql_use(c, SQL_search_segment_last_message);
	int rc = sql_step(st);

	if (rc > 0)
		*ret = sql_u64(st, 0);
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

int search_writer_open(struct store_reader *r, uint64_t account, struct search_writer **ret)
{
	struct search_writer *w;
	struct sql *sql = NULL;
	uint64_t last = 0;
	int rc = search_folder_make(r->store);

	if (rc == 0)
		rc = search_file_open(r->store, account, true, &sql);
	if (rc < 0 && rc != -ENOSPC && rc != -EAGAIN && rc != -EROFS) {
		search_file_drop(r->store, account);
		rc = search_file_open(r->store, account, true, &sql);
	}
	if (rc == 0)
		rc = last_id(sql, &last);
	if (rc < 0) {
		sql_close(&sql);
		return rc;
	}
	w = xcalloc(1, sizeof *w);
	w->r = r;
	w->last_id = last;
	w->account = account;
	w->sql = sql;
	w->merging = true;
	trigrams_init(&w->trigrams);
	for (size_t i = 0; i < DIGEST_COLUMNS; i++)
		buf_init(&w->columns[i], DIGEST_RECORD_MAX);
	*ret = w;
	return 0;
}

void search_writer_close(struct search_writer **wp)
{
	struct search_writer *w = *wp;

	if (!w)
		return;
	sql_sqlite_close_whole(w->sql);
	sql_close(&w->sql);
	trigrams_fini(&w->trigrams);
	for (size_t i = 0; i < DIGEST_COLUMNS; i++)
		buf_fini(&w->columns[i]);
	free(w->known);
	free(w);
	*wp = NULL;
}

void search_drop(struct store *s, uint64_t account)
{
	search_file_drop(s, account);
}

uint64_t search_take_damaged(struct store *s)
{
	return atomic_exchange(&s->search_damaged, 0);
}

/* ---- what there is to do ---- */

/* Where the index stands with a mailbox: its uidnext there, 0 for none or another UIDVALIDITY. */
static int position(struct search_writer *w, uint64_t mailbox, uint32_t uidvalidity, uint32_t *ret)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_search_box_get);
	int rc;

	*ret = 0;
	sql_bind_u64(st, 1, mailbox);
	rc = sql_step(st);
	if (rc > 0 && sql_u64(st, 0) == uidvalidity)
		*ret = (uint32_t)sql_u64(st, 1);
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int look_at(struct search_writer *w, const struct behind *b, struct behind *first, struct search_progress *p)
{
	uint32_t uidnext;
	int rc = position(w, b->mailbox, b->uidvalidity, &uidnext);

	if (rc < 0)
		return rc;
	p->total += b->uidnext - 1;
	if (uidnext >= 1 && uidnext <= b->uidnext)
		p->done += uidnext - 1;
	if (first->found || uidnext == b->uidnext)
		return 0;
	*first = *b;
	first->found = true;
	first->starts_over = uidnext == 0 || uidnext > b->uidnext;
	first->from = first->starts_over ? 1 : uidnext;
	return 0;
}

/* One page of the account's mailboxes; how many there were, or negative errno. */
static int list_boxes(struct search_writer *w, uint64_t after, struct behind *boxes)
{
	struct sql_stmt *st = sql_use(w->r->sql, SQL_search_boxes);
	int n = 0, rc;

	sql_bind_u64(st, 1, w->account);
	sql_bind_u64(st, 2, after);
	sql_bind_u64(st, 3, BOXES_PAGE);
	while ((rc = sql_step(st)) > 0 && n < BOXES_PAGE)
		boxes[n++] = (struct behind){.mailbox = sql_u64(st, 0),
					     .uidvalidity = (uint32_t)sql_u64(st, 1),
					     .uidnext = (uint32_t)sql_u64(st, 2)};
	sql_reset(st);
	return rc < 0 ? rc : n;
}

bool search_is_due(struct store_reader *r, uint64_t account)
{
	struct search_writer w = {.r = r, .account = account};
	struct behind boxes[BOXES_PAGE];
	uint64_t messages = 0;
	int n;

	if (search_file_exists(r->store, account))
		return true;
	n = list_boxes(&w, 0, boxes);
	for (int i = 0; i < n; i++)
		messages += boxes[i].uidnext - 1;
	return messages >= WORTH_MESSAGES || n == BOXES_PAGE;
}

static int find_behind(struct search_writer *w, struct behind *ret, struct search_progress *progress)
{
	struct behind boxes[BOXES_PAGE];
	uint64_t after = 0;
	int n = BOXES_PAGE, rc = 0;

	ret->found = false;
	*progress = (struct search_progress){0, 0};
	while (rc == 0 && n == BOXES_PAGE) {
		n = list_boxes(w, after, boxes);
		for (int i = 0; rc == 0 && i < n; i++)
			rc = look_at(w, &boxes[i], ret, progress);
		if (n > 0)
			after = boxes[n - 1].mailbox;
	}
	return n < 0 ? n : rc;
}

/* ---- digests ---- */

/* Pages of one batch, a column at a time. */
struct pages {
	struct search_writer *w;
	uint64_t mailbox;
	uint32_t page; /* UINT32_MAX: none yet */
	struct buf bytes[DIGEST_COLUMNS];
};

static void pages_init(struct pages *p, struct search_writer *w, uint64_t mailbox)
{
	*p = (struct pages){.w = w, .mailbox = mailbox, .page = UINT32_MAX};
	for (size_t i = 0; i < DIGEST_COLUMNS; i++)
		buf_init(&p->bytes[i], SEARCH_FACTS_SLOTS * (DIGEST_RECORD_MAX + 8) + 16);
}

static void pages_fini(struct pages *p)
{
	for (size_t i = 0; i < DIGEST_COLUMNS; i++)
		buf_fini(&p->bytes[i]);
}

static int put_page(struct sql *c, uint64_t key, struct buf *bytes)
{
	struct sql_stmt *st = sql_use(c, SQL_search_facts_put);

	search_seal(bytes);
	if (bytes->overflow)
		return -EOVERFLOW;
	sql_bind_u64(st, 1, key);
	sql_bind_bytes(st, 2, buf_view(bytes));
	return sql_run(st);
}

static int pages_flush(struct pages *p)
{
	int rc = 0;

	for (enum digest_column i = DIGEST_DATE; rc == 0 && i < DIGEST_COLUMNS; i++) {
		if (p->page != UINT32_MAX)
			rc = put_page(p->w->sql, search_facts_key(i, p->mailbox, p->page), &p->bytes[i]);
		buf_reset(&p->bytes[i]);
	}
	return rc;
}

/* What of the page was written before; a batch may begin in its middle. */
static int pages_load(struct pages *p, uint32_t page)
{
	for (enum digest_column i = DIGEST_DATE; i < DIGEST_COLUMNS; i++) {
		struct sql_stmt *st = sql_use(p->w->sql, SQL_search_facts_get);
		struct view bytes;
		int rc;

		sql_bind_u64(st, 1, search_facts_key(i, p->mailbox, page));
		rc = sql_step(st);
		if (rc > 0) {
			rc = search_unseal(sql_bytes(st, 0), &bytes) ? 0 : -EUCLEAN;
			if (rc == 0)
				buf_append_view(&p->bytes[i], bytes);
		}
		sql_reset(st);
		if (rc < 0)
			return rc;
	}
	p->page = page;
	return 0;
}

static int add_digests(struct pages *p, const struct box_row *row)
{
	struct search_writer *w = p->w;
	uint32_t page = row->uid / SEARCH_FACTS_SLOTS;
	int rc = page == p->page ? 0 : pages_flush(p);

	if (rc == 0 && page != p->page)
		rc = pages_load(p, page);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < DIGEST_COLUMNS; i++)
		buf_reset(&w->columns[i]);
	search_digest(w->r, view_sub(row->header, row->prefix_bytes, row->header.n), w->columns);
	for (size_t i = 0; i < DIGEST_COLUMNS; i++) {
		const struct buf *c = &w->columns[i];
		char head[3] = {(char)(row->uid % SEARCH_FACTS_SLOTS), (char)c->n, (char)(c->n >> 8)};

		buf_append(&p->bytes[i], head, sizeof head);
		buf_append_view(&p->bytes[i], buf_view(c));
	}
	return 0;
}

/* ---- trigrams ---- */

static int compare_ids(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Another copy of the message may be in the index already. 1, 0, negative errno. */
static int is_known(struct search_writer *w, uint64_t id)
{
	int rc;

	if (id > w->last_id) {
		w->last_id = id;
		return 0;
	}
	if (!w->known_loaded) {
		rc = search_segment_ids(w->sql, &w->known, &w->known_n);
		if (rc < 0)
			return rc;
		w->known_loaded = true;
	}
	if (w->known_n && w->known[w->known_n - 1] >= id && bsearch(&id, w->known, w->known_n, sizeof id, compare_ids))
		return 1;
	for (uint32_t i = 0; i < w->trigrams.docs; i++)
		if (w->ids[i] == id)
			return 1;
	return 0;
}

/* What the batch brought is known from now on. */
static void learn(struct search_writer *w, const uint64_t *ids, uint32_t n)
{
	if (!w->known_loaded || n == 0)
		return;
	w->known = xrealloc(w->known, (w->known_n + n) * sizeof *w->known);
	memcpy(w->known + w->known_n, ids, n * sizeof *ids);
	w->known_n += n;
	qsort(w->known, w->known_n, sizeof *w->known, compare_ids);
}

static void take_text(void *ctx, struct view folded)
{
	trigrams_add(ctx, folded);
}

enum store_outcome search_feed(struct store_reader *r, uint64_t account, uint64_t mailbox, const struct box_row *row,
			       struct search_scan *scan)
{
	enum store_outcome outcome = STORE_OK;
	uint64_t at = row->prefix_bytes;
	struct buf piece = BUF_INIT(PIECE);

	if (row->message.p) {
		search_scan_feed(scan, view_sub(row->message, (size_t)at, row->message.n));
		return STORE_OK;
	}
	while (at < row->size_bytes && !search_scan_is_settled(scan)) {
		uint64_t size;

		buf_reset(&piece);
		outcome = box_bytes(r, account, mailbox, row->uid, at, PIECE, &piece, &size);
		if (outcome != STORE_OK || piece.n == 0)
			break;
		search_scan_feed(scan, buf_view(&piece));
		at += piece.n;
	}
	buf_fini(&piece);
	return outcome;
}

/* What cannot be read now, or is gone meanwhile, may hold anything. */
static void add_trigrams(struct search_writer *w, uint64_t mailbox, const struct box_row *row)
{
	enum store_outcome outcome = STORE_OK;
	struct mime_index index;
	struct search_scan *scan;
	struct arena a;

	arena_init(&a, 4 * 1024 * 1024);
	if (row->header_bytes <= INDEXED_HEADER_MAX && mime_index_decode(row->index, &a, &index)) {
		scan = search_scan_new_sink(&index, take_text, &w->trigrams);
		outcome = search_feed(w->r, w->account, mailbox, row, scan);
		search_scan_finish(scan);
		search_scan_free(&scan);
	} else {
		trigrams_set_wild(&w->trigrams);
	}
	if (outcome != STORE_OK)
		trigrams_set_wild(&w->trigrams);
	w->ids[w->trigrams.docs] = row->message_id;
	trigrams_end_doc(&w->trigrams);
	arena_fini(&a);
}

/* ---- a batch ---- */

static int add_row(struct search_writer *w, struct pages *pages, const struct box_row *row)
{
	int rc = add_digests(pages, row);

	if (rc == 0)
		rc = is_known(w, row->message_id);
	if (rc == 0)
		add_trigrams(w, pages->mailbox, row);
	return rc < 0 ? rc : 0;
}

/* The rows of one page; *from moves behind what was taken. */
static int add_page(struct search_writer *w, struct pages *pages, const struct behind *b, uint32_t *from)
{
	struct uid_range range = {*from, b->uidnext - 1};
	struct rows_query q = {
	    .account = w->account,
	    .mailbox = b->mailbox,
	    .ranges = &range,
	    .range_count = 1,
	    .fields = ROW_HEADER | ROW_INDEX | ROW_MESSAGE | ROW_SIZE | ROW_MESSAGE_ID,
	    .with_expunged = true,
	    .inline_max = INLINE_MAX,
	    .max_rows = PAGE_ROWS,
	    .max_bytes = PAGE_ROWS_BYTES,
	};
	enum store_outcome outcome;
	struct box_rows rows;
	struct arena a;
	size_t i = 0;
	int rc = 0;

	arena_init(&a, PAGE_ARENA_MAX);
	outcome = box_rows(w->r, &q, &a, &rows);
	for (; rc == 0 && outcome == STORE_OK && i < rows.count; i++) {
		if (w->trigrams.docs == BATCH_DOCS || trigrams_is_full(&w->trigrams))
			break;
		rc = add_row(w, pages, &rows.rows[i]);
	}
	if (rc == 0 && outcome == STORE_OK)
		*from = i < rows.count ? rows.rows[i].uid : rows.next ? rows.next : b->uidnext;
	arena_fini(&a);
	return outcome == STORE_OK ? rc : outcome == STORE_NO_MAILBOX ? -ESTALE : -EAGAIN;
}

static int forget_box(struct search_writer *w, uint64_t mailbox)
{
	int rc = 0;

	for (enum digest_column i = DIGEST_DATE; rc == 0 && i < DIGEST_COLUMNS; i++) {
		struct sql_stmt *st = sql_use(w->sql, SQL_search_facts_delete);

		sql_bind_u64(st, 1, search_facts_key(i, mailbox, 0));
		sql_bind_u64(st, 2, search_facts_key(i, mailbox, (1U << 26) - 1));
		rc = sql_run(st);
	}
	return rc;
}

static int put_position(struct search_writer *w, const struct behind *b, uint32_t uidnext)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_search_box_put);

	sql_bind_u64(st, 1, b->mailbox);
	sql_bind_u64(st, 2, b->uidvalidity);
	sql_bind_u64(st, 3, uidnext);
	return sql_run(st);
}

static int gather(struct search_writer *w, const struct behind *b, uint32_t *from)
{
	struct pages pages;
	int rc = b->starts_over ? forget_box(w, b->mailbox) : 0;

	pages_init(&pages, w, b->mailbox);
	while (rc == 0 && *from < b->uidnext && w->trigrams.docs < BATCH_DOCS && !trigrams_is_full(&w->trigrams) &&
	       *from - b->from < 4 * BATCH_DOCS)
		rc = add_page(w, &pages, b, from);
	if (rc == 0)
		rc = pages_flush(&pages);
	pages_fini(&pages);
	return rc;
}

static int batch(struct search_writer *w, const struct behind *b)
{
	uint32_t from = b->from, docs;
	int rc = sql_begin(w->sql);

	if (rc == 0)
		rc = gather(w, b, &from);
	docs = w->trigrams.docs;
	if (rc == 0 && docs)
		rc = search_segment_write(w->sql, &w->trigrams, w->ids);
	if (rc == 0)
		rc = put_position(w, b, from);
	if (rc == 0)
		rc = sql_commit(w->sql);
	trigrams_reset(&w->trigrams);
	if (rc < 0)
		(void)sql_rollback(w->sql);
	else
		learn(w, w->ids, docs);
	w->merging = true;
	return rc < 0 ? rc : 1;
}

static int merge(struct search_writer *w)
{
	int rc = sql_begin(w->sql);

	if (rc == 0)
		rc = search_segment_merge(w->sql);
	if (rc > 0)
		rc = sql_commit(w->sql) == 0 ? 1 : -EIO;
	if (rc <= 0) {
		(void)sql_rollback(w->sql);
		w->merging = false;
	}
	return rc;
}

int search_writer_step(struct search_writer *w, struct search_progress *ret)
{
	uint64_t pages, done;
	struct behind b;
	int rc = find_behind(w, &b, ret);

	if (rc == 0 && w->merging)
		rc = merge(w);
	if (rc == 0 && b.found)
		rc = batch(w, &b);
	if (rc > 0 && sql_sqlite_wal_pages(w->sql) > WAL_PAGES_MAX)
		(void)!sql_sqlite_checkpoint(w->sql, &pages, &done);
	if (rc == -EUCLEAN)
		search_file_drop(w->r->store, w->account);
	return rc;
}

/* ---- accounts ---- */

enum store_outcome search_accounts(struct store_reader *r, uint64_t after, uint64_t *ids, size_t max, size_t *ret_n)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_search_accounts);
	size_t n = 0;
	int rc;

	sql_bind_u64(st, 1, after);
	sql_bind_u64(st, 2, max);
	while ((rc = sql_step(st)) > 0 && n < max)
		ids[n++] = sql_u64(st, 0);
	sql_reset(st);
	*ret_n = n;
	return rc < 0 ? reader_failed(r, rc) : STORE_OK;
}

static bool has_account(struct store_reader *r, uint64_t account)
{
	uint64_t id = 0;
	size_t n;

	return account == 0 || search_accounts(r, account - 1, &id, 1, &n) != STORE_OK || (n && id == account);
}

void search_sweep(struct store_reader *r)
{
	int fd = openat(r->store->dir_fd, "search", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		fd_close(&fd);
		return;
	}
	while ((e = readdir(d))) {
		struct view number, suffix;
		uint64_t account;

		if (view_cut(view_from_cstr(e->d_name), '.', &number, &suffix) &&
		    view_to_u64(number, INT64_MAX, &account) && !has_account(r, account))
			search_file_drop(r->store, account);
	}
	(void)closedir(d);
}
