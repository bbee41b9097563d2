/* SPDX-License-Identifier: ISC
 * SEARCH: walks the rows of a mailbox page by page on the reader threads, so that other sessions get their turn between
 * two pages, and looks into headers and bodies only where the program asks for it. */
#include "base/clock.h"
#include "mail/charset.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/imap_parse.h"
#include "mail/imap_search.h"
#include "mail/objectid.h"
#include "mail/search_match.h"
#include "store/mailbox_read.h"
#include "stored/mailbox_peer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	PAGE_ROWS = 500,
	PAGE_BYTES = 1024 * 1024,
	INLINE_MAX = 128 * 1024,
	PIECE = 262144,
	ANSWER_RANGES = 8192,
	PAGE_ARENA_MAX = 8 * 1024 * 1024,
	DAY_S = 86400,
};

static const struct imap_reader_limits reader_limits = {
    .line_bytes = 800 * 1024,
    .command_bytes = 4 * 1024 * 1024,
    .literal_bytes = 0,
    .skip_bytes = 0,
    .args = 16384,
    .depth = IMAP_SEARCH_DEPTH_MAX + 8,
};

struct search_op {
	struct op op;
	uint64_t account, mailbox;
	struct view program;
	struct rows_query query;
	struct imap_reader reader; /* owns the parsed program */
	const struct imap_search *root;
	struct search_key *keys; /* of every BODY and TEXT in the tree, in the order they are met */
	size_t key_count;
	int64_t now_s;
	uint64_t highestmodseq;
	struct uid_range *found; /* grows in the op's arena */
	size_t found_count, found_cap;
	bool parsed;
	/* The row at hand: */
	struct store_reader *store_reader;
	struct arena page;
	const struct box_row *row;
	bool scanned; /* keys tell of this row */
	enum store_outcome trouble;
};

int search_prepare(void)
{
	charset_preload();
	return 0;
}

/* ---- the program ---- */

static uint32_t fields_for(const struct imap_search *node)
{
	uint32_t fields = 0;

	switch (node->kind) {
	case IMAP_SEARCH_FLAG:
	case IMAP_SEARCH_KEYWORD:
		fields = ROW_FLAGS;
		break;
	case IMAP_SEARCH_BEFORE:
	case IMAP_SEARCH_ON:
	case IMAP_SEARCH_SINCE:
	case IMAP_SEARCH_OLDER:
	case IMAP_SEARCH_YOUNGER:
		fields = ROW_INTERNALDATE;
		break;
	case IMAP_SEARCH_SAVEDBEFORE:
	case IMAP_SEARCH_SAVEDON:
	case IMAP_SEARCH_SAVEDSINCE:
		fields = ROW_SAVEDATE;
		break;
	case IMAP_SEARCH_EMAILID:
		fields = ROW_MESSAGE_ID;
		break;
	case IMAP_SEARCH_SENTBEFORE:
	case IMAP_SEARCH_SENTON:
	case IMAP_SEARCH_SENTSINCE:
		fields = ROW_HEADER | ROW_INTERNALDATE;
		break;
	case IMAP_SEARCH_HEADER:
		fields = ROW_HEADER;
		break;
	case IMAP_SEARCH_BODY:
	case IMAP_SEARCH_TEXT:
		fields = ROW_HEADER | ROW_INDEX | ROW_MESSAGE | ROW_SIZE;
		break;
	case IMAP_SEARCH_LARGER:
	case IMAP_SEARCH_SMALLER:
		fields = ROW_SIZE;
		break;
	case IMAP_SEARCH_MODSEQ:
		fields = ROW_MODSEQ;
		break;
	case IMAP_SEARCH_ALL:
	case IMAP_SEARCH_AND:
	case IMAP_SEARCH_OR:
	case IMAP_SEARCH_NOT:
	case IMAP_SEARCH_NUMBERS:
	case IMAP_SEARCH_UID:
	case IMAP_SEARCH_THREADID:
		break;
	}
	for (const struct imap_search *child = node->first; child; child = child->next)
		fields |= fields_for(child);
	return fields;
}

