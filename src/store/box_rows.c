/* SPDX-License-Identifier: ISC
 * FETCH: pages of rows, and bytes of one message. */
#include "store/mailbox_read.h"

#include "base/id.h"
#include "mail/mime_index.h"
#include "store/box.h"
#include "store/content_private.h"
#include "store/ranges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	NEEDS_FACTS = ~(ROW_FLAGS | ROW_MODSEQ),
	ANY_INDEX = ROW_INDEX | ROW_ENVELOPE | ROW_BODYSTRUCTURE,
	NEEDS_MESSAGE = ROW_HEADER | ANY_INDEX | ROW_MESSAGE,
	TRIMMED_MAX = 8 * 1024 * 1024, /* as an index may be long */
	WHOLE_MAX = 16 * 1024 * 1024, /* prefix, header block and content of one message */
	UIDL_MAX = 128,
};

/* A walk through a table by message id. Messages of a mailbox came one after another, and mostly lie so: the next one is a step or
 * two away, which costs less than to look for it. Where others lie between, it is looked for. */
struct row_scan {
	enum sql_id id;
	struct sql_stmt *st; /* NULL: stands nowhere */
	uint64_t at;
	unsigned missed;
};
enum { SCAN_STEPS = 3, SCAN_MISSES_MAX = 32 };

/* A page of rows under way. */
struct rows_work {
	struct store_reader *r;
	const struct rows_query *q;
	struct arena *a;
	struct box box;
	struct range_list ranges;
	struct facts_cache facts;
	struct keyset_cache keysets;
	struct row_scan messages, headers, contents;
	/* Of the row under way. */
	struct buf trimmed, whole;
	char uidl[UIDL_MAX]; /* proven: the buffer it is copied from has this maximum */
	box_row_fn *fn;
	void *ctx;
	size_t count, bytes;
	uint32_t next;
};

/* Where a message's bytes lie. */
struct whereabouts {
	uint64_t message;
	uint64_t header_bytes, content_bytes;
	uint64_t content, content_offset;
	bool content_file;
	uint32_t prefix_off, prefix_bytes;
};

/* ---- bytes ---- */

static void scan_end(struct row_scan *s)
{
	if (s->st)
		sql_reset(s->st);
	s->st = NULL;
}

static int scan_step(struct row_scan *s)
{
	int rc = sql_step(s->st);

	if (rc > 0)
		s->at = sql_u64(s->st, 0);
	else
		scan_end(s);
	return rc;
}

/* 0: s->st stands on the row; -EUCLEAN: it is not there. */
static int scan_find(struct store_reader *r, struct row_scan *s, uint64_t id)
{
	unsigned steps = s->missed < SCAN_MISSES_MAX ? SCAN_STEPS : 0;
	int rc = 1;

	for (unsigned i = 0; rc > 0 && s->st && s->at < id && i < steps; i++)
		rc = scan_step(s);
	if (rc < 0 || (s->st && s->at == id))
		return rc < 0 ? rc : 0;
	s->missed += s->st != NULL;
	scan_end(s);
	s->st = sql_use(r->sql, s->id);
	sql_bind_u64(s->st, 1, id);
	rc = scan_step(s);
	return rc < 0 ? rc : rc > 0 && s->at == id ? 0 : -EUCLEAN;
}

static int find_message(struct store_reader *r, const struct facts_entry *facts, struct whereabouts *ret)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_message_get);
	int rc;

	sql_bind_u64(st, 1, facts->message);
	rc = sql_step(st);
	if (rc > 0)
		*ret = (struct whereabouts){
		    .message = facts->message,
		    .header_bytes = sql_u64(st, 0),
		    .content_bytes = sql_u64(st, 1),
		    .content = sql_u64(st, 2),
		    .content_file = sql_i64(st, 3) != 0,
		    .content_offset = sql_u64(st, 4),
		    .prefix_off = facts->prefix_off,
		    .prefix_bytes = facts->prefix_bytes,
		};
	sql_reset(st);
	return rc < 0 ? rc : rc == 0 ? -EUCLEAN : 0;
}

/* `n` bytes at `offset` of a column of bytes, appended. */
static int append_part(struct store_reader *r, enum sql_id id, uint64_t row, uint64_t offset, uint64_t n,
		       struct buf *out)
{
	struct sql_stmt *st = sql_use(r->sql, id);
	int rc;

