/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_DIRECTORY_H
#define POMBO_STORE_DIRECTORY_H

#include "store/quota.h"
#include "store/store.h"

/* Domains, accounts, aliases: what an address means here. Every address and domain that comes in or goes out is canonical
 * (mail/address_canon.h: "local@domain", local part folded, domain as lower-case A-labels); the caller makes it so.
 *
 * How an address is resolved: the domain must be ours (an alias domain stands for its real one). Then the first that
 * exists of: alias `local@domain`; account `local@domain`; both again without "+detail"; for postmaster and abuse the
 * postmaster setting, else the first account; the catch-all alias `@domain`. Where our host name is no domain of ours, postmaster and
 * abuse of it are those of the first domain. Alias targets are resolved in turn, an alias
 * that names itself means the account of that name (keep a copy and forward), loops are cut, DIRECTORY_DEPTH_MAX levels,
 * DIRECTORY_TARGETS_MAX targets, the same target once. A disabled account still gets its mail; it cannot log in. */
enum { DIRECTORY_DEPTH_MAX = 10, DIRECTORY_TARGETS_MAX = 1000, DIRECTORY_ALIAS_TARGETS_MAX = 1000 };

enum directory_verdict {
	DIRECTORY_LOCAL, /* one of ours: targets, at least one (some may be remote) */
	DIRECTORY_NOT_OURS, /* another server's: no targets */
	DIRECTORY_NO_USER, /* our domain, nobody of that name */
	DIRECTORY_LOOP, /* an alias that leads nowhere but to itself, or too deep, or to too many */
};
struct directory_target {
	uint64_t account; /* 0: remote */
	struct view address; /* the account's address, or the remote one */
};
struct directory_result {
	enum directory_verdict verdict;
	const struct directory_target *targets;
	size_t target_count;
};

/* From memory, without SQL: false when not known there. Any thread. Results in `a` (64 KiB is enough for 100 targets);
 * an arena that is too small counts as not known. `address` "postmaster" alone means that of the first domain. */
must_check bool directory_cached(struct store *s, struct view address, struct arena *a, struct directory_result *ret);
/* The same from the database; remembers the answer until the directory changes. */
must_check enum store_outcome directory_resolve(struct store_reader *r, struct view address, struct arena *a,
						struct directory_result *ret);

/* Has the account room for one more message of so many bytes? From memory; an account not known there has (the commit checks again). Any thread.
 * STORE_OK or STORE_OVER_QUOTA. */
must_check enum store_outcome directory_quota(struct store *s, uint64_t account, uint64_t bytes);

/* May `account` send as `address`: it resolves to the account, or was allowed (send_as: an address or "@domain"). STORE_OK,
 * STORE_NOT_ALLOWED, STORE_TEMPORARY. */
must_check enum store_outcome directory_may_send_as(struct store_reader *r, uint64_t account, struct view address);
/* The same from memory: false when not known there. Any thread. */
must_check bool directory_may_send_as_cached(struct store *s, uint64_t account, struct view address, bool *ret_may);

/* The account that a user name means at login: an address, or an alias of just one account, or a bare local part in the
 * first domain. STORE_NO_ACCOUNT when none. */
must_check enum store_outcome directory_login(struct store_reader *r, struct view user, uint64_t *ret_account);

/* ---- lists, for the operator; pages of at most `max` in the order of bytes, after `after` ---- */
struct directory_domain {
	struct view domain, alias_of; /* alias_of empty: a real one */
	uint64_t accounts;
	int64_t created_s;
};
struct directory_account {
	uint64_t account;
	struct view address;
	bool disabled;
	bool confirm; /* summaries of what it sends */
	struct quota limit, used;
	uint64_t generation;
	int64_t created_s, last_login_s; /* 0: never */
};
struct directory_alias {
	struct view address; /* "@domain": catch-all */
	const struct view *targets;
	size_t target_count;
};
must_check enum store_outcome directory_domains(struct store_reader *r, struct view after, size_t max, struct arena *a,
						const struct directory_domain **ret, size_t *ret_count, bool *ret_more);
must_check enum store_outcome directory_accounts(struct store_reader *r, struct view after, size_t max, struct arena *a,
						 const struct directory_account **ret, size_t *ret_count,
						 bool *ret_more);
must_check enum store_outcome directory_aliases(struct store_reader *r, struct view after, size_t max, struct arena *a,
						const struct directory_alias **ret, size_t *ret_count, bool *ret_more);
/* By address; STORE_NO_ACCOUNT. */
must_check enum store_outcome directory_account(struct store_reader *r, struct view address, struct arena *a,
						struct directory_account *ret);
/* By id. */
must_check enum store_outcome directory_account_by_id(struct store_reader *r, uint64_t account, struct arena *a,
						      struct directory_account *ret);
/* One account's folders with their counts, the aliases that lead straight to it, what it may send as besides. */
struct directory_folder {
	struct view name;
	uint64_t messages, unseen, size_bytes;
};
struct directory_account_details {
	const struct directory_folder *folders;
	size_t folder_count;
	const struct view *aliases, *send_as;
	size_t alias_count, send_as_count;
};
must_check enum store_outcome directory_account_details(struct store_reader *r, uint64_t account, size_t max_each,
							struct arena *a, struct directory_account_details *ret);

#endif