static size_t count_texts(const struct imap_search *node)
{
	size_t n = node->kind == IMAP_SEARCH_BODY || node->kind == IMAP_SEARCH_TEXT;

	for (const struct imap_search *child = node->first; child; child = child->next)
		n += count_texts(child);
	return n;
}

/* UID sets as written become sets that can be asked. The tree is ours: imap_search_parse() made it in our arena. */
static void resolve_sets(const struct imap_search *node)
{
	if (node->kind == IMAP_SEARCH_UID)
		imap_set_resolve((struct imap_set *)&node->set, UINT32_MAX);
	for (const struct imap_search *child = node->first; child; child = child->next)
		resolve_sets(child);
}

/* Keys in the order in which matches() meets their nodes' addresses; found again by that order. */
static bool make_keys(struct search_op *s, const struct imap_search *node)
{
	if (node->kind == IMAP_SEARCH_BODY || node->kind == IMAP_SEARCH_TEXT) {
		enum search_where where = node->kind == IMAP_SEARCH_BODY ? SEARCH_IN_BODY : SEARCH_IN_TEXT;

		if (!search_key_init(&s->keys[s->key_count++], node->text, where, &s->op.arena))
			return false;
	}
	for (const struct imap_search *child = node->first; child; child = child->next)
		if (!make_keys(s, child))
			return false;
	return true;
}

static bool parse_program(struct search_op *s)
{
	struct buf text = BUF_INIT(800 * 1024);
	struct imap_search_program program;
	const char *error;
	size_t used;
	bool ok;

	buf_append_cstr(&text, "s SEARCH ");
	buf_append_view(&text, s->program);
	buf_append_cstr(&text, "\r\n");
	imap_reader_init(&s->reader, &reader_limits);
	s->parsed = true;
	ok = !text.overflow && imap_reader_next(&s->reader, buf_view(&text), &used) == IMAP_READ_COMMAND &&
	     imap_search_parse(s->reader.command.args, &s->op.arena, &program, &error);
	buf_fini(&text);
	if (!ok)
		return false;
	s->root = program.root;
	resolve_sets(s->root);
	s->keys = arena_array(&s->op.arena, count_texts(s->root), sizeof *s->keys);
	if (!s->keys || !make_keys(s, s->root))
		return false;
	s->query.fields = fields_for(s->root);
	return true;
}

/* ---- one row ---- */

static bool has_keyword(struct view keywords, struct view wanted)
{
	struct view word, rest = keywords;

	while (view_cut(rest, ' ', &word, &rest))
		if (view_eq_nocase(word, wanted))
			return true;
	return view_eq_nocase(rest, wanted);
}

/* Days on the clock the Date field was written by (RFC 9051 §6.4.4: disregarding time and zone); without one, the arrival. */
static int64_t sent_day(const struct box_row *row)
{
	struct header_field field;
	struct date date;

	if (header_find(row->header, "Date", &field) && date_parse(field.value, &date))
		return date_local_day(&date);
	return row->internaldate_s / DAY_S;
}

static bool is_message(const struct box_row *row, struct view emailid)
{
	uint64_t id;

	return objectid_parse(emailid, OBJECTID_MESSAGE, &id) && id == row->message_id;
}

static bool header_has(const struct search_op *s, const struct imap_search *node)
{
	struct arena scratch;
	struct search_key key;
	bool hit;

	arena_init(&scratch, 64 * 1024);
	hit = search_key_init(&key, node->text, SEARCH_IN_TEXT, &scratch) &&
	      search_match_header(s->row->header, node->name, &key);
	arena_fini(&scratch);
	return hit;
}

/* Feeds the message, without our prefix, to one pass that looks for all keys. */
static void feed_message(struct search_op *s, struct search_scan *scan)
{
	const struct box_row *row = s->row;
	uint64_t at = row->prefix_bytes;
	struct buf piece = BUF_INIT(PIECE);

	if (row->message.p) {
		search_scan_feed(scan, view_sub(row->message, (size_t)at, row->message.n));
		return;
	}
	while (at < row->size_bytes && !search_scan_is_settled(scan)) {
		uint64_t size;

		buf_reset(&piece);
		s->trouble = box_bytes(s->store_reader, s->account, s->mailbox, row->uid, at, PIECE, &piece, &size);
		if (s->trouble != STORE_OK || piece.n == 0)
			break;
		search_scan_feed(scan, buf_view(&piece));
		at += piece.n;
	}
	buf_fini(&piece);
}

