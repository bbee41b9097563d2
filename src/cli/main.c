/* SPDX-License-Identifier: ISC
 * pombo: finds the command and runs it; under the names sendmail, mailq and newaliases it is those. */
#include "cli/commands.h"

#include "cli/help.h"
#include "cli/option.h"
#include "cli/sendmail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool has_family(const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i < commands_n; i++)
		if (strncmp(commands[i]->name, word, len) == 0 && commands[i]->name[len] == ' ')
			return true;
	return false;
}

/* "stop", or "account" and "add". */
static const struct cli_command *find(const char *first, const char *second)
{
	size_t len = strlen(first);

	for (size_t i = 0; i < commands_n; i++) {
		const char *name = commands[i]->name;

		if (strncmp(name, first, len) != 0)
			continue;
		if (name[len] == '\0' || (name[len] == ' ' && second && strcmp(name + len + 1, second) == 0))
			return commands[i];
	}
	return NULL;
}

static int no_such(const char *word)
{
	_cleanup_(buf_fini) struct buf todo = BUF_INIT(256);
	size_t best = 3;

	buf_append_cstr(&todo, "see 'pombo --help'");
	for (size_t i = 0; i < commands_n; i++) {
		struct view first = view_from_cstr(commands[i]->name), rest;
		_cleanup_(free_ptr) char *name = NULL;
		size_t d;

		(void)view_cut(first, ' ', &first, &rest);
		name = view_to_cstr(first);
		d = help_distance(word, name);
		if (d >= best)
			continue;
		best = d;
		buf_reset(&todo);
		buf_printf(&todo, "did you mean '%s'?", name);
	}
	return cli_fail(CLI_USAGE, word, "there is no such command", buf_cstr(&todo));
}

/* A family without one of its members. */
static int family(const char *first, const char *second, bool help)
{
	_cleanup_(buf_fini) struct buf what = BUF_INIT(256);

	if (help) {
		(void)printf("Usage: pombo %s ...\n\n", first);
		(void)help_print_family(stdout, first);
		return CLI_OK;
	}
	if (second)
		buf_printf(&what, "there is no '%.80s %.80s'", first, second);
	(void)cli_fail(CLI_USAGE, first, second ? buf_cstr(&what) : "one of its commands must follow", "there are:");
	(void)help_print_family(stderr, first);
	return CLI_USAGE;
}

/* Options that stand before the command, or between its two words. */
static int take_leading(struct cli *c, int at, bool *help)
{
	int r;

	while ((r = option_take_leading(c, at, help)) == 1)
		continue;
	return r;
}

static int run_command(struct cli *c, const struct cli_command *command, int words, bool help)
{
	int r;

	if (help) {
		help_print(command);
		return CLI_OK;
	}
	c->command = command;
	if (c->json && !command->shows)
		return cli_usage(c, "there is no option --json");
	c->argc -= words - 1;
	c->argv += words - 1;
	r = command->run(c);
	return r == OPTION_HELP_SHOWN ? CLI_OK : r;
}

static int dispatch(struct cli *c, bool help)
{
	const char *first = c->argv[0], *second;
	bool in_family = has_family(first);
	const struct cli_command *command;
	int r = in_family ? take_leading(c, 1, &help) : 0;

	if (r)
		return r;
	second = in_family && c->argc > 1 ? c->argv[1] : NULL;
	command = find(first, second);
	if (command)
		return run_command(c, command, second ? 2 : 1, help);
	return in_family ? family(first, second, help) : no_such(first);
}

static int run(struct cli *c)
{
	bool help = false;
	int r = take_leading(c, 0, &help);

	if (r)
		return r;
	if (c->argc && strcmp(c->argv[0], "help") == 0) {
		help = true;
		c->argc--;
		c->argv++;
	}
	if (c->argc && strcmp(c->argv[0], "--version") == 0) {
		(void)printf("pombo %s\n", POMBO_VERSION);
		return CLI_OK;
	}
	if (c->argc == 0) {
		help_print_overview(help ? stdout : stderr);
		return help ? CLI_OK : CLI_USAGE;
	}
	return dispatch(c, help);
}

/* A daemon may start us without them; what is opened next must not take their places. */
static void open_standard_files(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	fd_close(&fd);
}

int main(int argc, char **argv)
{
	const char *env = getenv("POMBO_DIR");
	const char *slash = argc ? strrchr(argv[0], '/') : NULL, *name = slash ? slash + 1 : argc ? argv[0] : "";
	struct cli c = {.argc = argc ? argc - 1 : 0, .argv = argv + 1};
	int r;

	open_standard_files();
	cli_set_dir(&c, env && *env ? env : "/var/lib/pombo");
	r = sendmail_is_name(name) ? sendmail_run(&c, name, argc, argv) : run(&c);
	if (r == CLI_OK && (fflush(stdout) != 0 || ferror(stdout)))
		r = cli_fail_errno(CLI_OTHER, "cannot write to standard output", errno, NULL);
	cli_fini(&c);
	return r;
}
