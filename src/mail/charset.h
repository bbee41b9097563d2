/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_CHARSET_H
#define POMBO_MAIL_CHARSET_H

#include "base/buf.h"
#include "base/mem.h"

/* Text in the charsets of mail to UTF-8. UTF-8 and the one-byte charsets are tables here; the others are iconv's, whose
 * modules are files: a process that will not be allowed to open files calls charset_preload() before. ISO-8859-1 and
 * US-ASCII are read as windows-1252, GB2312 as GB18030, as mail means them. What cannot be read becomes U+FFFD. */

/* Loads the multibyte charsets that mail uses, once. Without it they load when first met. */
void charset_preload(void);

bool charset_is_known(struct view charset);
/* Appends to out. False (nothing appended): an unknown charset. Over out->max: out->overflow. */
must_check bool charset_to_utf8(struct view charset, struct view in, struct buf *out);

/* The same as a stream. */
struct charset_stream {
	int kind;
	const uint16_t *table;
	void *iconv;
	size_t unit; /* of iconv's: what is no character is passed over in units */
	size_t held_n; /* start of a character whose rest has not come */
	char held[16]; /* proven: no character of any charset is longer */
};
must_check bool charset_stream_init(struct charset_stream *s, struct view charset); /* false: unknown charset */
void charset_stream_fini(struct charset_stream *s);
/* Appends at most 4 bytes for each byte of `in`, and a few. */
void charset_stream_feed(struct charset_stream *s, struct view in, struct buf *out);
void charset_stream_finish(struct charset_stream *s, struct buf *out);

/* For comparing and searching, character by character: compatibility decomposition and full case folding (like
 * i;unicode-casemap, RFC 5051, without reordering marks). Bytes that are no UTF-8 become U+FFFD. `utf8` must hold whole
 * characters: charset_whole_chars() says how many bytes those are. Grows text at most 18-fold. */
void charset_fold(struct view utf8, struct buf *out);
/* For sorting: i;unicode-casemap (RFC 5051): each character in title case, then decomposed, compatibility included; octets are compared. */
void charset_casemap(struct view utf8, struct buf *out);
/* Bytes at the front of `v` that end with a whole character (all but at most 3). */
size_t charset_whole_chars(struct view v);
/* Composed form (NFC) of well-formed UTF-8; false on overflow, ill-formed text, and more marks on one character than any language has
 * (UAX #15 §13: 30). */
enum { CHARSET_MARKS_MAX = 30 };
must_check bool charset_nfc(struct view utf8, struct buf *out);

#endif