	if (n == 0)
		return 0;
	sql_bind_u64(st, 1, row);
	sql_bind_u64(st, 2, offset + 1);
	sql_bind_u64(st, 3, n);
	rc = sql_step(st);
	if (rc > 0) {
		rc = sql_bytes(st, 0).n == n ? 1 : -EUCLEAN;
		buf_append_view(out, sql_bytes(st, 0));
	}
	sql_reset(st);
	return rc < 0 ? rc : rc == 0 ? -EUCLEAN : out->overflow ? -EMSGSIZE : 0;
}

static int append_file(struct store_reader *r, const struct whereabouts *w, uint64_t offset, uint64_t n,
		       struct buf *out)
{
	if (n == 0)
		return 0;
	if (r->content_fd < 0 || r->content != w->content) {
		fd_close(&r->content_fd);
		r->content_fd = content_open(r->store, w->content);
		r->content = w->content;
		if (r->content_fd < 0)
			return r->content_fd;
	}
	return content_read_fd(r->content_fd, w->content_offset + offset, n, out);
}

/* The piece of [offset, offset + n) that falls into a segment of `bytes` bytes; moves the window behind the segment. */
static bool cut_window(uint64_t bytes, uint64_t *offset, uint64_t *n, uint64_t *ret_offset, uint64_t *ret_n)
{
	if (*offset >= bytes) {
		*offset -= bytes;
		return false;
	}
	*ret_offset = *offset;
	*ret_n = *n < bytes - *offset ? *n : bytes - *offset;
	*n -= *ret_n;
	*offset = 0;
	return *ret_n > 0;
}

/* Bytes of the message as it is read. The window lies inside it. */
static int append_bytes(struct store_reader *r, const struct whereabouts *w, uint64_t offset, uint64_t n,
			struct buf *out)
{
	uint64_t off, part;
	int rc = 0;

	if (cut_window(w->prefix_bytes, &offset, &n, &off, &part))
		rc = append_part(r, SQL_prefix_part, w->message, w->prefix_off + off, part, out);
	if (rc == 0 && n > 0 && cut_window(w->header_bytes, &offset, &n, &off, &part))
		rc = append_part(r, SQL_header_part, w->message, off, part, out);
	if (rc == 0 && n > 0 && cut_window(w->content_bytes, &offset, &n, &off, &part))
		rc = w->content_file ? append_file(r, w, off, part, out)
				     : append_part(r, SQL_content_part, w->content, off, part, out);
	return rc;
}

/* ---- one row ---- */

static int read_uidl(struct rows_work *x, const struct state_entry *e, const struct facts_entry *facts,
		     struct box_row *row)
{
	struct buf out = BUF_INIT(UIDL_MAX);
	char id[ID_TEXT_BYTES + 1];
	int rc = 0;

	if (e->has_uidl) {
		struct sql_stmt *st = sql_use(x->r->sql, SQL_uidl_get);

		sql_bind_u64(st, 1, copy_key(x->box.mailbox, row->uid));
		rc = sql_step(st);
		if (rc > 0)
			buf_append_view(&out, sql_bytes(st, 0));
		sql_reset(st);
		rc = rc < 0 ? rc : rc == 0 ? -EUCLEAN : 0;
	} else {
		id_format(facts->message, id);
		buf_printf(&out, "%s-%llx.%x", id, (unsigned long long)x->box.mailbox, row->uid);
	}
	memcpy(x->uidl, buf_view(&out).p, out.n);
	row->uidl = view_from(x->uidl, out.n);
	buf_fini(&out);
	return rc < 0 ? rc : 0;
}

/* Prefix and header block; `whole`: the content will stand behind them. */
static int read_header(struct rows_work *x, const struct facts_entry *facts, bool whole, struct box_row *row)
{
	struct view data, prefix;
	int rc = scan_find(x->r, &x->headers, facts->message);

	if (rc < 0)
		return rc;
	data = sql_bytes(x->headers.st, 1);
	row->header = data;
	row->header_bytes = (uint32_t)data.n;
	if (facts->prefix_bytes == 0 && !whole)
		return 0;
	prefix = view_sub(sql_bytes(x->headers.st, 2), facts->prefix_off, facts->prefix_bytes);
	if (prefix.n != facts->prefix_bytes)
		return -EUCLEAN;
	buf_reset(&x->whole);
	buf_append_view(&x->whole, prefix);
	buf_append_view(&x->whole, data);
	row->header = buf_view(&x->whole);
	return x->whole.overflow ? -EMSGSIZE : 0;
}

