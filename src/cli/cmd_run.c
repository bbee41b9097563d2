/* SPDX-License-Identifier: ISC
 * pombo run, stop, reload. */
#include "cli/commands.h"

#include "cli/store_client.h"
#include "supervisor/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

enum { STOP_WAIT_S = 60 };

static int run_server(struct cli *c)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(4096);
	bool check = false;
	const struct cli_option options[] = {{.name = "check", .flag = &check}};
	int r = cli_options(c, options, ARRAY_LEN(options));

	if (r)
		return r;
	if (c->argc > 1)
		return cli_usage(c, "too many words");
	r = supervisor_run(c->dir, check, &error);
	if (r && error.n)
		return cli_fail(r, buf_cstr(&error), NULL, NULL);
	if (r == 0 && check)
		(void)printf("%s: the settings are fine\n", c->dir);
	return r;
}

const struct cli_command cmd_run = {
    .name = "run",
    .usage = "[--check]",
    .summary = "runs the server in the foreground; logs to stderr",
    .help = "Prints an event=ready line when every port answers. SIGTERM ends it in order, SIGHUP reads the settings "
	    "and the\n"
	    "certificate anew without dropping a connection. --check only checks the settings.\n\n"
	    "Example: pombo run --dir /var/lib/pombo",
    .run = run_server,
};

static bool has_ended(const char *dir, pid_t pid)
{
	return supervisor_find(dir) != pid;
}

static int stop_server(struct cli *c)
{
	pid_t pid;
	int r = cli_options(c, NULL, 0);

	if (r)
		return r;
	pid = supervisor_find(c->dir);
	if (pid == 0)
		return cli_fail(CLI_NOT_RUNNING, "no server runs on this data folder", c->dir, NULL);
	if (kill(pid, SIGTERM) < 0)
		return cli_fail_errno(errno == EPERM ? CLI_NOT_ALLOWED : CLI_OTHER, "cannot stop the server", errno,
				      NULL);
	for (int i = 0; i < STOP_WAIT_S * 50; i++) {
		if (has_ended(c->dir, pid)) {
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
    .help = "Front ends finish what they are doing, the store is closed last. Returns when it is over.\n\nExample: "
	    "pombo stop",
    .run = stop_server,
};

static int reload_server(struct cli *c)
{
	struct store_client s;
	int r = cli_options(c, NULL, 0);

	if (r)
		return r;
	if (supervisor_find(c->dir) == 0)
		return cli_fail(CLI_NOT_RUNNING, "no server runs on this data folder", c->dir,
				"start it with 'pombo run'");
	r = store_client_open(c, &s);
	if (r)
		return r;
	buf_reset(&s.payload);
	r = store_client_do(&s, ADMIN_RELOAD_ASK);
	store_client_close(&s);
	return r;
}

const struct cli_command cmd_reload = {
    .name = "reload",
    .usage = "",
    .summary = "makes the running server read its settings and certificate anew",
    .help = "No connection is dropped. Settings with an error are not taken: the server goes on with the old ones and "
	    "the error is\n"
	    "shown.\n\nExample: pombo reload",
    .run = reload_server,
};
