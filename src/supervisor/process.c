/* SPDX-License-Identifier: ISC
 * One role: fork and exec, what it is given, and its control channel. */
#include "supervisor/server.h"

#include "base/clock.h"
#include "supervisor/dir.h"
#include "supervisor/supervisor.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, CONTROL_FD = 3 };

static const struct kind *kind_of(const struct process *p)
{
	return &kind_table[p->kind];
}

static void log_process(enum log_level level, const char *event, const struct process *p, const char *why, int error)
{
	struct log_line l;

	log_begin(&l, level, event);
	log_cstr(&l, "kind", kind_of(p)->name);
	log_u64(&l, "index", p->index);
	log_u64(&l, "pid", (uint64_t)p->pid);
	if (why)
		log_cstr(&l, "why", why);
	if (error)
		log_errno(&l, error);
	log_end(&l);
}

/* ---- the executable ---- */

static char *own_folder(void)
{
	char path[PATH_BYTES];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	char *slash;

	if (n <= 0)
		return xstrdup("/");
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
	return xstrdup(path);
}

/* In the build tree, in the tree it was installed to (wherever that was moved), where it was built to be installed. */
char *supervisor_find_role(const char *role, struct buf *error)
{
	_cleanup_(free_ptr) char *own = own_folder();
	_cleanup_(buf_fini) struct buf path = BUF_INIT(2 * PATH_BYTES);

	for (int place = 0; place < 3; place++) {
		buf_reset(&path);
		if (place == 0)
			buf_printf(&path, "%s/../%s/pombo-%s", own, role, role);
		else if (place == 1)
			buf_printf(&path, "%s/../libexec/pombo/pombo-%s", own, role);
		else
			buf_printf(&path, "%s/pombo-%s", POMBO_LIBEXECDIR, role);
		if (access(buf_cstr(&path), X_OK) == 0)
			return xstrdup(buf_cstr(&path));
	}
	buf_printf(error, "cannot find the program pombo-%s: neither beside %s nor as %s; install pombo again", role,
		   own, buf_cstr(&path));
	return NULL;
}

/* ---- fork and exec ---- */

/* In the child: as a signal-handling libevent left it, nothing must remain. */
static void reset_signals(void)
{
	struct sigaction by_default = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int n = 1; n < NSIG; n++)
		(void)sigaction(n, &by_default, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void become_role(const struct process *p, int control)
{
	_cleanup_(buf_fini) struct buf index = BUF_INIT(16), name = BUF_INIT(64);
	int null = open("/dev/null", O_RDONLY);

	reset_signals();
	buf_printf(&index, "%u", p->index);
	buf_printf(&name, "pombo-%s", kind_of(p)->role);
	if (control == CONTROL_FD)
		(void)fcntl(control, F_SETFD, 0);
	else
		(void)dup2(control, CONTROL_FD);
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(STDERR_FILENO, STDOUT_FILENO);
	(void)execl(p->server->role_paths[p->kind], buf_cstr(&name), kind_of(p)->name, buf_cstr(&index), (char *)NULL);
	log_process(LOG_LEVEL_ERROR, "cannot_execute", p, p->server->role_paths[p->kind], errno);
	_exit(EX_OSFILE);
}

/* The child's process id and our end of its control socket; or -errno. */
static int spawn(struct process *p, int *ret_control)
{
	int sv[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		int error = errno;

		(void)close(sv[0]);
		(void)close(sv[1]);
		return -error;
	}
	if (pid == 0)
		become_role(p, sv[1]);
	(void)close(sv[1]);
	*ret_control = sv[0];
	p->pid = pid;
	return 0;
}

/* ---- what a role is given ---- */

static int copy_of(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, CONTROL_FD + 1);
}

static void give_setup(struct process *p)
{
	const struct server *s = p->server;
	struct control_setup m = {.kind = view_from_cstr(kind_of(p)->name),
				  .index = p->index,
				  .count = p->count,
				  .config = buf_view(&s->in.conf_text),
				  .first_start = p->restarts == 0,
				  .uid = geteuid() == 0 ? kind_uid(p->kind, s->in.conf) : 0};

	(void)control_send_setup(p->control, 0, &m);
}

static void give_listeners(struct process *p)
{
	const struct listen_set *set = &p->server->in.listeners;

	for (size_t i = 0; i < set->n; i++) {
		const struct listen_socket *l = &set->sockets[i];
		struct control_listener m = {.service = view_from_cstr(l->service->name),
					     .address = view_from_cstr(l->address),
					     .port = l->port,
					     .tls = l->service->tls};

		if (l->service->kind != p->kind)
			continue;
		m.fd = copy_of(l->fd);
		(void)control_send_listener(p->control, 0, &m);
	}
}

/* Not what lies under its name now: a keyd that is started anew must have the key of the certificate that the front ends show. */
static void give_key(struct process *p)
{
	struct control_file m = {.name = VIEW_LIT("tls-key"), .fd = copy_of(p->server->in.key_fd)};

	if (m.fd >= 0 && lseek(m.fd, 0, SEEK_SET) == 0) /* the former keyd has read it */
		(void)control_send_file(p->control, 0, &m);
	else {
		log_process(LOG_LEVEL_ERROR, "cannot_give_key", p, p->server->in.conf->tls_key, errno);
		fd_close(&m.fd);
	}
}

static void give_file(struct process *p, const char *name, const char *path)
{
	struct control_file m = {.name = view_from_cstr(name), .fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)};

	if (m.fd >= 0)
		(void)control_send_file(p->control, 0, &m);
}

