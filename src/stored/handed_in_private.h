/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_HANDED_IN_PRIVATE_H
#define POMBO_STORED_HANDED_IN_PRIVATE_H

#include "base/map.h"
#include "store/queue.h"
#include "stored/client_name.h"
#include "stored/handed_in.h"
#include "stored/incoming.h"
#include "stored/outbound.h"
#include "stored/recipients.h"

/* A message on its way in, between handed_in.c and handed_in_resolve.c. */
struct handed_in {
	struct write write; /* once it commits */
	struct deliver_job job;
	struct outbound_offer offer;
	struct task resolving;
	struct stored *sd;
	const struct handed_in_answers *answers;
	struct handed_in_table *table; /* NULL once resolving began or the channel went */
	struct reply reply;
	struct arena arena;
	struct incoming *incoming;
	enum handed_in_by by;
	uint64_t account;
	struct view login; /* its address */
	struct client_name_wait naming;
	struct smtp_begin envelope; /* views copied into the arena */
	bool *may_relay; /* for each of its recipients */
	struct judge_judged to_sign; /* of it what signer.h reads; in the arena */
	struct view *from; /* senders, of the envelope and the header: they must belong to the account */
	size_t from_count;
	struct view signatures; /* what signer.h says of them */
	struct view separator;
	size_t local_cap, remote_cap;
	struct deliver_remote *remotes;
	struct map seen; /* accounts that have a copy already */
	struct view message_id_text; /* of the header */
	bool unknown; /* something was not in memory */
	bool loops; /* somebody was left out: it has been forwarded from there before */
	struct view *looped; /* of them those nobody is told of; an entry an envelope recipient */
	size_t looped_count;
	struct verdict verdict; /* set (code != 0) when refused */
};

#define HANDED_IN_TEMPORARY VERDICT_INIT(451, 4, 3, 0, "temporary trouble with the mail store; try again later")

/* Who gets it: fills in job's local and remote recipients, or the verdict, or `unknown`. Any thread; SQL only with a reader. */
void handed_in_resolve(struct handed_in *h, struct store_reader *r);
/* Somebody on another server gets it. */
bool handed_in_leaves_here(const struct handed_in *h);

#endif
