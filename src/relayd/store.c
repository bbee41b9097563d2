/* SPDX-License-Identifier: ISC
 * The channel to stored: credit out, jobs in. */
#include "relayd/relayd.h"

#include "relayd/destination.h"

#include <event2/event.h>
#include <stdlib.h>

/* Jobs in hand at most: with 64 KiB inline in each, 32 MiB. */
enum { CREDIT_JOBS = 400, CREDIT_BATCH = 16 };

static void give_credit(struct relayd *r)
{
	if (r->store && r->credit_due)
		(void)relay_send_credit(r->store, 0, &(struct relay_credit){r->credit_due});
	r->credit_due = 0;
}

static void on_credit_due(evutil_socket_t fd, short what, void *ctx)
{
	struct relayd *r = ctx;

	(void)fd;
	(void)what;
	r->credit_scheduled = false;
	give_credit(r);
}

void store_job_over(struct relayd *r)
{
	struct timeval soon = {0, 2000};

	r->credit_due++;
	if (r->credit_due >= CREDIT_BATCH) {
		give_credit(r);
	} else if (!r->credit_scheduled) {
		r->credit_scheduled = true;
		(void)event_base_once(r->base, -1, EV_TIMEOUT, on_credit_due, r, &soon);
	}
}

static void take_job(struct relayd *r, struct job *j)
{
	struct job *former = map_u64_set(&r->jobs, j->token, j);

	r->accepted++;
	(void)former; /* tokens are never given twice */
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
	case RELAY_RESUME:
	case RELAY_CREDIT:
	case RELAY_RESULT:
		return;
	}
}

/* stored went: what has not come to the final dot is broken off; the rest goes on, and its results wait for the next stored. */
static void on_close(void *ctx, struct channel *c)
{
	struct relayd *r = ctx;

	(void)c;
	r->store = NULL;
	r->credit_due = 0;
	destinations_break_off(r);
}

int store_add(struct relayd *r, int fd)
{
	static const struct channel_handlers handlers = {.on_msg = on_msg, .on_close = on_close};

	if (r->store) {
		struct channel *former = r->store;

		r->store = NULL;
		channel_free(&former);
		destinations_break_off(r);
	}
	r->store = channel_new(r->base, fd, &relay_proto, RELAY_PEER_RELAY, RELAY_PEER_STORE, &handlers, r);
	report_resume(r);
	r->credit_due = CREDIT_JOBS > r->jobs.count ? CREDIT_JOBS - (unsigned)r->jobs.count : 1;
	give_credit(r);
	return 0;
}