/* The content behind what read_header() has put down. */
static int read_content(struct rows_work *x, const struct whereabouts *w, struct box_row *row)
{
	const size_t head = row->header.n;
	struct view bytes;
	int rc = 0;

	if (head + w->content_bytes != row->size_bytes)
		return -EUCLEAN;
	if (w->content_file) {
		rc = append_file(x->r, w, 0, w->content_bytes, &x->whole);
	} else if (w->content_bytes > 0) {
		rc = scan_find(x->r, &x->contents, w->content);
		if (rc < 0)
			return rc;
		bytes = view_sub(sql_bytes(x->contents.st, 1), 0, w->content_bytes);
		if (bytes.n != w->content_bytes)
			return -EUCLEAN;
		buf_append_view(&x->whole, bytes);
	}
	if (rc < 0 || x->whole.overflow)
		return rc < 0 ? rc : -EMSGSIZE;
	row->message = buf_view(&x->whole);
	row->header = view_sub(row->message, 0, head);
	return 0;
}

/* Of the row that x->messages stands on. */
static void take_index(struct rows_work *x, struct box_row *row)
{
	const bool slim = x->messages.id == SQL_message_index_from;
	const struct view index = sql_bytes(x->messages.st, slim ? 1 : 6);
	const uint32_t fields = x->q->fields;

	if (!slim)
		row->header_bytes = (uint32_t)sql_u64(x->messages.st, 1);
	row->index = index;
	buf_reset(&x->trimmed);
	/* One that is damaged goes as it is: whoever reads it says so. */
	if (!(fields & ROW_INDEX) &&
	    mime_index_trim(index, fields & ROW_ENVELOPE, fields & ROW_BODYSTRUCTURE, &x->trimmed))
		row->index = buf_view(&x->trimmed);
}

static void take_whereabouts(struct sql_stmt *st, const struct facts_entry *facts, struct whereabouts *ret)
{
	*ret = (struct whereabouts){
	    .message = facts->message,
	    .header_bytes = sql_u64(st, 1),
	    .content_bytes = sql_u64(st, 2),
	    .content = sql_u64(st, 3),
	    .content_file = sql_i64(st, 4) != 0,
	    .content_offset = sql_u64(st, 5),
	    .prefix_off = facts->prefix_off,
	    .prefix_bytes = facts->prefix_bytes,
	};
}

static int read_message(struct rows_work *x, const struct facts_entry *facts, struct box_row *row)
{
	uint32_t fields = x->q->fields;
	bool whole = fields & ROW_MESSAGE && row->size_bytes <= x->q->inline_max;
	struct whereabouts w;
	int rc = 0;

	if (fields & ANY_INDEX || whole)
		rc = scan_find(x->r, &x->messages, facts->message);
	if (rc == 0 && fields & ANY_INDEX)
		take_index(x, row);
	if (rc == 0 && whole)
		take_whereabouts(x->messages.st, facts, &w);
	if (rc == 0 && (whole || fields & ROW_HEADER))
		rc = read_header(x, facts, whole, row);
	if (rc == 0 && whole)
		rc = read_content(x, &w, row);
	if (!(fields & ROW_HEADER))
		row->header = VIEW_EMPTY;
	return rc;
}

static int read_facts(struct rows_work *x, const struct state_entry *e, struct box_row *row)
{
	struct facts_entry facts;
	int rc = box_facts(x->r, &x->box, row->uid, &x->facts, &facts);

	if (rc < 0)
		return rc;
	row->internaldate_s = facts.internal_s;
	row->savedate_s = facts.saved_s;
	row->sent_s = facts.sent_s;
	row->size_bytes = facts.size_bytes;
	row->prefix_bytes = facts.prefix_bytes;
	row->message_id = facts.message;
	if (x->q->fields & ROW_UIDL)
		rc = read_uidl(x, e, &facts, row);
	if (rc == 0 && x->q->fields & NEEDS_MESSAGE)
		rc = read_message(x, &facts, row);
	return rc;
}

static int read_row(struct rows_work *x, uint32_t uid, const struct state_entry *e, struct box_row *row)
{
	int rc = 0;

	*row = (struct box_row){.uid = uid, .expunged = e->gone, .flags = e->flags, .modseq = e->modseq};
	if (x->q->fields & ROW_FLAGS)
		rc = box_keywords(x->r, &x->box, &x->keysets, e->keyset, &row->keywords);
	if (rc == 0 && x->q->fields & (uint32_t)NEEDS_FACTS)
		rc = read_facts(x, e, row);
	return rc;
}

/* ---- the page ---- */

static bool is_full(const struct rows_work *x)
{
	return x->count >= x->q->max_rows || x->bytes >= x->q->max_bytes;
}

