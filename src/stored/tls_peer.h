/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_TLS_PEER_H
#define POMBO_STORED_TLS_PEER_H

#include "ipc/msgs/relay_msgs.h"
#include "stored/stored.h"

/* The messages of relay.def about MTA-STS policies and counts of TLS. */
void tls_peer_on_msg(struct stored *sd, struct peer *peer, uint32_t id, const struct relay_msg *m);

#endif
