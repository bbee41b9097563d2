/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_ADDRESS_H
#define POMBO_MAIL_ADDRESS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "mail/ip.h"

/* Envelope addresses: RFC 5321 §4.1.2 Mailbox, with RFC 6531 §3.3 for UTF-8.
 * Lengths are octets (RFC 5321 §4.5.3.1). */
enum {
	ADDRESS_LOCAL_MAX = 64,
	ADDRESS_DOMAIN_MAX = 255,
	ADDRESS_MAILBOX_MAX = 254, /* a path is 256, its angle brackets included */
};

struct address {
	struct view local; /* without quotes and backslashes; never empty */
	struct view domain; /* as written; of a literal the brackets too, so it never equals a name */
	bool quoted; /* the local part was written as a quoted string */
	bool is_literal; /* the domain is an address literal */
	bool is_utf8; /* holds bytes above 127: needs SMTPUTF8 */
};

enum address_flags {
	ADDRESS_UTF8 = 1, /* take RFC 6531 addresses */
	/* Take a local part over 64 octets, as long as the whole fits a path. RFC 5321 §4.5.3.1 asks not to
	 * impose such limits where possible, and bounce and reply addresses of large senders do pass 64. */
	ADDRESS_LONG_LOCAL = 2,
};

/* The whole of `text` is one Mailbox. Views point into `text`, or into `a` for a quoted local part.
 * The empty quoted local part ("") is refused: no mailbox has that name, and the null path is no address.
 * False: not an address, too long, UTF-8 without the flag, or `a` is full. */
must_check bool address_parse(struct view text, unsigned flags, struct arena *a, struct address *ret);

/* RFC 5321 Domain, labels of at most 63 octets; with ADDRESS_UTF8 labels may be well-formed UTF-8. Whether such a label
 * is a U-label (IDNA), and short enough as an A-label, address_domain_canon() says. */
must_check bool address_domain_valid(struct view domain, unsigned flags);
/* RFC 5321 §4.1.3 address-literal, brackets included. `*ret_ip` is set and `*ret_is_ip` true unless it is a
 * General-address-literal. */
must_check bool address_literal_parse(struct view literal, bool *ret_is_ip, struct ip *ret_ip);
/* True when `local` can be written as a Dot-string, without quotes. */
bool address_local_is_dot_string(struct view local);

/* "local@domain" with the least quoting that RFC 5321 §4.1.2 allows; `local` in quotes when it must be. */
void address_format(struct buf *out, struct view local, struct view domain);
/* The same for the local part alone. */
void address_format_local(struct buf *out, struct view local);

#endif
