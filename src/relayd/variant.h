/* SPDX-License-Identifier: ISC */
#ifndef POMBO_RELAYD_VARIANT_H
#define POMBO_RELAYD_VARIANT_H

#include "relayd/relayd.h"

/* The job's message holds 8-bit bytes and its host takes none (no 8BITMIME): stored makes a 7-bit variant of it, with which the job comes back
 * to its destination; or there is none, and the recipients' fates say why. The job is nobody's meanwhile. */
void variant_ask(struct relayd *r, struct job *j, const struct report_about *about);

#endif
