/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_SMTPD_RIG_H
#define POMBO_TEST_SMTPD_RIG_H

#include "base/buf.h"
#include "ipc/channel.h"
#include "smtpd/smtpd.h"

/* Real smtpd sessions on one loop with a stored and an authd that live in the test, and clients at the other ends of
 * real sockets.
 *
 * The stored: RCPT to `no…@` is refused with 550 5.1.1, `later…@` with 451 4.2.1, `ended…@` with 421, `mute…@` is not answered, `slow…@` when
 * rig_answer_slow() says so; all others are local. MAIL from `thief…@` is refused with 553 5.7.1. A message from
 * `refuse…@` is refused with 550 5.7.1 (its Message-ID is said to be "said@stored"), one from `mute…@` is not answered; others are kept with ids 1, 2, 3.
 * The authd: PLAIN with "\0me\0secret" and SCRAM-SHA-256 with "hi", then "proof", log in, the latter with data that goes with
 * success; "busy" is temporary, "mute" is not answered. */
enum { RIG_CLIENTS = 2000, RIG_KEPT = 64 };

struct rig_message {
	struct buf text;
	struct buf envelope; /* "sender|recipient|…|protocol" */
	uint64_t size_bytes; /* announced */
	uint32_t id;
	size_t pieces;
	bool ended, aborted;
};

struct rig {
	struct event_base *base;
	struct conf *conf;
	struct smtpd *smtpd;
	struct channel *store, *auth;
	int clients[RIG_CLIENTS];
	size_t client_count;
	struct buf heard; /* the reply text of the client that was heard last */
	struct buf asked; /* "R:address;" for each rcpt_check, "S:sender;" for each sender_check, in order */
	struct rig_message messages[RIG_KEPT];
	size_t message_count;
	uint64_t next_id;
	uint32_t slow_ids[16];
	size_t slow_count;
	struct buf
	    refused; /* "account:sender>recipient code status message-id;" for each refusal that stored was told of; the account where there is one */
	uint64_t refused_count, left_out;
	bool no_credit; /* stored gives none */
	size_t aborts, dropped_grants, cancelled;
	bool stopped;
};

/* `config`: lines of pombo.conf besides the hostname mx.example.org. */
void rig_open(struct rig *r, enum smtpd_kind kind, const char *config);
void rig_close(struct rig *r);
/* Runs the loop until what was sent has been answered. */
void rig_turn(struct rig *r);
/* A new connection over TCP on loopback; its number. The greeting has been heard and dropped. */
size_t rig_connect(struct rig *r);
size_t rig_connect_to(struct rig *r, const char *service, bool loopback);
void rig_send(struct rig *r, size_t client, struct view bytes);
/* Sends what the socket takes; how many bytes that were. */
size_t rig_send_some(struct rig *r, size_t client, struct view bytes);
/* Sends and returns all that came back, valid until the next call. */
const char *rig_say(struct rig *r, size_t client, const char *text);
const char *rig_hear(struct rig *r, size_t client);
/* The server has closed this connection. */
bool rig_is_closed(struct rig *r, size_t client);
void rig_hang_up(struct rig *r, size_t client);
void rig_answer_slow(struct rig *r);
/* stored comes back after its channel was closed. */
void rig_store_dies(struct rig *r);
void rig_store_returns(struct rig *r);
/* A new authd, after the former one was closed. */
void rig_auth_returns(struct rig *r);
void rig_give_credit(struct rig *r, size_t message, uint32_t bytes);

#endif
