/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_STORE_CLIENT_H
#define POMBO_CLI_STORE_CLIENT_H

#include "cli/cli.h"
#include "ipc/msgs/admin_msgs.h"
#include "ipc/sync.h"

/* The command line's way to stored: through run/control.sock when the server runs; otherwise a pombo-stored of its own on the
 * data folder's exclusive lock, over a socketpair, ended with the command. Either way the same messages reach the same code. */
struct store_client {
	struct sync_channel channel;
	struct buf payload;
	/* of a stored of our own: */
	struct sync_channel control;
	int control_fd; /* or -1 */
	int lock_fd; /* or -1 */
	int pid;
};

/* 0, or an exit status after the error was printed. */
must_check int store_client_open(const struct cli *c, struct store_client *ret);
/* The same with a store that does not exist yet: for `pombo init`. */
must_check int store_client_create(const struct cli *c, struct store_client *ret);
void store_client_close(struct store_client *s);
/* Asks (payload encoded in s->payload with admin_put_x) and waits. `failed` answers are printed and returned as exit status; so
 * is silence. 0: `ret` holds the answer, valid until the next ask. */
must_check int store_client_ask(struct store_client *s, uint16_t type, struct admin_msg *ret);
/* The same, and prints what a `done` answer says. */
must_check int store_client_do(struct store_client *s, uint16_t type);

#endif
