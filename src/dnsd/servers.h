/* SPDX-License-Identifier: ISC */
#ifndef POMBO_DNSD_SERVERS_H
#define POMBO_DNSD_SERVERS_H

#include "base/arena.h"
#include "conf/conf.h"

/* Whom to ask and whom to believe, from text. Pure. */

enum { SERVERS_MAX = 16, ANCHORS_MAX = 1024, SERVERS_FILE_MAX = 262144 };

struct servers {
	const char *forwarders[SERVERS_MAX]; /* "192.0.2.53@53"; none: ask the root servers and go on from there */
	size_t n_forwarders;
	const char *anchors[ANCHORS_MAX]; /* lines of DS or DNSKEY records; none: nothing is validated */
	size_t n_anchors;
	bool default_anchors; /* nobody named them: validation gives way where the forwarders do not pass DNSSEC on */
};

/* `resolv_conf` is used where dns-server is not set; `anchor_file` is what the supervisor opened (the file of trust-anchor, or
 * Debian's where that is not set), empty otherwise. Strings live in the arena. False: trust-anchor holds no anchor, or the
 * arena is full. */
must_check bool servers_read(const struct conf *conf, struct view resolv_conf, struct view anchor_file, struct arena *a,
			     struct servers *ret);
bool servers_eq(const struct servers *a, const struct servers *b);

#endif
