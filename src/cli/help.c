/* SPDX-License-Identifier: ISC
 * What --help says. */
#include "cli/help.h"

#include "cli/commands.h"

#include <string.h>

enum { WIDTH = 88, OPTION_INDENT = 6, WORD_MAX = 32 };

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

size_t help_distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), row[WORD_MAX + 1];

	if (n > WORD_MAX || m > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t above = row[j];

			row[j] = min3(row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[m];
}

/* One paragraph, broken at blanks. */
static void print_wrapped(struct view text, size_t indent)
{
	while (text.n) {
		size_t n = text.n, room = WIDTH - indent;

		if (n > room) {
			n = room;
			while (n > 0 && text.p[n] != ' ')
				n--;
			if (n == 0)
				n = room;
		}
		(void)printf("%*s%.*s\n", (int)indent, "", (int)n, text.p);
		text = view_trim(view_sub(text, n, text.n));
	}
}

static void print_paragraphs(const char *text)
{
	struct view rest = view_from_cstr(text);

	while (rest.n) {
		size_t n = view_find(rest, VIEW_LIT("\n\n"));

		(void)printf("\n");
		print_wrapped(view_sub(rest, 0, n), 0);
		rest = view_sub(rest, n + 2, rest.n);
	}
}

static void print_option(const struct cli_option_help *o)
{
	(void)printf("  %s\n", o->option);
	print_wrapped(view_from_cstr(o->text), OPTION_INDENT);
}

void help_print(const struct cli_command *command)
{
	static const struct cli_option_help json = {"--json", "One JSON document instead of text."},
					    dir = {"--dir DIR", "The server's data folder, where it is neither "
								"$POMBO_DIR nor /var/lib/pombo."};

	(void)printf("Usage: pombo %s%s%s\n\n%s %s.\n", command->name, command->usage[0] ? " " : "", command->usage,
		     command->name, command->summary);
	if (command->help)
		print_paragraphs(command->help);
	(void)printf("\n");
	for (const struct cli_option_help *o = command->options; o && o->option; o++)
		print_option(o);
	if (command->shows)
		print_option(&json);
	print_option(&dir);
	(void)printf("\nExample:\n");
	for (struct view line = VIEW_EMPTY, rest = view_from_cstr(command->example); rest.n;) {
		if (!view_cut(rest, '\n', &line, &rest)) {
			line = rest;
			rest = VIEW_EMPTY;
		}
		(void)printf("  %.*s\n", VIEW_FMT(line));
	}
}

void help_print_overview(FILE *out)
{
	(void)fprintf(out, "pombo %s: a whole mail server\n\nUsage: pombo COMMAND [--dir DIR] ...\n\n", POMBO_VERSION);
	for (size_t i = 0; i < commands_n; i++)
		(void)fprintf(out, "  %-18s %s\n", commands[i]->name, commands[i]->summary);
	(void)fprintf(out,
		      "\nDIR is $POMBO_DIR, or /var/lib/pombo. 'pombo COMMAND --help' explains one command.\n"
		      "To begin: pombo init --hostname mail.example.org --domain example.org --user you@example.org\n");
}

bool help_print_family(FILE *out, const char *word)
{
	bool any = false;

	for (size_t i = 0; i < commands_n; i++) {
		const struct cli_command *command = commands[i];
		size_t len = strlen(word);

		if (strncmp(command->name, word, len) != 0 || command->name[len] != ' ')
			continue;
		any = true;
		(void)fprintf(out, "  pombo %s %s\n      %s\n", command->name, command->usage, command->summary);
	}
	return any;
}
