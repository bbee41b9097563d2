/* SPDX-License-Identifier: ISC */
#ifndef POMBO_AUTHD_SEEN_H
#define POMBO_AUTHD_SEEN_H

#include "authd/authd.h"

/* From which networks an account logged in before. */
enum { SEEN_NETWORK_MAX = 64 };

/* What a client's address is counted as: an IPv4 address itself, an IPv6 address's /64 ("2001:db8::/64"); anything else as it is. */
void seen_network(struct view client_ip, struct buf *ret);
void seen_add(struct authd *a, uint64_t account, struct view network, int64_t wall_s);
must_check bool seen_has(struct authd *a, uint64_t account, struct view network);
/* Asks stored for all it knows, page by page. */
void seen_load(struct authd *a);

#endif
