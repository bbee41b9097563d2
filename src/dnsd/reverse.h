/* SPDX-License-Identifier: ISC */
#ifndef POMBO_DNSD_REVERSE_H
#define POMBO_DNSD_REVERSE_H

#include "dnsd/resolver.h"

/* The verified name of an address (RFC 8601 §3, iprev): one of its PTR names whose A or AAAA records lead back to it. At most five names are
 * tried, in their order. `fn` hears "" when there is none or the deadline passes; never called out of reverse_ask(). */
struct reverse;
typedef void reverse_fn(void *ctx, struct view name);

/* NULL: not an address, or too many questions wait. */
struct reverse *reverse_ask(struct resolver *r, enum resolver_lane lane, struct view address, uint32_t deadline_ms,
			    reverse_fn *fn, void *ctx);
void reverse_cancel(struct reverse **v);

#endif
