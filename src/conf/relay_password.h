/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CONF_RELAY_PASSWORD_H
#define POMBO_CONF_RELAY_PASSWORD_H

#include "base/buf.h"
#include "base/mem.h"

/* The text of relay-passwords: lines "HOST USER PASSWORD", where the password is the rest of the line; "#" begins a comment line. */

/* The first line of that host, in any case, and of *user, where that is not empty (otherwise it is set). Views into `text`. */
must_check bool relay_password_find(struct view text, struct view host, struct view *user, struct view *ret_password);
/* The same text with that password in place of former ones of host and user. False, with nothing useful in `out`: the password cannot stand in a
 * line (blanks at its ends, control characters), or `out` is too small. */
must_check bool relay_password_put(struct view text, struct view host, struct view user, struct view password,
				   struct buf *out);

#endif
