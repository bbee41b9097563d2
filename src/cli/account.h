/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_ACCOUNT_H
#define POMBO_CLI_ACCOUNT_H

#include "cli/store_client.h"

/* Adds an account. The password comes from stdin, or is made up and printed once. 0 or an exit status, the error printed. */
must_check int account_add(struct store_client *s, const char *address, bool password_stdin, bool has_quota,
			   uint64_t quota_bytes);

#endif
