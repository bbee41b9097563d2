/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_STORE_CLIENT_H
#define POMBO_CLI_STORE_CLIENT_H

#include "cli/cli.h"
#include "ipc/msgs/admin_msgs.h"
#include "ipc/sync.h"

#include <stdio.h>

/* The command line's way to stored: through run/control.sock when the server runs; otherwise a pombo-stored of its own on the
 * data folder's exclusive lock, over a socketpair, ended with the command. Either way the same messages reach the same code.
 * Commands that meet wait for each other. */
struct store_client {
	struct sync_channel channel;
	struct buf payload; /* the next request, encoded with admin_put_x */
	/* of a stored of our own: */
	struct sync_channel control;
	int control_fd; /* or -1 */
	bool judging; /* with a policyd beside it */
	struct sync_channel policy;
	int policy_fd, policy_pid; /* or -1, 0 */
	int lock_fd; /* or -1 */
	int pid; /* or 0 */
};

/* Every int here is 0 or an exit status, the error printed. After a failed open there is nothing to close. */
must_check int store_client_open(const struct cli *c, struct store_client *ret);
/* The same for commands that bring messages in: with a policyd, which reads them, where no server runs. */
must_check int store_client_open_judging(const struct cli *c, struct store_client *ret);
/* Only a running server's; CLI_NOT_RUNNING when there is none. */
must_check int store_client_connect(const struct cli *c, struct store_client *ret);
/* One's own, on a store that does not exist yet: for `pombo init`. */
must_check int store_client_create(const struct cli *c, struct store_client *ret);
void store_client_close(struct store_client *s);

/* Asks what s->payload holds and waits. `encoded`: what admin_put_x returned; false: `subject` (what the operator typed) is too long.
 * 0: `ret` holds the answer, of type `want`, valid until the next ask. A `failed` answer is an error as it says. */
must_check int store_client_ask(struct store_client *s, bool encoded, uint16_t type, const char *subject, uint16_t want,
				struct admin_msg *ret);
/* The same with a descriptor, which stays the caller's; -1: none. */
must_check int store_client_ask_fd(struct store_client *s, bool encoded, uint16_t type, const char *subject, int fd,
				   uint16_t want, struct admin_msg *ret);
/* The same for what is answered by `done`, whose text it prints to `out` (NULL: nowhere). */
must_check int store_client_do(struct store_client *s, bool encoded, uint16_t type, const char *subject, FILE *out);
/* The same, and closes: for commands that are one change. */
must_check int store_client_change(struct store_client *s, bool encoded, uint16_t type, const char *subject);

#endif
