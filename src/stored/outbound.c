/* SPDX-License-Identifier: ISC
 * relayd at the other end: leases what is due, sends it along with its bytes, records what became of it (doc/queue.md).
 *
 *     due, credit ─▶ lease job (writer) ─▶ bytes (reader threads) ─▶ job frames ─▶ relayd ─▶ result ─▶ result job ─▶ done
 *
 * One lease job is under way at a time; what is out for each domain is bounded (lanes.h). What has just come in
 * mostly goes another way (outbound_offer.c). */
#include "stored/outbound.h"

#include "base/clock.h"
#include "stored/bound.h"
#include "stored/forward.h"
#include "stored/op.h"
#include "stored/outbound_private.h"
#include "stored/tls_peer.h"
#include "stored/variant.h"
#include "stored/waking.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	LEASES_PER_DOMAIN = 50,
	FETCH_LEASES = 8, /* whose bytes one reader task gets */
	CREDIT_MAX = 65536,
	CLOSED_MAX_S = 3600, /* twice what relayd says at most: it may be wrong, and outlives its words */
	FETCH_ARENA_MAX = 32 * 1024 * 1024,
	EVENT_BYTES = 100,
};

struct outbound *outbound_of(struct stored *sd)
{
	if (!sd->outbound) {
		struct outbound *o = sd->outbound = xcalloc(1, sizeof *o);

		o->sd = sd;
		lanes_init(&o->lanes);
	}
	return sd->outbound;
}

void outbound_set_credit(struct outbound *o, unsigned jobs)
{
	o->credit = o->lanes.room = jobs < CREDIT_MAX ? jobs : CREDIT_MAX;
}

static void log_outcome(const char *event, enum store_outcome outcome)
{
	log_event(LOG_LEVEL_ERROR, event, store_outcome_name(outcome));
}

/* ---- bytes, then frames ---- */

static struct queue_schedule schedule_of(const struct conf *conf)
{
	return (struct queue_schedule){(int64_t)(conf->retry_first / 1000), (int64_t)(conf->retry_max / 1000)};
}

/* A lease job's results, until all its bytes were fetched. */
struct batch {
	struct write write;
	struct queue_lease_job job;
	struct outbound *o;
	struct forward forward; /* as the settings were when it began; owned */
	struct peer *peer; /* as when it began */
	struct lane_changes changes;
	unsigned refs;
};

struct fetch {
	struct task task;
	struct batch *batch;
	struct arena arena;
	size_t first, count;
	struct queue_bytes bytes[FETCH_LEASES];
	struct view senders[FETCH_LEASES];
	enum store_outcome outcomes[FETCH_LEASES];
};

static void batch_unref(struct batch *b)
{
	if (--b->refs)
		return;
	store_job_fini(&b->job.job);
	lane_changes_fini(&b->changes);
	peer_unref(&b->peer);
	free((void *)(uintptr_t)b->forward.srs_domain.p);
	free(b);
}

/* What is forwarded goes under another sender, and with a mark. */
static enum store_outcome prepare(struct fetch *f, struct store_reader *r, size_t i)
{
	struct queue_lease *l = &f->batch->job.leases[f->first + i];
	struct view mark = forward_mark(l->via, &f->arena);
	_cleanup_(buf_fini) struct buf head = BUF_INIT(f->bytes[i].head.n + mark.n);

	if (mark.n) {
		buf_append_view(&head, mark);
		buf_append_view(&head, f->bytes[i].head);
		f->bytes[i].head = arena_copy(&f->arena, buf_view(&head));
		if (!f->bytes[i].head.p)
			return STORE_TOO_BIG;
		l->envelope.size_bytes += mark.n;
	}
	return forward_sender(f->batch->o->sd->store, r, &f->batch->forward, l->via, l->envelope.sender, &f->arena,
			      &f->senders[i]);
}

static void fetch_run(struct task *t, unsigned thread_index)
{
	struct fetch *f = (struct fetch *)t;
	struct store_reader *r = f->batch->o->sd->reader_connections[thread_index];

	for (size_t i = 0; i < f->count; i++) {
		f->outcomes[i] = queue_read(r, &f->batch->job.leases[f->first + i].envelope, &f->arena, &f->bytes[i]);
		if (f->outcomes[i] == STORE_OK)
			f->outcomes[i] = prepare(f, r, i);
	}
}

/* The end of a lease whose bytes cannot be had. */
struct unread {
	struct write write;
	struct queue_result_job job;
	struct queue_fate fates[QUEUE_LEASE_RCPTS_MAX];
};

static void unread_recorded(struct completion *c)
{
	struct unread *u = (struct unread *)((char *)c - offsetof(struct unread, write));

	if (u->job.job.outcome != STORE_OK)
		log_outcome("result-not-recorded", u->job.job.outcome); /* the lease runs out */
	store_job_fini(&u->job.job);
	free(u);
}

