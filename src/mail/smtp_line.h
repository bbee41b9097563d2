/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_SMTP_LINE_H
#define POMBO_MAIL_SMTP_LINE_H

#include "base/mem.h"
#include "base/view.h"

/* Splits a byte stream into command lines (RFC 5321 §2.3.8: CRLF and nothing else ends a line).
 *
 * The caller keeps what was not consumed and shows it again with whatever has arrived behind it; the
 * splitter remembers how far it has looked, so every byte is looked at once and none is copied. */
enum smtp_line_error {
	SMTP_LINE_OK,
	SMTP_LINE_TOO_LONG,
	SMTP_LINE_BARE_CR,
	SMTP_LINE_BARE_LF,
	SMTP_LINE_NUL,
};

struct smtp_line {
	size_t max_bytes; /* of one line, its CRLF included; may be changed between two lines */
	size_t scanned; /* bytes at the start of the next input that hold no line end and nothing bad */
	enum smtp_line_error error; /* why the last call said PARSE_BAD */
	bool skipping; /* dropping the rest of a bad line */
	bool after_cr; /* while skipping: the last byte dropped was CR */
};

/* `max_bytes` >= 2. RFC 5321 §4.5.3.1.4 asks for 512, RFC 4954 §4 for 12288 where AUTH is spoken. */
void smtp_line_init(struct smtp_line *s, size_t max_bytes);

/* DONE: `*ret_line` is the next line without its CRLF, a view into `in`.
 * MORE: no whole line yet. BAD: s->error says why, as soon as it is seen; reported once a line: the calls
 * that follow drop (and consume) the rest of that line through its CRLF, then go on with the next.
 * `*ret_consumed` is set every time: that many bytes of `in` are done with (0 while a line is incomplete). */
must_check enum parse smtp_line_next(struct smtp_line *s, struct view in, size_t *ret_consumed, struct view *ret_line);

#endif
