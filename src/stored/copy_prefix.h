/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_COPY_PREFIX_H
#define POMBO_STORED_COPY_PREFIX_H

#include "ipc/msgs/smtp_msgs.h"
#include "store/deliver.h"

/* Writes each copy's prefix (Return-Path, Delivered-To, Received; RFC 5321 §4.4) and that of the queued part into `a`. Each local's
 * `prefix` comes in as the recipient address that led to it. False: `a` is full. */
must_check bool copy_prefixes(struct deliver_job *j, const struct smtp_begin *envelope, const char *hostname,
			      struct view separator, struct arena *a);

#endif
