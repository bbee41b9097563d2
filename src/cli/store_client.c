/* SPDX-License-Identifier: ISC
 * The command line's way to stored: the running server's, or one of its own on the locked data folder. */
#include "cli/store_client.h"

#include "base/clock.h"
#include "cli/show.h"
#include "ipc/msgs/control_msgs.h"
#include "supervisor/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	ANSWER_MS = 60000,
	LONG_MS = 3600000, /* the list of a large store */
	START_MS = 60000, /* a migration may have to run */
	OTHERS_MS = 20000, /* how long other commands may have the folder */
	CONTROL_FD = 3,
	PAYLOAD_MAX = 1024 * 1024,
};

/* ---- a stored of our own ---- */

static void become(const char *path, const char *name, const char *kind, int control)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)dup2(null, STDIN_FILENO);
	(void)dup2(STDERR_FILENO, STDOUT_FILENO);
	control = fcntl(control, F_DUPFD_CLOEXEC, CONTROL_FD + 1); /* so that dup2() makes one that survives */
	if (control < 0 || dup2(control, CONTROL_FD) < 0)
		_exit(127);
	(void)execl(path, name, kind, "0", (char *)NULL);
	_exit(127);
}

/* A role of our own: its process and our end of its control socket. */
static int spawn_role(const char *role, const char *name, const char *kind, int *ret_pid, int *ret_control)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(1024);
	_cleanup_(free_ptr) char *path = supervisor_find_role(role, &error);
	int sv[2];

	if (!path)
		return cli_fail(CLI_OTHER, buf_cstr(&error), NULL, NULL);
	(void)fflush(stdout);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return cli_fail_errno(CLI_OTHER, "cannot make a socket", errno, NULL);
	*ret_pid = fork();
	if (*ret_pid == 0)
		become(path, name, kind, sv[1]);
	(void)close(sv[1]);
	*ret_control = sv[0];
	if (*ret_pid < 0) {
		*ret_pid = 0;
		return cli_fail_errno(CLI_OTHER, "cannot start", errno, name);
	}
	return 0;
}

static int put(struct sync_channel *control, bool encoded, uint16_t type, struct buf *payload, const int *fd)
{
	int r = encoded ? sync_channel_follow(control, type, buf_view(payload), fd, fd ? 1 : 0, START_MS) : -E2BIG;

	buf_reset(payload);
	return r;
}

/* What the supervisor would give it: settings, its folder, a channel for commands and, if there is one, to policyd; and whether to
 * make the store. */
static int put_all(struct sync_channel *control, const char *path, uid_t uid, struct view text, bool create,
		   const int *admin_fd, const int *judge_fd)
{
	_cleanup_(buf_fini) struct buf b = BUF_INIT(PAYLOAD_MAX);
	_cleanup_(fd_close) int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(fd_close) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	const struct control_setup setup = {
	    .kind = VIEW_LIT("store"), .count = 1, .config = text, .first_start = true, .uid = (uint32_t)uid};
	const struct control_folder store = {.path = view_from_cstr(path)};
	const struct control_file leave = {.name = VIEW_LIT("create-store")};
	const struct control_channel admin = {.list = VIEW_LIT("admin"), .peer = VIEW_LIT("cli")};
	const struct control_channel judge = {.list = VIEW_LIT("judge"), .peer = VIEW_LIT("policy")};
	int r = folder < 0 || null < 0 ? -errno : 0;

	if (r == 0)
		r = put(control, control_put_setup(&b, &setup), CONTROL_SETUP, &b, NULL);
	if (r == 0)
		r = put(control, control_put_folder(&b, &store), CONTROL_FOLDER, &b, &folder);
	if (r == 0 && create)
		r = put(control, control_put_file(&b, &leave), CONTROL_FILE, &b, &null);
	if (r == 0)
		r = put(control, control_put_channel(&b, &admin), CONTROL_CHANNEL, &b, admin_fd);
	if (r == 0 && *judge_fd >= 0)
		r = put(control, control_put_channel(&b, &judge), CONTROL_CHANNEL, &b, judge_fd);
	if (r == 0)
		r = put(control, true, CONTROL_START, &b, NULL);
	return r;
}

