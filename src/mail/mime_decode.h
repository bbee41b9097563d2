/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_MIME_DECODE_H
#define POMBO_MAIL_MIME_DECODE_H

#include "mail/mime_index.h"

/* Content-Transfer-Encoding undone (RFC 2045 §6), as a stream, for BINARY[…] and for searching. Like mail programs do:
 * what is no base64 is skipped, a broken "=XX" stays as it is, blanks at the end of a quoted-printable line go. */
struct mime_decoder {
	enum mime_encoding encoding;
	/* base64 */
	uint32_t bits;
	uint32_t count; /* sextets in `bits` */
	/* quoted-printable */
	int state;
	char hex; /* the first digit of "=XX" */
	struct buf blanks; /* that may turn out to end a line */
};

/* MIME_UNKNOWN_ENCODING passes bytes through: a caller that must know asks first (BINARY: UNKNOWN-CTE). */
void mime_decoder_init(struct mime_decoder *d, enum mime_encoding encoding);
void mime_decoder_fini(struct mime_decoder *d);
/* Appends what `in` decodes to; never more than in.n + 1024 bytes. */
void mime_decoder_feed(struct mime_decoder *d, struct view in, struct buf *out);
/* The input is over: appends what was held back. */
void mime_decoder_finish(struct mime_decoder *d, struct buf *out);

#endif
