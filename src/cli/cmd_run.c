/* SPDX-License-Identifier: ISC
 * pombo run, stop, reload. */
#include "cli/commands.h"

#include "base/clock.h"
#include "cli/option.h"
#include "cli/store_client.h"
#include "supervisor/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

enum { STOP_WAIT_MS = 60000, START_WAIT_MS = 10000 };

static int run_server(struct cli *c)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(4096);
	bool check = false;
	const struct option options[] = {{.name = "check", .flag = &check}};
	int r = option_take(c, options, ARRAY_LEN(options));

	if (r)
		return r;
	if (c->argc > 1)
		return cli_usage(c, "it takes no words");
	r = supervisor_run(c->dir, check, &error);
	if (r && error.n)
		return cli_fail((enum cli_status)r, buf_cstr(&error), NULL, NULL);
	if (r == 0 && check)
		(void)printf("%s: the settings are fine\n", c->dir);
	return r;
}

const struct cli_command cmd_run = {
    .name = "run",
    .usage = "[--check]",
    .summary = "runs the server in the foreground; logs to stderr",
    .help = "Prints an event=ready line when every port answers, and tells systemd where NOTIFY_SOCKET is set. SIGTERM "
	    "ends it in "
	    "order, SIGHUP reads the settings and the certificate anew without dropping a connection.",
    .options =
	(const struct cli_option_help[]){
	    {"--check", "Only check the settings, the certificate and its key; start nothing."}, {NULL, NULL}},
    .example = "pombo run --dir /var/lib/pombo",
    .run = run_server,
};

/* ---- stop ---- */

/* The server's process; 0: none runs. The lock alone may be that of a command which works on the store, and is not to be ended: a
 * server answers on its socket. Negative: it is not ours. */
static pid_t find_server(const char *dir, uint64_t until_ms)
{
	for (;;) {
		pid_t pid = supervisor_find(dir);
		int fd = supervisor_connect(dir);
		bool refused = fd == -EACCES || fd == -EPERM, answers = fd >= 0;

		fd_close(&fd);
		if (pid == 0 || answers || refused)
			return refused ? -1 : pid;
		if (clock_mono_ms() >= until_ms)
			return 0;
		(void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	}
}

static int stop_server(struct cli *c)
{
	uint64_t until_ms = clock_mono_ms() + STOP_WAIT_MS;
	pid_t pid;
	int r = option_take_words(c, 0, 0, "it takes no words");

	if (r)
		return r;
	pid = find_server(c->dir, clock_mono_ms() + START_WAIT_MS);
	if (pid == 0)
		return cli_fail(CLI_NOT_RUNNING, "no server runs on this data folder", c->dir,
				"name another folder with --dir");
	if (pid < 0 || (kill(pid, SIGTERM) < 0 && errno != ESRCH))
		return cli_fail_errno(CLI_NOT_ALLOWED, "cannot stop the server", EPERM,
				      "run this as the user that runs the server, or as root");
	while (clock_mono_ms() < until_ms) {
		if (supervisor_find(c->dir) != pid) {
			(void)printf("stopped\n");
			return CLI_OK;
		}
		(void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	}
	return cli_fail(CLI_TRY_AGAIN, "the server is still ending", NULL, "see its log");
}

const struct cli_command cmd_stop = {
    .name = "stop",
    .usage = "",
    .summary = "ends the running server in order",
    .help = "Front ends finish what they are doing, the store is closed last. Returns when it is over.",
    .example = "pombo stop",
    .run = stop_server,
};

/* ---- reload ---- */

static int reload_server(struct cli *c)
{
	struct store_client s;
	int r = option_take_words(c, 0, 0, "it takes no words");

	if (r == 0)
		r = store_client_connect(c, &s);
	if (r)
		return r;
	r = store_client_do(&s, admin_put_reload_ask(&s.payload, &(struct admin_reload_ask){0}), ADMIN_RELOAD_ASK,
			    "reload", NULL);
	store_client_close(&s);
	if (r == 0)
		(void)printf("reloaded\n");
	return r;
}

const struct cli_command cmd_reload = {
    .name = "reload",
    .usage = "",
    .summary = "makes the running server read its settings and certificate anew",
    .help =
	"No connection is dropped. Settings with an error are not taken: the server goes on with the old ones, and the "
	"error is shown.",
    .example = "pombo reload",
    .run = reload_server,
};
