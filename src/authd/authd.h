/* SPDX-License-Identifier: ISC */
#ifndef POMBO_AUTHD_AUTHD_H
#define POMBO_AUTHD_AUTHD_H

#include "authd/cache.h"
#include "authd/recall.h"
#include "authd/throttle.h"
#include "authd/workers.h"
#include "ipc/role.h"

#include <sys/queue.h>

/* The process: what all exchanges share. */
enum {
	AUTHD_SECRET_BYTES = 32,
	AUTHD_SEEN_MAX = 262144,
	AUTHD_QUEUE_MAX = 256,
	AUTHD_LIFE_MS = 60 * 1000,
	AUTHD_SLOWED_MS = 10 * 1000, /* then: temporary */
};

struct client;
struct exchange;
struct verification;

struct authd {
	struct event_base *base;
	struct channel *store; /* NULL while stored is away */
	struct workers *workers;
	struct verification *verifications; /* under way */
	struct cache cache;
	struct throttle throttle;
	struct recall seen; /* account and network → when it last logged in from there */
	struct map exchanges; /* id → struct exchange */
	TAILQ_HEAD(, exchange) idle; /* those whose client is awaited, or that are slowed down; since longest first */
	uint64_t next_exchange;
	uint64_t life_ms; /* of an exchange whose client says nothing */
	uint64_t slowed_max_ms; /* how long a login is held up where guessing is slowed */
	uint8_t secret[AUTHD_SECRET_BYTES]; /* the store's: for fake salts */
	bool has_secret;
};

void authd_init(struct authd *a, struct event_base *base, size_t threads);
void authd_fini(struct authd *a);
/* Take over `fd`; a front end's service ("submission", "imap", "pop") is `peer`, a value of enum auth_peer. */
void authd_add_client(struct authd *a, int fd, unsigned peer);
void authd_set_store(struct authd *a, int fd);

/* The callbacks of the role table. */
int authd_prepare(struct role *r);
int authd_channel(struct role *r, const char *list, const char *peer, unsigned index, int fd);
int authd_start(struct role *r);

#endif
