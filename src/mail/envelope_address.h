/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_ENVELOPE_ADDRESS_H
#define POMBO_MAIL_ENVELOPE_ADDRESS_H

#include "base/buf.h"
#include "base/mem.h"

/* Walks an address-list header value (RFC 5322 §3.4, §4.4) as stored mail has it: takes what it can make out of any
 * bytes, for showing. Not for deciding where mail goes: that is address.h. */
enum envelope_address_kind {
	ENVELOPE_ADDRESS,
	ENVELOPE_GROUP, /* "name:" */
	ENVELOPE_GROUP_END,
};

/* Quotes, comments and folding are gone; encoded-words stay. Absent: p == NULL. */
struct envelope_address {
	enum envelope_address_kind kind;
	struct view name; /* display name, or the comment behind an old-style address, or the group's name */
	struct view route; /* "@a,@b" of an obs-route */
	struct view local; /* never absent in an address; may be empty */
	struct view domain; /* absent where there is no "@" */
};

struct envelope_addresses {
	struct view rest;
	bool in_group;
	/* what the address given last points into */
	struct buf name, comment, route, local, domain;
};

void envelope_addresses_init(struct envelope_addresses *it, struct view value);
void envelope_addresses_fini(struct envelope_addresses *it);
/* False at the end. `ret` is valid until the next call. A group that is open at the end is ended. */
must_check bool envelope_addresses_next(struct envelope_addresses *it, struct envelope_address *ret);

#endif
