/* SPDX-License-Identifier: ISC
 * New settings, certificate and key without dropping a connection: read and checked whole first, then told to keyd and dnsd, then
 * to all others, so that nobody shows a certificate whose key is not there yet, or has it tried anew by resolvers that are no more. */
#include "supervisor/server.h"

#include "conf/relay_password.h"
#include "conf/route.h"
#include "ipc/channel.h"
#include "supervisor/dir.h"
#include "supervisor/notify.h"
#include "supervisor/tls_check.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { CONF_MAX = 256 * 1024, CERT_MAX = 256 * 1024, WAIT_MS = 5000 };

/* ---- inputs ---- */

void inputs_fini(struct server_inputs *in)
{
	conf_free(&in->conf);
	buf_fini(&in->conf_text);
	buf_fini(&in->cert_pem);
	fd_close(&in->key_fd);
	listen_fini(&in->listeners);
}

static int read_tls(struct server_inputs *in, const char *dir, struct buf *error)
{
	_cleanup_(free_ptr) char *cert = dir_path(dir, in->conf->tls_cert);
	_cleanup_(free_ptr) char *key = dir_path(dir, in->conf->tls_key);
	int r = dir_read_file(cert, &in->cert_pem);

	if (r < 0) {
		buf_printf(error, "tls-cert: cannot read %s: %s", cert, strerror(-r));
		return EX_CONFIG;
	}
	in->key_fd = open(key, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (in->key_fd < 0) {
		buf_printf(error, "tls-key: cannot read %s: %s", key, strerror(errno));
		return EX_CONFIG;
	}
	return tls_check(buf_view(&in->cert_pem), cert, in->key_fd, key, error);
}

char *inputs_anchor_path(const struct server_inputs *in, const char *dir)
{
	struct view v = view_from_cstr(in->conf->trust_anchor);

	if (v.n == 0)
		return xstrdup("/usr/share/dns/root.ds");
	/* A record has blanks, and a path of that form would be a strange one. */
	return view_eq_lit(v, "none") || view_find_char(v, ' ') < v.n ? NULL : dir_path(dir, in->conf->trust_anchor);
}

static int check_anchors(const struct server_inputs *in, const char *dir, struct buf *error)
{
	_cleanup_(free_ptr) char *path = inputs_anchor_path(in, dir);

	if (in->conf->trust_anchor[0] == '\0' || !path || access(path, R_OK) == 0)
		return 0;
	buf_printf(error, "trust-anchor: cannot read %s: %s", path, strerror(errno));
	return EX_CONFIG;
}

/* Mail of a route whose password is missing waits: nothing to stop a server for, but to be told of by who looks. */
static int check_passwords(const struct server_inputs *in, const char *dir, struct buf *error)
{
	_cleanup_(free_ptr) char *path = dir_path(dir, "relay-passwords");
	_cleanup_(buf_fini) struct buf passwords = BUF_INIT(CONF_MAX);
	int r = dir_read_file(path, &passwords);

	if (r < 0 && r != -ENOENT) {
		buf_printf(error, "cannot read %s: %s", path, strerror(-r));
		return EX_CONFIG;
	}
	for (size_t i = 0; i < in->conf->n_routes; i++) {
		const struct conf_route *route = &in->conf->routes[i];
		struct view user = view_from_cstr(route->user), host = conf_route_host(route), password;

		if (user.n == 0 || relay_password_find(buf_view(&passwords), host, &user, &password))
			continue;
		buf_printf(error,
			   "%s/pombo.conf:%zu: route \"%s\": user: relay-passwords has no password for %.*s at %.*s; "
			   "`pombo route password %s` puts it there",
			   dir, route->line, route->name, VIEW_FMT(user), VIEW_FMT(host), route->name);
		return EX_CONFIG;
	}
	return 0;
}

int inputs_read(struct server_inputs *in, const char *dir, const struct listen_set *old, bool check_only,
		struct buf *error)
{
	int r;

	*in = (struct server_inputs){.conf_text = BUF_INIT(CONF_MAX), .cert_pem = BUF_INIT(CERT_MAX), .key_fd = -1};
	r = supervisor_read_conf(dir, &in->conf, &in->conf_text, error);
	if (r == 0 && in->conf->hostname[0] == '\0') {
		buf_printf(error, "%s/pombo.conf: hostname is not set; write `hostname = ` and this server's own name",
			   dir);
		r = EX_CONFIG;
	}
	if (r == 0)
		r = read_tls(in, dir, error);
	if (r == 0)
		r = check_anchors(in, dir, error);
	if (r == 0 && check_only)
		r = check_passwords(in, dir, error);
	if (r == 0 && !check_only)
		r = listen_open(in->conf, old, &in->listeners, error);
	if (r)
		inputs_fini(in);
	return r;
}

/* ---- reload ---- */

enum reload_stage { RELOAD_FIRST, RELOAD_OTHERS };

struct reload {
	enum reload_stage stage;
	struct process *asker;
	pid_t asker_pid;
	uint32_t id;
	struct event *timer;
};

static void answer(struct process *asker, pid_t asker_pid, uint32_t id, bool ok, struct view text)
{
	struct control_reload_done m = {ok, view_sub(text, 0, 2048)};

	if (asker && asker->pid == asker_pid)
		(void)control_send_reload_done(asker->control, id, &m);
}

static void refuse(struct process *asker, uint32_t id, struct view why)
{
	struct log_line l;

	log_begin(&l, LOG_LEVEL_ERROR, "reload_failed");
	log_str(&l, "error", why);
	log_cstr(&l, "message", "the former settings stay in force");
	log_end(&l);
	answer(asker, asker ? asker->pid : 0, id, false, why);
}

/* One is enough for all who ask meanwhile: stored asks once at a time, the others are signals. */
static void remember(struct server *s, struct process *asker, uint32_t id)
{
	s->next_reload.asked = true;
	if (!asker)
		return;
	s->next_reload.asker = asker;
	s->next_reload.asker_pid = asker->pid;
	s->next_reload.id = id;
}

static void finish(struct server *s, bool all)
{
	struct reload *r = s->reload;

	s->reload = NULL;
	log_event(LOG_LEVEL_INFO, "reloaded", all ? NULL : "some processes have not taken up the settings yet");
	notify_send("READY=1");
	answer(r->asker, r->asker_pid, r->id, true, VIEW_EMPTY);
	event_free(r->timer);
	free(r);
	reload_asked_before(s);
}

static void tell(struct process *p)
{
	if (p->state == PROCESS_READY) {
		p->reloading = true;
		process_reload(p);
	} else {
		p->stale = p->state == PROCESS_STARTING;
	}
}

static bool is_asked_by_others(const struct process *p)
{
	return p->kind == KIND_KEY || p->kind == KIND_DNS;
}

static size_t tell_stage(struct server *s)
{
	size_t waiting = 0;

	for (size_t i = 0; i < s->n; i++) {
		struct process *p = &s->processes[i];

		if (is_asked_by_others(p) == (s->reload->stage == RELOAD_FIRST))
			tell(p);
		waiting += p->reloading;
	}
	return waiting;
}

static void go_on(struct server *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->processes[i].reloading)
			return;
	if (s->reload->stage == RELOAD_FIRST) {
		s->reload->stage = RELOAD_OTHERS;
		if (tell_stage(s) > 0)
			return;
	}
	finish(s, true);
}

