/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IMAPD_FETCH_H
#define POMBO_IMAPD_FETCH_H

#include "imapd/command.h"
#include "imapd/earlier.h"
#include "mail/imap_fetch.h"
#include "mail/mime_decode.h"

/* FETCH under way: pages of rows from stored, one page at a time, each row written item by item (fetch_row.c). */

enum {
	FETCH_INLINE_MAX = 65536, /* larger messages come in pieces */
	FETCH_PIECE = 262144,
	FETCH_FILTERED_MAX = 1 << 20, /* of a header block inside a message: what HEADER.FIELDS looks at */
};

/* Rows of one answer: stored's own, valid while it is being handled, or a copy of what is left of them. */
struct fetch_page {
	const struct mailbox_row *rows;
	uint32_t n, at;
	char *copy; /* NULL: not a copy */
};

/* A part whose transfer encoding is undone on its way (BINARY): once to learn its size, then to send it. */
struct fetch_decoding {
	struct mime_decoder decoder;
	struct imap_range source; /* as it stands in the message */
	struct imap_range window; /* what of the decoded bytes is asked for */
	uint64_t bytes; /* decoded so far */
	bool has_nul; /* the window has */
};

/* Where the row at page.at stands. */
struct fetch_row {
	bool begun;
	bool any; /* an item is written */
	bool has_index;
	struct mime_index index; /* in `arena` */
	struct arena arena;
	const struct imap_fetch_section *section; /* next to write; NULL: all are written */
	bool piecewise; /* its bytes come in pieces: `left` from `off` on */
	enum fetch_pieces {
		FETCH_AS_THEY_STAND,
		FETCH_GATHERED,
		FETCH_COUNTED,
		FETCH_DECODED
	} pieces; /* what becomes of them */
	uint64_t off, left;
	struct buf header; /* those gathered */
	const struct mime_part *part; /* which they are of */
	struct fetch_decoding decoding;
	bool previewed, threaded; /* PREVIEW, THREADID are written */
};

struct fetch {
	struct imap_fetch args;
	struct mailbox_range *spans;
	uint32_t n_spans, span_at, spans_asked;
	uint32_t uid_from, next;
	uint32_t fields;
	bool marks_seen;
	bool ahead; /* the next page is on its way: this one is written whole, full or not */
	bool damaged; /* something stored has of a message cannot be read */
	bool unknown_cte; /* a part is encoded in a way that is not known */
	uint64_t wanted, written; /* messages */
	enum {
		FETCH_ASKED_NOTHING,
		FETCH_ASKED_ROWS,
		FETCH_ASKED_BYTES,
		FETCH_ASKED_FLAGS,
		FETCH_ASKED_VANISHED
	} asked;
	struct earlier earlier; /* of VANISHED */
	struct fetch_page page;
	struct fetch_row row;
	struct mailbox_range *seen; /* those of the page that get \Seen */
	uint32_t n_seen;
};

/* The `fields` of rows_want that the items need. */
uint32_t fetch_fields(const struct imap_fetch *args);
/* Goes on with the row at page.at: DONE: written whole. WAIT: for room, or for a piece of the message. CLOSE: a literal that was
 * begun cannot be ended. */
enum step fetch_row_write(struct session *s, struct command *c, struct fetch *f);
/* For what writes items: with a space in front of all but the first. */
struct buf *fetch_item(struct session *s, struct fetch *f);
/* Bytes of the message are to come, then go on as `pieces` says. */
void fetch_ask_pieces(struct fetch *f, struct imap_range range, enum fetch_pieces pieces);
/* The bytes, when the row has them. */
must_check bool fetch_bytes_at_hand(const struct mailbox_row *row, struct imap_range range, struct view *ret);
/* The row's MIME index; false: it cannot be read, which is noted. */
must_check bool fetch_index(struct fetch *f, const struct mailbox_row *row);

/* ---- nothing but flags, UIDs and modseqs (fetch_marks.c) ---- */
/* f->fields, and that the answer may come as marks, where they are all that is asked for. */
uint32_t fetch_marks_fields(const struct fetch *f);
/* The whole page. */
void fetch_marks_write(struct session *s, struct fetch *f, const struct mailbox_marks *m);

/* ---- BINARY and BINARY.SIZE (fetch_binary.c; RFC 9051 §6.4.5, 3516) ---- */
/* False: the bytes as they stand are what is asked for. */
must_check bool fetch_binary_begin(struct session *s, struct fetch *f, const struct mailbox_row *row,
				   struct imap_range range, const struct mime_part *part);
void fetch_binary_feed(struct session *s, struct fetch *f, struct view bytes);
/* The pieces are over; they may have to come again. */
void fetch_binary_end(struct session *s, struct fetch *f);

/* ---- PREVIEW (fetch_preview.c; RFC 8970) ---- */
void fetch_preview_begin(struct session *s, struct fetch *f, const struct mailbox_row *row);
/* With what was gathered. */
void fetch_preview_end(struct session *s, struct fetch *f);

/* ---- FETCH responses that no FETCH asked for (cmd_fetch.c): of f->spans, f->args; all else zero. As a handler's steps. ---- */
enum step fetch_begin(struct session *s, struct command *c, struct fetch *f);
enum step fetch_go_on(struct session *s, struct command *c, struct fetch *f);
void fetch_forget(struct fetch *f);

void fetch_row_init(struct fetch_row *r);
void fetch_row_fini(struct fetch_row *r);

#endif