static void scan_row(struct search_op *s)
{
	struct arena a;
	struct mime_index index;
	struct search_scan *scan;

	s->scanned = true;
	for (size_t i = 0; i < s->key_count; i++)
		s->keys[i].hit = false;
	arena_init(&a, 4 * 1024 * 1024);
	if (mime_index_decode(s->row->index, &a, &index)) {
		scan = search_scan_new(&index, s->keys, s->key_count);
		feed_message(s, scan);
		search_scan_finish(scan);
		search_scan_free(&scan);
	}
	arena_fini(&a);
}

/* The key of a BODY or TEXT node: keys lie in the order of the tree. */
static bool find_key(const struct imap_search *at, const struct imap_search *wanted, size_t *index)
{
	if (at == wanted)
		return true;
	if (at->kind == IMAP_SEARCH_BODY || at->kind == IMAP_SEARCH_TEXT)
		++*index;
	for (const struct imap_search *child = at->first; child; child = child->next)
		if (find_key(child, wanted, index))
			return true;
	return false;
}

static bool text_hit(struct search_op *s, const struct imap_search *node)
{
	size_t index = 0;

	if (!s->scanned)
		scan_row(s);
	return find_key(s->root, node, &index) && s->keys[index].hit;
}

static bool matches(struct search_op *s, const struct imap_search *node);

static bool all_match(struct search_op *s, const struct imap_search *node)
{
	for (const struct imap_search *child = node->first; child; child = child->next)
		if (!matches(s, child))
			return false;
	return true;
}

static bool any_matches(struct search_op *s, const struct imap_search *node)
{
	for (const struct imap_search *child = node->first; child; child = child->next)
		if (matches(s, child))
			return true;
	return false;
}

/* Depth is bounded by IMAP_SEARCH_DEPTH_MAX. */
static bool matches(struct search_op *s, const struct imap_search *node)
{
	const struct box_row *row = s->row;
	int64_t day = row->internaldate_s / DAY_S;

	switch (node->kind) {
	case IMAP_SEARCH_ALL:
		return true;
	case IMAP_SEARCH_AND:
		return all_match(s, node);
	case IMAP_SEARCH_OR:
		return any_matches(s, node);
	case IMAP_SEARCH_NOT:
		return !any_matches(s, node);
	case IMAP_SEARCH_NUMBERS:
		return false; /* imapd turned them into UIDs */
	case IMAP_SEARCH_UID:
		return imap_set_has(&node->set, row->uid);
	case IMAP_SEARCH_FLAG:
		return (row->flags & node->number) != 0;
	case IMAP_SEARCH_KEYWORD:
		return has_keyword(row->keywords, node->text);
	case IMAP_SEARCH_BEFORE:
		return day < node->days;
	case IMAP_SEARCH_ON:
		return day == node->days;
	case IMAP_SEARCH_SINCE:
		return day >= node->days;
	case IMAP_SEARCH_SENTBEFORE:
		return sent_day(row) < node->days;
	case IMAP_SEARCH_SENTON:
		return sent_day(row) == node->days;
	case IMAP_SEARCH_SENTSINCE:
		return sent_day(row) >= node->days;
	case IMAP_SEARCH_SAVEDBEFORE:
		return row->savedate_s / DAY_S < node->days;
	case IMAP_SEARCH_SAVEDON:
		return row->savedate_s / DAY_S == node->days;
	case IMAP_SEARCH_SAVEDSINCE:
		return row->savedate_s / DAY_S >= node->days;
	case IMAP_SEARCH_EMAILID:
		return is_message(row, node->text);
	case IMAP_SEARCH_THREADID:
		return false; /* imapd knows: there are none */
	case IMAP_SEARCH_OLDER:
		return s->now_s - row->internaldate_s >= (int64_t)node->number;
	case IMAP_SEARCH_YOUNGER:
		return s->now_s - row->internaldate_s <= (int64_t)node->number;
	case IMAP_SEARCH_LARGER:
		return row->size_bytes > node->number;
	case IMAP_SEARCH_SMALLER:
		return row->size_bytes < node->number;
	case IMAP_SEARCH_MODSEQ:
		return row->modseq >= node->number;
	case IMAP_SEARCH_HEADER:
		return header_has(s, node);
	case IMAP_SEARCH_BODY:
	case IMAP_SEARCH_TEXT:
		return text_hit(s, node);
	}
	abort();
}

