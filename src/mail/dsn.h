/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_DSN_H
#define POMBO_MAIL_DSN_H

#include "base/buf.h"
#include "base/mem.h"

/* Notices about what became of a message (RFC 3461, 3464, 6522, 6533), as whole messages: first for people, then for programs, then what
 * it is about. */
enum dsn_action {
	DSN_FAILED,
	DSN_RETURNED /* by the operator */,
	DSN_EXPIRED,
	DSN_DELAYED,
	DSN_RELAYED,
	DSN_DELIVERED,
	DSN_EXPANDED
};

struct dsn_recipient {
	struct view address; /* as we had it */
	struct view orcpt; /* "type;address", or empty */
	enum dsn_action action;
	struct view status; /* "5.1.1"; empty: made from the action */
	struct view mta; /* the other server; empty: it was us */
	unsigned code; /* of its reply; 0: there was none, the words are ours */
	struct view reply;
	unsigned attempts;
};

struct dsn {
	struct view hostname; /* ours */
	struct view to; /* the sender of the message */
	struct view id; /* of the message, for people and `pombo trace` */
	struct view notice_id; /* of this one */
	struct view envid; /* decoded; empty: none */
	struct view boundary; /* stands nowhere in the message */
	int64_t now_s, arrived_s, give_up_s;
	int32_t zone_min;
	bool utf8; /* the message needed SMTPUTF8: the forms of RFC 6533 */
	bool
	    sevenbit; /* with utf8: the notice goes where SMTPUTF8 may be missing, so what is not ASCII is encoded (§4.5) */
	struct view header; /* of the message */
	struct view content; /* whole_message: what follows its header */
	bool whole_message;
	const struct dsn_recipient *recipients;
	size_t count;
};

/* Appends the notice, without trace fields. out->overflow: too long. */
void dsn_format(struct buf *out, const struct dsn *d);

#endif
