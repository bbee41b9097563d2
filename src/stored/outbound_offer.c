/* SPDX-License-Identifier: ISC
 * Mail that goes to relayd with the commit that keeps it. */
#include "stored/outbound.h"

#include "base/clock.h"
#include "store/deliver.h"
#include "stored/outbound_private.h"

enum { HEAD_MAX = 2 * 1024 * 1024 };

/* One domain, nothing that has to be made ready first (forward.h), nobody to be told anything, and nothing else to be put off for: then the
 * writer runs the job before whatever the next relayd asks for, and its first question ends this lease if relayd went meanwhile. */
static bool fits(const struct deliver_job *j)
{
	const struct new_message *m = &j->message;

	if (j->remote_prefix.n + m->header_add.n + m->header.n + m->content.n > HEAD_MAX)
		return false;
	if (j->local_count > 0 || m->file || j->remote_count == 0 || j->remote_count > QUEUE_LEASE_RCPTS_MAX)
		return false;
	for (size_t i = 0; i < j->remote_count; i++)
		if (j->remotes[i].notice || j->remotes[i].via.n || !view_eq(j->remotes[i].domain, j->remotes[0].domain))
			return false;
	return true;
}

void outbound_offer(struct stored *sd, struct deliver_job *j, struct outbound_offer *ret)
{
	const struct conf *conf = role_conf(sd->role);
	struct outbound *o = outbound_of(sd);

	*ret = (struct outbound_offer){NULL};
	if (!o->resumed || !o->peer || o->credit == 0 || conf->hold_outbound || !fits(j) ||
	    !lanes_reserve(&o->lanes, j->remotes[0].domain))
		return;
	outbound_set_credit(o, o->credit - 1);
	ret->peer = o->peer;
	o->peer->refs++;
	j->lease_until_s = j->wall_s + (int64_t)(conf->lease_time / 1000);
}

static void send(struct outbound *o, const struct deliver_job *j, uint64_t token)
{
	const struct new_message *m = &j->message;
	_cleanup_(buf_fini) struct buf head = BUF_INIT(HEAD_MAX);
	struct queue_lease lease = {
	    .token = token,
	    .domain = j->remotes[0].domain,
	    .envelope = {.message = m->id,
			 .account = j->account,
			 .sender = j->sender,
			 .envid = j->envid,
			 .ret = j->ret,
			 .body = j->body,
			 .smtputf8 = j->smtputf8,
			 .requiretls = j->requiretls,
			 .long_lines = j->long_lines},
	    .rcpts = j->ret_leased,
	    .rcpt_count = j->ret_leased_count,
	};
	struct queue_bytes bytes = {.content_fd = -1};
	struct arena a;

	buf_append_view(&head, j->remote_prefix);
	buf_append_view(&head, m->header_add);
	buf_append_view(&head, m->header);
	buf_append_view(&head, m->content);
	bytes.head = buf_view(&head);
	lease.envelope.size_bytes = head.n;
	arena_init(&a, 65536);
	outbound_send_job(o->peer->channel, &lease, j->sender, (uint32_t)role_conf(o->sd->role)->lease_time, &bytes,
			  &a);
	arena_fini(&a);
}

void outbound_kept(struct stored *sd, const struct deliver_job *j, struct outbound_offer *offer)
{
	struct outbound *o = outbound_of(sd);
	uint64_t token = deliver_lease(j);

	if (!offer->peer)
		return;
	if (token && o->next_s > j->lease_until_s)
		o->next_s = j->lease_until_s;
	/* With another relayd the lanes are others too, and what it asked for first has ended the lease. */
	if (offer->peer == o->peer) {
		lanes_reserved(&o->lanes, j->remotes[0].domain, token);
		if (token)
			send(o, j, token);
		else
			outbound_set_credit(o, o->credit + 1);
	}
	peer_unref(&offer->peer);
}
