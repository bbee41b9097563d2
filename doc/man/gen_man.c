/* SPDX-License-Identifier: ISC
 * Copies a template to standard output; lines @COMMANDS@, @SETTINGS@ and @COMPLETION@ become what the commands' and the settings' own
 * tables say. Run while pombo is built. */
#include "cli/commands.h"
#include "conf/conf.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 78 };

/* ---- mdoc ---- */

static void put_char(char c)
{
	if (c == '\\')
		(void)printf("\\e");
	else
		(void)putchar(c);
}

static void put_word(struct view word, bool line_start)
{
	if (line_start && (word.p[0] == '.' || word.p[0] == '\''))
		(void)printf("\\&");
	for (size_t i = 0; i < word.n; i++) {
		if (word.p[i] == '-' && (i == 0 || word.p[i - 1] == '-'))
			(void)printf("\\-"); /* an option in running text */
		else
			put_char(word.p[i]);
	}
}

/* Running text: lines of at most COLUMNS, and a new one for each sentence. */
static void put_text(struct view text)
{
	size_t column = 0;
	struct view word;

	while (text.n) {
		bool more = view_cut(text, ' ', &word, &text);

		if (!more) {
			word = text;
			text = VIEW_EMPTY;
		}
		if (column && column + 1 + word.n > COLUMNS) {
			(void)printf("\n");
			column = 0;
		}
		if (column)
			column += (size_t)printf(" ");
		put_word(word, column == 0);
		column += word.n;
		if (word.n > 1 && word.p[word.n - 1] == '.' && more) {
			(void)printf("\n");
			column = 0;
		}
	}
	if (column)
		(void)printf("\n");
}

static void put_paragraphs(const char *text)
{
	struct view rest = view_from_cstr(text);

	while (rest.n) {
		size_t n = view_find(rest, VIEW_LIT("\n\n"));

		(void)printf(".Pp\n");
		put_text(view_sub(rest, 0, n));
		rest = view_sub(rest, n + 2, rest.n);
	}
}

/* A word as argument of a macro. */
static void put_argument(struct view word)
{
	(void)putchar(' ');
	for (size_t i = 0; i < word.n; i++)
		put_char(word.p[i]);
}

/* "-s, --subject TEXT" as ".It Fl s , Fl -subject Ar TEXT" */
static void put_option(const struct cli_option_help *o)
{
	struct view word, rest = view_from_cstr(o->option);

	(void)printf(".It");
	while (rest.n) {
		bool comma;

		if (!view_cut(rest, ' ', &word, &rest)) {
			word = rest;
			rest = VIEW_EMPTY;
		}
		comma = word.p[word.n - 1] == ',';
		if (comma)
			word.n--;
		(void)printf(word.p[0] == '-' ? " Fl" : " Ar");
		put_argument(word.p[0] == '-' ? view_sub(word, 1, word.n) : word);
		if (comma)
			(void)printf(" ,");
	}
	(void)printf("\n");
	put_text(view_from_cstr(o->text));
}

static void put_example(const char *text)
{
	(void)printf(".Bd -literal -offset indent\n");
	for (; *text; text++)
		put_char(*text);
	(void)printf("\n.Ed\n");
}

static void put_command(const struct cli_command *c)
{
	static const struct cli_option_help json = {"--json", "One JSON document instead of text."};
	bool options = (c->options && c->options->option) || c->shows;
	_cleanup_(buf_fini) struct buf usage = BUF_INIT(1024), summary = BUF_INIT(1024);

	buf_printf(&usage, "pombo %s %s", c->name, c->usage);
	buf_printf(&summary, "%c%s.", toupper((unsigned char)c->summary[0]), c->summary + 1);
	(void)printf(".Ss pombo %s\n.Bd -ragged -offset indent -compact\n", c->name);
	put_text(view_trim(buf_view(&usage)));
	(void)printf(".Ed\n.Pp\n");
	put_text(buf_view(&summary));
	if (c->help)
		put_paragraphs(c->help);
	if (options)
		(void)printf(".Bl -tag -width indent\n");
	for (const struct cli_option_help *o = c->options; o && o->option; o++)
		put_option(o);
	if (c->shows)
		put_option(&json);
	if (options)
		(void)printf(".El\n");
	put_example(c->example);
}

static void put_commands(void)
{
	for (size_t i = 0; i < commands_n; i++)
		put_command(commands[i]);
}

static void put_setting(void *ctx, const char *key, const char *type, const char *def, const char *help)
{
	_cleanup_(buf_fini) struct buf facts = BUF_INIT(2048);

	(void)ctx;
	(void)printf(".It Ic %s\n", key);
	put_text(view_from_cstr(help));
	buf_printf(&facts, "It is %s; the default is %s.", type, def[0] ? def : "empty");
	(void)printf(".Pp\n");
	put_text(buf_view(&facts));
}

/* ---- completion ---- */

/* "words" of a family and options of a command, as entries of one associative array: [account]="add list …" [account add]="--quota …" */
static void put_family(const char *name, size_t len)
{
	(void)printf("\t[%.*s]=\"", (int)len, name);
	for (size_t i = 0; i < commands_n; i++)
		if (strncmp(commands[i]->name, name, len) == 0 && commands[i]->name[len] == ' ')
			(void)printf("%s ", commands[i]->name + len + 1);
	(void)printf("\"\n");
}

static void put_long_options(const struct cli_command *c)
{
	(void)printf("\t[\"%s\"]=\"", c->name);
	for (const struct cli_option_help *o = c->options; o && o->option; o++) {
		const char *at = strstr(o->option, "--");

		if (at)
			(void)printf("%.*s ", (int)strcspn(at, " "), at);
	}
	(void)printf("%s--dir --help\"\n", c->shows ? "--json " : "");
}

static void put_completion(void)
{
	for (size_t i = 0; i < commands_n; i++) {
		const char *name = commands[i]->name;
		size_t len = strcspn(name, " ");

		if (name[len] && (i == 0 || strncmp(commands[i - 1]->name, name, len + 1) != 0))
			put_family(name, len);
		put_long_options(commands[i]);
	}
	(void)printf("\t[pombo]=\"");
	for (size_t i = 0; i < commands_n; i++) {
		size_t len = strcspn(commands[i]->name, " ");

		if (i == 0 || strncmp(commands[i - 1]->name, commands[i]->name, len + 1) != 0)
			(void)printf("%.*s ", (int)len, commands[i]->name);
	}
	(void)printf("help --help --version --dir\"\n");
}

/* ---- the template ---- */

int main(int argc, char **argv)
{
	FILE *in = argc == 2 ? fopen(argv[1], "re") : NULL;
	char *line = NULL;
	size_t cap = 0;

	if (!in) {
		(void)fprintf(stderr, "gen-man: cannot open the template\n");
		return 1;
	}
	while (getline(&line, &cap, in) > 0) {
		if (strcmp(line, "@COMMANDS@\n") == 0)
			put_commands();
		else if (strcmp(line, "@SETTINGS@\n") == 0)
			conf_describe(put_setting, NULL);
		else if (strcmp(line, "@ROUTES@\n") == 0)
			conf_describe_route(put_setting, NULL);
		else if (strcmp(line, "@COMPLETION@\n") == 0)
			put_completion();
		else
			(void)fputs(line, stdout);
	}
	free(line);
	return fclose(in) == 0 && fflush(stdout) == 0 ? 0 : 1;
}
