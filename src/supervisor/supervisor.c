/* SPDX-License-Identifier: ISC
 * `pombo run`: from the data folder to a running server, and to its end. */
#include "supervisor/supervisor.h"

#include "base/clock.h"
#include "supervisor/dir.h"
#include "supervisor/server.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { OWN_FDS = 1024, LOCK_WAIT_MS = 20000 };

/* ---- what is there before anything runs ---- */

static int find_dir(const char *dir, char **ret, struct buf *error)
{
	char *path = realpath(dir, NULL);

	if (!path) {
		buf_printf(error, "cannot use %s: %s; `pombo init` makes the data folder, `--dir DIR` names another",
			   dir, strerror(errno));
		return EX_CONFIG;
	}
	*ret = path;
	return 0;
}

static int find_roles(struct server *s, struct buf *error)
{
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		s->role_paths[kind] = supervisor_find_role(kind_table[kind].role, error);
		if (!s->role_paths[kind])
			return EX_OSFILE;
	}
	return 0;
}

/* A command of `pombo` that works on the store by itself has the lock for a moment: that is waited for, a server is not: *ret_server. */
static int lock_patiently(const char *dir, bool *ret_server)
{
	uint64_t until_ms = clock_mono_ms() + LOCK_WAIT_MS;

	for (;;) {
		int fd = supervisor_lock(dir), answering;

		if (fd != -EAGAIN || clock_mono_ms() >= until_ms)
			return fd;
		answering = supervisor_connect(dir);
		*ret_server = answering >= 0;
		if (*ret_server) {
			fd_close(&answering);
			return -EAGAIN;
		}
		(void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	}
}

/* Before anything is made in a folder that is not ours. */
static int find_conf(const char *dir, struct buf *error)
{
	struct conf *conf = NULL;
	int r = supervisor_read_conf(dir, &conf, NULL, error);

	conf_free(&conf);
	return r;
}

static int take_lock(const char *dir, int *ret_fd, struct buf *error)
{
	bool server = false;
	int fd = lock_patiently(dir, &server);

	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	if (fd == -EAGAIN && server)
		buf_printf(error, "a server runs on %s already (process %lld); stop it with `pombo stop`", dir,
			   (long long)supervisor_find(dir));
	else if (fd == -EAGAIN)
		buf_printf(error, "a command of pombo works on %s (process %lld); try again when it has ended", dir,
			   (long long)supervisor_find(dir));
	else
		buf_printf(error, "cannot lock %s/run/lock: %s%s", dir, strerror(-fd),
			   fd == -EACCES ? "; run this as the folder's owner, or as root" : "");
	return fd == -EACCES ? EX_NOPERM : EX_CANTCREAT;
}

/* Each front end may hold max-connections; the limit is inherited. */
static void raise_file_limit(const struct conf *conf)
{
	rlim_t want = conf->max_connections + OWN_FDS;
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return;
	if (l.rlim_max < want) {
		struct rlimit more = {want, want};

		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			return;
		log_event(LOG_LEVEL_WARNING, "few_descriptors",
			  "the limit of open files is below max-connections; raise LimitNOFILE or `ulimit -n`");
	}
	l.rlim_cur = l.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &l);
}

/* The log is shared with all processes. Where it is a file, none may write into the middle of it, wherever it moves its position. */
static void append_to_log(void)
{
	struct stat st;

	if (fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode))
		(void)fcntl(STDERR_FILENO, F_SETFL, fcntl(STDERR_FILENO, F_GETFL) | O_APPEND);
}

static void add_processes(struct server *s)
{
	/* Those that others wait for first. */
	static const enum kind_id order[] = {KIND_STORE, KIND_KEY,    KIND_MX,  KIND_SUBMISSION, KIND_AUTH, KIND_IMAP,
					     KIND_POP,   KIND_POLICY, KIND_DNS, KIND_FETCH,      KIND_RELAY};
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	for (size_t k = 0; k < ARRAY_LEN(order); k++) {
		unsigned count = kind_processes(order[k], s->in.conf, cores > 0 ? (unsigned)cores : 1);

		s->processes = xrealloc(s->processes, (s->n + count) * sizeof *s->processes);
		for (unsigned i = 0; i < count; i++)
			s->processes[s->n++] =
			    (struct process){.server = s, .kind = order[k], .index = i, .count = count};
	}
}

