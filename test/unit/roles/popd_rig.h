/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_POPD_RIG_H
#define POMBO_TEST_POPD_RIG_H

#include "box_store.h"
#include "fake_auth.h"
#include "popd/popd.h"
#include "wire.h"

/* Real popd sessions on one loop with a stored (box_store.h) and an authd (fake_auth.h) that live in the test, and clients at the
 * other ends of real sockets (wire.h). */
struct rig {
	struct event_base *base;
	struct conf *conf;
	struct popd popd;
	struct box_store store;
	struct fake_auth auth;
	struct wire wire;
};

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
