/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_ACCOUNT_H
#define POMBO_CLI_ACCOUNT_H

#include "cli/password.h"
#include "cli/store_client.h"
#include "ipc/verifier.h"

/* A new password and what the store keeps of it. */
struct account_secret {
	struct buf password; /* as typed or made up */
	struct verifier verifier;
};

/* Gets the password and computes the verifier (0.1 s). 0 or an exit status, the error printed. Wipe it either way. */
must_check int account_secret_get(enum password_from from, struct account_secret *ret);
void account_secret_wipe(struct account_secret *s);

struct account_new {
	const char *address;
	const struct account_secret *secret;
	bool has_quota; /* else the default */
	uint64_t quota_bytes, quota_messages; /* 0: none */
};
/* Adds it; `out` (or NULL) hears that it is done. */
must_check int account_add(struct store_client *s, const struct account_new *account, FILE *out);

#endif
