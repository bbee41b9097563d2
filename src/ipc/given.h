/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IPC_GIVEN_H
#define POMBO_IPC_GIVEN_H

#include "base/mem.h"
#include "ipc/msgs/control_msgs.h"

/* What the supervisor gave between setup (or reload) and start, kept until start comes. */
enum given_kind { GIVEN_CERTIFICATE, GIVEN_FILE, GIVEN_FOLDER, GIVEN_LISTENER, GIVEN_CHANNEL };

struct given {
	enum given_kind kind;
	char *name; /* file's name, folder's path, listener's service, channel's list */
	char *other; /* listener's address, channel's peer */
	uint32_t index;
	uint16_t port;
	bool tls;
	int fd; /* -1: none, or taken */
	struct buf pem;
};

enum { GIVEN_MAX = 4096 };

struct given_list {
	struct given *items;
	size_t n;
};

/* False when `m` is no such message, holds a NUL, or there are too many; its fd is closed then. */
must_check bool given_add(struct given_list *l, struct control_msg *m);
/* The listener of that service, address and port; NULL when there is none. */
struct given *given_find_listener(const struct given_list *l, const struct given *like);
/* Frees what is not taken. */
void given_fini(struct given_list *l);

#endif
