/* SPDX-License-Identifier: ISC
 * Writes one message's FETCH response, item by item, from stored's row and, for large messages, from pieces. */
#include "imapd/fetch.h"

#include "imapd/selected.h"
#include "mail/bodystructure.h"
#include "mail/date.h"
#include "mail/imap_write.h"
#include "mail/objectid.h"
#include "mail/thread_id.h"

enum { INDEX_ARENA_MAX = 16 << 20, TEXT_MAX = 4 << 20 };

/* `fields` of rows_want (msgs/mailbox.def). */
enum {
	WANT_FLAGS = 1 << 0,
	WANT_MODSEQ = 1 << 1,
	WANT_INTERNALDATE = 1 << 2,
	WANT_SIZE = 1 << 3,
	WANT_HEADER = 1 << 4,
	WANT_INDEX = 1 << 5,
	WANT_MESSAGE = 1 << 6,
	WANT_MESSAGE_ID = 1 << 8,
	WANT_SAVEDATE = 1 << 9,
	WANT_ENVELOPE = 1 << 11,
	WANT_BODYSTRUCTURE = 1 << 12,
};

void fetch_row_init(struct fetch_row *r)
{
	*r = (struct fetch_row){0};
	arena_init(&r->arena, INDEX_ARENA_MAX);
	buf_init(&r->header, FETCH_FILTERED_MAX);
}

void fetch_row_fini(struct fetch_row *r)
{
	arena_fini(&r->arena);
	buf_fini(&r->header);
	mime_decoder_fini(&r->decoding.decoder);
}

static bool is_root_header(const struct imap_section *section)
{
	return section->path_len == 0 &&
	       (section->text == IMAP_SECTION_HEADER || section->text == IMAP_SECTION_FIELDS ||
		section->text == IMAP_SECTION_FIELDS_NOT);
}

static bool is_filter(const struct imap_section *section)
{
	return section->text == IMAP_SECTION_FIELDS || section->text == IMAP_SECTION_FIELDS_NOT;
}

uint32_t fetch_fields(const struct imap_fetch *args)
{
	static const struct {
		uint32_t item, field;
	} needs[] = {
	    {IMAP_FETCH_FLAGS, WANT_FLAGS},
	    {IMAP_FETCH_MODSEQ, WANT_MODSEQ},
	    {IMAP_FETCH_RFC822_SIZE, WANT_SIZE},
	    {IMAP_FETCH_INTERNALDATE, WANT_INTERNALDATE},
	    {IMAP_FETCH_ENVELOPE, WANT_ENVELOPE},
	    {IMAP_FETCH_BODY, WANT_BODYSTRUCTURE},
	    {IMAP_FETCH_BODYSTRUCTURE, WANT_BODYSTRUCTURE},
	    {IMAP_FETCH_EMAILID, WANT_MESSAGE_ID},
	    {IMAP_FETCH_THREADID, WANT_MESSAGE_ID | WANT_HEADER | WANT_SIZE},
	    {IMAP_FETCH_SAVEDATE, WANT_SAVEDATE},
	    {IMAP_FETCH_PREVIEW, WANT_INDEX | WANT_MESSAGE | WANT_SIZE},
	};
	uint32_t fields = 0;

	for (size_t i = 0; i < ARRAY_LEN(needs); i++)
		if (args->items & needs[i].item)
			fields |= needs[i].field;
	for (const struct imap_fetch_section *at = args->sections; at; at = at->next) {
		fields |= WANT_SIZE | (is_root_header(&at->section) ? WANT_HEADER : WANT_MESSAGE);
		if (at->section.path_len)
			fields |= WANT_INDEX;
	}
	return fields;
}

/* ---- the items without bytes of the message ---- */

struct buf *fetch_item(struct session *s, struct fetch *f)
{
	struct buf *out = session_out(s);

	if (f->row.any)
		buf_append_char(out, ' ');
	f->row.any = true;
	return out;
}

static void put_number(struct session *s, struct fetch *f, const char *name, uint64_t number)
{
	struct buf *out = fetch_item(s, f);

	buf_append_cstr(out, name);
	buf_append_u64(out, number);
}

static void put_text(struct session *s, struct fetch *f, const char *name, struct view text)
{
	struct buf *out = fetch_item(s, f);

	buf_append_cstr(out, name);
	buf_append_view(out, text);
}

/* `name` with the quote in front of the date. */
static void put_date(struct session *s, struct fetch *f, const char *name, int64_t wall_s)
{
	struct date date = {.utc_s = wall_s, .zone_known = true};

	put_text(s, f, name, VIEW_EMPTY);
	date_format_imap(session_out(s), &date);
	buf_append_char(session_out(s), '"');
}

