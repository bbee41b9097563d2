/* SPDX-License-Identifier: ISC
 * The skeleton of a role: what the supervisor gives, the sandbox, the loop, reload and the end.
 *
 *   GATHERING --start--> RUNNING --reload--> RELOADING --start--> RUNNING ... --stop--> the process ends
 */
#include "ipc/role.h"

#include "base/clock.h"
#include "base/longest.h"
#include "ipc/given.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	CONTROL_FD = 3,
	ASK_MS = 10000,
	RELOAD_MS = 50000, /* it may have to wait for the server to come up, or for another */
	OWN_FDS = 512, /* of a front end, besides its connections */
	CONNECT_PORTS_MAX = 64,
};

enum role_phase { ROLE_NEW, ROLE_GATHERING, ROLE_RUNNING, ROLE_RELOADING };

struct role {
	const struct role_spec *spec;
	struct event_base *base;
	struct channel *control;
	enum role_phase phase;
	char *kind;
	unsigned index;
	unsigned count;
	uid_t uid;
	bool first_start;
	bool confined; /* in its sandbox: before that nothing is handed on, so nobody is heard or answered */
	bool stopping;
	struct conf *conf;
	struct conf *former_conf;
	struct conf *next_conf;
	struct given_list given; /* since setup or reload */
	struct given_list listeners; /* those that are served */
	char *folder;
	struct link {
		int fd; /* -1: the channel is gone */
		char *peer;
		unsigned index;
	} * links; /* the channels that were handed on */
	size_t n_links;
	struct event *end;
	struct longest longest_turn; /* CPU */
	void *state;
};

/* ---- giving up ---- */

static void quit(int status)
{
	_exit(status);
}

static void give_up(const char *what, int error, int status)
{
	struct log_line l;

	log_begin(&l, LOG_LEVEL_ERROR, "role_failed");
	log_cstr(&l, "what", what);
	if (error)
		log_errno(&l, error);
	log_end(&l);
	quit(status);
}

static void check(int result, const char *what)
{
	if (result < 0)
		give_up(what, result, EX_SOFTWARE);
}

/* ---- settings ---- */

static struct conf *read_conf(struct view text)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(4096);
	struct conf *c = NULL;

	if (conf_parse(text, "pombo.conf", &c, &error) < 0)
		give_up(buf_cstr(&error), 0, EX_CONFIG);
	return c;
}

static void use_conf(struct role *r, struct conf *c)
{
	conf_free(&r->former_conf);
	r->former_conf = r->conf;
	r->conf = c;
	log_set((enum log_level)c->log_level, (enum log_format)c->log_format);
}

/* For tests that want to see days pass: whoever may set the supervisor's environment may do more than that. */
static void shift_clock(void)
{
	const char *shift = getenv("POMBO_CLOCK_SHIFT");
	uint32_t seconds;

	if (shift && view_to_u32(view_from_cstr(shift), UINT32_MAX, &seconds))
		clock_shift_wall((int64_t)seconds * 1000000);
}

