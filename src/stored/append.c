/* SPDX-License-Identifier: ISC
 * APPEND: a client's own message into one of its mailboxes. */
#include "stored/append.h"

#include "base/clock.h"
#include "base/map.h"
#include "stored/incoming.h"
#include "stored/mailbox_peer.h"

#include <stdlib.h>

enum {
	APPENDS_MAX = 1000,
	APPEND_ARENA_MAX = 2 * 1024 * 1024,
	OPERATOR_MAX = 1 << 30,
	PARTS_MAX = 256, /* of one commit: it takes some ms */
	PARTS_KEPT_MAX = 32 * 1024 * 1024, /* what of them stays in memory until then */
};

/* One of its messages. */
struct part {
	struct append *append;
	struct part *next;
	struct arena arena;
	struct incoming *incoming;
	struct append_more message;
	bool judged;
};

struct append {
	struct write write; /* once it commits */
	struct append_job job;
	struct append_table *table; /* NULL once the channel went, or when committing */
	struct stored *sd;
	struct reply reply;
	struct arena arena;
	struct part *first, *last;
	size_t count, judged;
	uint64_t kept_bytes; /* in memory, at most */
	uint64_t more_bytes; /* of them, those of all messages but the first */
	bool ended; /* nothing more comes */
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
	while (a->first) {
		struct part *part = a->first;

		a->first = part->next;
		incoming_free(&part->incoming, kept);
		arena_fini(&part->arena);
		free(part);
	}
	a->sd->appends_bytes -= a->more_bytes;
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
		(void)mailbox_send_appended(channel, a->reply.id,
					    &(struct mailbox_appended){a->job.job.commit, a->job.ret_uidvalidity,
								       a->job.ret_uid, (uint32_t)a->count});
	append_free(a, ok);
}

/* All are there and judged. */
static void commit(struct append *a)
{
	struct append_more *more = arena_array(&a->arena, a->count, sizeof *more);
	const struct append_more *first = &a->first->message;

	if (!more) {
		fail(a, STORE_TEMPORARY);
		return;
	}
	for (const struct part *part = a->first->next; part; part = part->next)
		more[a->job.more_count++] = part->message;
	a->job.more = more;
	a->job.message = first->message;
	a->job.internaldate_s = first->internaldate_s;
	a->job.flags = first->flags;
	a->job.keywords = first->keywords;
	a->job.keyword_count = first->keyword_count;
	(void)map_u64_remove(&a->table->by_id, a->reply.id);
	a->table = NULL;
	a->write.completion.done = committed;
	a->write.job = &a->job.job;
	write_put(a->sd->writer, &a->write);
}

static void on_done(void *ctx, struct incoming *in, enum incoming_end end, const struct judge_msg *answer)
{
	struct part *part = ctx;
	struct append *a = part->append;

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
	if (!incoming_message(in, &answer->judged, &part->arena, &part->message.message)) {
		fail(a, STORE_TEMPORARY);
		return;
	}
	a->judged++;
	if (a->ended && a->judged == a->count)
		commit(a);
}

static void on_more(void *ctx, struct incoming *in, uint32_t bytes)
{
	struct append *a = ((struct part *)ctx)->append;

	(void)in;
	(void)mailbox_send_more(reply_channel(&a->reply), a->reply.id, &(struct mailbox_more){bytes});
}

/* What came from elsewhere, or out of a backup, is not to be lost to a limit for new mail. */
static uint64_t max_bytes(const struct append_table *t)
{
	return t->peer->is_cli ? OPERATOR_MAX : role_conf(t->sd->role)->max_message_size;
}

/* Several messages wait for the last of them in memory, which a client may never send: all appends have a part of the memory for that, so
 * that there is always some for single messages. */
static bool keep(struct append *a, uint64_t bytes, uint64_t max)
{
	a->kept_bytes += bytes;
	if (a->count == 0)
		return true;
	if (a->kept_bytes > PARTS_KEPT_MAX || a->sd->appends_bytes + bytes > max)
		return false;
	a->more_bytes += bytes;
	a->sd->appends_bytes += bytes;
	return true;
}

