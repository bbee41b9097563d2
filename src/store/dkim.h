/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_DKIM_H
#define POMBO_STORE_DKIM_H

#include "store/group.h"

/* What is known of the DKIM keys of our domains: the public half, and what each is at. The private half is keyd's. */
enum dkim_state {
	DKIM_WAITS, /* to be published */
	DKIM_SIGNS,
	DKIM_RETIRED, /* signed once: stays published while mail that it signed may be checked */
	DKIM_STATES
};

enum { DKIM_KEYS_PER_DOMAIN_MAX = 20 };

struct dkim_row {
	struct view domain, selector;
	uint8_t algorithm; /* enum dkim_algorithm of mail/dkim_sign.h */
	enum dkim_state state;
	struct view public_key;
	int64_t created_s, since_s; /* since_s: in this state */
};

/* All keys, or one domain's, by domain and age. */
must_check enum store_outcome dkim_list(struct store_reader *r, struct view domain, struct arena *a,
					const struct dkim_row **ret, size_t *ret_count);

enum dkim_change {
	DKIM_ADD, /* waits; or signs at once, and those of its algorithm that sign retire */
	DKIM_ADD_SIGNING,
	DKIM_ACTIVATE, /* one that waits signs from now on, the former one of its algorithm retires */
	DKIM_FORGET, /* a retired one */
};

/* STORE_NO_DOMAIN; STORE_EXISTS; STORE_LIMIT. A key that is not there, or in another state, is left alone. */
struct dkim_job {
	struct store_job job;
	enum dkim_change change;
	struct view domain, selector;
	uint8_t algorithm;
	struct view public_key; /* DKIM_ADD… */
	int64_t wall_s;
};
void dkim_job_init(struct dkim_job *j);

#endif
