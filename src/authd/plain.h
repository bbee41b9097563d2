/* SPDX-License-Identifier: ISC */
#ifndef POMBO_AUTHD_PLAIN_H
#define POMBO_AUTHD_PLAIN_H

#include "base/mem.h"
#include "base/view.h"

/* The one message of PLAIN (RFC 4616): [authzid] NUL authcid NUL passwd. Pure; the views point into it. */
struct plain {
	struct view authzid; /* empty: none */
	struct view user;
	struct view password;
};

/* False: not that message, a name that is empty or over 512 bytes, or anything but UTF-8. A password of any length is taken: whether it fits is
 * not for the grammar to say. */
must_check bool plain_parse(struct view message, struct plain *ret);

#endif
