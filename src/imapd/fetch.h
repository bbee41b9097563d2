/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IMAPD_FETCH_H
#define POMBO_IMAPD_FETCH_H

#include "imapd/command.h"
#include "imapd/earlier.h"
#include "mail/imap_fetch.h"

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

/* Where the row at page.at stands. */
struct fetch_row {
	bool begun;
	bool any; /* an item is written */
	bool has_index;
	struct mime_index index; /* in `arena` */
	struct arena arena;
	const struct imap_fetch_section *section; /* next to write; NULL: all are written */
	bool piecewise; /* its bytes come in pieces: `left` from `off` on */
	bool filtered; /* into `header` first */
	uint64_t off, left;
	struct buf header;
};

struct fetch {
	struct imap_fetch args;
	struct mailbox_range *spans;
	uint32_t n_spans, span_at, spans_asked;
	uint32_t uid_from, next;
	uint32_t fields;
	bool marks_seen;
	bool damaged; /* something stored has of a message cannot be read */
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
void fetch_row_init(struct fetch_row *r);
void fetch_row_fini(struct fetch_row *r);

#endif
