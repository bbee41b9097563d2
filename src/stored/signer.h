/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_SIGNER_H
#define POMBO_STORED_SIGNER_H

#include "ipc/msgs/judge_msgs.h"
#include "store/deliver.h"
#include "store/dkim.h"
#include "stored/stored.h"

/* DKIM signatures of our own mail: policyd has hashed, keyd signs, here the fields are put together (mail/dkim_sign.h). Each key of
 * the author's domain that signs makes one. A message of a domain without keys stays as it is. Who calls it: whoever queues a message of ours for
 * another server; what stays here needs no signature.
 *
 * Loop thread only. */
struct signer;

must_check int signer_new(struct stored *sd, struct signer **ret); /* reads the keys: before the threads start */
/* keyd's channel. */
must_check int signer_add(struct stored *sd, int fd);
/* The directory changed: reads the keys anew. */
void signer_refresh(struct stored *sd);
/* Once a second: a refresh that found no thread. */
void signer_tick(struct stored *sd);
/* All keys as they are known, by domain; valid until the loop turns. */
const struct dkim_row *signer_keys(const struct stored *sd, size_t *ret_count);

/* Whether keys of ours would sign for the author that this message names: what nobody signs need not be hashed. `head`: its beginning, at
 * least the header. */
must_check bool signer_would_sign(const struct stored *sd, struct view head);

/* Signs what policyd judged: `message` gets the fields in front of its header_add, in `a`, and its index grows with it. `done` comes once, maybe
 * out of this call. ok false: keyd is away; try again later. said: with what it was signed, or why not, as `pombo trace` shows it; in `a`. */
typedef void signer_done_fn(void *ctx, bool ok, struct view said);
void signer_sign(struct stored *sd, const struct judge_judged *judged, struct new_message *message, struct arena *a,
		 signer_done_fn *done, void *ctx);

#endif
