/* SPDX-License-Identifier: ISC */
#ifndef POMBO_RELAYD_HOSTS_H
#define POMBO_RELAYD_HOSTS_H

#include "relayd/resolver.h"

/* The servers of a destination, as they were looked up, and what was learnt of each since. Sessions hold a reference. */
struct host {
	struct view name;
	uint16_t preference;
	struct ip *addresses;
	size_t address_count;
	bool secure, tlsa_failed;
	struct view tlsa_base;
	struct tls_tlsa *tlsa;
	size_t tlsa_count;
	uint64_t bad_until_ms; /* could not be reached: tried after the others */
	uint64_t plain_until_ms; /* its TLS is broken, and nobody insists on it */
};

struct sts_policy;
struct hosts {
	unsigned refs;
	struct sts_policy *sts; /* the domain's, in force; or NULL */
	const char *sts_problem; /* why there is none, or an old one only: a result type (RFC 8460 §4.3); or NULL */
	uint64_t good_until_ms;
	bool incomplete; /* there are others, who cannot be asked now: what these say is not all */
	uint32_t own_preference; /* we found ourselves among them: only better ones count; UINT32_MAX: not yet */
	struct arena arena;
	struct view canonical; /* of the domain (resolver.h) */
	struct host *at;
	size_t count;
};

struct hosts *hosts_new(const struct resolved *from);
struct hosts *hosts_new_local(struct view name); /* this machine alone, by its name; without addresses */
struct hosts *hosts_ref(struct hosts *h);
void hosts_unref(struct hosts **h);

#endif
