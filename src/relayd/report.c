/* SPDX-License-Identifier: ISC
 * What became of recipients, told to stored and told again until it is on disk there. */
#include "relayd/relayd.h"

#include "base/id.h"

#include <stdlib.h>

enum { ARENA_MAX = 512 * 1024, TEXT_MAX = 1024, DESTINATION_MAX = 1024, DONE_MS = 60000 };

struct report {
	TAILQ_ENTRY(report) link;
	struct relayd *relayd;
	struct arena arena;
	struct relay_result result;
	bool told; /* a call is open */
};

static void send(struct report *p);

/* Everything was sent, and the reply is still to come: who hung up now would send it again. */
static bool is_any_at_dot(const struct relayd *r)
{
	for (struct map_entry *e = map_first(&r->jobs); e; e = map_next(&r->jobs, e))
		if (((struct job *)map_value(e))->at_dot)
			return true;
	return false;
}

void report_end_when_told(struct relayd *r)
{
	if (r->stopping && (!r->store || (TAILQ_EMPTY(&r->reports) && !is_any_at_dot(r))))
		role_finished(r->role);
}

static void on_done(void *ctx, const struct relay_msg *answer)
{
	struct report *p = ctx;
	struct relayd *r = p->relayd;
	bool last = p->result.last;

	p->told = false;
	if (!answer) {
		if (r->store)
			send(p); /* too late, or lost: say it again; the token makes it harmless */
		return;
	}
	TAILQ_REMOVE(&r->reports, p, link);
	arena_fini(&p->arena);
	free(p);
	if (last)
		store_job_over(r);
	report_end_when_told(r);
}

static void send(struct report *p)
{
	p->told = p->relayd->store && relay_call_result(p->relayd->store, &p->result, DONE_MS, on_done, p);
}

static struct view text_of(struct arena *a, struct view text, size_t max)
{
	struct view copy = arena_copy(a, view_sub(text, 0, max));

	return copy.p ? copy : VIEW_EMPTY;
}

static struct view status_of(struct arena *a, struct dsn_status status)
{
	_cleanup_(buf_fini) struct buf out = BUF_INIT(16);

	dsn_status_format(&out, status);
	return text_of(a, buf_view(&out), 16);
}

static void log_fate(const struct job *j, const struct job_rcpt *rcpt, const struct report_about *about,
		     const struct fate *f)
{
	static const char *const events[] = {"released", "sent", "deferred", "failed"};
	enum log_level level = f->outcome == FATE_RELEASED ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
	char id[ID_TEXT_BYTES + 1];
	struct log_line l;

	if (!log_enabled(level))
		return;
	id_format(j->message_id, id);
	log_begin(&l, level, events[f->outcome]);
	log_cstr(&l, "id", id);
	log_str(&l, "from", j->sender);
	log_str(&l, "to", rcpt->address);
	log_str(&l, "mx", about->mx.p ? about->mx : VIEW_EMPTY);
	log_str(&l, "ip", about->ip.p ? about->ip : VIEW_EMPTY);
	log_str(&l, "tls", about->tls.p ? about->tls : VIEW_EMPTY);
	if (about->route.n)
		log_str(&l, "route", about->route);
	log_u64(&l, "code", f->code);
	log_str(&l, "reply", f->text.p ? f->text : VIEW_EMPTY);
	log_end(&l);
}

static struct job_rcpt *rcpt_of(struct job *j, uint64_t id)
{
	for (size_t i = 0; i < j->rcpt_count; i++)
		if (j->rcpts[i].id == id)
			return &j->rcpts[i];
	return NULL;
}

static void count_fate(struct relayd *r, enum fate_outcome outcome)
{
	r->sent += outcome == FATE_SENT;
	r->deferred += outcome == FATE_DEFERRED;
	r->failed += outcome == FATE_FAILED;
}

