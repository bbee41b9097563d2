/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_SMTP_PEER_H
#define POMBO_STORED_SMTP_PEER_H

#include "base/view.h"
#include "stored/peer.h"

/* Tells the submission process that holds it that a grant ended. Other kinds of peers are left alone: their sessions are told. */
void smtp_peer_tell_grant_ended(struct peer *peer, struct view handle);

#endif
