/* SPDX-License-Identifier: ISC
 * Tells front ends what a commit changed: mailboxes to the sessions that watch them, ended grants, stale credentials. */
#include "stored/indexer.h"
#include "stored/mailbox_peer.h"
#include "stored/outbound.h"
#include "stored/session.h"
#include "stored/signer.h"
#include "stored/smtp_peer.h"
#include "stored/stored.h"

static void tell_changed(void *ctx, struct session *s, uint64_t modseq)
{
	const struct mailbox_changed m = {s->id, s->watched_mailbox, modseq};

	(void)ctx;
	(void)mailbox_send_changed(s->peer->channel, 0, &m);
}

static void tell_account_changed(void *ctx, struct session *s)
{
	(void)ctx;
	(void)mailbox_send_account_changed(s->peer->channel, 0, &(struct mailbox_account_changed){s->id});
}

static void tell_session_ended(void *ctx, struct session *s)
{
	(void)ctx;
	(void)mailbox_send_session_ended(s->peer->channel, 0, &(struct mailbox_session_ended){s->id});
}

static void tell_grant_ended(void *ctx, struct grant *g)
{
	if (g->holder)
		smtp_peer_tell_grant_ended(g->holder, g->handle);
	else
		smtp_peers_tell_grant_ended(ctx, g->handle);
}

static void account_changed(struct stored *sd, const struct store_change *c)
{
	uint64_t generation = c->gone ? UINT64_MAX : c->generation; /* no grant has that one */

	cred_peers_tell_changed(sd, c->account, generation);
	sessions_end_stale(sd->sessions, c->account, generation, tell_session_ended, tell_grant_ended, sd);
}

void notice_changes(struct stored *sd, const struct store_change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct store_change *c = &changes[i];

		switch (c->kind) {
		case CHANGE_MAILBOX:
			sessions_notice(sd->sessions, c->account, c->mailbox, c->highestmodseq, tell_changed, sd);
			sessions_notice_account(sd->sessions, c->account, tell_account_changed, sd);
			indexer_touch(sd->indexer, c->account);
			break;
		case CHANGE_MAILBOX_GONE:
			sessions_notice(sd->sessions, c->account, c->mailbox, UINT64_MAX, tell_changed, sd);
			sessions_notice_account(sd->sessions, c->account, tell_account_changed, sd);
			break;
		case CHANGE_ACCOUNT:
			account_changed(sd, c);
			break;
		case CHANGE_NAMES:
			sessions_notice_account(sd->sessions, c->account, tell_account_changed, sd);
			break;
		case CHANGE_DIRECTORY:
			signer_refresh(sd);
			break;
		case CHANGE_QUEUE:
			outbound_wake(sd);
			notices_wake(sd);
			break;
		}
	}
}
