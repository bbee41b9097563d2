/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_CONTENT_PRIVATE_H
#define POMBO_STORE_CONTENT_PRIVATE_H

#include "store/content.h"

/* What the rest of the store needs of content files. */

bool content_is_placed(const struct content_file *f);
uint64_t content_id(const struct content_file *f);

/* Makes content/ and spool/ in a new store. */
must_check int content_make_folders(int dir_fd);
/* A placed file, for reading; negative errno. */
must_check int content_open(const struct store *s, uint64_t id);
/* Exactly `n` bytes at `offset` are appended to `out`; -EUCLEAN when the file is shorter. */
must_check int content_read_fd(int fd, uint64_t offset, size_t n, struct buf *out);
/* Removes a placed file; one that is not there is fine. */
must_check int content_unlink(const struct store *s, uint64_t id);

/* Walks the folder content/XX (step 0…255): `fn` is asked for each file whose name is an id and says whether to remove it (1), keep it
 * (0), or stop (negative errno). */
typedef int content_sweep_fn(void *ctx, uint64_t id);
must_check int content_sweep(const struct store *s, unsigned step, content_sweep_fn *fn, void *ctx,
			     uint64_t *ret_removed);
/* Removes from spool/ what an earlier process left. */
must_check int content_clear_spool(const struct store *s, uint64_t *ret_removed);

#endif