static bool add(struct report *p, struct job *j, const struct report_about *about, const struct fate *f)
{
	struct job_rcpt *rcpt = rcpt_of(j, f->id);

	if (!rcpt || rcpt->state == RCPT_OVER)
		return false;
	rcpt->state = RCPT_OVER;
	j->open--;
	log_fate(j, rcpt, about, f);
	count_fate(p->relayd, f->outcome);
	p->result.fates[p->result.n_fates++] = (struct relay_fate){
	    .id = f->id,
	    .outcome = (uint8_t)f->outcome,
	    .dsn_passed = f->dsn_passed,
	    .code = f->said ? f->code : 0,
	    .enhanced = status_of(&p->arena, f->enhanced),
	    .text = text_of(&p->arena, f->text.p ? f->text : VIEW_EMPTY, TEXT_MAX),
	};
	return true;
}

void report_fates(struct relayd *r, struct job *j, const struct report_about *about, const struct fate *fates, size_t n)
{
	struct report *p = xcalloc(1, sizeof *p);

	p->relayd = r;
	arena_init(&p->arena, ARENA_MAX);
	p->result.fates = arena_array(&p->arena, n, sizeof *p->result.fates);
	for (size_t i = 0; p->result.fates && i < n; i++)
		(void)add(p, j, about, &fates[i]);
	p->result.token = j->token;
	p->result.mx = text_of(&p->arena, about->mx.p ? about->mx : VIEW_EMPTY, 255);
	p->result.ip = text_of(&p->arena, about->ip.p ? about->ip : VIEW_EMPTY, 128);
	p->result.tls = text_of(&p->arena, about->tls.p ? about->tls : VIEW_EMPTY, 200);
	p->result.route = text_of(&p->arena, about->route.p ? about->route : VIEW_EMPTY, 64);
	p->result.destination =
	    text_of(&p->arena, about->destination.p ? about->destination : VIEW_EMPTY, DESTINATION_MAX);
	p->result.closed_s = about->closed_s;
	p->result.last = j->open == 0;
	TAILQ_INSERT_TAIL(&r->reports, p, link);
	if (p->result.last) {
		r->reporting++;
		store_job_drop(r, &j);
	}
	send(p);
}

void report_rest(struct relayd *r, struct job *j, const struct report_about *about, const struct fate *fate)
{
	struct fate *fates = xcalloc(j->rcpt_count + 1, sizeof *fates);
	size_t n = 0;

	for (size_t i = 0; i < j->rcpt_count; i++) {
		if (j->rcpts[i].state == RCPT_OVER)
			continue;
		fates[n] = *fate;
		fates[n++].id = j->rcpts[i].id;
	}
	report_fates(r, j, about, fates, n);
	free(fates);
}

bool report_is_open(const struct relayd *r, uint64_t token)
{
	const struct report *p;

	TAILQ_FOREACH (p, &r->reports, link)
		if (p->result.token == token)
			return true;
	return false;
}

void report_resume(struct relayd *r)
{
	enum { TOKENS_MAX = 4096 };
	struct relay_token *tokens = xcalloc(TOKENS_MAX, sizeof *tokens);
	struct relay_resume m = {tokens, 0};
	struct report *p;
	struct map named;

	map_init(&named);

	/* Of one lease there may be many fates, but no more leases than jobs were asked for: all have room. */
	for (struct map_entry *e = map_first(&r->jobs); e && m.n_tokens < TOKENS_MAX; e = map_next(&r->jobs, e))
		tokens[m.n_tokens++].token = ((struct job *)map_value(e))->token;
	TAILQ_FOREACH (p, &r->reports, link)
		if (m.n_tokens < TOKENS_MAX && !map_u64_get(&r->jobs, p->result.token) &&
		    !map_u64_set(&named, p->result.token, p))
			tokens[m.n_tokens++].token = p->result.token;
	map_fini(&named);
	(void)relay_send_resume(r->store, 0, &m);
	free(tokens);
	TAILQ_FOREACH (p, &r->reports, link)
		if (!p->told)
			send(p);
}
