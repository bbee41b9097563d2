/* SPDX-License-Identifier: ISC
 * What relayd knows of other domains' TLS, kept and found again. */
#include "stored/tls_peer.h"

#include "base/clock.h"
#include "store/sts.h"
#include "store/tls_count.h"
#include "stored/bound.h"
#include "stored/op.h"

static void log_failure(const char *event, enum store_outcome outcome)
{
	if (outcome != STORE_OK)
		log_event(LOG_LEVEL_ERROR, event, store_outcome_name(outcome));
}

/* ---- MTA-STS ---- */

struct find_op {
	struct op op;
	struct view domain;
	int64_t wall_s;
	struct sts_kept found;
};

static void find_run(struct op *op, struct store_reader *r)
{
	struct find_op *f = (struct find_op *)op;

	op->outcome = sts_find(r, f->domain, f->wall_s, &op->arena, &f->found);
}

static void found(struct op *op, struct channel *c)
{
	const struct sts_kept *k = &((struct find_op *)op)->found;

	if (op->outcome != STORE_NO_MESSAGE)
		log_failure("policy-not-read", op->outcome);
	if (!c)
		return;
	if (op->outcome == STORE_OK)
		(void)relay_send_sts_found(
		    c, op->reply.id,
		    &(struct relay_sts_found){k->id, (uint64_t)k->fetched_s, (uint64_t)k->until_s, k->policy});
	else if (op->outcome == STORE_NO_MESSAGE)
		(void)relay_send_sts_none(c, op->reply.id, &(struct relay_sts_none){0});
}

static void on_find(struct stored *sd, struct peer *peer, uint32_t id, const struct relay_sts_find *m)
{
	struct find_op *f = op_new(sd, sizeof *f, peer, id);

	f->domain = arena_copy(&f->op.arena, m->domain);
	f->wall_s = clock_wall_s();
	f->op.run = find_run;
	f->op.answer = found;
	op_read(&f->op);
}

enum { DAY_S = 86400, AGE_MAX_S = 31557600 /* RFC 8461 §3.2 */ };

struct keep_op {
	struct op op;
	struct stored *sd;
	struct sts_keep_job job;
};

static void done(struct op *op, struct channel *c)
{
	log_failure("tls-state-not-kept", op->outcome);
	if (c && op->outcome == STORE_OK)
		(void)relay_send_done(c, op->reply.id, &(struct relay_done){0});
}

static void kept(struct op *op, struct channel *c)
{
	struct keep_op *k = (struct keep_op *)op;

	if (op->outcome == STORE_OK && k->job.ret_dropped)
		bound_reached(k->sd, BOUND_STS, k->job.ret_dropped);
	done(op, c);
}

static int64_t at_most(uint64_t value, int64_t max)
{
	return value < (uint64_t)max ? (int64_t)value : max;
}

static void on_keep(struct stored *sd, struct peer *peer, uint32_t id, const struct relay_sts_keep *m)
{
	struct keep_op *k = op_new(sd, sizeof *k, peer, id);
	struct arena *a = &k->op.arena;

	sts_keep_job_init(&k->job);
	k->job.domain = arena_copy(a, m->domain);
	k->job.kept.id = arena_copy(a, m->id);
	k->job.kept.policy = arena_copy(a, m->policy);
	k->sd = sd;
	k->job.wall_s = clock_wall_s();
	k->job.kept.fetched_s = at_most(m->fetched_s, k->job.wall_s);
	k->job.kept.until_s = at_most(m->until_s, k->job.wall_s + AGE_MAX_S);
	k->op.answer = kept;
	op_write(&k->op, &k->job.job);
}

struct stale_op {
	struct op op;
	int64_t before_s, wall_s;
	struct view domains[STS_STALE_MAX];
	size_t count;
};

