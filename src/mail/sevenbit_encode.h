/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_SEVENBIT_ENCODE_H
#define POMBO_MAIL_SEVENBIT_ENCODE_H

#include "base/buf.h"

/* Content-Transfer-Encodings made as streams (RFC 2045 §6.7, 6.8). No line of the output starts with "-": none can be taken for a boundary. Pure. */
enum sevenbit_coding {
	SEVENBIT_QUOTED_PRINTABLE, /* CRLF stays a line end; CR and LF alone are encoded */
	SEVENBIT_BASE64, /* no line end behind the last line */
	/* What claims to be encoded already, and is not 7-bit or has endless lines: decodes as before. */
	SEVENBIT_REPAIR_QUOTED_PRINTABLE,
	SEVENBIT_REPAIR_BASE64,
};

struct sevenbit_encoder {
	enum sevenbit_coding coding;
	size_t column;
	bool cr; /* held back */
	char blank; /* held back: at the end of a line it must be encoded; 0: none */
	unsigned escape; /* repairing: how many bytes of "=XX" are under way */
	size_t held; /* base64: bytes of a line under way */
	char bytes[57]; /* proven: a line is put when it is full */
};

void sevenbit_encoder_init(struct sevenbit_encoder *e, enum sevenbit_coding coding);
/* Appends at most 4 * in.n + 128 bytes. */
void sevenbit_encoder_feed(struct sevenbit_encoder *e, struct view in, struct buf *out);
void sevenbit_encoder_finish(struct sevenbit_encoder *e, struct buf *out);

#endif
