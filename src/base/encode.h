/* SPDX-License-Identifier: ISC */
#ifndef POMBO_BASE_ENCODE_H
#define POMBO_BASE_ENCODE_H

#include "base/buf.h"
#include "base/mem.h"

/* Base64 (RFC 4648 §4, padded, strict: no blanks, no missing padding). */
void encode_base64(struct buf *out, struct view in);
must_check bool decode_base64(struct buf *out, struct view in); /* false: not base64, or over out->max */
/* Lower-case hexadecimal. */
void encode_hex(struct buf *out, struct view in);
must_check bool decode_hex(struct buf *out, struct view in);

#endif
