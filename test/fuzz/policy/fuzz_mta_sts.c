/* SPDX-License-Identifier: ISC
 * Whatever a domain publishes: a policy that is taken names its hosts in the form of hosts, as many as it counts, and allows what it
 * names; a record's id is one. */
#include "policy/mta_sts.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_policy(struct view text)
{
	struct mta_sts_policy p;
	struct view rest, mx;
	size_t n = 0;

	if (!mta_sts_policy_parse(text, &p))
		return;
	assert(p.max_age_s <= MTA_STS_AGE_MAX_S && p.mx_count <= MTA_STS_MX_MAX);
	assert(p.mx_count > 0 || p.mode == MTA_STS_NONE);
	for (rest = p.text; mta_sts_next_mx(&rest, &mx); n++) {
		assert(mx.n > 0 && mx.n <= 253);
		assert(mta_sts_allows(&p, mx));
	}
	assert(n == p.mx_count);
	assert(!mta_sts_allows(&p, VIEW_EMPTY));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view text = view_from(data, size), id;

	check_policy(text);
	if (mta_sts_record_find(&text, 1, &id))
		assert(id.n > 0 && id.n <= MTA_STS_ID_MAX);
	return 0;
}
