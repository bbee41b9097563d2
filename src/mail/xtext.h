/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_XTEXT_H
#define POMBO_MAIL_XTEXT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"

/* xtext (RFC 3461 §4): "+" and two upper-case hexadecimal digits stand for any other byte. */

/* The decoded bytes, in `a`. False: not xtext, or `a` is full. Any byte may come out. */
must_check bool xtext_decode(struct view text, struct arena *a, struct view *ret);
void xtext_encode(struct buf *out, struct view bytes);

#endif
