/* SPDX-License-Identifier: ISC
 * What an envelope address means here. */
#include "stored/recipients.h"

#include "conf/route.h"
#include "mail/address_canon.h"
#include "stored/forward.h"

#include <stdlib.h>

enum { ADDRESS_FLAGS = ADDRESS_UTF8 | ADDRESS_LONG_LOCAL, CANON_MAX = 640, SRS_STEPS_MAX = 4 };

static struct recipient refused(struct verdict v)
{
	return (struct recipient){.answer = RECIPIENT_REFUSED, .verdict = v};
}

static const struct verdict temporary =
    VERDICT_INIT(451, 4, 3, 0, "temporary trouble with the mail store; try again later");

bool recipient_key(struct view typed, struct arena *a, struct view *ret_key)
{
	_cleanup_(buf_fini) struct buf key = BUF_INIT(CANON_MAX);
	struct address address;

	if (view_eq_lit_nocase(typed, "postmaster")) {
		*ret_key = VIEW_LIT("postmaster");
		return true;
	}
	if (!address_parse(typed, ADDRESS_FLAGS, a, &address) || !address_canon(address.local, address.domain, &key))
		return false;
	*ret_key = arena_copy(a, buf_view(&key));
	return ret_key->p != NULL;
}

struct view recipient_domain(struct view address, struct arena *a)
{
	struct view key, domain = VIEW_EMPTY, rest;

	if (!recipient_key(address, a, &key))
		return VIEW_EMPTY;
	/* The domain is what follows the last "@". */
	while (view_cut(key, '@', &rest, &domain))
		key = domain;
	return domain;
}

bool recipient_is_backup(const struct conf *conf, struct view address)
{
	struct arena a;
	bool is;

	if (conf->backup_mx.n == 0)
		return false;
	arena_init(&a, 8192);
	is = conf_has_domain(&conf->backup_mx, recipient_domain(address, &a));
	arena_fini(&a);
	return is;
}

static struct recipient over_quota(void)
{
	return refused(VERDICT(452, 4, 2, 2, "the mailbox is full"));
}

static struct recipient judge_targets(struct store *s, struct directory_result *result, uint64_t size_bytes)
{
	/* One mailbox: its quota counts now. Behind a list a full member keeps nobody's mail out. */
	if (result->target_count == 1 && result->targets[0].account &&
	    directory_quota(s, result->targets[0].account, size_bytes) != STORE_OK)
		return over_quota();
	return (struct recipient){
	    .answer = RECIPIENT_TAKEN, .local = true, .targets = result->targets, .target_count = result->target_count};
}

static struct recipient remote(struct view typed, bool may_relay, struct arena *a)
{
	struct directory_target *target = arena_alloc(a, sizeof *target);

	if (!may_relay)
		return refused(
		    VERDICT(550, 5, 7, 1, "relaying denied: no such domain here, and you are not logged in"));
	if (!target)
		return refused(temporary);
	target->address = arena_copy(a, typed);
	return (struct recipient){.answer = RECIPIENT_TAKEN, .targets = target, .target_count = 1};
}

/* What an SRS address leads back to. Only who has our key made it, so this is no relaying for strangers. */
static enum srs_verdict reverse(struct store *s, struct view typed, struct arena *a, struct view *ret)
{
	struct address address;

	if (!address_parse(typed, ADDRESS_FLAGS, a, &address) || !srs_is(address.local))
		return SRS_NONE;
	return forward_reverse(s, address.local, a, ret);
}

static struct recipient resolve(struct store *s, struct store_reader *r, struct view typed, bool may_relay,
				uint64_t size_bytes, struct arena *a)
{
	struct directory_result result;
	struct view key;

	if (!recipient_key(typed, a, &key))
		return refused(VERDICT(553, 5, 1, 3, "not a valid address"));
	if (!r && !directory_cached(s, key, a, &result))
		return (struct recipient){.answer = RECIPIENT_UNKNOWN};
	if (r && directory_resolve(r, key, a, &result) != STORE_OK)
		return refused(temporary);
	switch (result.verdict) {
	case DIRECTORY_LOCAL:
		return judge_targets(s, &result, size_bytes);
	case DIRECTORY_NOT_OURS:
		return remote(typed, may_relay, a);
	case DIRECTORY_NO_USER:
		return refused(VERDICT(550, 5, 1, 1, "no such user here"));
	case DIRECTORY_LOOP:
		return refused(VERDICT(550, 5, 4, 6, "this address is an alias that leads nowhere"));
	}
	abort();
}

struct recipient recipient_resolve(struct store *s, struct store_reader *r, struct view typed, bool may_relay,
				   uint64_t size_bytes, struct arena *a)
{
	struct view back = typed;
	enum srs_verdict verdict = SRS_GOOD;
	struct recipient found;

	/* One that leads back to another of ours: each step is shorter. */
	for (unsigned step = 0; step < SRS_STEPS_MAX && verdict == SRS_GOOD; step++)
		verdict = reverse(s, back, a, &back);
	if (verdict == SRS_GOOD)
		return refused(VERDICT(550, 5, 1, 1, "this forwarding address leads nowhere"));
	found = resolve(s, r, back, may_relay || !view_eq(back, typed), size_bytes, a);
	if (!view_eq(back, typed)) {
		found.local |= found.answer == RECIPIENT_TAKEN;
		return found;
	}
	/* Not made here, or long ago: unless it is another server's, nobody has that name. */
	if (verdict == SRS_NONE || (found.answer == RECIPIENT_TAKEN && !found.local) ||
	    found.answer == RECIPIENT_UNKNOWN)
		return found;
	if (found.answer == RECIPIENT_REFUSED && found.verdict.enhanced.subject != 1)
		return found;
	return refused(verdict == SRS_FORGED
			   ? VERDICT(550, 5, 1, 1, "this forwarding address was not given out here (SRS hash)")
			   : VERDICT(550, 5, 1, 1, "this forwarding address has expired (SRS)"));
}

struct recipient sender_resolve(struct store *s, struct store_reader *r, uint64_t account, struct view typed,
				struct arena *a)
{
	const struct recipient not_yours =
	    refused(VERDICT(553, 5, 7, 1, "this sender address does not belong to your account"));
	struct view key;
	bool may;

	/* The null sender of a bounce or a read receipt belongs to nobody. */
	if (typed.n == 0)
		return (struct recipient){.answer = RECIPIENT_TAKEN};
	if (!recipient_key(typed, a, &key))
		return not_yours;
	if (r) {
		enum store_outcome outcome = directory_may_send_as(r, account, key);

		if (outcome == STORE_TEMPORARY)
			return refused(temporary);
		may = outcome == STORE_OK;
	} else if (!directory_may_send_as_cached(s, account, key, &may)) {
		return (struct recipient){.answer = RECIPIENT_UNKNOWN};
	}
	return may ? (struct recipient){.answer = RECIPIENT_TAKEN} : not_yours;
}
