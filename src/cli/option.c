/* SPDX-License-Identifier: ISC
 * Options of commands. */
#include "cli/option.h"

#include "cli/help.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_MAX = 32, COMMON = 3 };

void option_words_fini(struct option_words *w)
{
	free(w->items);
	*w = (struct option_words){NULL, 0};
}

static void add_word(struct option_words *words, const char *value)
{
	words->items = xrealloc(words->items, (words->n + 1) * sizeof *words->items);
	words->items[words->n++] = value;
}

/* The options of one command, with those that all have. */
struct taker {
	struct cli *c;
	struct option options[OPTIONS_MAX];
	size_t n;
	const char *dir;
	bool help, json;
};

static bool is_told(const struct cli_command *command, const char *name)
{
	size_t len = strlen(name);

	for (const struct cli_option_help *h = command->options; h && h->option; h++) {
		const char *at = strstr(h->option, "--");

		if (at && strncmp(at + 2, name, len) == 0 && strchr(" =", at[2 + len]))
			return true;
	}
	return false;
}

static void taker_init(struct taker *t, struct cli *c, const struct option *options, size_t n)
{
	assert(n + COMMON <= OPTIONS_MAX);
	*t = (struct taker){.c = c};
	for (size_t i = 0; i < n; i++) {
		assert(is_told(c->command, options[i].name));
		t->options[t->n++] = options[i];
	}
	t->options[t->n++] = (struct option){.name = "dir", .value = &t->dir};
	t->options[t->n++] = (struct option){.name = "help", .short_name = 'h', .flag = &t->help};
	if (c->command->shows)
		t->options[t->n++] = (struct option){.name = "json", .flag = &t->json};
}

static int unknown(const struct taker *t, const char *given)
{
	_cleanup_(buf_fini) struct buf why = BUF_INIT(512);
	const char *best = NULL;
	size_t best_distance = 3;

	for (size_t i = 0; i < t->n; i++) {
		size_t d = help_distance(given + strspn(given, "-"), t->options[i].name);

		if (d < best_distance) {
			best = t->options[i].name;
			best_distance = d;
		}
	}
	buf_printf(&why, "there is no option %.80s", given);
	if (best)
		buf_printf(&why, " (did you mean --%s?)", best);
	return cli_usage(t->c, buf_cstr(&why));
}

static int needs_value(const struct taker *t, const struct option *o, bool needs)
{
	_cleanup_(buf_fini) struct buf why = BUF_INIT(256);

	buf_printf(&why, needs ? "--%s needs a value" : "--%s takes no value", o->name);
	return cli_usage(t->c, buf_cstr(&why));
}

static void set(const struct option *o, const char *value)
{
	if (o->flag)
		*o->flag = true;
	else if (o->values)
		add_word(o->values, value);
	else
		*o->value = value;
}

/* --name, --name=VALUE, --name VALUE */
static int take_long(struct taker *t, int *at)
{
	const char *word = t->c->argv[*at] + 2, *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);

	for (size_t i = 0; i < t->n; i++) {
		const struct option *o = &t->options[i];
		const char *value = equals ? equals + 1 : NULL;

		if (strlen(o->name) != len || strncmp(o->name, word, len) != 0)
			continue;
		if (o->flag ? value != NULL : !value && *at + 1 >= t->c->argc)
			return needs_value(t, o, !o->flag);
		if (!o->flag && !value)
			value = t->c->argv[++*at];
		set(o, value);
		return 0;
	}
	return unknown(t, t->c->argv[*at]);
}

static const struct option *find_short(const struct taker *t, char letter)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->options[i].short_name == letter)
			return &t->options[i];
	return NULL;
}

/* -t, -ti, -fVALUE, -f VALUE */
static int take_short(struct taker *t, int *at)
{
	const char *word = t->c->argv[*at];

	for (size_t i = 1; word[i]; i++) {
		const struct option *o = find_short(t, word[i]);

		if (!o)
			return unknown(t, word);
		if (o->flag) {
			set(o, NULL);
			continue;
		}
		if (!word[i + 1] && *at + 1 >= t->c->argc)
			return needs_value(t, o, true);
		set(o, word[i + 1] ? &word[i + 1] : t->c->argv[++*at]);
		break;
	}
	return 0;
}

static int take_all(struct taker *t)
{
	struct cli *c = t->c;
	int kept = 1;

	for (int i = 1; i < c->argc; i++) {
		char *word = c->argv[i];
		int r = 0;

		if (strcmp(word, "--") == 0) {
			while (++i < c->argc)
				c->argv[kept++] = c->argv[i];
			break;
		}
		if (word[0] != '-' || word[1] == '\0')
			c->argv[kept++] = word;
		else
			r = word[1] == '-' ? take_long(t, &i) : take_short(t, &i);
		if (r)
			return r;
	}
	c->argc = kept;
	c->argv[kept] = NULL;
	return 0;
}

int option_take(struct cli *c, const struct option *options, size_t n)
{
	struct taker t;
	int r;

	taker_init(&t, c, options, n);
	r = take_all(&t);
	if (r)
		return r;
	if (t.help) {
		help_print(c->command);
		return OPTION_HELP_SHOWN;
	}
	if (t.dir)
		cli_set_dir(c, t.dir);
	c->json = c->json || t.json;
	return 0;
}

int option_take_words(struct cli *c, int min, int max, const char *need)
{
	int r = option_take(c, NULL, 0);

	if (r == 0 && (c->argc - 1 < min || c->argc - 1 > max))
		r = cli_usage(c, need);
	return r;
}

static void drop(struct cli *c, int at, int n)
{
	memmove(&c->argv[at], &c->argv[at + n], (size_t)(c->argc - at - n + 1) * sizeof c->argv[0]);
	c->argc -= n;
}

int option_take_leading(struct cli *c, int at, bool *ret_help)
{
	const char *word = at < c->argc ? c->argv[at] : "";

	if (strncmp(word, "--dir=", 6) == 0) {
		cli_set_dir(c, word + 6);
	} else if (strcmp(word, "--dir") == 0) {
		if (at + 1 >= c->argc)
			return cli_fail(CLI_USAGE, "--dir", "a folder must follow", NULL);
		cli_set_dir(c, c->argv[at + 1]);
		drop(c, at, 1);
	} else if (strcmp(word, "--json") == 0) {
		c->json = true;
	} else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		*ret_help = true;
	} else {
		return 0;
	}
	drop(c, at, 1);
	return 1;
}
