/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_ADDRESS_CANON_H
#define POMBO_MAIL_ADDRESS_CANON_H

#include "mail/address.h"

/* One spelling for what is the same address: the keys that accounts, aliases and domains are looked up by. */

/* A domain as lower-case A-labels (IDNA 2008 with the UTS 46 mapping, not transitional); "MÜNCHEN.example" and
 * "xn--mnchen-3ya.example" give the same. An address literal gives its shortest form in brackets.
 * Appends to `out` and keeps to ADDRESS_DOMAIN_MAX. False, with nothing appended, when it is no domain or literal. */
must_check bool address_domain_canon(struct view domain, struct buf *out);
/* A domain for reading: U-labels where the A-labels decode, unchanged otherwise. */
void address_domain_display(struct view domain, struct buf *out);

/* A local part as a lookup key: Unicode full case folding, NFC. False, with nothing appended, when it is not UTF-8,
 * holds a control character, or does not fit `out`. The result may be longer than the input. */
must_check bool address_local_canon(struct view local, struct buf *out);

/* Both together: "local@domain", without quotes whatever the local part holds; the domain is what follows the
 * last "@". A key, not an address to write into a command. */
must_check bool address_canon(struct view local, struct view domain, struct buf *out);

/* "user+detail": splits at the first `separator`. False (nothing written) when there is none or the user part
 * would be empty; the detail may be empty. */
bool address_split_detail(struct view local, char separator, struct view *ret_user, struct view *ret_detail);

#endif