/* Tried again later, as if the other server had said so; relayd has not used its credit. */
static void put_off(struct outbound *o, const struct queue_lease *l)
{
	struct unread *u = xcalloc(1, sizeof *u);

	for (size_t i = 0; i < l->rcpt_count; i++)
		u->fates[i] = (struct queue_fate){.id = l->rcpts[i].id,
						  .outcome = QUEUE_OUT_DEFERRED,
						  .code = 451,
						  .status = VIEW_LIT("4.3.0"),
						  .text = VIEW_LIT("the message cannot be read here now")};
	queue_result_job_init(&u->job);
	u->job.token = l->token;
	u->job.wall_s = clock_wall_s();
	u->job.schedule = schedule_of(role_conf(o->sd->role));
	u->job.mta = u->job.peer = u->job.tls = VIEW_EMPTY;
	u->job.reached = l->reached;
	u->job.fates = u->fates;
	u->job.fate_count = l->rcpt_count;
	u->write.completion.done = unread_recorded;
	u->write.job = &u->job.job;
	write_put(o->sd->writer, &u->write);
	outbound_set_credit(o, o->credit + 1);
	lanes_token_is_over(&o->lanes, l->token);
}

static void fetch_done(struct completion *c)
{
	struct fetch *f = (struct fetch *)c;
	struct batch *b = f->batch;
	struct channel *channel = b->peer->channel;
	const struct conf *conf = role_conf(b->o->sd->role);

	for (size_t i = 0; i < f->count && channel; i++) {
		const struct queue_lease *l = &b->job.leases[f->first + i];

		if (f->outcomes[i] == STORE_OK) {
			outbound_send_job(channel, l, f->senders[i], (uint32_t)conf->lease_time, &f->bytes[i],
					  &f->arena);
		} else {
			log_outcome("queued-message-not-read", f->outcomes[i]);
			put_off(b->o, l);
		}
	}
	for (size_t i = 0; i < f->count; i++)
		fd_close(&f->bytes[i].content_fd);
	arena_fini(&f->arena);
	free(f);
	batch_unref(b);
}

static void fetch_bytes(struct batch *b)
{
	for (size_t at = 0; at < b->job.lease_count; at += FETCH_LEASES) {
		struct fetch *f = xcalloc(1, sizeof *f);

		f->batch = b;
		f->first = at;
		f->count = b->job.lease_count - at < FETCH_LEASES ? b->job.lease_count - at : FETCH_LEASES;
		arena_init(&f->arena, FETCH_ARENA_MAX);
		for (size_t i = 0; i < f->count; i++)
			f->bytes[i].content_fd = -1;
		f->task.completion.done = fetch_done;
		f->task.run = fetch_run;
		b->refs++;
		if (!pool_put(b->o->sd->readers, &f->task)) {
			for (size_t i = 0; i < f->count; i++)
				f->outcomes[i] = STORE_TEMPORARY;
			fetch_done(&f->task.completion);
		}
	}
}

/* ---- leasing ---- */

static void lease(struct outbound *o);

static struct batch *batch_of(void *completion)
{
	return (struct batch *)((char *)completion - offsetof(struct batch, write));
}

static void leased(struct completion *c)
{
	struct batch *b = batch_of(c);
	struct outbound *o = b->o;
	bool same_peer = o->peer == b->peer, done = b->job.job.outcome == STORE_OK;

	o->leasing = false;
	if (!done) {
		log_outcome("not-leased", b->job.job.outcome);
		o->next_s = clock_wall_s() + 1;
	}
	if (same_peer)
		lanes_changed(&o->lanes, &b->changes, done);
	if (done) {
		o->next_s = b->job.next_s;
		o->dirty |= b->job.more;
		if (same_peer) {
			outbound_set_credit(o, o->credit > b->job.lease_count ? o->credit - (unsigned)b->job.lease_count
									      : 0);
			lanes_leased(&o->lanes, b->job.leases, b->job.lease_count);
			fetch_bytes(b);
		}
	}
	batch_unref(b);
	if (done)
		lease(o); /* else at the next tick */
}

static struct forward forward_as_set(const struct conf *conf)
{
	struct view domain = view_from_cstr(conf->srs_domain);

	return (struct forward){conf->srs, view_from(xmemdup(domain.p, domain.n + 1), domain.n)};
}

