/* SPDX-License-Identifier: ISC */
#ifndef POMBO_DNSD_DIRECT_H
#define POMBO_DNSD_DIRECT_H

#include "dnsd/resolver.h"

/* One question to one name server, not through libunbound: UDP, asked again after a while, then TCP when the answer is
 * too long. The answer counts only when the server speaks for the zone (AA). `fn` as for resolver_ask(); never called out of
 * direct_ask(). */
struct direct;

/* NULL: not an address, or too many at once. */
struct direct *direct_ask(struct event_base *base, struct view server, uint16_t port, struct view name, uint16_t type,
			  uint32_t deadline_ms, question_fn *fn, void *ctx);
void direct_cancel(struct direct **d);

#endif
