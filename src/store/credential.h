/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_CREDENTIAL_H
#define POMBO_STORE_CREDENTIAL_H

#include "store/group.h"

/* Verifiers of passwords, never passwords; and where an account logged in from before. */
struct credential_verifiers {
	struct view argon2; /* PHC string */
	struct view scram_salt; /* SCRAM-SHA-256 (RFC 5802, 7677) */
	uint32_t scram_iterations;
	struct view scram_stored_key, scram_server_key;
};
struct credential {
	uint64_t account;
	struct view address;
	struct credential_verifiers verifiers;
	bool disabled;
	uint64_t generation; /* rises with every change of password or state */
	struct view name; /* what `user` comes to: real domain, no detail; set with STORE_NO_ACCOUNT too */
};
/* `user` as in directory_login(), canonical (a bare local part is folded). STORE_OK, STORE_NO_ACCOUNT, STORE_TEMPORARY.
 * The caller wipes `a`. */
must_check enum store_outcome credential_read(struct store_reader *r, struct view user, struct arena *a,
					      struct credential *ret);

/* A login that succeeded. Remembered once an hour for the same network; at most CREDENTIAL_NETWORKS_MAX networks an account, the
 * oldest go. Also sets last_login_s, at most once an hour. */
enum { CREDENTIAL_NETWORKS_MAX = 64 };
struct login_seen_job {
	struct store_job job;
	uint64_t account;
	struct view network; /* "192.0.2.0/24": at most 64 bytes */
	int64_t wall_s;
};
void login_seen_job_init(struct login_seen_job *j);

struct credential_seen {
	uint64_t account;
	struct view network;
	int64_t wall_s;
};
/* Newest first. `cursor` 0 starts; *ret_next 0 ends. */
must_check enum store_outcome credential_seen_list(struct store_reader *r, uint64_t cursor, size_t max, struct arena *a,
						   const struct credential_seen **ret, size_t *ret_count,
						   uint64_t *ret_next);

#endif
