/* SPDX-License-Identifier: ISC */
#include "cli/option.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

enum { WORDS_MAX = 16 };

static const struct cli_option_help told[] = {
    {"-s, --subject TEXT", ""}, {"-a, --attach FILE", ""}, {"-t, --all", ""}, {"--check", ""}, {NULL, NULL}};
static const struct cli_command command = {
    .name = "test", .usage = "", .summary = "", .options = told, .example = "", .shows = true};

struct taken {
	const char *subject;
	struct option_words files;
	bool all, check;
};

/* The words parted by one blank; the first is the command. */
static int take(const char *line, struct cli *c, struct taken *t, struct buf *text, char **argv)
{
	const struct option options[] = {{.name = "subject", .short_name = 's', .value = &t->subject},
					 {.name = "attach", .short_name = 'a', .values = &t->files},
					 {.name = "all", .short_name = 't', .flag = &t->all},
					 {.name = "check", .flag = &t->check}};

	buf_append_cstr(text, line);
	(void)buf_cstr(text);
	*c = (struct cli){.command = &command, .argv = argv};
	argv[c->argc++] = text->p;
	for (char *p = text->p; *p; p++)
		if (*p == ' ') {
			*p = '\0';
			argv[c->argc++] = p + 1;
		}
	argv[c->argc] = NULL;
	cli_set_dir(c, "/d");
	return option_take(c, options, ARRAY_LEN(options));
}

static void forms(void **state)
{
	static const struct {
		const char *line;
		int result;
		const char *want; /* subject/files/all/check/json/dir: words */
	} cases[] = {
	    {"test", 0, "-/0/0/0/0//d:"},
	    {"test one two", 0, "-/0/0/0/0//d: one two"},
	    {"test --subject x one", 0, "x/0/0/0/0//d: one"},
	    {"test one --subject=x=y", 0, "x=y/0/0/0/0//d: one"},
	    {"test --subject= one", 0, "/0/0/0/0//d: one"},
	    {"test -s x -sy", 0, "y/0/0/0/0//d:"},
	    {"test -ts x", 0, "x/0/1/0/0//d:"},
	    {"test -a f -ag --attach h", 0, "-/3/0/0/0//d:"},
	    {"test --check --json --dir /x/", 0, "-/0/0/1/1//x:"},
	    {"test --dir=/x/y -- --check -t", 0, "-/0/0/0/0//x/y: --check -t"},
	    {"test - one", 0, "-/0/0/0/0//d: - one"},
	    {"test -s --json", 0, "--json/0/0/0/0//d:"}, /* a value, whatever it looks like */
	    {"test -s --help", 0, "--help/0/0/0/0//d:"},
	    {"test --check=yes", CLI_USAGE, NULL},
	    {"test --subject", CLI_USAGE, NULL},
	    {"test -s", CLI_USAGE, NULL},
	    {"test --chekc", CLI_USAGE, NULL},
	    {"test -x", CLI_USAGE, NULL},
	    {"test -tx", CLI_USAGE, NULL},
	    {"test --sub x", CLI_USAGE, NULL},
	    {"test --dir", CLI_USAGE, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(buf_fini) struct buf text = BUF_INIT(1000), got = BUF_INIT(1000);
		char *argv[WORDS_MAX];
		struct taken t = {0};
		struct cli c;
		int r = take(cases[i].line, &c, &t, &text, argv);

		if (r != cases[i].result)
			fail_msg("%s: %d", cases[i].line, r);
		buf_printf(&got, "%s/%zu/%d/%d/%d/%s:", t.subject ? t.subject : "-", t.files.n, t.all, t.check, c.json,
			   c.dir);
		for (int k = 1; k < c.argc; k++)
			buf_printf(&got, " %s", c.argv[k]);
		if (r == 0)
			assert_string_equal(buf_cstr(&got), cases[i].want);
		option_words_fini(&t.files);
		cli_fini(&c);
	}
}

static void folders(void **state)
{
	static const struct {
		const char *typed, *want; /* below the working folder where it starts with "~" */
	} cases[] = {{"/a/b", "/a/b"}, {"/a/b///", "/a/b"}, {"/", "/"}, {"a", "~/a"}, {"./a/", "~/./a"}};
	_cleanup_(free_ptr) char *cwd = NULL;
	struct cli c = {0};

	(void)state;
	cli_set_dir(&c, ".");
	cwd = xstrdup(c.dir);
	cwd[strlen(cwd) - 2] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(buf_fini) struct buf want = BUF_INIT(8192);

		buf_printf(&want, "%s%s", cases[i].want[0] == '~' ? cwd : "",
			   cases[i].want + (cases[i].want[0] == '~'));
		cli_set_dir(&c, cases[i].typed);
		assert_string_equal(c.dir, buf_cstr(&want));
	}
	cli_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(forms), cmocka_unit_test(folders)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
