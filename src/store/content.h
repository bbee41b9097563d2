/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_CONTENT_H
#define POMBO_STORE_CONTENT_H

#include "base/buf.h"
#include "store/store.h"

/* Message bytes above STORE_INLINE_MAX. A message that grows past it while it comes in goes to a file as it comes
 * (header and content; deliver.h says where the content begins). The disk order:
 *
 *   create   spool/ID          open(O_EXCL)                      [content-created]
 *   append   write
 *   sync     fsync(file)                                        [content-synced]
 *   place    rename to content/XX/ID, fsync(content/XX)         [content-renamed] [content-placed]
 *   commit   the rows that name it (store_group_run)
 *
 * so a committed row never names bytes that are not there. Whatever has no row is swept (housekeep.h). Any thread, but one at
 * a time per file: meant for the spool threads, since each call may wait for the disk. */
struct content_file;

/* `id`: the message's. 0, -ENOSPC, or negative errno. */
must_check int content_create(struct store *s, uint64_t id, struct content_file **ret);
must_check int content_append(struct content_file *f, struct view bytes);
/* A second descriptor, read-only, from the start (for the judge); the caller closes it. Negative errno. */
must_check int content_open_fd(const struct content_file *f);
uint64_t content_bytes(const struct content_file *f);
/* Exactly `n` bytes at `offset` are appended to `out`. */
must_check int content_read(const struct content_file *f, uint64_t offset, size_t n, struct buf *out);
/* After the last append. -EIO: the store is fatal now. */
must_check int content_sync(struct content_file *f);
/* After content_sync(). -EIO: the store is fatal now. */
must_check int content_place(struct content_file *f);
/* Its bytes are gone, also for who has it open elsewhere. */
void content_empty(struct content_file *f);
/* Closes. The file stays when a finished deliver_job or append_job with STORE_OK names it, and is removed otherwise: the caller
 * says which. NULL-safe, sets NULL. */
void content_free(struct content_file **f, bool keep);

#endif