/* What is not there is no error: then dnsd asks the root servers, and believes the root keys that it knows. Read by dnsd alone. */
static void give_dkim_keys(struct process *p)
{
	_cleanup_(free_ptr) char *path = dir_path(p->server->dir, "keys/dkim");

	give_file(p, "dkim-keys", path);
}

static void give_dns(struct process *p)
{
	_cleanup_(free_ptr) char *anchors = inputs_anchor_path(&p->server->in, p->server->dir);

	if (p->server->in.conf->dns_server.n == 0)
		give_file(p, "resolv-conf", "/etc/resolv.conf");
	if (anchors)
		give_file(p, "trust-anchor", anchors);
}

/* By which servers are verified: read when they are needed. */
static void give_authorities(struct process *p)
{
	if (p->server->in.conf->outbound_ca[0])
		give_file(p, "authorities", p->server->in.conf->outbound_ca);
}

/* For the smart host; there may be none. */
static void give_passwords(struct process *p)
{
	_cleanup_(free_ptr) char *path = dir_path(p->server->dir, "relay-passwords");
	struct control_file m = {.name = VIEW_LIT("relay-passwords"),
				 .fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};

	if (m.fd >= 0)
		(void)control_send_file(p->control, 0, &m);
}

static void give_store(struct process *p)
{
	_cleanup_(free_ptr) char *path = dir_path(p->server->dir, "store");
	struct control_folder folder = {.path = view_from_cstr(path), .fd = copy_of(p->server->store_fd)};
	struct control_listener control = {.service = VIEW_LIT("control"),
					   .address = VIEW_LIT("run/control.sock"),
					   .fd = copy_of(p->server->control_fd)};

	(void)control_send_folder(p->control, 0, &folder);
	(void)control_send_listener(p->control, 0, &control);
}

/* What settings may change: given at the start and again at each reload. */
static void give_inputs(struct process *p)
{
	if (kind_of(p)->is_front) {
		struct control_certificate m = {.pem = buf_view(&p->server->in.cert_pem)};

		(void)control_send_certificate(p->control, 0, &m);
		give_listeners(p);
	}
	if (p->kind == KIND_KEY)
		give_key(p);
	if (p->kind == KIND_RELAY)
		give_passwords(p);
	if (p->kind == KIND_KEY)
		give_dkim_keys(p);
	if (p->kind == KIND_DNS)
		give_dns(p);
	if (p->kind == KIND_FETCH || p->kind == KIND_RELAY)
		give_authorities(p);
	if (p->kind == KIND_STORE)
		give_store(p);
}

/* ---- the control channel ---- */

static void on_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct process *p = ctx;
	const struct control_msg *m = msg;

	(void)c;
	if (m->type == CONTROL_READY)
		server_heard_ready(p);
	else
		server_heard(p, id, m);
}

/* The process ends (its end is seen by SIGCHLD), or it said what it must not: then it is ended. */
static void on_close(void *ctx, struct channel *c)
{
	struct process *p = ctx;

	if (!channel_peer_went(c))
		log_process(LOG_LEVEL_ERROR, "process_odd", p, channel_error(c), 0);
	p->control = NULL;
	process_kill(p);
}

void process_start(struct process *p)
{
	static const struct channel_handlers handlers = {on_msg, on_close, NULL};
	int control = -1;
	int r = spawn(p, &control);

	p->since_ms = clock_mono_ms();
	p->since_us = clock_wall_us();
	p->told_to_stop = false;
	if (r < 0) {
		log_process(LOG_LEVEL_ERROR, "cannot_start", p, "fork", r);
		server_try_later(p);
		return;
	}
	p->state = PROCESS_STARTING;
	p->control = channel_new(p->server->base, control, &control_proto, CONTROL_PEER_SUPERVISOR, CONTROL_PEER_ROLE,
				 &handlers, p);
	give_setup(p);
	give_inputs(p);
}

static void give_channel(struct process *p, const char *list, const struct process *peer, int fd)
{
	struct control_channel m = {
	    .list = view_from_cstr(list), .peer = view_from_cstr(kind_of(peer)->name), .index = peer->index, .fd = fd};

	(void)control_send_channel(p->control, 0, &m);
}

static void connect_by(struct process *from, struct process *to)
{
	for (size_t i = 0; i < kind_edges_n; i++) {
		const struct kind_edge *e = &kind_edges[i];
		int sv[2];

		if (e->from != from->kind || e->to != to->kind)
			continue;
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0) {
			log_process(LOG_LEVEL_ERROR, "cannot_connect", from, e->list, errno);
			process_kill(from); /* and tried again */
			return;
		}
		give_channel(from, e->list, to, sv[0]);
		give_channel(to, e->list, from, sv[1]);
	}
}

void process_connect(struct process *p, struct process *q)
{
	if (p == q || !p->control || !q->control)
		return;
	connect_by(p, q);
	connect_by(q, p);
}

void process_go(struct process *p)
{
	struct control_start m = {0};

	(void)control_send_start(p->control, 0, &m);
}

void process_reload(struct process *p)
{
	struct control_reload m = {.config = buf_view(&p->server->in.conf_text)};

	(void)control_send_reload(p->control, 0, &m);
	give_inputs(p);
	process_go(p);
}

void process_stop(struct process *p, uint32_t grace_ms)
{
	struct control_stop m = {grace_ms};

	p->told_to_stop = true;
	(void)control_send_stop(p->control, 0, &m);
}

void process_kill(struct process *p)
{
	if (p->pid > 0)
		(void)kill(p->pid, SIGKILL);
}
