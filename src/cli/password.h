/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_PASSWORD_H
#define POMBO_CLI_PASSWORD_H

#include "base/buf.h"
#include "base/mem.h"

/* Where a password comes from. */
enum password_from {
	PASSWORD_STDIN, /* the first line of standard input; the rest stays unread */
	PASSWORD_TERMINAL, /* typed once, without echo */
	PASSWORD_TERMINAL_TWICE, /* a new one */
	PASSWORD_MADE_UP,
};

enum { PASSWORD_MAX = 1024 }; /* bytes; as VERIFIER_PASSWORD_MAX */

/* `whose`: "me at imap.example.net", for the question; NULL: that goes without saying. Appends the password to `ret` (made with PASSWORD_BUF, wiped by _cleanup_(password_wipe)); not empty. 0, or an exit status,
 * the error printed. */
must_check int password_get(enum password_from from, const char *whose, struct buf *ret);
#define PASSWORD_BUF BUF_INIT(PASSWORD_MAX + 1)
void password_wipe(struct buf *secret);

#endif
