/* SPDX-License-Identifier: ISC */
#ifndef POMBO_POLICY_MTA_STS_H
#define POMBO_POLICY_MTA_STS_H

#include "base/mem.h"
#include "base/view.h"

/* MTA-STS (RFC 8461): what a domain says in DNS and on the web of the servers that take its mail. Pure. */
enum {
	MTA_STS_ID_MAX = 32,
	MTA_STS_POLICY_MAX = 64 * 1024, /* bytes (§3.3 suggests as much) */
	MTA_STS_MX_MAX = 256, /* patterns in one policy */
	MTA_STS_AGE_MAX_S = 31557600, /* §3.2; more counts as this */
};

/* §3.1: the id of the one record among the strings of `_mta-sts.DOMAIN`. False: there is none, several, or it is malformed: the
 * domain has no policy. */
must_check bool mta_sts_record_find(const struct view *txts, size_t n, struct view *ret_id);

enum mta_sts_mode { MTA_STS_NONE, MTA_STS_TESTING, MTA_STS_ENFORCE };
const char *mta_sts_mode_name(enum mta_sts_mode mode);

struct mta_sts_policy {
	enum mta_sts_mode mode;
	uint32_t max_age_s;
	size_t mx_count;
	struct view text; /* all of it: mx patterns are read from here */
};

/* §3.2. False: malformed, or something is missing; then it counts as not fetched at all. `text` is pointed into. */
must_check bool mta_sts_policy_parse(struct view text, struct mta_sts_policy *ret);

/* The next pattern ("*.example.com"), as it stands there: `*rest` starts as policy->text. False: no more. */
must_check bool mta_sts_next_mx(struct view *rest, struct view *ret);
/* §4.1: does a pattern name this host? `host` without a dot at the end, A-labels. */
bool mta_sts_allows(const struct mta_sts_policy *p, struct view host);

#endif
