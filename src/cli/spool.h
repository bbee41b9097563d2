/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_SPOOL_H
#define POMBO_CLI_SPOOL_H

#include "base/buf.h"
#include "base/mem.h"

/* The bytes of one message, of any size: the beginning in memory, the rest in a temporary file without a name ($TMPDIR, else /var/tmp), so that a
 * tool needs as much memory for 1 GiB as for 1 MiB. */
enum { SPOOL_HEAD_BYTES = 1 << 20, SPOOL_PIECE_BYTES = 1 << 16 };
struct spool {
	struct buf head; /* the first SPOOL_HEAD_BYTES */
	struct buf tail; /* the last ones, not in the file yet */
	uint64_t n;
	int fd; /* or -1 */
	int error; /* the first failure of the file, negative errno: stays until spool_reset() */
};

#define SPOOL_INIT ((struct spool){BUF_INIT(SPOOL_HEAD_BYTES), BUF_INIT(SPOOL_PIECE_BYTES), 0, -1, 0})

void spool_fini(struct spool *s);
void spool_reset(struct spool *s); /* empties; keeps memory and file */
/* After an error nothing: look at s->error at the end. */
void spool_append(struct spool *s, struct view bytes);
/* Bytes from `offset` on, one or more, SPOOL_PIECE_BYTES at most; none at the end, or with s->error set. Valid until the next call. `room`: where
 * they are put when they are not in memory. */
struct view spool_read(struct spool *s, uint64_t offset, struct buf *room);
/* The folder for temporary files, for errors about it. */
const char *spool_folder(void);

#endif
