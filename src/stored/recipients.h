/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_RECIPIENTS_H
#define POMBO_STORED_RECIPIENTS_H

#include "base/arena.h"
#include "conf/conf.h"
#include "mail/dsn_status.h"
#include "store/directory.h"

/* What an envelope recipient means here: mailboxes of ours, other servers, or a refusal. Asked at RCPT and again when the
 * message is kept (a front end is not believed). Any thread; SQL only with a reader. */
enum recipient_answer {
	RECIPIENT_TAKEN,
	RECIPIENT_REFUSED, /* verdict says why */
	RECIPIENT_UNKNOWN, /* not in memory: ask again with a reader */
};

struct recipient {
	enum recipient_answer answer;
	struct verdict verdict;
	bool local; /* ours; else queued for another server */
	/* Taken: the accounts and foreign addresses it leads to. Remote ones are as they go into RCPT TO. */
	const struct directory_target *targets;
	size_t target_count;
};

/* `address` as typed, without brackets. An SRS address of ours (mail/srs.h) is where it leads back to, for anybody.
 * may_relay: the client is authenticated or listed, or the domain is one of `backup-mx`. size_bytes: declared, 0 unknown. */
struct recipient recipient_resolve(struct store *s, struct store_reader *r, struct view address, bool may_relay,
				   uint64_t size_bytes, struct arena *a);

/* Is the address, as typed, in a domain of `backup-mx`? Then anybody's mail for it is relayed, unless the domain is ours. */
bool recipient_is_backup(const struct conf *conf, struct view address);

/* May `account` send as `address` (as typed)? RECIPIENT_TAKEN, _REFUSED or _UNKNOWN; verdict set when refused. */
struct recipient sender_resolve(struct store *s, struct store_reader *r, uint64_t account, struct view address,
				struct arena *a);

/* The directory's key for an address as typed; false: not an address. Bare "postmaster" is one (RFC 5321 §4.5.1). */
must_check bool recipient_key(struct view typed, struct arena *a, struct view *ret_key);

/* The canonical domain of an address as typed, for the queue; empty when it has none. */
struct view recipient_domain(struct view address, struct arena *a);

#endif