static void lease(struct outbound *o)
{
	struct batch *b;

	if (o->leasing || !(o->dirty || lanes_change(&o->lanes)) || !o->resumed ||
	    role_conf(o->sd->role)->hold_outbound || (o->credit == 0 && !lanes_change(&o->lanes)))
		return;
	o->dirty = false;
	o->leasing = true;
	b = xcalloc(1, sizeof *b);
	b->o = o;
	b->refs = 1;
	b->peer = o->peer;
	b->peer->refs++;
	b->forward = forward_as_set(role_conf(o->sd->role));
	queue_lease_job_init(&b->job);
	b->job.wall_s = clock_wall_s();
	b->job.until_s = b->job.wall_s + (int64_t)(role_conf(o->sd->role)->lease_time / 1000);
	b->job.max_jobs = o->credit;
	b->job.max_per_domain =
	    lanes_window(&o->lanes) < LEASES_PER_DOMAIN ? lanes_window(&o->lanes) : LEASES_PER_DOMAIN;
	b->job.max_per_unknown = LANE_UNKNOWN;
	lanes_take_changes(&o->lanes, &b->changes);
	b->job.park = b->changes.park;
	b->job.park_count = b->changes.park_count;
	b->job.unpark = b->changes.unpark;
	b->job.unpark_count = b->changes.unpark_count;
	b->write.completion.done = leased;
	b->write.job = &b->job.job;
	write_put(o->sd->writer, &b->write);
}

void outbound_wake(struct stored *sd)
{
	struct outbound *o = outbound_of(sd);

	o->dirty = true;
	lease(o);
}

void outbound_tick(struct stored *sd)
{
	struct outbound *o = outbound_of(sd);

	if (clock_wall_s() >= o->next_s)
		o->dirty = true;
	lanes_look_again(&o->lanes);
	lease(o);
}

/* ---- what relayd says ---- */

struct resume_op {
	struct op op;
	struct queue_resume_job job;
	struct outbound *o;
};

static int compare_tokens(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void resumed(struct op *op, struct channel *c)
{
	struct outbound *o = ((struct resume_op *)op)->o;

	if (op->outcome != STORE_OK)
		log_outcome("leases-not-ended", op->outcome);
	if (!c || o->peer != op->reply.peer)
		return;
	o->resumed = o->dirty = true;
	lease(o);
}

static void on_resume(struct outbound *o, const struct relay_resume *m)
{
	struct resume_op *r = op_new(o->sd, sizeof *r, o->peer, 0);
	uint64_t *tokens = arena_array(&r->op.arena, m->n_tokens, sizeof *tokens);

	r->o = o;
	r->op.answer = resumed;
	queue_resume_job_init(&r->job);
	r->job.wall_s = clock_wall_s();
	for (uint32_t i = 0; tokens && i < m->n_tokens; i++)
		tokens[i] = m->tokens[i].token;
	if (tokens)
		qsort(tokens, m->n_tokens, sizeof *tokens, compare_tokens);
	r->job.tokens = tokens;
	r->job.token_count = tokens ? m->n_tokens : 0;
	/* What the relayd before this one said last is not on disk yet, perhaps: it counts before its leases end, or it would be sent again. */
	op_write_behind(&r->op, &r->job.job);
}

struct result_op {
	struct op op;
	struct queue_result_job job;
	struct outbound *o;
	bool last;
	bool looks; /* something may be due again */
};

static void recorded(struct op *op, struct channel *c)
{
	struct result_op *r = (struct result_op *)op;
	struct outbound *o = r->o;

	if (op->outcome != STORE_OK) {
		log_outcome("result-not-recorded", op->outcome); /* not told: relayd says it again */
		return;
	}
	if (c)
		(void)relay_send_done(c, op->reply.id, &(struct relay_done){0});
	if (r->last && o->peer == op->reply.peer) {
		lanes_token_is_over(&o->lanes, r->job.token);
		variant_over(o->sd, r->job.token);
	}
	if (r->job.ret_reopened)
		waking_begin(o->sd, r->job.destination, r->job.mta, " answers again");
	o->dirty |= r->looks;
	lease(o);
}

static bool copy_fates(struct result_op *r, const struct relay_result *m)
{
	struct arena *a = &r->op.arena;
	struct queue_fate *fates = arena_array(a, m->n_fates, sizeof *fates);

	for (uint32_t i = 0; fates && i < m->n_fates; i++) {
		const struct relay_fate *f = &m->fates[i];

		fates[i] = (struct queue_fate){
		    .id = f->id,
		    .outcome = (enum queue_outcome)f->outcome,
		    .dsn_passed = f->dsn_passed,
		    .code = f->code,
		    .status = arena_copy(a, f->enhanced),
		    .text = arena_copy(a, f->text),
		};
		r->looks |= f->outcome != QUEUE_OUT_SENT;
	}
	r->job.fates = fates;
	r->job.fate_count = m->n_fates;
	return fates != NULL;
}

/* "mx.example.net (192.0.2.1:25, route office)" */
static struct view peer_text(struct arena *a, struct view mx, struct view ip, struct view route)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(512);

	buf_append_view(&text, mx);
	if ((ip.n || route.n) && mx.n)
		buf_append_cstr(&text, " ");
	if (ip.n || route.n)
		buf_printf(&text, "(%.*s%s%s%.*s)", VIEW_FMT(ip), ip.n && route.n ? ", " : "", route.n ? "route " : "",
			   VIEW_FMT(route));
	return arena_copy(a, buf_view(&text));
}

