/* SPDX-License-Identifier: ISC */
#ifndef POMBO_RELAYD_STS_H
#define POMBO_RELAYD_STS_H

#include "base/mem.h"
#include "policy/mta_sts.h"

/* MTA-STS (RFC 8461): the policy in force of each domain, from the DNS (dnsd), the web (fetchd) and what stored keeps. */
struct relayd;
struct sts;

/* A policy as it was fetched. Never changes. */
struct sts_policy {
	unsigned refs;
	struct mta_sts_policy parsed; /* of `text` */
	size_t n;
	char text[];
};
struct sts_policy *sts_policy_ref(struct sts_policy *p); /* NULL is fine */
void sts_policy_unref(struct sts_policy **p);

/* `policy`: in force, or NULL: the domain has none, or none that can be had. `problem`: what went wrong with its policy (a result type of
 * RFC 8460 §4.3), or NULL. They live during the call. Not `is_known`: stored could not say whether it keeps one, and none was found
 * elsewhere; who sent without it might send without what is in force (§5.1). */
typedef void sts_answer_fn(void *ctx, struct sts_policy *policy, const char *problem, bool is_known);

struct sts *sts_new(struct relayd *r);
/* A channel to fetchd (again after its restart). */
must_check int sts_add_fetcher(struct sts *s, int fd);
/* `fn` is called once, perhaps before this returns. `domain`: A-labels. */
void sts_ask(struct sts *s, struct view domain, sts_answer_fn *fn, void *ctx);

#endif
