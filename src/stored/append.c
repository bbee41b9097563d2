/* SPDX-License-Identifier: ISC
 * APPEND: a client's own message into one of its mailboxes. */
#include "stored/append.h"

#include "base/clock.h"
#include "base/map.h"
#include "stored/incoming.h"
#include "stored/mailbox_peer.h"

#include <stdlib.h>

enum { APPENDS_MAX = 1000, APPEND_ARENA_MAX = 2 * 1024 * 1024 };

struct append {
	struct write write; /* once it commits */
	struct append_job job;
	struct append_table *table; /* NULL once the channel went, or when committing */
	struct stored *sd;
	struct reply reply;
	struct arena arena;
	struct incoming *incoming;
};

struct append_table {
	struct stored *sd;
	struct peer *peer;
	struct map by_id; /* request id → struct append, while receiving or judging */
};

struct append_table *append_table_new(struct stored *sd, struct peer *peer)
{
	struct append_table *t = xcalloc(1, sizeof *t);

	t->sd = sd;
	t->peer = peer;
	map_init(&t->by_id);
	return t;
}

static void append_free(struct append *a, bool kept)
{
	if (a->table)
		(void)map_u64_remove(&a->table->by_id, a->reply.id);
	incoming_free(&a->incoming, kept);
	store_job_fini(&a->job.job);
	arena_fini(&a->arena);
	reply_end(&a->reply);
	free(a);
}

void append_table_free(struct append_table **tp)
{
	struct append_table *t = *tp;
	struct map_entry *e;

	while ((e = map_first(&t->by_id)))
		append_free(map_value(e), false);
	map_fini(&t->by_id);
	free(t);
	*tp = NULL;
}

static void fail(struct append *a, enum store_outcome outcome)
{
	mailbox_send_outcome(reply_channel(&a->reply), a->reply.id, outcome);
	append_free(a, false);
}

static void committed(struct completion *c)
{
	struct append *a = (struct append *)c;
	struct channel *channel = reply_channel(&a->reply);
	bool ok = a->job.job.outcome == STORE_OK;

	if (!ok)
		mailbox_send_outcome(channel, a->reply.id, a->job.job.outcome);
	else
		(void)mailbox_send_appended(
		    channel, a->reply.id,
		    &(struct mailbox_appended){a->job.job.commit, a->job.ret_uidvalidity, a->job.ret_uid});
	append_free(a, ok);
}

static void on_done(void *ctx, struct incoming *in, enum incoming_end end, const struct judge_msg *answer)
{
	struct append *a = ctx;

	switch (end) {
	case INCOMING_TEMPORARY:
	case INCOMING_REFUSED: /* only an odd policyd refuses an APPEND */
		fail(a, STORE_TEMPORARY);
		return;
	case INCOMING_NO_SPACE:
		fail(a, STORE_NO_SPACE);
		return;
	case INCOMING_TOO_BIG:
		fail(a, STORE_TOO_BIG);
		return;
	case INCOMING_JUDGED:
		break;
	}
	if (!incoming_message(in, &answer->judged, &a->arena, &a->job.message)) {
		fail(a, STORE_TEMPORARY);
		return;
	}
	(void)map_u64_remove(&a->table->by_id, a->reply.id);
	a->table = NULL;
	a->write.completion.done = committed;
	a->write.job = &a->job.job;
	write_put(a->sd->writer, &a->write);
}

static void on_more(void *ctx, struct incoming *in, uint32_t bytes)
{
	struct append *a = ctx;

	(void)in;
	(void)mailbox_send_more(reply_channel(&a->reply), a->reply.id, &(struct mailbox_more){bytes});
}

static enum store_outcome may_append(const struct append_table *t, const struct session *s,
				     const struct mailbox_append *m)
{
	if (t->by_id.count >= APPENDS_MAX)
		return STORE_TEMPORARY;
	if (m->size_bytes > role_conf(t->sd->role)->max_message_size)
		return STORE_TOO_BIG;
	if (store_space_is_low(t->sd->store))
		return STORE_NO_SPACE;
	(void)s;
	return STORE_OK;
}

void append_begin(struct append_table *t, uint32_t id, struct session *s, const struct mailbox_append *m)
{
	static const struct incoming_handlers handlers = {.done = on_done, .more = on_more};
	enum store_outcome may = may_append(t, s, m);
	struct append *a;

	if (may == STORE_OK && map_u64_get(&t->by_id, id))
		may = STORE_BAD_REQUEST;
	if (may != STORE_OK) {
		mailbox_send_outcome(t->peer->channel, id, may);
		return;
	}
	a = xcalloc(1, sizeof *a);
	a->table = t;
	a->sd = t->sd;
	a->reply = reply_to(t->peer, id);
	arena_init(&a->arena, APPEND_ARENA_MAX);
	append_job_init(&a->job);
	a->job.account = s->grant->account;
	a->job.name = arena_copy(&a->arena, m->name);
	a->job.internaldate_s = m->has_date ? m->internaldate_s : clock_wall_s();
	a->job.flags = m->flags;
	a->job.keywords = mailbox_copy_words(&a->arena, m->keywords, m->n_keywords);
	a->job.keyword_count = m->n_keywords;
	a->incoming =
	    incoming_new(t->sd, store_next_id(t->sd->store), role_conf(t->sd->role)->max_message_size, &handlers, a);
	(void)map_u64_set(&t->by_id, id, a);
}

static void append_as(struct append *a, const struct mailbox_append_as *m)
{
	a->job.uidl = arena_copy(&a->arena, m->uidl);
	a->job.identity = arena_copy(&a->arena, m->identity);
	a->job.ignore_quota = m->ignore_quota;
}

bool append_continue(struct append_table *t, uint32_t id, const struct mailbox_msg *m)
{
	const struct conf *conf = role_conf(t->sd->role);
	struct append *a;

	if (m->type != MAILBOX_DATA && m->type != MAILBOX_APPEND_END && m->type != MAILBOX_APPEND_ABORT &&
	    m->type != MAILBOX_APPEND_AS)
		return false;
	a = map_u64_get(&t->by_id, id);
	if (!a)
		return true; /* refused already: the rest of it may still come */
	if (m->type == MAILBOX_DATA)
		incoming_data(a->incoming, m->data.bytes);
	else if (m->type == MAILBOX_APPEND_AS)
		append_as(a, &m->append_as);
	else if (m->type == MAILBOX_APPEND_ABORT)
		append_free(a, false);
	else
		incoming_finish(a->incoming, &(struct judge_judge){
						 .purpose = 2,
						 .hostname = view_from_cstr(conf->hostname),
						 .wall_s = clock_wall_s(),
						 .max_hops = UINT32_MAX,
						 .max_header_bytes = (uint32_t)conf->max_header_size,
					     });
	return true;
}