static void put_emailid(struct session *s, struct fetch *f, uint64_t message_id)
{
	put_text(s, f, "EMAILID (", VIEW_EMPTY);
	objectid_format(session_out(s), OBJECTID_MESSAGE, message_id);
	buf_append_char(session_out(s), ')');
}

static void put_flags(struct session *s, struct fetch *f, const struct mailbox_row *row)
{
	bool marks = f->marks_seen && !(row->flags & IMAP_SEEN);

	if (marks)
		f->seen[f->n_seen++] = (struct mailbox_range){row->uid, row->uid};
	if (marks || (f->args.items & IMAP_FETCH_FLAGS))
		selected_format_flags(fetch_item(s, f), row->flags | (marks ? IMAP_SEEN : 0), row->keywords);
}

static void put_texts(struct session *s, struct fetch *f, const struct mailbox_row *row)
{
	const uint32_t items = f->args.items;
	struct mime_index_head head;
	struct buf body = BUF_INIT(TEXT_MAX);

	if (!(items & (IMAP_FETCH_ENVELOPE | IMAP_FETCH_BODY | IMAP_FETCH_BODYSTRUCTURE)))
		return;
	if (!mime_index_peek(row->index, &head)) {
		f->damaged = true;
		return;
	}
	if (items & IMAP_FETCH_ENVELOPE)
		put_text(s, f, "ENVELOPE ", head.envelope);
	if ((items & IMAP_FETCH_BODY) && bodystructure_to_body(&body, head.bodystructure))
		put_text(s, f, "BODY ", buf_view(&body));
	if (items & IMAP_FETCH_BODYSTRUCTURE)
		put_text(s, f, "BODYSTRUCTURE ", head.bodystructure);
	buf_fini(&body);
}

static void put_items(struct session *s, struct fetch *f, const struct mailbox_row *row)
{
	const uint32_t items = f->args.items;

	if (items & IMAP_FETCH_UID)
		put_number(s, f, "UID ", row->uid);
	put_flags(s, f, row);
	if (items & IMAP_FETCH_MODSEQ) {
		if (row->modseq > s->selected->latest && !row->expunged)
			s->selected->latest = row->modseq; /* what came before it is to be told */
		put_number(s, f, "MODSEQ (", row->modseq);
		buf_append_char(session_out(s), ')');
	}
	if (items & IMAP_FETCH_INTERNALDATE)
		put_date(s, f, "INTERNALDATE \"", row->internaldate_s);
	if (items & IMAP_FETCH_SAVEDATE)
		put_date(s, f, "SAVEDATE \"", row->savedate_s);
	if (items & IMAP_FETCH_EMAILID)
		put_emailid(s, f, row->message_id);
	if (items & IMAP_FETCH_RFC822_SIZE)
		put_number(s, f, "RFC822.SIZE ", row->size_bytes);
	put_texts(s, f, row);
}

/* False: not a message that the session knows. */
static bool begin(struct session *s, struct fetch *f, const struct mailbox_row *row)
{
	if (row->expunged && f->args.changedsince)
		return false; /* only that it went is new, and that is told in its time */
	if (!selected_begin_fetch(s, row->uid))
		return false;
	put_items(s, f, row);
	f->row.begun = s->command->in_response = true;
	return true;
}

/* ---- sections ---- */

static void put_nil(struct session *s, struct fetch *f, const struct imap_fetch_section *at)
{
	imap_fetch_format_name(fetch_item(s, f), at);
	buf_append_cstr(session_out(s), " NIL");
}

static void put_bytes(struct session *s, struct fetch *f, const struct imap_fetch_section *at, struct view bytes)
{
	imap_fetch_format_name(fetch_item(s, f), at);
	buf_append_char(session_out(s), ' ');
	imap_write_literal(session_out(s), bytes.n);
	buf_append_view(session_out(s), bytes);
}

static void put_filtered(struct session *s, struct fetch *f, const struct imap_fetch_section *at, struct view header)
{
	struct buf fields = BUF_INIT(header.n);
	struct imap_range clip;

	imap_section_filter(&at->section, header, &fields);
	clip = imap_section_clip(&at->section, (struct imap_range){0, fields.n});
	put_bytes(s, f, at, view_sub(buf_view(&fields), clip.off, clip.bytes));
	buf_fini(&fields);
}

/* Where the section lies in the message as it is read. */
static bool find_root(const struct imap_section *section, const struct mailbox_row *row, struct imap_range *ret)
{
	if (section->text == IMAP_SECTION_ALL)
		*ret = (struct imap_range){0, row->size_bytes};
	else if (section->text == IMAP_SECTION_TEXT)
		*ret = (struct imap_range){row->header_bytes, row->size_bytes - row->header_bytes};
	else
		*ret = (struct imap_range){0, row->header_bytes};
	return row->header_bytes <= row->size_bytes;
}

