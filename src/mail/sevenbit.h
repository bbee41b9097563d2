/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_SEVENBIT_H
#define POMBO_MAIL_SEVENBIT_H

#include "base/mem.h"
#include "mail/header.h"

/* The 7-bit variant of a message, for servers without 8BITMIME (RFC 6152 §3): every part that holds 8-bit bytes, NUL or lines over 998 is put in
 * quoted-printable or base64 (RFC 2045 §6), whichever is shorter for text; what is around it is said to be 7bit; everything else stays as
 * it is, byte for byte. What the parts decode to does not change. Text in front of the first boundary and behind the last one, which nobody
 * sees, goes where it is not 7-bit. message/global is encoded as a whole (RFC 6532 §3.7). Pure; memory does not grow with the message. */
struct sevenbit {
	/* The message: up to `max` bytes at `off`, at least one before its end. 0 or negative errno. */
	int (*read)(void *ctx, uint64_t off, size_t max, struct view *ret);
	uint64_t bytes;
	/* The variant, piece by piece. 0 or negative errno. */
	int (*put)(void *ctx, struct view bytes);
	/* Fields of the message's own header that are left out; NULL: none. */
	bool (*drops)(void *ctx, const struct header_field *field);
	void *ctx;
};

enum sevenbit_verdict {
	SEVENBIT_MADE,
	SEVENBIT_SIGNED, /* a part that would change is signed or encrypted (RFC 1847) */
	SEVENBIT_IMPOSSIBLE, /* 8-bit header fields, or a structure nobody could be sure of */
	SEVENBIT_FAILED, /* read or put failed */
};

/* Nothing is put unless the verdict is SEVENBIT_MADE (or SEVENBIT_FAILED). */
must_check enum sevenbit_verdict sevenbit_make(const struct sevenbit *s);

#endif