static int open_all(struct server *s, struct buf *error)
{
	_cleanup_(free_ptr) char *store = dir_path(s->dir, "store");
	int r = supervisor_prepare_dir(s->dir, s->in.conf, error);

	if (r)
		return r;
	s->control_fd = dir_listen_control(s->dir);
	s->store_fd = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->control_fd >= 0 && s->store_fd >= 0)
		return 0;
	buf_printf(error, "cannot open %s/run/control.sock or %s: %s", s->dir, store,
		   strerror(s->control_fd < 0 ? -s->control_fd : errno));
	return EX_CANTCREAT;
}

/* ---- signals ---- */

static void on_signal(evutil_socket_t number, short what, void *ctx)
{
	struct server *s = ctx;

	(void)what;
	if (number == SIGCHLD)
		server_reap(s);
	else if (number == SIGHUP)
		reload_begin(s, NULL, 0);
	else
		server_stop(s, EX_OK);
}

static void watch_signals(struct server *s)
{
	static const int numbers[] = {SIGCHLD, SIGHUP, SIGTERM, SIGINT};

	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		s->signals[i] = evsignal_new(s->base, numbers[i], on_signal, s);
		assert(s->signals[i]);
		(void)event_add(s->signals[i], NULL);
	}
}

/* All is done: whoever asks for it once more must not make a failure of it, while what is ours is given back. */
static void hear_no_more(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
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

/* ---- life ---- */

static void server_fini(struct server *s)
{
	for (size_t i = 0; i < ARRAY_LEN(s->signals); i++)
		if (s->signals[i])
			event_free(s->signals[i]);
	for (size_t i = 0; i < s->n; i++) {
		channel_free(&s->processes[i].control);
		if (s->processes[i].restart)
			event_free(s->processes[i].restart);
	}
	if (s->stop_timer)
		event_free(s->stop_timer);
	if (s->base)
		event_base_free(s->base);
	for (size_t i = 0; i < KIND_COUNT; i++)
		free(s->role_paths[i]);
	inputs_fini(&s->in);
	fd_close(&s->control_fd);
	fd_close(&s->store_fd);
	free(s->processes);
	free(s->dir);
}

static void run(struct server *s)
{
	log_init("supervisor", (enum log_level)s->in.conf->log_level, (enum log_format)s->in.conf->log_format);
	raise_file_limit(s->in.conf);
	append_to_log();
	add_processes(s);
	s->base = make_base();
	watch_signals(s);
	server_start(s);
	(void)event_base_dispatch(s->base);
	hear_no_more();
	log_event(LOG_LEVEL_INFO, "stopped", NULL);
}

int supervisor_run(const char *dir, bool check_only, struct buf *error)
{
	struct server s = {.in = {.key_fd = -1},
			   .control_fd = -1,
			   .store_fd = -1,
			   .started_ms = clock_mono_ms(),
			   .started_us = clock_wall_us()};
	_cleanup_(fd_close) int lock = -1;
	int r = find_dir(dir, &s.dir, error);

	if (r == 0 && check_only) {
		r = inputs_read(&s.in, s.dir, NULL, true, error);
		server_fini(&s);
		return r;
	}
	if (r == 0)
		r = find_roles(&s, error);
	if (r == 0)
		r = find_conf(s.dir, error);
	if (r == 0)
		r = take_lock(s.dir, &lock, error);
	if (r == 0)
		r = inputs_read(&s.in, s.dir, NULL, false, error);
	if (r == 0)
		r = open_all(&s, error);
	if (r == 0) {
		run(&s);
		r = s.status;
	}
	server_fini(&s);
	return r;
}