/* What the events of a result take on disk, roughly. */
static uint64_t event_bytes(const struct relay_result *m)
{
	uint64_t each = EVENT_BYTES + m->mx.n + m->ip.n + m->tls.n + m->route.n, all = 0;

	for (uint32_t i = 0; i < m->n_fates; i++)
		all += each + m->fates[i].text.n;
	return all;
}

static void on_result(struct outbound *o, uint32_t id, const struct relay_result *m)
{
	struct result_op *r = op_new(o->sd, sizeof *r, o->peer, id);
	struct arena *a = &r->op.arena;

	r->o = o;
	r->last = m->last;
	r->op.answer = recorded;
	queue_result_job_init(&r->job);
	r->job.token = m->token;
	r->job.wall_s = clock_wall_s();
	r->job.schedule = schedule_of(role_conf(o->sd->role));
	r->job.mta = arena_copy(a, m->mx);
	r->job.peer = peer_text(a, m->mx, m->ip, m->route);
	r->job.tls = arena_copy(a, m->tls);
	r->job.destination = arena_copy(a, m->destination);
	r->job.closed_s = m->closed_s ? r->job.wall_s + (m->closed_s < CLOSED_MAX_S ? m->closed_s : CLOSED_MAX_S) : 0;
	r->job.reached = m->mx.n && !m->closed_s;
	lanes_reached(&o->lanes, m->token, r->job.reached);
	if (!copy_fates(r, m))
		r->job.fate_count = 0;
	r->job.quiet = r->looks && !bound_events_left(o->sd);
	if (r->looks && !r->job.quiet)
		bound_events_used(o->sd, event_bytes(m));
	/* relayd keeps what it has not heard to be on disk, and says it again should we go meanwhile. */
	if (r->looks)
		op_write(&r->op, &r->job.job);
	else
		op_write_later(&r->op, &r->job.job);
}

static void on_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct outbound *o = ctx;
	const struct relay_msg *m = msg;

	(void)c;
	switch (m->type) {
	case RELAY_RESUME:
		on_resume(o, &m->resume);
		return;
	case RELAY_CREDIT:
		outbound_set_credit(o, m->credit.jobs < CREDIT_MAX ? o->credit + m->credit.jobs : CREDIT_MAX);
		lease(o);
		return;
	case RELAY_RESULT:
		on_result(o, id, &m->result);
		return;
	case RELAY_REOPEN:
		waking_begin(o->sd, VIEW_EMPTY, VIEW_EMPTY, "the way it takes is another one now");
		return;
	case RELAY_VARIANT_ASK:
		variant_make(o->sd, o->peer, id, m->variant_ask.token);
		return;
	case RELAY_STS_FIND:
	case RELAY_STS_KEEP:
	case RELAY_STS_STALE_ASK:
	case RELAY_TLS_COUNTS:
		tls_peer_on_msg(o->sd, o->peer, id, m);
		return;
	case RELAY_STS_FOUND:
	case RELAY_STS_NONE:
	case RELAY_STS_STALE:
	case RELAY_JOB:
	case RELAY_JOB_FILE:
	case RELAY_PIECE:
	case RELAY_DONE:
	case RELAY_VARIANT:
	case RELAY_VARIANT_NEVER:
	case RELAY_VARIANT_LATER:
		return; /* ours to send; the decoder refuses them */
	}
}

static void let_go(struct outbound *o)
{
	o->peer->channel = NULL;
	peer_unref(&o->peer);
	o->resumed = false;
	outbound_set_credit(o, 0);
	lanes_clear(&o->lanes);
	variants_over(o->sd);
}

static void on_close(void *ctx, struct channel *c)
{
	struct outbound *o = ctx;

	if (o->peer && o->peer->channel == c)
		let_go(o);
}

int outbound_add(struct stored *sd, int fd)
{
	static const struct channel_handlers handlers = {.on_msg = on_msg, .on_close = on_close};
	struct outbound *o = outbound_of(sd);

	if (o->peer) {
		struct channel *former = o->peer->channel;

		let_go(o);
		channel_free(&former);
	}
	o->peer = peer_new();
	o->peer->channel =
	    channel_new(role_base(sd->role), fd, &relay_proto, RELAY_PEER_STORE, RELAY_PEER_RELAY, &handlers, o);
	return 0;
}
