/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_IMAPD_RIG_H
#define POMBO_TEST_IMAPD_RIG_H

#include "box_store.h"
#include "fake_auth.h"
#include "imapd/imapd.h"

/* Real imapd sessions on one loop with a stored (box_store.h) and an authd (fake_auth.h) that live in the test, and clients at
 * the other ends of real sockets. */
enum { RIG_CLIENTS = 2000 };

struct rig {
	struct event_base *base;
	struct conf *conf;
	struct imapd imapd;
	struct box_store store;
	struct fake_auth auth;
	int clients[RIG_CLIENTS];
	size_t client_count;
	struct buf heard; /* by the client that was heard last */
	bool stopped;
};

/* `config`: lines of pombo.conf besides hostname and allow-plaintext-auth-on-loopback. */
void rig_open(struct rig *r, const char *config);
void rig_close(struct rig *r);
/* Runs the loop until what was sent has been answered. */
void rig_turn(struct rig *r);
/* A new connection over TCP on loopback (or not, as far as the session knows); its number. The greeting has not been heard. */
size_t rig_connect(struct rig *r, bool loopback);
/* ... logged in, and what was said so far is dropped. */
size_t rig_login(struct rig *r);
/* ... with INBOX selected. */
size_t rig_select(struct rig *r);
void rig_send(struct rig *r, size_t client, struct view bytes);
/* Sends and returns all that came back, valid until the next call. */
const char *rig_say(struct rig *r, size_t client, const char *text);
const char *rig_hear(struct rig *r, size_t client);
bool rig_is_closed(struct rig *r, size_t client);
void rig_hang_up(struct rig *r, size_t client);
/* stored goes, and comes back empty. */
void rig_store_dies(struct rig *r);

#endif
