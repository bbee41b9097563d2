/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_REFUSAL_ROW_H
#define POMBO_STORED_REFUSAL_ROW_H

#include "ipc/msgs/smtp_msgs.h"
#include "store/refusal.h"

/* A front end's word for a refusal as a row to keep, copied into `a`: texts cut to a sane length and cleaned (UTF-8 on one line, without
 * control characters), the time from our own clock. False: it is no refusal of a mail transaction, or `a` is full. */
must_check bool refusal_row(const struct smtp_refusal *m, int64_t now_ms, struct arena *a, struct refusal *ret);

#endif
