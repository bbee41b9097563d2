/* SPDX-License-Identifier: ISC
 * The command line's way to stored: the running server's, or one of its own on the locked data folder. */
#include "cli/store_client.h"

#include "ipc/msgs/control_msgs.h"
#include "supervisor/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	ANSWER_MS = 60000,
	START_MS = 60000, /* a migration may have to run */
	CONTROL_FD = 3,
	PAYLOAD_MAX = 1024 * 1024,
};

/* ---- a stored of our own ---- */

static void become_stored(const char *path, int control)
{
	int null = open("/dev/null", O_RDONLY);

	(void)dup2(control, CONTROL_FD);
	if (control == CONTROL_FD)
		(void)fcntl(control, F_SETFD, 0);
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(STDERR_FILENO, STDOUT_FILENO);
	(void)execl(path, "pombo-stored", "store", "0", (char *)NULL);
	_exit(127);
}

static int spawn_stored(struct store_client *s)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(1024);
	_cleanup_(free_ptr) char *path = supervisor_find_role("stored", &error);
	int sv[2];

	if (!path)
		return cli_fail(CLI_OTHER, buf_cstr(&error), NULL, NULL);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return cli_fail_errno(CLI_OTHER, "cannot make a socket", errno, NULL);
	s->pid = fork();
	if (s->pid == 0)
		become_stored(path, sv[1]);
	(void)close(sv[1]);
	s->control_fd = sv[0];
	if (s->pid < 0) {
		s->pid = 0;
		return cli_fail_errno(CLI_OTHER, "cannot start pombo-stored", errno, NULL);
	}
	return 0;
}

