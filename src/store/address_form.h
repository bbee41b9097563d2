/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_ADDRESS_FORM_H
#define POMBO_STORE_ADDRESS_FORM_H

#include "base/arena.h"
#include "base/mem.h"

/* Canonical addresses as keys: "local@domain", taken apart at the last "@" (mail/address_canon.h makes them). */

/* False when there is no "@" or no domain. `local` may be empty: "@domain". */
must_check bool address_form_split(struct view address, struct view *ret_local, struct view *ret_domain);
/* In the arena; p == NULL when it does not fit. */
struct view address_form_join(struct arena *a, struct view local, struct view domain);
/* "local@domain" of a sane length, without control characters, in UTF-8. */
bool address_form_is_valid(struct view address);
bool address_form_domain_is_valid(struct view domain);

#endif