/* The next message; false: the append has failed and is gone. */
static bool add_part(struct append *a, const struct mailbox_append_next *m)
{
	static const struct incoming_handlers handlers = {.done = on_done, .more = on_more};
	const struct conf *conf = role_conf(a->sd->role);
	uint64_t head = conf->max_header_size > STORE_INLINE_MAX ? conf->max_header_size : STORE_INLINE_MAX;
	struct part *part;

	if (a->count == PARTS_MAX || !keep(a, m->size_bytes < head ? m->size_bytes : head, conf->max_bytes_in_flight)) {
		fail(a, STORE_LIMIT);
		return false;
	}
	if (m->size_bytes > max_bytes(a->table)) {
		fail(a, STORE_TOO_BIG);
		return false;
	}
	part = xcalloc(1, sizeof *part);
	part->append = a;
	arena_init(&part->arena, APPEND_ARENA_MAX);
	part->message.internaldate_s = m->has_date ? m->internaldate_s : clock_wall_s();
	part->message.flags = m->flags;
	part->message.keywords = mailbox_copy_words(&part->arena, m->keywords, m->n_keywords);
	part->message.keyword_count = m->n_keywords;
	part->incoming = incoming_new(a->sd, store_next_id(a->sd->store), max_bytes(a->table), &handlers, part);
	if (a->last)
		a->last->next = part;
	else
		a->first = part;
	a->last = part;
	a->count++;
	return true;
}

static enum store_outcome may_append(const struct append_table *t, uint32_t id)
{
	if (t->by_id.count >= APPENDS_MAX)
		return STORE_TEMPORARY;
	if (store_space_is_low(t->sd->store))
		return STORE_NO_SPACE;
	return map_u64_get(&t->by_id, id) ? STORE_BAD_REQUEST : STORE_OK;
}

void append_begin(struct append_table *t, uint32_t id, struct session *s, const struct mailbox_append *m)
{
	enum store_outcome may = may_append(t, id);
	struct append *a;

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
	a->job.wall_s = clock_wall_s();
	a->job.replace_mailbox = m->replace_mailbox;
	a->job.replace_uid = m->replace_uid;
	(void)map_u64_set(&t->by_id, id, a);
	(void)add_part(a, &(struct mailbox_append_next){
			      .flags = m->flags,
			      .keywords = m->keywords,
			      .n_keywords = m->n_keywords,
			      .has_date = m->has_date,
			      .internaldate_s = m->internaldate_s,
			      .size_bytes = m->size_bytes,
			  });
}

static void append_as(struct append *a, const struct mailbox_append_as *m)
{
	a->job.uidl = arena_copy(&a->arena, m->uidl);
	a->job.identity = arena_copy(&a->arena, m->identity);
	a->job.ignore_quota = m->ignore_quota;
}

/* No more bytes of the message at hand: it is judged. May end the append. */
static void finish_part(struct append *a)
{
	const struct conf *conf = role_conf(a->sd->role);

	incoming_finish(a->last->incoming, &(struct judge_judge){
					       .purpose = 2,
					       .hostname = view_from_cstr(conf->hostname),
					       .wall_s = clock_wall_s(),
					       .max_hops = UINT32_MAX,
					       .max_header_bytes = (uint32_t)conf->max_header_size,
					   });
}

static bool is_ours(const struct mailbox_msg *m)
{
	return m->type == MAILBOX_DATA || m->type == MAILBOX_APPEND_AS || m->type == MAILBOX_APPEND_NEXT ||
	       m->type == MAILBOX_APPEND_END || m->type == MAILBOX_APPEND_ABORT;
}

/* What is wrong with a message ends the append below the call: it is looked up anew. */
bool append_continue(struct append_table *t, uint32_t id, const struct mailbox_msg *m)
{
	struct append *a;

	if (!is_ours(m))
		return false;
	a = map_u64_get(&t->by_id, id);
	if (!a || a->ended) {
		if (a && m->type == MAILBOX_APPEND_ABORT)
			append_free(a, false);
		return true; /* refused already: the rest of it may still come */
	}
	if (m->type == MAILBOX_DATA) {
		incoming_data(a->last->incoming, m->data.bytes);
	} else if (m->type == MAILBOX_APPEND_AS) {
		append_as(a, &m->append_as);
	} else if (m->type == MAILBOX_APPEND_ABORT) {
		append_free(a, false);
	} else if (m->type == MAILBOX_APPEND_END) {
		a->ended = true;
		finish_part(a);
	} else {
		finish_part(a);
		a = map_u64_get(&t->by_id, id);
		if (a)
			(void)add_part(a, &m->append_next);
	}
	return true;
}
