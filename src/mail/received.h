/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_RECEIVED_H
#define POMBO_MAIL_RECEIVED_H

#include "base/buf.h"
#include "mail/date.h"

/* The trace field we put before a message (RFC 5321 §4.4). Views may come from peers: what could end a line, a comment or
 * a word is written as "?". */
struct received {
	struct view helo; /* as the client said it; empty: the message was made here, no "from" clause */
	struct view client_name; /* verified reverse name, or empty */
	struct view client_ip; /* text; empty or odd: left out */
	struct view by; /* our host name */
	struct view protocol; /* received_protocol() */
	struct view tls; /* "TLSv1.3 TLS_AES_256_GCM_SHA384", or empty */
	struct view id; /* the message's */
	struct view for_address; /* the one recipient, as written in a command, without brackets; or empty */
	struct date date;
};

/* The registered name for how a message came: SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA (RFC 3848), UTF8SMTP… (RFC 6531
 * §4.3). Static. AUTH and UTF8 imply EHLO. */
const char *received_protocol(bool ehlo, bool tls, bool auth, bool utf8);

/* "Received: from … (… [IP]) by … with … (…) id … for <…>; date" CRLF, folded so that lines stay within 78 columns where
 * the words allow it. A recipient beyond ASCII is named only in UTF8SMTP… messages. */
void received_format(struct buf *out, const struct received *r);

/* The Received fields of a header block: how many servers it has passed (RFC 5321 §6.3, loop detection). */
size_t received_count(struct view block);

#endif
