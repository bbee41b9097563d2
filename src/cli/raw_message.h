/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_RAW_MESSAGE_H
#define POMBO_CLI_RAW_MESSAGE_H

#include "base/buf.h"
#include "cli/addressee.h"

/* A message as programs hand it to sendmail: any line ends, perhaps no From, perhaps no header at all. */

/* Every line end (CRLF, LF, and CR alone, with which programs draw progress bars) becomes CRLF; the last line gets one. With
 * `dot_ends`, a line of one "." ends the text. */
void raw_message_lines(struct buf *out, struct view text, bool dot_ends);

/* The addresses of To, Cc and Bcc; of the Resent- fields where there are any (RFC 5322 §3.6.6). As addressees_add(). */
must_check enum addressee_verdict raw_message_recipients(struct view message, struct view default_domain,
							 struct addressees *list, struct view *ret_bad);
/* The address of the first From field; false when there is none or it is none. */
must_check bool raw_message_author(struct view message, struct view default_domain, struct addressees *list);

/* Writes the message anew: its header fields without Bcc, Resent-Bcc and Return-Path, a From field of `from` where there is none, the
 * empty line, the content. Addresses without a domain ("From: root (Cron Daemon)") get theirs. What cannot be a header field begins
 * the content. `message` has CRLF. */
void raw_message_rewrite(struct buf *out, struct view message, struct view default_domain,
			 const struct addressee *from);

#endif
