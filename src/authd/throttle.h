/* SPDX-License-Identifier: ISC */
#ifndef POMBO_AUTHD_THROTTLE_H
#define POMBO_AUTHD_THROTTLE_H

#include "authd/recall.h"
#include "base/view.h"

/* How fast passwords may be guessed. Each budget allows some failures at once and regains one after the other as time passes:
 *
 *   of a client's network (IPv4 address, IPv6 /64)                   60, one in 3 s
 *   of an account, for all networks it never logged in from          20, one in 10 s
 *   of an account and a network it logged in from before             20, one in 3 s
 *
 * A network known to the account draws on the last one only, so nobody elsewhere can use it up, and neighbours behind one
 * address cannot either. Attempts under way count as failures until they are known to be none: guessing in parallel gains nothing.
 * Success costs nothing. No clock in here. */
enum { THROTTLE_KEYS_MAX = 65536 };

struct throttle {
	struct recall due; /* key → when the budget is whole again, ms */
	struct recall pending; /* key → attempts under way */
};

struct throttle_subject {
	struct view network;
	struct view account; /* whatever names it; also for names that are none */
	bool known; /* this account logged in from this network before */
};

/* The budgets an attempt draws on. */
struct throttle_ticket {
	uint64_t keys[2];
	unsigned kinds[2];
	unsigned n;
};

void throttle_init(struct throttle *t);
void throttle_fini(struct throttle *t);

/* 0: the attempt may go on now, and throttle_end() must follow. Otherwise: ask again after so many ms. */
must_check uint64_t throttle_begin(struct throttle *t, const struct throttle_subject *who, uint64_t now_ms,
				   struct throttle_ticket *ret);
/* As throttle_begin() without beginning anything: whether it would let an attempt go on. */
must_check bool throttle_allows(struct throttle *t, const struct throttle_subject *who, uint64_t now_ms);
void throttle_end(struct throttle *t, const struct throttle_ticket *ticket, bool failed, uint64_t now_ms);

#endif