bool fetch_index(struct fetch *f, const struct mailbox_row *row)
{
	struct fetch_row *r = &f->row;

	struct view encoded;

	if (r->has_index)
		return true;
	/* A copy: parts are asked for more than offsets when the answer with the row is gone. */
	encoded = arena_copy(&r->arena, row->index);
	r->has_index = encoded.p && mime_index_decode(encoded, &r->arena, &r->index);
	f->damaged |= !r->has_index;
	return r->has_index;
}

static bool find(struct fetch *f, const struct imap_section *section, const struct mailbox_row *row,
		 struct imap_range *ret, const struct mime_part **ret_part)
{
	*ret_part = NULL;
	if (section->path_len == 0)
		return find_root(section, row, ret);
	return fetch_index(f, row) && imap_section_find(section, &f->row.index, row->prefix_bytes, ret, ret_part);
}

bool fetch_bytes_at_hand(const struct mailbox_row *row, struct imap_range range, struct view *ret)
{
	struct view from = row->message.n ? row->message : row->header;

	if (range.off > from.n || range.bytes > from.n - range.off)
		return false;
	*ret = view_sub(from, range.off, range.bytes);
	return true;
}

void fetch_ask_pieces(struct fetch *f, struct imap_range range, enum fetch_pieces pieces)
{
	struct fetch_row *r = &f->row;

	r->piecewise = true;
	r->pieces = pieces;
	r->off = range.off;
	r->left = range.bytes;
	if (pieces == FETCH_GATHERED && r->left > FETCH_FILTERED_MAX)
		r->left = FETCH_FILTERED_MAX;
}

static void put_found(struct session *s, struct fetch *f, const struct mailbox_row *row, struct imap_range range)
{
	const struct imap_fetch_section *at = f->row.section;
	bool filtered = is_filter(&at->section);
	struct view bytes;

	if (!filtered)
		range = imap_section_clip(&at->section, range);
	if (!fetch_bytes_at_hand(row, range, &bytes)) {
		fetch_ask_pieces(f, range, filtered ? FETCH_GATHERED : FETCH_AS_THEY_STAND);
		if (filtered)
			return;
		imap_fetch_format_name(fetch_item(s, f), at);
		buf_append_char(session_out(s), ' ');
		imap_write_literal(session_out(s), range.bytes);
	} else if (filtered) {
		put_filtered(s, f, at, bytes);
	} else {
		put_bytes(s, f, at, bytes);
	}
}

/* Writes the section, or the beginning of one that comes in pieces. */
static void begin_section(struct session *s, struct fetch *f, const struct mailbox_row *row)
{
	const struct imap_fetch_section *at = f->row.section;
	bool binary = at->what == IMAP_FETCH_BINARY || at->what == IMAP_FETCH_BINARY_SIZE;
	const struct mime_part *part;
	struct imap_range range;

	if (!find(f, &at->section, row, &range, &part))
		put_nil(s, f, at);
	else if (!binary || !fetch_binary_begin(s, f, row, range, part))
		put_found(s, f, row, range);
}

static enum step ask_piece(struct session *s, struct command *c, struct fetch *f, const struct mailbox_row *row)
{
	struct mailbox_bytes_want m = {
	    .session = s->conn.store_id,
	    .mailbox = s->selected->mailbox,
	    .uid = row->uid,
	    .offset = f->row.off,
	    .length = f->row.left < FETCH_PIECE ? (uint32_t)f->row.left : FETCH_PIECE,
	};

