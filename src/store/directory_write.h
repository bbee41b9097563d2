/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_DIRECTORY_WRITE_H
#define POMBO_STORE_DIRECTORY_WRITE_H

#include "store/credential.h"
#include "store/group.h"
#include "store/quota.h"

/* Changes to the directory. Addresses and domains are canonical (directory.h). Common outcomes: STORE_OK, STORE_TEMPORARY,
 * STORE_BAD_REQUEST (not of the form local@domain). */

/* STORE_EXISTS. With alias_of: an alias domain of that one (STORE_NO_DOMAIN; an alias of an alias is STORE_NOT_ALLOWED). */
struct domain_add_job {
	struct store_job job;
	struct view domain, alias_of;
};
void domain_add_job_init(struct domain_add_job *j);

/* STORE_NO_DOMAIN; STORE_IN_USE while it has accounts, aliases or alias domains. */
struct domain_remove_job {
	struct store_job job;
	struct view domain;
};
void domain_remove_job_init(struct domain_remove_job *j);

/* Makes INBOX, Drafts, Sent, Junk, Trash and Archive with their special uses, subscribed. STORE_EXISTS, STORE_NO_DOMAIN,
 * STORE_NOT_ALLOWED (an alias domain). An id is never used again. */
struct account_add_job {
	struct store_job job;
	struct view address;
	struct credential_verifiers verifiers;
	bool has_quota; /* else the default-quota setting */
	struct quota quota; /* its bytes count with has_quota */
	uint64_t ret_account;
};
void account_add_job_init(struct account_add_job *j);

/* Login, mail and addresses end with the commit; bytes go after the undelete time. STORE_NO_ACCOUNT. */
struct account_remove_job {
	struct store_job job;
	struct view address;
	uint64_t ret_account;
};
void account_remove_job_init(struct account_remove_job *j);

/* Raises the generation: grants and caches of the account end (CHANGE_ACCOUNT). STORE_NO_ACCOUNT. */
struct account_password_job {
	struct store_job job;
	struct view address;
	struct credential_verifiers verifiers;
	uint64_t ret_account, ret_generation;
};
void account_password_job_init(struct account_password_job *j);

/* The same for its state: a disabled account cannot log in. */
struct account_enable_job {
	struct store_job job;
	struct view address;
	bool on;
	uint64_t ret_account, ret_generation;
};
void account_enable_job_init(struct account_enable_job *j);

/* STORE_NO_ACCOUNT. */
struct account_quota_job {
	struct store_job job;
	struct view address;
	struct quota quota;
	bool has_bytes, has_messages; /* what is not there stays as it is */
};
void account_quota_job_init(struct account_quota_job *j);

/* Does it get a summary of each message it sends, once all recipients' fates are known? STORE_NO_ACCOUNT. */
struct account_confirm_job {
	struct store_job job;
	struct view address;
	bool on;
};
void account_confirm_job_init(struct account_confirm_job *j);

/* May the account of `address` also send as `as` (an address, or "@domain")? Off and not there: STORE_OK. */
struct send_as_job {
	struct store_job job;
	struct view address, as;
	bool on;
};
void send_as_job_init(struct send_as_job *j);

/* Replaces an alias of that name. "@domain": catch-all. STORE_NO_DOMAIN, STORE_NOT_ALLOWED (an alias domain),
 * STORE_LIMIT. A target need not exist. */
struct alias_add_job {
	struct store_job job;
	struct view address;
	const struct view *targets;
	size_t target_count;
};
void alias_add_job_init(struct alias_add_job *j);

struct alias_remove_job { /* STORE_NO_ALIAS */
	struct store_job job;
	struct view address;
};
void alias_remove_job_init(struct alias_remove_job *j);

#endif
