/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_DELIVER_PRIVATE_H
#define POMBO_STORE_DELIVER_PRIVATE_H

#include "store/deliver.h"
#include "store/writer.h"

/* What delivery and APPEND share. */

/* As it is read, without a prefix. */
uint64_t deliver_size(const struct new_message *m);
/* What speaks against keeping it; STORE_OK: nothing. */
enum store_outcome deliver_check(struct writer *w, const struct new_message *m);
/* The rows of the message itself; its prefixes stand in w->scratch (which is used up). */
must_check int deliver_insert(struct writer *w, const struct new_message *m, size_t refs);

#endif
