/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_HEADER_H
#define POMBO_MAIL_HEADER_H

#include "base/buf.h"
#include "base/mem.h"

/* A header block, field by field (RFC 5322 §2.2), read as real mail needs it and the same everywhere in pombo:
 *
 * - A line ends in LF with or without CR before it (what comes by SMTP has CRLF only; imported mail may not).
 * - An empty line ends the header.
 * - A field is a name of printable ASCII (RFC 5322 §3.6.8; blanks may stand before the colon, §4.5), a colon, a value,
 *   and the lines behind it that start with SP or HTAB.
 * - An mbox "From " line (or ">From ") is passed over wherever it stands; so are continuation lines with no field
 *   before them.
 * - Any other line is junk. It is passed over too, with its continuation lines: RFC 5322 §2.1 says that the body is
 *   "separated from the header section by an empty line", and other readers of mail look for that line. Who hands in
 *   text that was never meant to have a header is another matter: header_init_until_junk(). */
struct header_field {
	struct view name;
	struct view value; /* all behind the colon, folds included, without the last line end */
	struct view whole; /* the field with its last line end, if it has one */
};

enum header_end {
	HEADER_END_BLANK, /* an empty line, which belongs to the header */
	HEADER_END_JUNK, /* only after header_init_until_junk(): the content starts with a line that is no field */
	HEADER_END_INPUT, /* nothing more came */
};

struct header {
	struct view in;
	size_t at;
	size_t passed_over_bytes; /* of lines that belong to no field so far */
	size_t junk; /* where the first junk line met so far starts; SIZE_MAX: none */
	bool until_junk;
	/* once header_next() said MORE: */
	enum header_end end;
	size_t content; /* offset of the first byte behind the header */
};

/* `block` may hold the whole message. It is not copied. */
void header_init(struct header *h, struct view block);
/* The same, but junk ends the header and is the first line of the content, as sendmail programs have always read what
 * is given to them. */
void header_init_until_junk(struct header *h, struct view block);
/* DONE: `*ret_field` is the next field, views into the block. MORE: there are no more; h->end and h->content are set.
 * Never BAD. Linear over all calls; the size of the block is for its taker to limit. */
must_check enum parse header_next(struct header *h, struct header_field *ret_field);

/* The first field of that name (any case). */
must_check bool header_find(struct view block, const char *name, struct header_field *ret_field);
size_t header_count(struct view block, const char *name);
/* Where the header ends: the offset of the content. */
size_t header_length(struct view block);
/* Where the first junk line of the header starts; SIZE_MAX: there is none. */
size_t header_junk(struct view block);
/* A raw value on one line: line ends taken out (RFC 5322 §2.2.3), blanks at both ends dropped. */
void header_unfold(struct buf *out, struct view value);

#endif