/* 1 go on, 0 the page is full, negative errno. */
static int add_row(struct rows_work *x, uint32_t uid, const struct state_entry *e)
{
	struct box_row row;
	int rc;

	if (is_full(x)) {
		x->next = uid;
		return 0;
	}
	rc = read_row(x, uid, e, &row);
	if (rc == -ENOENT && e->gone)
		return 1; /* pruned since the snapshot was taken: its file is gone */
	if (rc == 0 && !x->fn(x->ctx, &row))
		rc = -EMSGSIZE;
	if (rc == -EMSGSIZE && x->count > 0) {
		x->next = uid;
		return 0;
	}
	if (rc < 0)
		return rc;
	x->bytes +=
	    sizeof row + row.keywords.n + row.index.n + row.uidl.n + (row.message.n ? row.message.n : row.header.n);
	x->count++;
	return 1;
}

/* The rows of one state page. Results as in add_row(). */
static int add_page(struct rows_work *x, const struct page *page, uint32_t no)
{
	const struct range_list *l = &x->ranges;
	uint32_t first = no * STATE_SLOTS;
	size_t k = range_list_seek(l->at, l->count, first);

	for (uint32_t i = 0; i < page->count; i++) {
		struct state_entry e;
		uint32_t uid = first + page_slot(page, i);
		int rc;

		while (k < l->count && l->at[k].last < uid)
			k++;
		if (k == l->count)
			return 1;
		if (uid < l->at[k].first)
			continue;
		page_get_state(page, i, &e);
		if (e.modseq <= x->q->changed_since || (e.gone && !x->q->with_expunged))
			continue;
		rc = add_row(x, uid, &e);
		if (rc <= 0)
			return rc;
	}
	return 1;
}

/* The next page at or behind `no` that the ranges touch; UINT32_MAX when there is none. */
static uint32_t wanted_page(const struct rows_work *x, uint32_t no)
{
	const struct range_list *l = &x->ranges;
	size_t k = no <= state_page_no(UINT32_MAX) ? range_list_seek(l->at, l->count, no * STATE_SLOTS) : l->count;

	if (k == l->count)
		return UINT32_MAX;
	return state_page_no(l->at[k].first) > no ? state_page_no(l->at[k].first) : no;
}

static int collect(struct rows_work *x)
{
	uint32_t no, wanted = wanted_page(x, 0);
	struct state_cursor c;
	struct page page;
	int rc = 1;

	if (wanted == UINT32_MAX)
		return 1;
	state_cursor_open(&c, x->r, &x->box, wanted);
	while (rc > 0 && (rc = state_cursor_next(&c, &no)) > 0) {
		wanted = wanted_page(x, no);
		if (wanted == UINT32_MAX)
			break;
		if (wanted > no) {
			state_cursor_close(&c);
			state_cursor_open(&c, x->r, &x->box, wanted);
			continue;
		}
		if (state_cursor_maxmodseq(&c) <= x->q->changed_since)
			continue;
		rc = state_cursor_load(&c, &page) ? add_page(x, &page, no) : -EUCLEAN;
	}
	state_cursor_close(&c);
	return rc < 0 ? rc : 1;
}

static enum store_outcome read_rows(struct rows_work *x)
{
	const struct rows_query *q = x->q;
	enum store_outcome outcome;
	int rc;

	if (q->max_rows == 0)
		return STORE_BAD_REQUEST;
	range_list_normalize(&x->ranges, q->ranges, q->range_count, UINT32_MAX);
	range_list_from(&x->ranges, q->uid_from);
	rc = reader_begin(x->r);
	rc = rc < 0 ? rc : box_read(x->r, q->account, q->mailbox, &x->box);
	if (rc > 0)
		rc = collect(x);
	scan_end(&x->messages);
	scan_end(&x->headers);
	scan_end(&x->contents);
	buf_fini(&x->trimmed);
	buf_fini(&x->whole);
	outcome = box_outcome(x->r, rc);
	reader_end(x->r);
	range_list_fini(&x->ranges);
	return outcome;
}

enum store_outcome box_rows_each(struct store_reader *r, const struct rows_query *q, struct arena *a, box_row_fn *fn,
				 void *ctx, struct box_rows_end *ret)
{
	struct rows_work x = {
	    .r = r,
	    .q = q,
	    .a = a,
	    .facts = {.no = UINT32_MAX},
	    .keysets = {.a = a},
	    .messages = {.id = q->fields & (ROW_INDEX | ROW_MESSAGE) ? SQL_message_from : SQL_message_index_from},
	    .headers = {.id = SQL_header_from},
	    .contents = {.id = SQL_content_from},
	    .trimmed = BUF_INIT(TRIMMED_MAX),
	    .whole = BUF_INIT(WHOLE_MAX),
	    .fn = fn,
	    .ctx = ctx};
	enum store_outcome outcome = read_rows(&x);

	if (outcome == STORE_OK)
		*ret = (struct box_rows_end){x.box.highestmodseq, x.next};
	return outcome;
}

