/* SPDX-License-Identifier: ISC
 * All processes of the server: started together, restarted with back-off, ready, stopped in order.
 *
 *   STARTING --all ready--> RUNNING --SIGTERM--> STOPPING: front ends, then helpers, then the store
 */
#include "supervisor/server.h"

#include "base/clock.h"
#include "ipc/channel.h"
#include "supervisor/notify.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

enum {
	BACKOFF_FIRST_MS = 100,
	BACKOFF_MAX_MS = 30000,
	GOOD_LIFE_MS = 60000, /* who lived that long starts with a short back-off again */
	KILL_AFTER_MS = 1000, /* beyond the grace */
	IMPATIENT_MS = 500,
	HEAD_START_MS = 30, /* at most, of the port for strangers before all others */
};

static const char *name_of(const struct process *p)
{
	return kind_table[p->kind].name;
}

static struct timeval timeval_of(uint32_t ms)
{
	return (struct timeval){ms / 1000, ms % 1000 * 1000};
}

/* ---- start ---- */

static void connect_all(struct process *p)
{
	struct server *s = p->server;

	for (size_t i = 0; i < s->n; i++)
		process_connect(p, &s->processes[i]);
}

static void start_and_connect(struct process *p)
{
	process_start(p);
	if (p->state == PROCESS_DOWN)
		return;
	connect_all(p);
	process_go(p);
}

/* Where strangers wait, and what that needs: it greets sooner when not all start at once on few cores. */
static bool is_early(const struct process *p)
{
	return p->kind == KIND_MX || p->kind == KIND_KEY || p->kind == KIND_STORE;
}

static bool early_are_ready(const struct server *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (is_early(&s->processes[i]) && s->processes[i].state != PROCESS_READY)
			return false;
	return true;
}

static void start_the_others(struct server *s)
{
	if (s->all_started || s->phase != SERVER_STARTING)
		return;
	s->all_started = true;
	for (size_t i = 0; i < s->n; i++)
		if (!is_early(&s->processes[i]))
			start_and_connect(&s->processes[i]);
}

static void on_head_start_over(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	start_the_others(ctx);
}

void server_start(struct server *s)
{
	struct timeval tv = timeval_of(HEAD_START_MS);

	for (size_t i = 0; i < s->n; i++)
		if (is_early(&s->processes[i]))
			start_and_connect(&s->processes[i]);
	(void)event_base_once(s->base, -1, EV_TIMEOUT, on_head_start_over, s, &tv);
}

static void on_restart(evutil_socket_t fd, short what, void *ctx)
{
	struct process *p = ctx;

	(void)fd;
	(void)what;
	if (p->server->phase == SERVER_STOPPING || p->state != PROCESS_DOWN)
		return;
	p->restarts++;
	start_and_connect(p);
}

void server_try_later(struct process *p)
{
	struct timeval tv;

	if (clock_mono_ms() - p->since_ms > GOOD_LIFE_MS)
		p->backoff_ms = 0;
	p->backoff_ms = p->backoff_ms ? p->backoff_ms * 2 : BACKOFF_FIRST_MS;
	if (p->backoff_ms > BACKOFF_MAX_MS)
		p->backoff_ms = BACKOFF_MAX_MS;
	if (!p->restart)
		p->restart = event_new(p->server->base, -1, 0, on_restart, p);
	tv = timeval_of(p->backoff_ms);
	(void)event_add(p->restart, &tv);
}

static bool all_ready(const struct server *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->processes[i].state != PROCESS_READY)
			return false;
	return true;
}

static void say_ready(const struct server *s)
{
	struct log_line l;

	log_begin(&l, LOG_LEVEL_INFO, "ready");
	log_str(&l, "version", VIEW_LIT(POMBO_VERSION));
	log_cstr(&l, "dir", s->dir);
	log_u64(&l, "processes", s->n);
	log_u64(&l, "ms", clock_mono_ms() - s->started_ms);
	log_end(&l);
	notify_send("READY=1\nSTATUS=Serving");
}

/* Whoever reads that one ended wants to know that it is there again. */
static void say_ready_again(const struct process *p)
{
	struct log_line l;

	log_begin(&l, LOG_LEVEL_INFO, "process_ready");
	log_cstr(&l, "kind", name_of(p));
	log_u64(&l, "index", p->index);
	log_u64(&l, "pid", (uint64_t)p->pid);
	log_u64(&l, "restarts", p->restarts);
	log_u64(&l, "ms", clock_mono_ms() - p->since_ms);
	log_end(&l);
}

void server_heard_ready(struct process *p)
{
	struct server *s = p->server;
	bool came_up = false;

	if (p->state == PROCESS_STARTING) {
		p->state = PROCESS_READY;
		if (p->restarts)
			say_ready_again(p);
		if (early_are_ready(s))
			start_the_others(s);
		came_up = s->phase == SERVER_STARTING && all_ready(s);
	}
	reload_heard_ready(p);
	if (came_up) {
		s->phase = SERVER_RUNNING;
		say_ready(s);
		reload_asked_before(s);
	}
}

/* ---- the end of a process ---- */

static void log_end_of(const struct process *p, int status)
{
	bool wanted = p->told_to_stop && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	_cleanup_(buf_fini) struct buf message = BUF_INIT(128);
	struct log_line l;

	buf_printf(&message, "%s (%s %u) exited %s", kind_table[p->kind].role, name_of(p), p->index,
		   wanted ? "as it was told" : "unexpectedly");

	log_begin(&l, wanted ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, "process_ended");
	log_cstr(&l, "kind", name_of(p));
	log_u64(&l, "index", p->index);
	log_u64(&l, "pid", (uint64_t)p->pid);
	if (WIFEXITED(status))
		log_i64(&l, "status", WEXITSTATUS(status));
	else if (WTERMSIG(status) == SIGSYS)
		log_cstr(&l, "signal", "SYS (it made a system call that its sandbox forbids)");
	else
		log_cstr(&l, "signal", sigabbrev_np(WTERMSIG(status)));
	log_cstr(&l, "message", buf_cstr(&message));
	log_end(&l);
}