/* Returns when it is ready: 0 and our end of the channel for commands, or -errno. */
static int give(struct sync_channel *control, const struct cli *c, uid_t uid, struct view text, bool create,
		int judge_fd, int *ret_admin_fd)
{
	_cleanup_(free_ptr) char *path = cli_path(c, "store");
	struct control_msg answer;
	int sv[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return -errno;
	r = put_all(control, path, uid, text, create, &sv[1], &judge_fd);
	if (r == 0)
		r = sync_channel_next(control, START_MS, &answer);
	if (r == 0 && answer.type != CONTROL_READY)
		r = -EPROTO;
	(void)close(sv[1]);
	if (r < 0)
		(void)close(sv[0]);
	else
		*ret_admin_fd = sv[0];
	return r;
}

/* The server's settings, but on the operator's terminal only what went wrong. */
static void quieten(struct view text, struct buf *out)
{
	struct view line, rest = text;
	bool more = true;

	buf_append_cstr(out, "log-level = warning\n"); /* in front: behind the text may be in a section */
	while (more) {
		more = view_cut(rest, '\n', &line, &rest);
		if (!more)
			line = rest;
		if (view_starts_with(view_trim(line), VIEW_LIT("log-")))
			continue;
		buf_append_view(out, line);
		buf_append_char(out, '\n');
	}
}

/* What policyd needs, and that it is ready. */
static int give_policyd(struct sync_channel *control, uid_t uid, struct view text, const int *judge_fd)
{
	_cleanup_(buf_fini) struct buf b = BUF_INIT(PAYLOAD_MAX);
	const struct control_setup setup = {
	    .kind = VIEW_LIT("policy"), .count = 1, .config = text, .first_start = true, .uid = (uint32_t)uid};
	const struct control_channel judge = {.list = VIEW_LIT("judge"), .peer = VIEW_LIT("store")};
	struct control_msg answer;
	int r = put(control, control_put_setup(&b, &setup), CONTROL_SETUP, &b, NULL);

	if (r == 0)
		r = put(control, control_put_channel(&b, &judge), CONTROL_CHANNEL, &b, judge_fd);
	if (r == 0)
		r = put(control, true, CONTROL_START, &b, NULL);
	if (r == 0)
		r = sync_channel_next(control, START_MS, &answer);
	return r == 0 && answer.type != CONTROL_READY ? -EPROTO : r;
}

/* A policyd of our own, for commands that bring messages in. *ret_fd: the store's end of the channel to it. */
static int start_policyd(struct store_client *s, uid_t uid, struct view text, int *ret_fd)
{
	int sv[2], r = spawn_role("policyd", "pombo-policyd", "policy", &s->policy_pid, &s->policy_fd);

	if (r)
		return r;
	sync_channel_init(&s->policy, s->policy_fd, &control_proto, CONTROL_PEER_SUPERVISOR, CONTROL_PEER_ROLE);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return cli_fail_errno(CLI_OTHER, "cannot make a socket", errno, NULL);
	r = give_policyd(&s->policy, uid, text, &sv[1]);
	(void)close(sv[1]);
	if (r == 0) {
		*ret_fd = sv[0];
		return 0;
	}
	(void)close(sv[0]);
	return cli_fail_errno(CLI_OTHER, "cannot start pombo-policyd", r, "what it said stands above");
}

/* pombo.conf is there; a store that is not must not be made beside it, nor anything else. */
static int check_store(const struct cli *c)
{
	_cleanup_(free_ptr) char *path = cli_path(c, "store/pombo.db");
	struct stat st;

	if (stat(path, &st) == 0 || errno != ENOENT)
		return 0;
	return cli_fail(
	    CLI_BAD_CONFIG, c->dir, "there is no mail store in this folder",
	    "put back its folder \"store\", or choose another folder with --dir and make one there with `pombo init`");
}

static int start_stored(const struct cli *c, const struct conf *conf, struct view text, bool create,
			struct store_client *s)
{
	_cleanup_(buf_fini) struct buf quiet = BUF_INIT(256 * 1024), error = BUF_INIT(2048);
	_cleanup_(fd_close) int judge_fd = -1;
	int admin_fd = -1;
	int r = create ? 0 : check_store(c);

	if (r)
		return r;
	r = supervisor_prepare_dir(c->dir, conf, &error);
	if (r)
		return cli_fail((enum cli_status)r, buf_cstr(&error), NULL, NULL);
	quieten(text, &quiet);
	r = s->judging ? start_policyd(s, supervisor_policy_uid(conf), buf_view(&quiet), &judge_fd) : 0;
	if (r == 0)
		r = spawn_role("stored", "pombo-stored", "store", &s->pid, &s->control_fd);
	if (r)
		return r;
	sync_channel_init(&s->control, s->control_fd, &control_proto, CONTROL_PEER_SUPERVISOR, CONTROL_PEER_ROLE);
	r = give(&s->control, c, geteuid() == 0 ? supervisor_store_uid(conf) : 0, buf_view(&quiet), create, judge_fd,
		 &admin_fd);
	if (r < 0)
		return cli_fail_errno(CLI_OTHER, "cannot open the mail store", r, "what it said stands above");
	sync_channel_init(&s->channel, admin_fd, &admin_proto, ADMIN_PEER_CLI, ADMIN_PEER_STORE);
	return 0;
}

/* ---- either ---- */

static void init(struct store_client *s)
{
	*s = (struct store_client){.payload = BUF_INIT(PAYLOAD_MAX), .control_fd = -1, .policy_fd = -1, .lock_fd = -1};
}

/* The running server's; 0, -ENOENT or -ECONNREFUSED when there is none, or an exit status. */
static int try_connect(const struct cli *c, struct store_client *s)
{
	int fd = supervisor_connect(c->dir);

	if (fd >= 0) {
		sync_channel_init(&s->channel, fd, &admin_proto, ADMIN_PEER_CLI, ADMIN_PEER_STORE);
		return 0;
	}
	if (fd == -ENOENT || fd == -ECONNREFUSED)
		return fd;
	if (fd == -EACCES || fd == -EPERM)
		return cli_fail(CLI_NOT_ALLOWED, "cannot speak to the server", "its control socket is not yours",
				"run this as the user that runs the server, or as root");
	return cli_fail_errno(CLI_NOT_RUNNING, "cannot speak to the server", fd, NULL);
}

/* Root would make the store its own, and the server of its owner could not open it any more. */
static int check_owner(const struct cli *c)
{
	struct stat st;

	if (geteuid() != 0 || stat(c->dir, &st) < 0 || st.st_uid == 0)
		return 0;
	return cli_fail(CLI_NOT_ALLOWED, c->dir, "the folder is another user's and no server runs on it",
			"run this as that user");
}

static int fail_lock(const struct cli *c, int error)
{
	if (error == -EAGAIN)
		return cli_fail(CLI_NOT_RUNNING, "the server neither answers nor leaves its data folder free", c->dir,
				"see its log, or try again in a moment");
	if (error == -EACCES || error == -EPERM)
		return cli_fail(CLI_NOT_ALLOWED, c->dir, "the data folder is not yours",
				"run this as the user that runs the server, or as root");
	return cli_fail_errno(CLI_OTHER, "cannot lock the data folder", error,
			      "is there room, and may files be made in it?");
}

/* The running server, or the lock, whichever can be had first: another command may hold the lock for a moment, a server that starts
 * takes it before it answers. */
static int connect_or_lock(const struct cli *c, bool create, struct store_client *s)
{
	uint64_t until_ms = clock_mono_ms() + OTHERS_MS;

	for (;;) {
		int r = try_connect(c, s);

		if (r >= 0)
			return r;
		r = create ? 0 : check_owner(c);
		if (r)
			return r;
		s->lock_fd = supervisor_lock(c->dir);
		if (s->lock_fd >= 0)
			return 0;
		if (s->lock_fd != -EAGAIN || clock_mono_ms() >= until_ms)
			return fail_lock(c, s->lock_fd);
		(void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	}
}

static int open_either(const struct cli *c, bool create, struct store_client *s)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(256 * 1024), error = BUF_INIT(2048);
	struct conf *conf = NULL;
	int r = supervisor_read_conf(c->dir, &conf, &text, &error);

	if (r)
		return cli_fail((enum cli_status)r, buf_cstr(&error), NULL, NULL);
	r = connect_or_lock(c, create, s);
	if (r == 0 && s->lock_fd >= 0)
		r = start_stored(c, conf, buf_view(&text), create, s);
	conf_free(&conf);
	return r;
}

static int open_or_close(const struct cli *c, bool create, bool judging, struct store_client *ret)
{
	int r;

	init(ret);
	ret->judging = judging;
	r = open_either(c, create, ret);
	if (r)
		store_client_close(ret);
	return r;
}

int store_client_open(const struct cli *c, struct store_client *ret)
{
	return open_or_close(c, false, false, ret);
}

int store_client_open_judging(const struct cli *c, struct store_client *ret)
{
	return open_or_close(c, false, true, ret);
}

int store_client_create(const struct cli *c, struct store_client *ret)
{
	return open_or_close(c, true, false, ret);
}

int store_client_connect(const struct cli *c, struct store_client *ret)
{
	int r;

	init(ret);
	r = try_connect(c, ret);
	if (r < 0 && supervisor_find(c->dir))
		r = cli_fail(CLI_NOT_RUNNING, "no server answers on this data folder", c->dir,
			     "one is starting or ending, or another command has it: try again in a moment");
	else if (r < 0)
		r = cli_fail(CLI_NOT_RUNNING, "no server runs on this data folder", c->dir,
			     "start it with 'pombo run', or name another folder with --dir");
	if (r)
		store_client_close(ret);
	return r;
}

/* Lets a process of our own end, and waits for it. */
static void stop_role(struct sync_channel *control, int *control_fd, int pid)
{
	_cleanup_(buf_fini) struct buf payload = BUF_INIT(64);

	if (!control->proto) {
		fd_close(control_fd);
		return;
	}
	if (control_put_stop(&payload, &(struct control_stop){ANSWER_MS}))
		(void)!sync_channel_follow(control, CONTROL_STOP, buf_view(&payload), NULL, 0, ANSWER_MS);
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
	sync_channel_fini(control);
}

void store_client_close(struct store_client *s)
{
	if (s->channel.proto)
		sync_channel_fini(&s->channel);
	else if (s->pid > 0)
		(void)kill(s->pid, SIGKILL); /* it did not come to life */
	stop_role(&s->control, &s->control_fd, s->pid);
	if (s->policy_pid > 0 && !s->channel.proto)
		(void)kill(s->policy_pid, SIGTERM);
	stop_role(&s->policy, &s->policy_fd, s->policy_pid);
	fd_close(&s->lock_fd);
	buf_fini(&s->payload);
	init(s);
}

/* ---- asking ---- */

int store_client_ask(struct store_client *s, bool encoded, uint16_t type, const char *subject, uint16_t want,
		     struct admin_msg *ret)
{
	return store_client_ask_fd(s, encoded, type, subject, -1, want, ret);
}

int store_client_ask_fd(struct store_client *s, bool encoded, uint16_t type, const char *subject, int fd, uint16_t want,
			struct admin_msg *ret)
{
	_cleanup_(free_ptr) char *text = NULL;
	int r;

	if (!encoded) {
		buf_reset(&s->payload);
		return cli_fail(CLI_BAD_DATA, subject, "this is too long", NULL);
	}
	r = sync_channel_call(&s->channel, type, buf_view(&s->payload), &fd, fd >= 0, fd >= 0 ? LONG_MS : ANSWER_MS,
			      ret);
	buf_reset(&s->payload);
	if (r < 0)
		return cli_fail_errno(CLI_NOT_RUNNING, "the server did not answer", r, "see its log");
	if (ret->type == want)
		return 0;
	if (ret->type != ADMIN_FAILED)
		return cli_fail(CLI_OTHER, "the server gave an odd answer", NULL, "see its log");
	text = view_to_cstr(ret->failed.text);
	return cli_fail(ret->failed.exit_status ? (enum cli_status)ret->failed.exit_status : CLI_OTHER,
			text ? text : "failed", NULL, NULL);
}

int store_client_do(struct store_client *s, bool encoded, uint16_t type, const char *subject, FILE *out)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(4096);
	struct admin_msg answer;
	int r = store_client_ask(s, encoded, type, subject, ADMIN_DONE, &answer);

	if (r || !out)
		return r;
	show_clean(answer.done.text, &text);
	(void)fprintf(out, "%s\n", buf_cstr(&text));
	return 0;
}

int store_client_change(struct store_client *s, bool encoded, uint16_t type, const char *subject)
{
	int r = store_client_do(s, encoded, type, subject, stdout);

	store_client_close(s);
	return r;
}
