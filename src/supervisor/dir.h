/* SPDX-License-Identifier: ISC */
#ifndef POMBO_SUPERVISOR_DIR_H
#define POMBO_SUPERVISOR_DIR_H

#include "supervisor/supervisor.h"

/* DIR/NAME, or NAME alone when it is absolute. Caller frees. */
char *dir_path(const char *dir, const char *name);
/* The whole of a file of at most `out->max` bytes. 0 or -errno. */
must_check int dir_read_file(const char *path, struct buf *out);
/* A listening DIR/run/control.sock of mode 0600; one that was left over is replaced (the lock is held). Or -errno. */
must_check int dir_listen_control(const char *dir);

#endif
