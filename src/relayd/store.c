/* SPDX-License-Identifier: ISC
 * The channel to stored: credit out, jobs in. */
#include "relayd/relayd.h"

#include "relayd/destination.h"

#include <event2/event.h>
#include <stdlib.h>

/* Jobs in hand at most, and what they hold at most: credit is for that much memory, whatever the jobs to come will be like. */
enum {
	JOBS_MAX = 3000,
	BYTES_MAX = 24 * 1024 * 1024,
	JOB_BYTES = 72 * 1024, /* a large one */
	RCPT_BYTES = 400,
	CREDIT_BATCH = 16
};

static size_t bytes_of(const struct job *j)
{
	return sizeof *j + j->head_bytes + RCPT_BYTES * j->rcpt_count;
}

static unsigned credit_due(const struct relayd *r)
{
	size_t jobs = r->jobs.count + r->reporting + r->credit;
	size_t bytes = r->job_bytes + (size_t)r->credit * JOB_BYTES, more;

	if (jobs >= JOBS_MAX || bytes >= BYTES_MAX)
		return 0;
	more = (BYTES_MAX - bytes) / JOB_BYTES;
	return (unsigned)(more < JOBS_MAX - jobs ? more : JOBS_MAX - jobs);
}

static void give_credit(struct relayd *r)
{
	unsigned jobs = r->store && !r->stopping ? credit_due(r) : 0;

	if (jobs == 0)
		return;
	(void)relay_send_credit(r->store, 0, &(struct relay_credit){jobs});
	r->credit += jobs;
}

void store_reopen(struct relayd *r)
{
	r->reopen_due = !r->store || !relay_send_reopen(r->store, 0, &(struct relay_reopen){0});
}

static void on_credit_due(evutil_socket_t fd, short what, void *ctx)
{
	struct relayd *r = ctx;

	(void)fd;
	(void)what;
	r->credit_scheduled = false;
	give_credit(r);
}

static void give_credit_soon(struct relayd *r)
{
	struct timeval soon = {0, 2000};
	unsigned due = credit_due(r);

	if (due >= CREDIT_BATCH) {
		give_credit(r);
	} else if (due > 0 && !r->credit_scheduled) {
		r->credit_scheduled = true;
		(void)event_base_once(r->base, -1, EV_TIMEOUT, on_credit_due, r, &soon);
	}
}

void store_job_over(struct relayd *r)
{
	r->reporting--;
	give_credit_soon(r);
}

void store_job_drop(struct relayd *r, struct job **j)
{
	(void)map_u64_remove(&r->jobs, (*j)->token);
	r->job_bytes -= bytes_of(*j);
	job_free(j);
}

void store_job_give_back(struct relayd *r, struct job **j)
{
	static const struct fate released = {.outcome = FATE_RELEASED};

	if (report_is_open(r, (*j)->token))
		report_rest(r, *j, &(struct report_about){0}, &released);
	else
		store_job_drop(r, j);
	*j = NULL;
}

void store_job_replace(struct relayd *r, struct job *j, const struct relay_variant *m)
{
	r->job_bytes -= bytes_of(j);
	job_become(j, m);
	r->job_bytes += bytes_of(j);
}

static void take_job(struct relayd *r, struct job *j)
{
	struct job *former = map_u64_set(&r->jobs, j->token, j);

	r->accepted++;
	r->job_bytes += bytes_of(j);
	r->credit -= r->credit > 0;
	(void)former; /* tokens are never given twice */
	give_credit_soon(r);
	if (job_is_whole(j))
		destination_take(r, j);
}

static void on_piece(struct relayd *r, const struct relay_piece *m)
{
	struct job *j = map_u64_get(&r->jobs, m->token);

	if (!j || job_is_whole(j))
		return;
	if (!job_add(j, m->bytes)) {
		static const struct fate odd = {.outcome = FATE_RELEASED};

		report_rest(r, j, &(struct report_about){0}, &odd);
		return;
	}
	if (job_is_whole(j))
		destination_take(r, j);
}

static void on_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct relayd *r = ctx;
	const struct relay_msg *m = msg;

	(void)c;
	(void)id;
	switch (m->type) {
	case RELAY_JOB:
		take_job(r, job_new(&m->job));
		return;
	case RELAY_JOB_FILE:
		take_job(r, job_new_file(&m->job_file));
		return;
	case RELAY_PIECE:
		on_piece(r, &m->piece);
		return;
	case RELAY_STS_FOUND:
	case RELAY_STS_NONE:
	case RELAY_STS_STALE:
	case RELAY_STS_FIND:
	case RELAY_STS_KEEP:
	case RELAY_STS_STALE_ASK:
	case RELAY_TLS_COUNTS:
	case RELAY_DONE:
	case RELAY_VARIANT_ASK:
	case RELAY_VARIANT:
	case RELAY_VARIANT_NEVER:
	case RELAY_VARIANT_LATER:
	case RELAY_RESUME:
	case RELAY_REOPEN:
	case RELAY_CREDIT:
	case RELAY_RESULT:
		return;
	}
}

/* What is missing of them will not come. */
static void drop_halves(struct relayd *r)
{
	struct map_entry *e = map_first(&r->jobs), *next;

	for (; e; e = next) {
		struct job *j = map_value(e);

		next = map_next(&r->jobs, e);
		if (!job_is_whole(j))
			store_job_drop(r, &j);
	}
}

/* stored went: what has not come to the final dot is broken off; the rest goes on, and its results wait for the next stored. */
static void on_close(void *ctx, struct channel *c)
{
	struct relayd *r = ctx;

	(void)c;
	r->store = NULL;
	r->credit = 0;
	drop_halves(r);
	destinations_break_off(r);
	report_end_when_told(r);
}

int store_add(struct relayd *r, int fd)
{
	static const struct channel_handlers handlers = {.on_msg = on_msg, .on_close = on_close};

	if (r->store) {
		struct channel *former = r->store;

		r->store = NULL;
		channel_free(&former);
		drop_halves(r);
		destinations_break_off(r);
	}
	r->store = channel_new(r->base, fd, &relay_proto, RELAY_PEER_RELAY, RELAY_PEER_STORE, &handlers, r);
	report_resume(r);
	if (r->reopen_due)
		store_reopen(r);
	r->credit = 0;
	give_credit(r);
	return 0;
}
