/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_FAKE_AUTH_H
#define POMBO_TEST_FAKE_AUTH_H

#include "ipc/msgs/auth_msgs.h"

/* An authd that lives in the test. "me" with "secret" logs in, by login or PLAIN; SCRAM-SHA-256 with "hi", then "proof", too,
 * with data that goes with success; "busy" is temporary; everything else is wrong. */
struct fake_auth {
	struct channel *channel;
	size_t cancelled, denied;
	bool mute;
};

void fake_auth_open(struct fake_auth *a, struct event_base *base, unsigned peer, int *ret_fd);
void fake_auth_close(struct fake_auth *a);

#endif
