/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_DIRECTORY_PRIVATE_H
#define POMBO_STORE_DIRECTORY_PRIVATE_H

#include "store/directory.h"

/* directory_login() within a snapshot that the caller has begun. ret_name (or NULL), in `a`: the one spelling of all that would lead to the
 * same account, also where there is none. */
must_check enum store_outcome directory_login_in(struct store_reader *r, struct view user, struct arena *a,
						 uint64_t *ret_account, struct view *ret_name);

#endif
