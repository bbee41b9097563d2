/* SPDX-License-Identifier: ISC
 * A process that asks us things, and where an answer goes. */
#include "stored/peer.h"

#include <assert.h>
#include <stdlib.h>

struct peer *peer_new(void)
{
	struct peer *p = xcalloc(1, sizeof *p);

	p->refs = 1;
	STAILQ_INIT(&p->reads_waiting);
	STAILQ_INIT(&p->answers_waiting);
	return p;
}

void peer_unref(struct peer **pp)
{
	struct peer *p = *pp;

	if (p) {
		assert(p->refs > 0);
		if (--p->refs == 0)
			free(p);
	}
	*pp = NULL;
}

struct reply reply_to(struct peer *p, uint32_t id)
{
	p->refs++;
	return (struct reply){p, id};
}

struct channel *reply_channel(const struct reply *r)
{
	return r->peer ? r->peer->channel : NULL;
}

void reply_end(struct reply *r)
{
	peer_unref(&r->peer);
}
