/* SPDX-License-Identifier: ISC
 * authd's process: the front ends' channels and the store's. */
#include "authd/authd.h"

#include "authd/exchange.h"
#include "authd/seen.h"
#include "base/random.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ASK_MS = 10000, THREADS_MAX = 16 };

/* ---- front ends ---- */

static void on_client_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct client *client = ctx;
	const struct auth_msg *m = msg;

	(void)c;
	switch (m->type) {
	case AUTH_START:
		exchange_start(client, id, &m->start);
		break;
	case AUTH_STEP:
		exchange_step(client, id, &m->step);
		break;
	case AUTH_CANCEL:
		exchange_cancel(client, id, m->cancel.exchange);
		break;
	case AUTH_LOGIN:
		exchange_login(client, id, &m->login);
		break;
	case AUTH_CHALLENGE:
	case AUTH_GRANTED:
	case AUTH_DENIED:
		break; /* ours to send: the decoder lets none in */
	}
}

static void on_client_close(void *ctx, struct channel *c)
{
	struct client *client = ctx;

	(void)c;
	exchange_end_all(client);
	free(client);
}

void authd_add_client(struct authd *a, int fd, unsigned peer)
{
	static const char *const services[] = {
	    [AUTH_PEER_SUBMISSION] = "submission", [AUTH_PEER_IMAP] = "imap", [AUTH_PEER_POP] = "pop"};
	static const struct channel_handlers handlers = {on_client_msg, on_client_close, NULL};
	struct client *client = xcalloc(1, sizeof *client);

	client->authd = a;
	client->service = services[peer];
	client->channel = channel_new(a->base, fd, &auth_proto, AUTH_PEER_AUTH, peer, &handlers, client);
}

/* ---- the store ---- */

static void on_secret(void *ctx, const struct cred_msg *m)
{
	struct authd *a = ctx;

	if (!m || m->type != CRED_SECRET || m->secret.secret.n != sizeof a->secret)
		return;
	memcpy(a->secret, m->secret.secret.p, sizeof a->secret);
	a->has_secret = true;
}

static void on_store_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct authd *a = ctx;
	const struct cred_msg *m = msg;

	(void)c;
	(void)id;
	if (m->type == CRED_CHANGED)
		cache_drop_account(&a->cache, m->changed.account);
}

static void on_store_close(void *ctx, struct channel *c)
{
	struct authd *a = ctx;

	if (a->store == c)
		a->store = NULL;
}

void authd_set_store(struct authd *a, int fd)
{
	static const struct channel_handlers handlers = {on_store_msg, on_store_close, NULL};
	static const struct cred_secret_ask ask = {0};

	if (a->store)
		channel_free(&a->store);
	a->store = channel_new(a->base, fd, &cred_proto, CRED_PEER_AUTH, CRED_PEER_STORE, &handlers, a);
	(void)cred_call_secret_ask(a->store, &ask, ASK_MS, on_secret, a);
	seen_load(a);
}

/* ---- life ---- */

void authd_init(struct authd *a, struct event_base *base, size_t threads)
{
	memset(a, 0, sizeof *a);
	a->base = base;
	a->life_ms = AUTHD_LIFE_MS;
	a->slowed_max_ms = AUTHD_SLOWED_MS;
	a->next_exchange = random_u64() >> 1; /* another one after a restart: a stale id finds nothing */
	map_init(&a->exchanges);
	TAILQ_INIT(&a->idle);
	cache_init(&a->cache);
	throttle_init(&a->throttle);
	recall_init(&a->seen, AUTHD_SEEN_MAX);
	a->workers = workers_new(base, threads, AUTHD_QUEUE_MAX);
}

void authd_fini(struct authd *a)
{
	workers_free(&a->workers);
	attempt_abandon_all(a);
	channel_free(&a->store);
	map_fini(&a->exchanges);
	cache_fini(&a->cache);
	throttle_fini(&a->throttle);
	recall_fini(&a->seen);
}

int authd_prepare(struct role *r)
{
	(void)r;
	return sodium_init() < 0 ? -EIO : 0;
}

static struct authd *authd_of(struct role *r)
{
	static struct authd authd;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (!role_state(r)) {
		/* Threads start behind the sandbox, or it would not cover them. */
		authd_init(&authd, role_base(r), cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (size_t)cores);
		role_set_state(r, &authd);
	}
	return role_state(r);
}

int authd_channel(struct role *r, const char *list, const char *peer, unsigned index, int fd)
{
	static const struct {
		const char *list;
		const char *peer;
		int client; /* -1: the store */
	} ends[] = {{"auth", "submission", AUTH_PEER_SUBMISSION},
		    {"auth", "imap", AUTH_PEER_IMAP},
		    {"auth", "pop", AUTH_PEER_POP},
		    {"cred", "store", -1}};

	(void)index;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		if (strcmp(list, ends[i].list) != 0 || strcmp(peer, ends[i].peer) != 0)
			continue;
		if (ends[i].client >= 0)
			authd_add_client(authd_of(r), fd, (unsigned)ends[i].client);
		else
			authd_set_store(authd_of(r), fd);
		return 0;
	}
	fd_close(&fd);
	return -EINVAL;
}

int authd_start(struct role *r)
{
	(void)authd_of(r);
	return 0;
}