/* ---- pages ---- */

static bool add_found(struct search_op *s, uint32_t uid)
{
	struct uid_range *last = s->found_count ? &s->found[s->found_count - 1] : NULL;
	struct uid_range *more;

	if (last && last->last + 1 == uid) {
		last->last = uid;
		return true;
	}
	if (s->found_count == s->found_cap) {
		s->found_cap = s->found_cap ? s->found_cap * 2 : 64;
		more = arena_array(&s->op.arena, s->found_cap, sizeof *more);
		if (!more)
			return false;
		if (s->found_count)
			memcpy(more, s->found, s->found_count * sizeof *more);
		s->found = more;
	}
	s->found[s->found_count++] = (struct uid_range){uid, uid};
	return true;
}

static void search_run(struct op *op, struct store_reader *r)
{
	struct search_op *s = (struct search_op *)op;
	struct box_rows page;

	if (!s->parsed && !parse_program(s)) {
		op->outcome = STORE_BAD_REQUEST;
		return;
	}
	s->store_reader = r;
	s->trouble = STORE_OK;
	arena_init(&s->page, PAGE_ARENA_MAX);
	op->outcome = box_rows(r, &s->query, &s->page, &page);
	for (size_t i = 0; op->outcome == STORE_OK && i < page.count; i++) {
		s->row = &page.rows[i];
		s->scanned = false;
		if (matches(s, s->root) && !add_found(s, s->row->uid))
			op->outcome = STORE_LIMIT;
	}
	if (op->outcome == STORE_OK) {
		op->outcome = s->trouble == STORE_NO_MESSAGE ? STORE_OK : s->trouble;
		s->highestmodseq = page.highestmodseq;
		s->query.uid_from = page.next;
		op->again = page.next != 0;
	}
	arena_fini(&s->page);
}

static void send_matches(struct search_op *s, struct channel *c)
{
	size_t at = 0;

	do {
		size_t n = s->found_count - at < ANSWER_RANGES ? s->found_count - at : ANSWER_RANGES;
		struct mailbox_range *ranges = mailbox_make_ranges(&s->op.arena, n ? s->found + at : NULL, n);

		if (!ranges) {
			mailbox_send_outcome(c, s->op.reply.id, STORE_LIMIT);
			return;
		}
		at += n;
		(void)mailbox_send_matches(
		    c, s->op.reply.id,
		    &(struct mailbox_matches){ranges, (uint32_t)n, s->highestmodseq, at < s->found_count});
	} while (at < s->found_count);
}

static void search_answer(struct op *op, struct channel *c)
{
	struct search_op *s = (struct search_op *)op;

	if (op->outcome != STORE_OK)
		mailbox_send_outcome(c, op->reply.id, op->outcome);
	else if (c)
		send_matches(s, c);
	if (s->parsed)
		imap_reader_fini(&s->reader);
}

void mailbox_on_search(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
		       const struct mailbox_msg *m)
{
	const struct mailbox_search *w = &m->search;
	struct search_op *o = op_new(sd, sizeof *o, peer, id);

	o->op.run = search_run;
	o->op.answer = search_answer;
	o->account = s->grant->account;
	o->mailbox = w->mailbox;
	o->now_s = clock_wall_s();
	o->program = arena_copy(&o->op.arena, w->program);
	o->query = (struct rows_query){
	    .account = o->account,
	    .mailbox = w->mailbox,
	    .ranges = mailbox_copy_ranges(&o->op.arena, w->ranges, w->n_ranges),
	    .range_count = w->n_ranges,
	    .with_expunged =
		true, /* those the session was not told of are still there for it; it names which it means */
	    .inline_max = INLINE_MAX,
	    .max_rows = PAGE_ROWS,
	    .max_bytes = PAGE_BYTES,
	};
	op_read(&o->op);
}