/* What trying again would not mend, seen while the server comes up. */
static bool is_hopeless(const struct process *p, int status)
{
	if (p->server->phase != SERVER_STARTING || !WIFEXITED(status))
		return false;
	return WEXITSTATUS(status) == EX_CONFIG || WEXITSTATUS(status) == EX_OSFILE ||
	       WEXITSTATUS(status) == EX_DATAERR;
}

static void stop_next(struct server *s);

static void ended(struct process *p, int status)
{
	struct server *s = p->server;

	log_end_of(p, status);
	p->pid = 0;
	p->state = PROCESS_DOWN;
	channel_free(&p->control);
	reload_process_gone(p);
	if (s->phase == SERVER_STOPPING)
		stop_next(s);
	else if (is_hopeless(p, status))
		server_stop(s, WEXITSTATUS(status));
	else
		server_try_later(p);
}

void server_reap(struct server *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct process *p = &s->processes[i];
		int status;

		if (p->pid > 0 && waitpid(p->pid, &status, WNOHANG) == p->pid)
			ended(p, status);
	}
}

/* ---- messages that are not one process's own affair ---- */

/* Is there a channel between the two kinds? */
static bool speak(enum kind_id a, enum kind_id b)
{
	for (size_t i = 0; i < kind_edges_n; i++) {
		const struct kind_edge *e = &kind_edges[i];

		if ((e->from == a && e->to == b) || (e->from == b && e->to == a))
			return true;
	}
	return false;
}

/* The more trusted end is believed, so that a taken-over front end cannot have the store killed: one that complains of its
 * betters, or of whom it does not know, is started anew itself, and gets fresh channels. */
static void heard_odd(struct process *from, const struct control_peer_odd *m)
{
	struct server *s = from->server;

	for (size_t i = 0; i < s->n; i++) {
		struct process *p = &s->processes[i];

		if (view_eq_lit(m->peer, name_of(p)) && p->index == m->index)
			process_kill(p->kind < from->kind && speak(p->kind, from->kind) ? p : from);
	}
}

void server_heard(struct process *p, uint32_t id, const struct control_msg *m)
{
	bool from_store = p->kind == KIND_STORE;

	if (m->type == CONTROL_OVERVIEW_ASK && from_store)
		overview_begin(p->server, p, id);
	else if (m->type == CONTROL_RELOAD_ASK && from_store)
		reload_begin(p->server, p, id);
	else if (m->type == CONTROL_CONNECT_ASK && p->kind == KIND_RELAY)
		unix_socket_asked(p, id, m->connect_ask.route);
	else if (m->type == CONTROL_PEER_ODD)
		heard_odd(p, &m->peer_odd);
}

/* ---- stop ---- */

static bool is_front(const struct process *p)
{
	return kind_table[p->kind].is_front;
}

static bool is_helper(const struct process *p)
{
	return !is_front(p) && p->kind != KIND_STORE;
}

static bool is_store(const struct process *p)
{
	return p->kind == KIND_STORE;
}

static const struct {
	uint32_t grace_ms;
	bool (*has)(const struct process *p);
} stages[] = {{3000, is_front}, {3000, is_helper}, {10000, is_store}};

static size_t alive(const struct server *s, bool (*has)(const struct process *p))
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->processes[i].pid > 0 && has(&s->processes[i]);
	return n;
}

static void kill_stage(struct server *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->stop_stage < ARRAY_LEN(stages) && stages[s->stop_stage].has(&s->processes[i]))
			process_kill(&s->processes[i]);
}

static void on_stop_timer(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	kill_stage(ctx);
}

static void stop_stage(struct server *s)
{
	struct timeval tv = timeval_of(stages[s->stop_stage].grace_ms + KILL_AFTER_MS);

	for (size_t i = 0; i < s->n; i++)
		if (stages[s->stop_stage].has(&s->processes[i]))
			process_stop(&s->processes[i], stages[s->stop_stage].grace_ms);
	(void)event_add(s->stop_timer, &tv);
}

/* When all of a stage have ended, the next is told; after the last, the loop ends. */
static void stop_next(struct server *s)
{
	while (s->stop_stage < ARRAY_LEN(stages) && alive(s, stages[s->stop_stage].has) == 0) {
		s->stop_stage++;
		if (s->stop_stage < ARRAY_LEN(stages) && alive(s, stages[s->stop_stage].has) > 0)
			stop_stage(s);
	}
	if (s->stop_stage == ARRAY_LEN(stages))
		(void)event_base_loopbreak(s->base);
}

void server_stop(struct server *s, int status)
{
	if (s->phase == SERVER_STOPPING) {
		/* Asked again: no more grace. Not for the second of two signals sent at once (timeout(1) does that). */
		if (clock_mono_ms() - s->stop_asked_ms > IMPATIENT_MS)
			kill_stage(s);
		return;
	}
	s->phase = SERVER_STOPPING;
	s->stop_asked_ms = clock_mono_ms();
	s->status = status;
	log_event(LOG_LEVEL_INFO, "stopping", NULL);
	notify_send("STOPPING=1");
	for (size_t i = 0; i < s->n; i++)
		if (s->processes[i].restart)
			(void)event_del(s->processes[i].restart);
	listen_fini(&s->in.listeners);
	s->stop_timer = event_new(s->base, -1, 0, on_stop_timer, s);
	if (alive(s, stages[0].has) > 0)
		stop_stage(s);
	stop_next(s);
}
