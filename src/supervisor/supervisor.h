/* SPDX-License-Identifier: ISC */
#ifndef POMBO_SUPERVISOR_SUPERVISOR_H
#define POMBO_SUPERVISOR_SUPERVISOR_H

#include "conf/conf.h"

#include <sys/types.h>

/* What stands behind `pombo run`, and what the command line has to know of a data folder:
 *
 *     DIR/pombo.conf        settings
 *     DIR/tls/              certificate and private key (the settings may name others); root's own
 *     DIR/keys/dkim         the private DKIM keys; root's own
 *     DIR/store/            the store; belongs to stored's user id
 *     DIR/run/lock          locked while a server runs; holds its process id
 *     DIR/run/control.sock  where stored takes commands (mode 0600)
 *
 * Errors are appended to `error` as `what failed: why; what to do`; int results are 0 or a status of <sysexits.h>, that
 * the program can exit with. */

/* Runs the server in the foreground until SIGTERM or SIGINT; SIGHUP reloads. Reads DIR/pombo.conf itself. `check_only`: reads and
 * checks settings, certificate and key, and says nothing where all is well. Errors before the start go to `error`, later ones to
 * the log. */
must_check int supervisor_run(const char *dir, bool check_only, struct buf *error);

/* Reads and parses DIR/pombo.conf; `text` (may be NULL) gets what stands there. */
must_check int supervisor_read_conf(const char *dir, struct conf **ret, struct buf *text, struct buf *error);
/* Makes what is missing of the folders above, and gives each its owner and mode. Called by `pombo init` and at each start. Root does so
 * in a folder of root's only. */
must_check int supervisor_prepare_dir(const char *dir, const struct conf *conf, struct buf *error);
/* Whose the store is: stored's own user id when we are root, else ours. Whoever opens the store while no server runs must become
 * that user first. */
uid_t supervisor_store_uid(const struct conf *conf);
/* Who policyd is then: its own user id when we are root, else 0 (it stays who we are). */
uid_t supervisor_policy_uid(const struct conf *conf);
/* The process id of the server that runs on DIR; 0: none. Not for a process that holds the lock itself: it would lose it. */
pid_t supervisor_find(const char *dir);
/* Takes DIR/run/lock, so that no server starts meanwhile: the descriptor (close it to give the lock back), or -EAGAIN when a
 * server runs, or another -errno. */
must_check int supervisor_lock(const char *dir);
/* The executable of a role ("stored"), beside our own or where it is installed; caller frees. NULL, with `error`. */
char *supervisor_find_role(const char *role, struct buf *error);
/* A connection to DIR/run/control.sock, however long the path is; or -errno (-ENOENT, -ECONNREFUSED: no server runs). */
must_check int supervisor_connect(const char *dir);

#endif
