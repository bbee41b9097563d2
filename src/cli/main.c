/* SPDX-License-Identifier: ISC
 * pombo: finds the command and runs it. */
#include "cli/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_command *const commands[] = {
    &cmd_init,
    &cmd_run,
    &cmd_stop,
    &cmd_reload,
    &cmd_account_add,
    &cmd_account_list,
    &cmd_account_show,
    &cmd_account_password,
    &cmd_account_remove,
    &cmd_account_enable,
    &cmd_account_disable,
    &cmd_account_quota,
    &cmd_account_send_as,
};

static const struct cli_command *running;

static void print_overview(FILE *out)
{
	(void)fprintf(out, "pombo %s: a whole mail server\n\nUsage: pombo COMMAND [--dir DIR] ...\n\n", POMBO_VERSION);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		(void)fprintf(out, "  %-18s %s\n", commands[i]->name, commands[i]->summary);
	(void)fprintf(out,
		      "\nDIR is $POMBO_DIR, or /var/lib/pombo. 'pombo COMMAND --help' explains one command.\n"
		      "To begin: pombo init --hostname mail.example.org --domain example.org --user you@example.org\n");
}

static void print_help(const struct cli_command *command)
{
	(void)printf("Usage: pombo %s %s\n\n%s\n\n%s\n", command->name, command->usage, command->summary,
		     command->help);
}

int cli_usage(const struct cli *c, const char *why)
{
	(void)c;
	(void)fprintf(stderr, "pombo: %s: %s; usage: pombo %s %s\n", running->name, why, running->name, running->usage);
	return CLI_USAGE;
}

/* How many of the words name the command: 1, 2 ("account add"), or 0. */
static int words_of(const struct cli_command *command, int argc, char **argv)
{
	const char *space = strchr(command->name, ' ');

	if (!space)
		return strcmp(command->name, argv[0]) == 0 ? 1 : 0;
	return argc > 1 && strlen(argv[0]) == (size_t)(space - command->name) &&
		       strncmp(command->name, argv[0], strlen(argv[0])) == 0 && strcmp(space + 1, argv[1]) == 0
		   ? 2
		   : 0;
}

/* A first word that has sub-commands, without a known one. */
static bool print_family(const char *word)
{
	bool any = false;

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (strncmp(commands[i]->name, word, strlen(word)) != 0 || commands[i]->name[strlen(word)] != ' ')
			continue;
		if (!any)
			(void)fprintf(stderr, "pombo: %s: what about it? There are:\n", word);
		any = true;
		(void)fprintf(stderr, "  pombo %s %s\n", commands[i]->name, commands[i]->usage);
	}
	return any;
}

static bool wants_help(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

/* --dir and --json mean the same everywhere, and stand anywhere. */
static int take_common(struct cli *c)
{
	int kept = 0;

	for (int i = 0; i < c->argc; i++) {
		if (strcmp(c->argv[i], "--") == 0) {
			while (i < c->argc)
				c->argv[kept++] = c->argv[i++];
			break;
		}
		if (strcmp(c->argv[i], "--json") == 0)
			c->json = true;
		else if (strncmp(c->argv[i], "--dir=", 6) == 0)
			c->dir = c->argv[i] + 6;
		else if (strcmp(c->argv[i], "--dir") == 0 && i + 1 < c->argc)
			c->dir = c->argv[++i];
		else if (strcmp(c->argv[i], "--dir") == 0)
			return cli_fail(CLI_USAGE, "--dir needs a folder", NULL, NULL);
		else
			c->argv[kept++] = c->argv[i];
	}
	c->argc = kept;
	c->argv[kept] = NULL;
	return 0;
}

static int run(struct cli *c)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		int words = words_of(commands[i], c->argc, c->argv);

		if (words == 0)
			continue;
		if (wants_help(c->argc - words, c->argv + words)) {
			print_help(commands[i]);
			return CLI_OK;
		}
		running = commands[i];
		c->argc -= words - 1;
		c->argv += words - 1;
		return commands[i]->run(c);
	}
	if (print_family(c->argv[0]))
		return CLI_USAGE;
	return cli_fail(CLI_USAGE, c->argv[0], "there is no such command", "see 'pombo --help'");
}

int main(int argc, char **argv)
{
	const char *env = getenv("POMBO_DIR");
	struct cli c = {.dir = env && *env ? env : "/var/lib/pombo", .argc = argc - 1, .argv = argv + 1};
	int r = take_common(&c);

	if (r)
		return r;
	if (c.argc == 0) {
		print_overview(stderr);
		return CLI_USAGE;
	}
	if (strcmp(c.argv[0], "--version") == 0) {
		(void)printf("pombo %s\n", POMBO_VERSION);
		return CLI_OK;
	}
	if (strcmp(c.argv[0], "--help") == 0 || strcmp(c.argv[0], "-h") == 0 || strcmp(c.argv[0], "help") == 0) {
		print_overview(stdout);
		return CLI_OK;
	}
	return run(&c);
}
