/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IPC_SASL_CLIENT_H
#define POMBO_IPC_SASL_CLIENT_H

#include "io/stream.h"
#include "ipc/channel.h"

/* One client's login, relayed to authd (RFC 4422): the base64 lines that SMTP, IMAP and POP3 carry go in and come out, the
 * channel bindings of the client's TLS session are added, a grant comes out. Never logs, never sees a verifier. */
struct sasl_client;

enum sasl_verdict {
	SASL_PENDING, /* the handler will hear */
	SASL_CONTINUE, /* send `text` behind "+ " or "334 ", the client's next line goes to sasl_client_line() */
	SASL_GRANTED, /* `grant` and `address` are set */
	SASL_WRONG, /* these credentials do not log in: the one verdict that counts as a failed login */
	SASL_MALFORMED, /* not base64, or not what the mechanism says */
	SASL_CANCELLED, /* the client sent "*" */
	SASL_TEMPORARY, /* slowed down, or authd is away: try again later */
	SASL_TLS_NEEDED, /* the mechanism is not allowed in the clear */
	SASL_NO_MECHANISM /* there is none of that name */
};

struct sasl_outcome {
	enum sasl_verdict verdict;
	struct view text; /* base64, maybe empty */
	struct view grant; /* for stored */
	struct view address; /* the account's */
};

/* Hears every verdict that was not returned at once; the views are valid during the call. It may free the client, and
 * must after any verdict but SASL_CONTINUE. */
typedef void sasl_client_fn(void *ctx, const struct sasl_outcome *outcome);

enum { SASL_LINE_MAX = 16384 }; /* base64 of the longest response authd takes: 12,288 bytes (RFC 4954 §4) */

/* `*auth` is the role's channel to authd, NULL while there is none; it and `stream` must outlive the client. Freeing ends the
 * exchange. */
struct sasl_client *sasl_client_new(struct channel *const *auth, struct stream *stream, bool plaintext_allowed,
				    sasl_client_fn *fn, void *ctx);
void sasl_client_free(struct sasl_client **c);

/* Each returns SASL_PENDING or a verdict that ends the exchange (MALFORMED, CANCELLED, TEMPORARY, NO_MECHANISM; after
 * success data of a mechanism sasl_client_line() may also return GRANTED: see sasl_client_granted()). */
/* AUTH mechanism [initial]: `initial` as the client wrote it, p == NULL when absent, "=" when it is empty. */
must_check enum sasl_verdict sasl_client_start(struct sasl_client *c, struct view mechanism, struct view initial);
/* The client's answer to a CONTINUE, without its line end. */
must_check enum sasl_verdict sasl_client_line(struct sasl_client *c, struct view line);
/* IMAP LOGIN, POP3 USER and PASS. */
must_check enum sasl_verdict sasl_client_login(struct sasl_client *c, struct view user, struct view password);
/* After GRANTED was returned by sasl_client_line(): what was granted; valid until free. */
struct sasl_outcome sasl_client_granted(const struct sasl_client *c);

/* The mechanisms to announce, parted by blanks, each behind `prefix` ("AUTH=" for IMAP, "" else): none in the clear unless
 * `plaintext_allowed`, -PLUS only under TLS. */
void sasl_client_mechanisms(struct buf *out, const char *prefix, bool tls, bool plaintext_allowed);

#endif