	f->asked = FETCH_ASKED_BYTES;
	return command_await_answer(
	    c, mailbox_call_bytes_want(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

static bool take_piece(struct session *s, struct command *c, struct fetch *f)
{
	struct fetch_row *r = &f->row;
	struct view bytes;

	f->asked = FETCH_ASKED_NOTHING;
	c->answered = false;
	if (!c->answer || c->answer->type != MAILBOX_BYTES)
		return false;
	bytes = c->answer->bytes.bytes;
	if (bytes.n == 0 || bytes.n > r->left)
		return false;
	r->off += bytes.n;
	r->left -= bytes.n;
	switch (r->pieces) {
	case FETCH_AS_THEY_STAND:
		buf_append_view(session_out(s), bytes);
		break;
	case FETCH_GATHERED:
		buf_append_view(&r->header, bytes);
		break;
	case FETCH_COUNTED:
	case FETCH_DECODED:
		fetch_binary_feed(s, f, bytes);
		break;
	}
	return true;
}

/* A literal that was announced must be ended: without its bytes the connection is of no more use. */
static enum step lost(struct session *s)
{
	struct log_line l;

	conn_log_begin(&l, &s->conn, LOG_LEVEL_ERROR, "message_cut_off");
	log_u64(&l, "mailbox", s->selected->mailbox);
	log_end(&l);
	return STEP_CLOSE;
}

/* ---- THREADID ---- */

static void put_threadid(struct session *s, struct fetch *f, struct view header)
{
	put_text(s, f, "THREADID (", VIEW_EMPTY);
	thread_id_format(session_out(s), header, f->page.rows[f->page.at].message_id);
	buf_append_char(session_out(s), ')');
	f->row.threaded = true;
}

static void begin_threadid(struct session *s, struct fetch *f, const struct mailbox_row *row)
{
	const struct imap_range range = {0, row->header_bytes};
	struct view header;

	if (fetch_bytes_at_hand(row, range, &header))
		put_threadid(s, f, header);
	else
		fetch_ask_pieces(f, range, FETCH_GATHERED);
}

/* A header, or the front of a body, has come for something else than a section. */
static bool end_gathered(struct session *s, struct fetch *f)
{
	if ((f->args.items & IMAP_FETCH_THREADID) && !f->row.threaded)
		put_threadid(s, f, buf_view(&f->row.header));
	else if ((f->args.items & IMAP_FETCH_PREVIEW) && !f->row.previewed)
		fetch_preview_end(s, f);
	else
		return false;
	return true;
}

static void end_pieces(struct session *s, struct fetch *f)
{
	struct fetch_row *r = &f->row;

	r->piecewise = false;
	switch (r->pieces) {
	case FETCH_AS_THEY_STAND:
		break;
	case FETCH_GATHERED:
		if (!end_gathered(s, f))
			put_filtered(s, f, r->section, buf_view(&r->header));
		buf_fini(&r->header);
		break;
	case FETCH_COUNTED:
	case FETCH_DECODED:
		fetch_binary_end(s, f);
		break;
	}
}

static enum step go_on_piecewise(struct session *s, struct command *c, struct fetch *f, const struct mailbox_row *row)
{
	struct fetch_row *r = &f->row;

	if (c->answered && f->asked == FETCH_ASKED_BYTES && !take_piece(s, c, f))
		return lost(s);
	if (r->left)
		return stream_is_full(s->conn.stream) ? command_await_drain(c) : ask_piece(s, c, f, row);
	end_pieces(s, f);
	return r->piecewise ? command_await_drain(c) : STEP_DONE; /* those of a BINARY come a second time */
}

/* What may need more than the row: `start` writes it, or asks for pieces. */
static enum step write_item(struct session *s, struct command *c, struct fetch *f, const struct mailbox_row *row,
			    void (*start)(struct session *s, struct fetch *f, const struct mailbox_row *row))
{
	struct fetch_row *r = &f->row;

	if (!r->piecewise) {
		if (stream_is_full(s->conn.stream))
			return command_await_drain(c);
		start(s, f, row);
	}
	return r->piecewise ? go_on_piecewise(s, c, f, row) : STEP_DONE;
}

static void end(struct session *s, struct fetch *f)
{
	struct fetch_row *r = &f->row;

	buf_append_cstr(session_out(s), ")\r\n");
	f->written++;
	s->command->in_response = false;
	r->begun = r->any = r->has_index = r->previewed = r->threaded = false;
	r->section = f->args.sections;
	if (r->arena.blocks)
		arena_reset(&r->arena);
}

/* Small items can take long to find out: what is to be written next waits for the next turn. */
static enum step await_turn(struct command *c, struct fetch *f)
{
	f->asked = FETCH_ASKED_NOTHING;
	return command_await_turn(c);
}

enum step fetch_row_write(struct session *s, struct command *c, struct fetch *f)
{
	const struct mailbox_row *row = &f->page.rows[f->page.at];

	if (!f->row.begun) {
		if (!f->ahead && stream_is_full(s->conn.stream))
			return command_await_drain(c);
		if (!f->ahead && conn_had_its_turn(&s->conn))
			return await_turn(c, f);
		if (!begin(s, f, row))
			return STEP_DONE;
	}
	if ((f->args.items & IMAP_FETCH_THREADID) && !f->row.threaded) {
		enum step step = write_item(s, c, f, row, begin_threadid);

		if (step != STEP_DONE)
			return step;
	}
	if ((f->args.items & IMAP_FETCH_PREVIEW) && !f->row.previewed) {
		enum step step = write_item(s, c, f, row, fetch_preview_begin);

		if (step != STEP_DONE)
			return step;
		f->row.previewed = true;
	}
	while (f->row.section) {
		enum step step = write_item(s, c, f, row, begin_section);

		if (step != STEP_DONE)
			return step;
		f->row.section = f->row.section->next;
		if (f->row.section && conn_had_its_turn(&s->conn))
			return await_turn(c, f);
	}
	end(s, f);
	return STEP_DONE;
}
