/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_RIG_H
#define POMBO_TEST_RIG_H

#include "box_store.h"
#include "fake_auth.h"
#include "front/front.h"
#include "wire.h"

/* Real sessions of a front end on one loop with a stored (box_store.h) and an authd (fake_auth.h) that live in the test, and clients
 * at the other ends of real sockets (wire.h). */
struct rig {
	struct event_base *base;
	struct conf *conf;
	struct front *front;
	struct box_store store;
	struct fake_auth auth;
	struct wire wire;
};

/* The role under test: imapd_rig.c, popd_rig.c. */
struct rig_role {
	struct front *(*open)(struct event_base *base, const struct conf *conf);
	void (*close)(struct front *f);
	const struct stream_limits *limits;
	const char *service;
	const char *login, *logged_in; /* what a client says, and a part of the last reply */
};
extern const struct rig_role rig_role;

/* `config`: lines of pombo.conf besides hostname and allow-plaintext-auth-on-loopback. */
void rig_open(struct rig *r, const char *config);
void rig_close(struct rig *r);
/* A new connection, over TCP on loopback or from nowhere; its number. The greeting has not been heard. */
size_t rig_connect(struct rig *r, bool loopback);
/* ... logged in, and what was said so far is dropped. */
size_t rig_login(struct rig *r);
/* stored goes, and comes back empty. */
void rig_store_dies(struct rig *r);

#endif
