/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_DIRECTORY_PRIVATE_H
#define POMBO_STORE_DIRECTORY_PRIVATE_H

#include "store/directory.h"

/* directory_login() within a snapshot that the caller has begun. */
must_check enum store_outcome directory_login_in(struct store_reader *r, struct view user, uint64_t *ret_account);

#endif