/* What the supervisor would give it: settings, its folder, a channel for commands; and whether to make the store. */
static int give(struct sync_channel *control, const struct cli *c, const struct conf *conf, struct view text,
		bool create, int *ret_admin_fd)
{
	_cleanup_(buf_fini) struct buf payload = BUF_INIT(PAYLOAD_MAX);
	_cleanup_(free_ptr) char *path = cli_path(c, "store");
	_cleanup_(fd_close) int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(fd_close) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int sv[2] = {-1, -1}, r;
	struct control_msg answer;
	bool fits;

	if (folder < 0 || null < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return -errno;
	fits = control_put_setup(&payload, &(struct control_setup){
					       .kind = VIEW_LIT("store"),
					       .count = 1,
					       .config = text,
					       .first_start = true,
					       .uid = geteuid() == 0 ? supervisor_store_uid(conf) : 0,
					   });
	r = fits ? sync_channel_follow(control, CONTROL_SETUP, buf_view(&payload), NULL, 0, START_MS) : -E2BIG;
	buf_reset(&payload);
	if (r == 0 && control_put_folder(&payload, &(struct control_folder){.path = view_from_cstr(path)}))
		r = sync_channel_follow(control, CONTROL_FOLDER, buf_view(&payload), &folder, 1, START_MS);
	buf_reset(&payload);
	if (r == 0 && create && control_put_file(&payload, &(struct control_file){.name = VIEW_LIT("create-store")}))
		r = sync_channel_follow(control, CONTROL_FILE, buf_view(&payload), &null, 1, START_MS);
	buf_reset(&payload);
	if (r == 0 && control_put_channel(
			  &payload, &(struct control_channel){.list = VIEW_LIT("admin"), .peer = VIEW_LIT("cli")}))
		r = sync_channel_follow(control, CONTROL_CHANNEL, buf_view(&payload), &sv[1], 1, START_MS);
	buf_reset(&payload);
	if (r == 0)
		r = sync_channel_follow(control, CONTROL_START, buf_view(&payload), NULL, 0, START_MS);
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

static int start_stored(const struct cli *c, bool create, struct store_client *s)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(256 * 1024), error = BUF_INIT(2048);
	struct conf *conf = NULL;
	int admin_fd = -1;
	int r = supervisor_read_conf(c->dir, &conf, &text, &error);

	if (r)
		return cli_fail(r, buf_cstr(&error), NULL, NULL);
	r = supervisor_prepare_dir(c->dir, conf, &error);
	if (r) {
		conf_free(&conf);
		return cli_fail(r, buf_cstr(&error), NULL, NULL);
	}
	s->lock_fd = supervisor_lock(c->dir);
	if (s->lock_fd < 0) {
		conf_free(&conf);
		return cli_fail_errno(CLI_NOT_RUNNING, "the server neither answers nor leaves its data folder free",
				      s->lock_fd, "see its log, or try again in a moment");
	}
	r = spawn_stored(s);
	if (r == 0) {
		sync_channel_init(&s->control, s->control_fd, &control_proto, CONTROL_PEER_SUPERVISOR,
				  CONTROL_PEER_ROLE);
		r = give(&s->control, c, conf, buf_view(&text), create, &admin_fd);
		if (r < 0)
			r = cli_fail_errno(CLI_OTHER, "cannot open the mail store", r, "what it said stands above");
	}
	conf_free(&conf);
	if (r == 0)
		sync_channel_init(&s->channel, admin_fd, &admin_proto, ADMIN_PEER_CLI, ADMIN_PEER_STORE);
	return r;
}

/* ---- either ---- */

static int open_either(const struct cli *c, bool create, struct store_client *s)
{
	int fd;

	*s = (struct store_client){.payload = BUF_INIT(PAYLOAD_MAX), .control_fd = -1, .lock_fd = -1};
	fd = create ? -ENOENT : supervisor_connect(c->dir);
	if (fd >= 0) {
		sync_channel_init(&s->channel, fd, &admin_proto, ADMIN_PEER_CLI, ADMIN_PEER_STORE);
		return 0;
	}
	if (fd == -EACCES || fd == -EPERM)
		return cli_fail(CLI_NOT_ALLOWED, "cannot speak to the server", "its control socket is not yours",
				"run the command as the user the server was started by, or as root");
	if (fd != -ENOENT && fd != -ECONNREFUSED)
		return cli_fail_errno(CLI_NOT_RUNNING, "cannot speak to the server", fd, NULL);
	return start_stored(c, create, s);
}

int store_client_open(const struct cli *c, struct store_client *ret)
{
	int r = open_either(c, false, ret);

	if (r)
		store_client_close(ret);
	return r;
}

int store_client_create(const struct cli *c, struct store_client *ret)
{
	int r = open_either(c, true, ret);

	if (r)
		store_client_close(ret);
	return r;
}

void store_client_close(struct store_client *s)
{
	if (s->channel.proto)
		sync_channel_fini(&s->channel);
	if (s->control_fd >= 0) {
		_cleanup_(buf_fini) struct buf payload = BUF_INIT(64);

		if (s->control.proto && control_put_stop(&payload, &(struct control_stop){ANSWER_MS}))
			(void)!sync_channel_follow(&s->control, CONTROL_STOP, buf_view(&payload), NULL, 0, ANSWER_MS);
		if (s->control.proto && s->pid > 0)
			(void)waitpid(s->pid, NULL, 0);
		if (s->control.proto)
			sync_channel_fini(&s->control);
	}
	fd_close(&s->lock_fd);
	buf_fini(&s->payload);
}

int store_client_ask(struct store_client *s, uint16_t type, struct admin_msg *ret)
{
	int r = sync_channel_call(&s->channel, type, buf_view(&s->payload), NULL, 0, ANSWER_MS, ret);

	if (r < 0)
		return cli_fail_errno(CLI_NOT_RUNNING, "the server did not answer", r, "see its log");
	if (ret->type == ADMIN_FAILED) {
		_cleanup_(free_ptr) char *text = view_to_cstr(ret->failed.text);

		return cli_fail(ret->failed.exit_status ? ret->failed.exit_status : CLI_OTHER, text ? text : "failed",
				NULL, NULL);
	}
	return 0;
}

int store_client_do(struct store_client *s, uint16_t type)
{
	struct admin_msg answer;
	int r = store_client_ask(s, type, &answer);

	if (r == 0 && answer.type == ADMIN_DONE)
		(void)printf("%.*s\n", VIEW_FMT(answer.done.text));
	return r;
}
