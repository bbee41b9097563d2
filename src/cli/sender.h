/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_SENDER_H
#define POMBO_CLI_SENDER_H

#include "cli/addressee.h"

/* Who runs this: the login name in `domain`, with the name of the user's entry (or `name`, where that is not NULL). 0 or an exit
 * status, the error printed. */
must_check int sender_of_process(const char *name, struct view domain, struct addressees *list);
/* What a failed addressees_add() is to the user: 0 for ADDRESSEE_FINE, else an exit status, the error printed. */
must_check int sender_fail(enum addressee_verdict verdict, struct view bad);

#endif
