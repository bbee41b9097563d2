/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_CLIENT_NAME_H
#define POMBO_STORED_CLIENT_NAME_H

#include "base/mem.h"
#include "base/view.h"

#include <sys/queue.h>

/* The names of clients of port 25: what the DNS says of their address, where the name leads back to it. Asked when they connect, so that as a
 * rule the answer is there before the message is; kept for a while. Whose names are asked for: the setting client-names. */
struct client_name_entry;
struct stored;

/* Someone who waits. Zero before use. */
struct client_name_wait {
	TAILQ_ENTRY(client_name_wait) link;
	struct client_name_entry *entry;
	void (*done)(struct client_name_wait *w);
};

/* Somebody came from there. */
void client_name_expect(struct stored *sd, struct view ip);
/* True: `*ret` is the name, empty for none or an unknown one; valid until the loop's next turn. False: it is not known yet, `w->done` will be called,
 * within seconds, and asks again. */
must_check bool client_name_get(struct stored *sd, struct view ip, struct client_name_wait *w, struct view *ret);
void client_name_cancel(struct client_name_wait *w);
/* What is known by now, without asking or waiting: empty for nothing; valid until the loop's next turn. */
struct view client_name_known(struct stored *sd, struct view ip);

#endif