static void on_late(evutil_socket_t fd, short what, void *ctx)
{
	struct server *s = ctx;

	(void)fd;
	(void)what;
	if (s->reload->stage == RELOAD_FIRST) {
		s->reload->stage = RELOAD_OTHERS;
		(void)tell_stage(s);
	}
	finish(s, false);
}

/* What only a new start takes up. */
static void say_what_waits(const struct conf *old, const struct conf *new)
{
	if (old->processes != new->processes)
		log_event(LOG_LEVEL_WARNING, "restart_needed", "`processes` takes effect at the next start");
	if (old->uid_base != new->uid_base)
		log_event(LOG_LEVEL_WARNING, "restart_needed", "`uid-base` takes effect at the next start");
}

static void take_up(struct server *s, struct server_inputs *next)
{
	struct server_inputs old = s->in;

	say_what_waits(old.conf, next->conf);
	next->conf->uid_base = old.conf->uid_base; /* the store belongs to it */
	s->in = *next;
	inputs_fini(&old);
	log_set((enum log_level)s->in.conf->log_level, (enum log_format)s->in.conf->log_format);
}

void reload_begin(struct server *s, struct process *asker, uint32_t id)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(4096);
	const struct timeval wait = {WAIT_MS / 1000, 0};
	struct server_inputs next;

	if (s->phase == SERVER_STOPPING) {
		refuse(asker, id, VIEW_LIT("the server is stopping"));
		return;
	}
	if (s->phase == SERVER_STARTING || s->reload) {
		remember(s, asker, id);
		return;
	}
	if (inputs_read(&next, s->dir, &s->in.listeners, false, &error)) {
		refuse(asker, id, buf_view(&error));
		return;
	}
	notify_reloading();
	take_up(s, &next);
	s->reload = xcalloc(1, sizeof *s->reload);
	s->reload->asker = asker;
	s->reload->asker_pid = asker ? asker->pid : 0;
	s->reload->id = id;
	s->reload->timer = event_new(s->base, -1, 0, on_late, s);
	(void)event_add(s->reload->timer, &wait);
	(void)tell_stage(s);
	go_on(s);
}

void reload_asked_before(struct server *s)
{
	struct process *asker = s->next_reload.asker;
	bool asked = s->next_reload.asked;

	if (asker && asker->pid != s->next_reload.asker_pid)
		asker = NULL;
	s->next_reload.asked = false;
	s->next_reload.asker = NULL;
	if (asked)
		reload_begin(s, asker, s->next_reload.id);
}

void reload_heard_ready(struct process *p)
{
	if (p->stale) {
		p->stale = false;
		process_reload(p);
	} else if (p->reloading) {
		p->reloading = false;
		if (p->server->reload)
			go_on(p->server);
	}
}

void reload_process_gone(struct process *p)
{
	bool was = p->reloading;

	p->reloading = p->stale = false;
	if (was && p->server->reload)
		go_on(p->server);
}
