/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_IMAP_SECTION_H
#define POMBO_MAIL_IMAP_SECTION_H

#include "mail/mime_index.h"

/* What stands between "[" and ">" of BODY[…]<…> and BINARY[…]<…> (RFC 9051 §6.4.5.1, §9 section), and where in the
 * message it is. */
enum imap_section_text {
	IMAP_SECTION_ALL, /* "" or a part number */
	IMAP_SECTION_HEADER,
	IMAP_SECTION_FIELDS, /* HEADER.FIELDS (…) */
	IMAP_SECTION_FIELDS_NOT,
	IMAP_SECTION_TEXT,
	IMAP_SECTION_MIME,
};

enum { IMAP_SECTION_DEPTH_MAX = 128 };

struct imap_section {
	const uint32_t *path; /* part numbers, each >= 1 */
	uint32_t path_len;
	enum imap_section_text text;
	const struct view *fields; /* header field names */
	const struct view
	    *sorted; /* the same as imap_section_sort() leaves them; NULL: are looked through one by one */
	uint32_t field_count;
	bool partial; /* <off.bytes> was given */
	uint64_t partial_off, partial_bytes;
};

/* "1.2.HEADER.FIELDS" without its list, as it stands between the brackets; `ret->fields` and partial stay as they
 * are. False: not a section. */
must_check bool imap_section_parse(struct view text, struct arena *a, struct imap_section *ret);

struct imap_range {
	uint64_t off, bytes;
};

/* Finds the section's bytes. The message as the client sees it is `prefix_bytes` of prefix, then what was indexed: the
 * prefix belongs to the root header, and offsets count from its first byte. For FIELDS and FIELDS_NOT the range is the
 * header block to filter. False: the message has no such part; the answer is NIL. The partial is not applied.
 * `*ret_part`, when not NULL, gets the part the path names (its encoding is what BINARY needs). */
must_check bool imap_section_find(const struct imap_section *s, const struct mime_index *x, uint64_t prefix_bytes,
				  struct imap_range *ret, const struct mime_part **ret_part);

/* The part of `whole` that the partial asks for (all of it without one); maybe nothing. */
struct imap_range imap_section_clip(const struct imap_section *s, struct imap_range whole);

/* HEADER.FIELDS and HEADER.FIELDS.NOT: copies the fields asked for, as they stand, and the blank line when `header` has
 * one. Not clipped. */
void imap_section_filter(const struct imap_section *s, struct view header, struct buf *out);

/* Puts names in the order in which they are found fast, however many. */
void imap_section_sort(struct view *names, uint32_t count);

/* Writes "BODY[1.HEADER.FIELDS (Date From)]<0>" as a FETCH response names it; `item` is "BODY" or "BINARY". */
void imap_section_format(struct buf *out, const char *item, const struct imap_section *s);

#endif
