/* SPDX-License-Identifier: ISC */
#ifndef POMBO_DNSD_DNSD_H
#define POMBO_DNSD_DNSD_H

#include "dnsd/resolver.h"

/* Answers one process (ipc/msgs/dns.def) until it hangs up. `peer` is a value of enum dns_peer. Takes over `fd`; the resolver outlives
 * the channel. `*direct_port`: where single name servers are asked. */
void dnsd_serve(struct event_base *base, int fd, unsigned peer, struct resolver *r, const uint16_t *direct_port);

#endif
