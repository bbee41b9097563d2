/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_SMTP_REPLY_H
#define POMBO_MAIL_SMTP_REPLY_H

#include "mail/dsn_status.h"

/* A server's reply (RFC 5321 §4.2): lines of one code, "-" behind it on all but the last. LF may end a line without CR: servers do
 * that, and nothing hangs on it. */
enum { SMTP_REPLY_LINE_MAX = 4096, SMTP_REPLY_TEXT_MAX = 16384, SMTP_REPLY_LINES_MAX = 200 };

struct smtp_reply {
	unsigned code; /* 200…599 */
	struct dsn_status enhanced; /* of the first line that has one (RFC 2034); else made from the code */
	struct buf text; /* "\n" between lines, without codes; control characters are "?" */
	size_t lines;
};

void smtp_reply_init(struct smtp_reply *r);
void smtp_reply_fini(struct smtp_reply *r);
/* `in`: what has arrived and was not consumed yet. DONE: a whole reply, its bytes are `*ret_consumed`. MORE: lines taken so far
 * are consumed (0 is possible), ask again with the rest and what arrives next. BAD: no reply, or one without an end; nothing more
 * can be made of this connection. After DONE, smtp_reply_reset() before the next. */
must_check enum parse smtp_reply_next(struct smtp_reply *r, struct view in, size_t *ret_consumed);
void smtp_reply_reset(struct smtp_reply *r);
/* The next line of a text, for EHLO. False at the end. */
must_check bool smtp_reply_line(struct view *rest, struct view *ret);

#endif
