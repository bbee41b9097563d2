/* SPDX-License-Identifier: ISC */
#ifndef POMBO_AUTHD_EXCHANGE_H
#define POMBO_AUTHD_EXCHANGE_H

#include "authd/authd.h"
#include "authd/scram.h"
#include "ipc/msgs/auth_msgs.h"
#include "ipc/msgs/cred_msgs.h"

/* One client's login: from its first message to the grant or the denial.
 *
 *   CLIENT -> STORE (who is that?) -> [SLOWED] -> VERIFY (argon2) -> GRANT (stored registers it) -> answered, freed
 *     ^___ challenge (SCRAM: after STORE)
 *
 * It ends early when the client's front end goes, cancels, or takes over a minute; and where there are too many, when it has waited for its
 * client, or been slowed down, for longer than all others: who opens connections and says nothing keeps nobody from logging in. */
enum { EXCHANGES_MAX = 4096 };

enum exchange_state { EXCHANGE_NEW, EXCHANGE_CLIENT, EXCHANGE_STORE, EXCHANGE_SLOWED, EXCHANGE_VERIFY, EXCHANGE_GRANT };

/* Who the user is, as stored says. */
struct identity {
	bool exists;
	bool disabled;
	uint64_t account;
	uint64_t generation;
	struct buf name; /* one spelling: names it for budgets and fakes */
	struct buf address;
	struct buf argon2;
	struct buf scram_salt, scram_stored_key, scram_server_key;
	uint32_t scram_iterations;
};

struct mechanism;

struct exchange {
	struct authd *authd;
	struct client *client;
	struct exchange *next, **at; /* of the client's */
	TAILQ_ENTRY(exchange) idle; /* while is_idle(): which of them has been so for longest */
	uint64_t id;
	uint32_t request; /* to be answered; 0: none */
	uint32_t began_with; /* the first one */
	enum exchange_state state;
	const struct mechanism *mechanism;
	unsigned stage; /* of the mechanism */
	struct event *timer;
	uint32_t call; /* to stored, under way; 0: none */
	struct buf client_ip, network;
	struct buf user, authzid;
	struct buf password; /* prepared; empty where it can be nobody's */
	struct scram scram;
	struct buf response; /* SCRAM's last message, while it waits */
	struct buf final; /* data that goes with success */
	struct buf exporter, unique, end_point;
	struct identity identity;
	uint64_t give_up_ms; /* of being slowed */
	/* While EXCHANGE_VERIFY: the verification and its other waiters. */
	struct verification *verification;
	struct exchange *verify_next;
};

/* A front end. */
struct client {
	struct authd *authd;
	struct channel *channel;
	const char *service;
	struct exchange *exchanges;
};

/* ---- messages of a front end ---- */
void exchange_start(struct client *c, uint32_t request, const struct auth_start *m);
void exchange_step(struct client *c, uint32_t request, const struct auth_step *m);
void exchange_login(struct client *c, uint32_t request, const struct auth_login *m);
/* `id` 0: the one that `request` began. */
void exchange_cancel(struct client *c, uint32_t request, uint64_t id);
/* The front end went: frees all its exchanges. */
void exchange_end_all(struct client *c);

/* ---- between exchange.c (what is said) and attempt.c (what is decided); each ends or moves on the exchange ---- */
void exchange_challenge(struct exchange *x, struct view challenge);
void exchange_granted(struct exchange *x, struct view grant);
/* `reason` is for the log. */
void exchange_wrong(struct exchange *x, const char *reason);
void exchange_malformed(struct exchange *x, const char *reason);
void exchange_temporary(struct exchange *x, const char *reason);
void exchange_set_timer(struct exchange *x, uint64_t ms);
void exchange_enter(struct exchange *x, enum exchange_state state);

/* `user` and `password`, or `user` and `scram` after its first message, are set. */
void attempt_begin(struct exchange *x);
/* SCRAM: `response` is set. */
void attempt_prove(struct exchange *x);
/* The time of being slowed is over for now. */
void attempt_retry(struct exchange *x);
/* The exchange is freed: whatever runs for it hears nothing any more. */
void attempt_abandon(struct exchange *x);
void attempt_abandon_all(struct authd *a);

#endif