static void setup(struct role *r, const struct control_setup *m)
{
	r->kind = view_to_cstr(m->kind);
	if (!r->kind)
		give_up("setup", 0, EX_PROTOCOL);
	r->index = m->index;
	r->count = m->count;
	r->uid = m->uid;
	r->first_start = m->first_start;
	log_init(r->kind, LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	shift_clock();
	use_conf(r, read_conf(m->config));
	r->phase = ROLE_GATHERING;
}

/* ---- handing on what was given ---- */

static int take_fd(struct given *g)
{
	int fd = g->fd;

	g->fd = -1;
	return fd;
}

static struct link *find_link(struct role *r, int fd)
{
	for (size_t i = 0; i < r->n_links; i++)
		if (r->links[i].fd == fd)
			return &r->links[i];
	return NULL;
}

static void remember_link(struct role *r, struct given *g)
{
	struct link *l = find_link(r, g->fd);

	if (!l)
		l = find_link(r, -1);
	if (!l) {
		r->links = xrealloc(r->links, (r->n_links + 1) * sizeof *r->links);
		l = &r->links[r->n_links++];
		l->peer = NULL;
	}
	free(l->peer);
	*l = (struct link){g->fd, xstrdup(g->other), g->index};
}

/* Hears of every channel's end: who broke the rules is named to the supervisor. */
static void on_channel_end(void *ctx, int fd, const char *odd)
{
	struct role *r = ctx;
	struct link *l = find_link(r, fd);
	struct control_peer_odd m;
	struct log_line line;

	if (!l)
		return;
	l->fd = -1;
	if (!odd)
		return;
	log_begin(&line, LOG_LEVEL_ERROR, "peer_odd");
	log_cstr(&line, "peer", l->peer);
	log_u64(&line, "index", l->index);
	log_cstr(&line, "why", odd);
	log_end(&line);
	m = (struct control_peer_odd){view_from_cstr(l->peer), l->index, view_from_cstr(odd)};
	(void)control_send_peer_odd(r->control, 0, &m);
}

static void hand_on(struct role *r, struct given *g)
{
	const struct role_spec *s = r->spec;

	assert(r->confined);
	switch (g->kind) {
	case GIVEN_CERTIFICATE:
		if (s->on_certificate)
			check(s->on_certificate(r, buf_view(&g->pem)), "certificate");
		break;
	case GIVEN_FILE:
		if (s->on_file)
			check(s->on_file(r, g->name, take_fd(g)), "file");
		break;
	case GIVEN_FOLDER:
		break;
	case GIVEN_LISTENER:
		if (s->on_listener)
			check(s->on_listener(r, g->name, g->other, g->port, g->tls, take_fd(g)), "listener");
		break;
	case GIVEN_CHANNEL:
		remember_link(r, g);
		if (s->on_channel)
			check(s->on_channel(r, g->name, g->other, g->index, take_fd(g)), "channel");
		break;
	}
}

/* In the order of the kinds; listeners that are served already stay as they are. */
static void hand_on_all(struct role *r)
{
	static const enum given_kind order[] = {GIVEN_CERTIFICATE, GIVEN_FILE, GIVEN_LISTENER, GIVEN_CHANNEL};

	for (size_t k = 0; k < ARRAY_LEN(order); k++) {
		for (size_t i = 0; i < r->given.n; i++) {
			struct given *g = &r->given.items[i];

			if (g->kind == order[k] &&
			    !(g->kind == GIVEN_LISTENER && given_find_listener(&r->listeners, g)))
				hand_on(r, g);
		}
	}
}

/* What was given becomes what is served. */
static void replace_listeners(struct role *r)
{
	for (size_t i = 0; i < r->listeners.n; i++) {
		const struct given *g = &r->listeners.items[i];

		if (g->kind == GIVEN_LISTENER && !given_find_listener(&r->given, g) && r->spec->on_listener_gone)
			r->spec->on_listener_gone(r, g->name, g->other, g->port);
	}
	given_fini(&r->listeners);
	r->listeners = r->given;
	r->given = (struct given_list){NULL, 0};
	for (size_t i = 0; i < r->listeners.n; i++) {
		fd_close(&r->listeners.items[i].fd); /* not wanted by anybody */
		buf_fini(&r->listeners.items[i].pem);
	}
}

/* ---- start, reload ---- */

static void enter_sandbox(struct role *r)
{
	struct sandbox_options o = {.profile = r->spec->sandbox,
				    .folder = -1,
				    .uid = r->uid,
				    .landlock_required = r->conf->landlock == 0,
				    .open_files_max = 0};
	uint16_t ports[CONNECT_PORTS_MAX];
	const char *what = "";
	bool rooted;
	int error;

	if (r->spec->connect_ports) {
		o.connect_ports = ports;
		o.n_connect_ports = r->spec->connect_ports(r, ports, ARRAY_LEN(ports));
	}
	if (o.profile == SANDBOX_NET)
		o.open_files_max = r->conf->max_connections + OWN_FDS;
	for (size_t i = 0; i < r->given.n; i++) {
		if (r->given.items[i].kind == GIVEN_FOLDER) {
			o.folder = r->given.items[i].fd;
			r->folder = xstrdup(r->given.items[i].name);
		}
	}
	if (o.profile == SANDBOX_STORE && o.folder < 0)
		give_up("no folder was given", 0, EX_PROTOCOL);
	error = sandbox_enter(&o, &rooted, &what);
	if (error < 0)
		give_up(what, error, EX_CONFIG);
	r->confined = true;
	if (rooted) {
		free(r->folder);
		r->folder = xstrdup("/");
	}
}

static void start(struct role *r)
{
	const struct role_spec *s = r->spec;
	struct control_ready ready = {0};

	if (s->prepare)
		check(s->prepare(r), "prepare");
	enter_sandbox(r);
	hand_on_all(r);
	replace_listeners(r);
	if (s->start)
		check(s->start(r), "start");
	r->phase = ROLE_RUNNING;
	(void)control_send_ready(r->control, 0, &ready);
}

static void finish_reload(struct role *r)
{
	struct control_ready ready = {0};

	use_conf(r, r->next_conf);
	r->next_conf = NULL;
	hand_on_all(r);
	replace_listeners(r);
	if (r->spec->reloaded)
		check(r->spec->reloaded(r), "reload");
	r->phase = ROLE_RUNNING;
	(void)control_send_ready(r->control, 0, &ready);
}

/* ---- stop, status ---- */

static void on_end(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	role_finished(ctx);
}

static void stop(struct role *r, uint32_t grace_ms)
{
	struct timeval tv = {grace_ms / 1000, grace_ms % 1000 * 1000};

	if (r->stopping)
		return;
	r->stopping = true;
	if (!r->spec->stop || r->phase == ROLE_NEW || r->phase == ROLE_GATHERING) {
		role_finished(r);
		return;
	}
	(void)event_add(r->end, &tv);
	r->spec->stop(r, grace_ms);
}

static void send_status(struct role *r, uint32_t id)
{
	struct control_status m = {0};

	if (r->spec->count)
		r->spec->count(r, &m.sessions, &m.accepted, &m.messages, &m.bytes_in_flight);
	m.longest_turn_us = longest_get(&r->longest_turn, clock_mono_ms());
	if (r->spec->longest_write_us)
		m.longest_write_us = r->spec->longest_write_us(r);
	(void)control_send_status(r->control, id, &m);
}

/* ---- the supervisor's messages ---- */

/* A peer was started anew while we run; everything else waits for `start`. */
static void on_given(struct role *r, struct control_msg *m)
{
	struct given_list now = {NULL, 0};

	if (m->type == CONTROL_CHANNEL && (r->phase == ROLE_RUNNING || r->phase == ROLE_RELOADING)) {
		if (!given_add(&now, m))
			give_up("channel", 0, EX_PROTOCOL);
		hand_on(r, &now.items[0]);
		given_fini(&now);
		return;
	}
	if (!given_add(&r->given, m))
		give_up("a message that was not expected", 0, EX_PROTOCOL);
}

static void on_control(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct role *r = ctx;
	struct control_msg m = *(const struct control_msg *)msg;

	(void)c;
	if (m.type == CONTROL_SETUP && r->phase == ROLE_NEW) {
		setup(r, &m.setup);
	} else if (m.type == CONTROL_START && r->phase == ROLE_GATHERING) {
		start(r);
	} else if (m.type == CONTROL_START && r->phase == ROLE_RELOADING) {
		finish_reload(r);
	} else if (m.type == CONTROL_RELOAD && r->phase == ROLE_RUNNING) {
		r->next_conf = read_conf(m.reload.config);
		r->phase = ROLE_RELOADING;
	} else if (m.type == CONTROL_STOP) {
		stop(r, m.stop.grace_ms);
	} else if (m.type == CONTROL_STATUS_ASK) {
		send_status(r, id);
	} else if (r->phase != ROLE_NEW) {
		on_given(r, &m);
	} else {
		give_up("a message that was not expected", 0, EX_PROTOCOL);
	}
}

/* The supervisor is gone: nobody would restart our peers. */
static void on_control_closed(void *ctx, struct channel *c)
{
	(void)ctx;
	(void)c;
	quit(EX_OK);
}

static void hear_overview(void *ctx, const struct control_msg *m)
{
	struct role *r = ctx;

	if (r->spec->overview)
		r->spec->overview(r, m && m->type == CONTROL_OVERVIEW ? m->overview.json : VIEW_EMPTY);
}

static void hear_reload_done(void *ctx, const struct control_msg *m)
{
	struct role *r = ctx;

	if (!r->spec->reload_done)
		return;
	if (m && m->type == CONTROL_RELOAD_DONE)
		r->spec->reload_done(r, m->reload_done.ok, m->reload_done.text);
	else
		r->spec->reload_done(r, false, VIEW_LIT("the supervisor did not answer in time"));
}

/* ---- life ---- */

static void ignore_signals(void)
{
	static const int signals[] = {SIGPIPE, SIGINT, SIGTERM, SIGHUP};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		(void)sigaction(signals[i], &ignore, NULL);
}

static struct event_base *make_base(void)
{
	struct event_config *cfg = event_config_new();
	struct event_base *base;

	assert(cfg);
	(void)event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	(void)event_config_set_flag(cfg, EVENT_BASE_FLAG_IGNORE_ENV);
	base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	assert(base);
	return base;
}

/* How much CPU each turn takes, and not how long: who waits for a busy machine is not to blame. */
static void run_loop(struct role *r)
{
	uint64_t before_us = clock_cpu_us(), after_us;
	bool counts = false; /* a start is no turn */

	while (event_base_loop(r->base, EVLOOP_ONCE) == 0 && !event_base_got_exit(r->base)) {
		after_us = clock_cpu_us();
		if (counts)
			longest_note(&r->longest_turn, after_us - before_us, clock_mono_ms());
		counts = r->phase == ROLE_RUNNING;
		before_us = after_us;
	}
}

int role_run(const struct role_spec *spec)
{
	static const struct channel_handlers handlers = {on_control, on_control_closed, NULL};
	struct role r = {.spec = spec, .phase = ROLE_NEW};

	log_init(spec->name, LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	if (fcntl(CONTROL_FD, F_GETFD) < 0)
		give_up("started by hand: `pombo run` starts this program", 0, EX_USAGE);
	sandbox_close_fds_from(CONTROL_FD + 1);
	ignore_signals();
	sandbox_die_with_parent();
	r.base = make_base();
	channel_on_end(on_channel_end, &r);
	r.end = event_new(r.base, -1, 0, on_end, &r);
	assert(r.end);
	r.control =
	    channel_new(r.base, CONTROL_FD, &control_proto, CONTROL_PEER_ROLE, CONTROL_PEER_SUPERVISOR, &handlers, &r);
	run_loop(&r);
	if (spec->ended && (r.phase == ROLE_RUNNING || r.phase == ROLE_RELOADING))
		spec->ended(&r);
	quit(EX_OK);
	return EX_OK;
}

void role_finished(struct role *r)
{
	/* What was gathered in this turn is still written. */
	(void)event_base_loopexit(r->base, NULL);
}

bool role_ask_overview(struct role *r)
{
	struct control_overview_ask m = {0};

	return control_call_overview_ask(r->control, &m, ASK_MS, hear_overview, r);
}

bool role_ask_reload(struct role *r)
{
	struct control_reload_ask m = {0};

	return control_call_reload_ask(r->control, &m, RELOAD_MS, hear_reload_done, r);
}

static void hear_connected(void *ctx, const struct control_msg *m)
{
	struct role_connect *c = ctx;

	c->id = 0;
	if (m && m->type == CONTROL_CONNECTED)
		c->fn(c->ctx, m->connected.fd, m->connected.path, 0);
	else if (m && m->type == CONTROL_NOT_CONNECTED)
		c->fn(c->ctx, -1, m->not_connected.path, (int)(m->not_connected.error & INT16_MAX));
	else
		c->fn(c->ctx, -1, VIEW_EMPTY, ETIMEDOUT);
}

bool role_connect(struct role_connect *c, struct view route)
{
	struct channel *control = c->role->control;

	if (!control_call_connect_ask(control, &(struct control_connect_ask){route}, ASK_MS, hear_connected, c))
		return false;
	c->id = channel_call_id(control);
	return true;
}

void role_connect_cancel(struct role_connect *c)
{
	if (c->id)
		channel_call_cancel(c->role->control, c->id);
	c->id = 0;
}

struct event_base *role_base(struct role *r)
{
	return r->base;
}

const struct conf *role_conf(const struct role *r)
{
	return r->conf;
}

const char *role_kind(const struct role *r)
{
	return r->kind;
}

unsigned role_index(const struct role *r)
{
	return r->index;
}

unsigned role_count(const struct role *r)
{
	return r->count;
}

const char *role_folder(const struct role *r)
{
	return r->folder ? r->folder : "";
}

bool role_first_start(const struct role *r)
{
	return r->first_start;
}

bool role_stopping(const struct role *r)
{
	return r->stopping;
}

void role_set_state(struct role *r, void *state)
{
	r->state = state;
}

void *role_state(const struct role *r)
{
	return r->state;
}