static void stale_run(struct op *op, struct store_reader *r)
{
	struct stale_op *s = (struct stale_op *)op;

	op->outcome = sts_stale(r, s->before_s, s->wall_s, &op->arena, s->domains, &s->count);
}

static void stale_found(struct op *op, struct channel *c)
{
	struct stale_op *s = (struct stale_op *)op;
	struct relay_sts_domain domains[STS_STALE_MAX];
	struct relay_sts_stale m = {domains, 0};

	log_failure("policy-not-read", op->outcome);
	if (!c || op->outcome != STORE_OK)
		return;
	for (; m.n_domains < s->count; m.n_domains++)
		domains[m.n_domains].domain = s->domains[m.n_domains];
	(void)relay_send_sts_stale(c, op->reply.id, &m);
}

static void on_stale_ask(struct stored *sd, struct peer *peer, uint32_t id, const struct relay_sts_stale_ask *m)
{
	struct stale_op *s = op_new(sd, sizeof *s, peer, id);

	s->before_s = (int64_t)(m->fetched_before_s & INT64_MAX);
	s->wall_s = clock_wall_s();
	s->op.run = stale_run;
	s->op.answer = stale_found;
	op_read(&s->op);
}

/* ---- counts ---- */

struct counts_op {
	struct op op;
	struct stored *sd;
	struct tls_count_job job;
};

static void counted(struct op *op, struct channel *c)
{
	struct counts_op *k = (struct counts_op *)op;

	if (op->outcome == STORE_OK && k->job.ret_dropped)
		bound_reached(k->sd, BOUND_TLS_COUNTS, k->job.ret_dropped);
	done(op, c);
}

/* Yesterday's last ones come today; a clock of tomorrow may be a little ahead of ours. Whose reports are turned off is counted by nobody. */
static bool are_wanted(const struct stored *sd, uint64_t day)
{
	uint64_t today = (uint64_t)clock_wall_s() / DAY_S;

	return role_conf(sd->role)->tls_reports && day + 1 >= today && day <= today + 1;
}

static void on_counts(struct stored *sd, struct peer *peer, uint32_t id, const struct relay_tls_counts *m)
{
	struct counts_op *k = op_new(sd, sizeof *k, peer, id);
	struct arena *a = &k->op.arena;
	struct tls_count *counts = arena_array(a, m->n_counts + 1, sizeof *counts);

	for (uint32_t i = 0; counts && i < m->n_counts; i++) {
		const struct relay_tls_count *c = &m->counts[i];

		counts[i] = (struct tls_count){.domain = arena_copy(a, c->domain),
					       .policy_type = c->policy_type,
					       .policy = arena_copy(a, c->policy),
					       .result = arena_copy(a, c->result),
					       .mx = arena_copy(a, c->mx),
					       .mx_ip = arena_copy(a, c->mx_ip),
					       .sending_ip = arena_copy(a, c->sending_ip),
					       .reason = arena_copy(a, c->reason),
					       .tlsa_base = arena_copy(a, c->tlsa_base),
					       .sessions = c->sessions};
	}
	tls_count_job_init(&k->job);
	k->sd = sd;
	k->job.day = (int64_t)(m->day & INT32_MAX);
	k->job.counts = counts;
	k->job.count = counts && are_wanted(sd, m->day) ? m->n_counts : 0;
	k->op.answer = counted;
	op_write(&k->op, &k->job.job);
}

void tls_peer_on_msg(struct stored *sd, struct peer *peer, uint32_t id, const struct relay_msg *m)
{
	if (m->type == RELAY_STS_FIND)
		on_find(sd, peer, id, &m->sts_find);
	else if (m->type == RELAY_STS_KEEP)
		on_keep(sd, peer, id, &m->sts_keep);
	else if (m->type == RELAY_STS_STALE_ASK)
		on_stale_ask(sd, peer, id, &m->sts_stale_ask);
	else if (m->type == RELAY_TLS_COUNTS)
		on_counts(sd, peer, id, &m->tls_counts);
}