/* ---- a page that is kept ---- */

struct kept_rows {
	struct arena *a;
	struct box_row *rows; /* on the heap until the page is whole */
	size_t count, cap;
};

static bool keep_bytes(struct arena *a, struct view *v)
{
	if (v->p)
		*v = v->n ? arena_copy(a, *v) : VIEW_EMPTY;
	return v->p || v->n == 0;
}

static bool keep_row(void *ctx, const struct box_row *row)
{
	struct kept_rows *k = ctx;
	struct box_row *to;

	if (k->count == k->cap) {
		k->cap = k->cap ? k->cap * 2 : 16;
		k->rows = xrealloc(k->rows, k->cap * sizeof *k->rows);
	}
	to = &k->rows[k->count];
	*to = *row;
	if (!keep_bytes(k->a, &to->message) || !keep_bytes(k->a, &to->index) || !keep_bytes(k->a, &to->uidl))
		return false;
	if (row->header.n && row->header.p == row->message.p)
		to->header = view_sub(to->message, 0, row->header.n);
	else if (!keep_bytes(k->a, &to->header))
		return false;
	k->count++;
	return true;
}

enum store_outcome box_rows(struct store_reader *r, const struct rows_query *q, struct arena *a, struct box_rows *ret)
{
	struct kept_rows k = {.a = a};
	struct box_rows_end end = {0};
	enum store_outcome outcome = box_rows_each(r, q, a, keep_row, &k, &end);
	struct box_row *rows = outcome == STORE_OK ? arena_array(a, k.count, sizeof *rows) : NULL;

	if (rows) {
		if (k.count > 0)
			memcpy(rows, k.rows, k.count * sizeof *rows);
		*ret = (struct box_rows){end.highestmodseq, rows, k.count, end.next};
	}
	free(k.rows);
	return outcome == STORE_OK && !rows ? STORE_TOO_BIG : outcome;
}

/* ---- bytes of one message ---- */

/* 1 with the facts of a UID that is there, expunged or not; 0 none; negative errno. */
static int find_copy(struct store_reader *r, const struct box *box, uint32_t uid, struct facts_entry *ret,
		     bool *ret_live)
{
	struct facts_cache cache = {.no = UINT32_MAX};
	struct page page;
	uint32_t i;
	int rc = box_state(r, box, state_page_no(uid), &page);

	if (rc <= 0)
		return rc;
	i = page_find(&page, uid % STATE_SLOTS);
	if (i == page.count)
		return 0;
	*ret_live = page_is_live(&page, i);
	rc = box_facts(r, box, uid, &cache, ret);
	return rc < 0 ? rc : 1;
}

static enum store_outcome bytes_in(struct store_reader *r, const struct box *box, uint32_t uid, uint64_t offset,
				   uint32_t length, struct buf *out, uint64_t *ret_size_bytes)
{
	struct facts_entry facts;
	struct whereabouts w;
	bool live = false;
	int rc = find_copy(r, box, uid, &facts, &live);

	if (rc == 0)
		return STORE_NO_MESSAGE;
	if (rc > 0)
		rc = find_message(r, &facts, &w);
	if (rc == 0 && offset < facts.size_bytes) {
		uint64_t left = facts.size_bytes - offset;

		rc = append_bytes(r, &w, offset, left < length ? left : length, out);
	}
	if (rc == -ENOENT)
		return live ? reader_damaged(r, "a content file is missing") : STORE_NO_MESSAGE;
	if (rc < 0)
		return box_outcome(r, rc);
	*ret_size_bytes = facts.size_bytes;
	return STORE_OK;
}

enum store_outcome box_bytes(struct store_reader *r, uint64_t account, uint64_t mailbox, uint32_t uid, uint64_t offset,
			     uint32_t length, struct buf *out, uint64_t *ret_size_bytes)
{
	enum store_outcome outcome;
	struct box box;
	int rc = reader_begin(r);

	rc = rc < 0 ? rc : box_read(r, account, mailbox, &box);
	outcome = rc > 0 ? bytes_in(r, &box, uid, offset, length, out, ret_size_bytes) : box_outcome(r, rc);
	reader_end(r);
	return outcome;
}
