/* SPDX-License-Identifier: ISC
 * What every command shares: errors, options, passwords, sizes. */
#include "cli/cli.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

int cli_fail(enum cli_status status, const char *what, const char *why, const char *todo)
{
	(void)fprintf(stderr, "pombo: %s%s%s%s%s\n", what, why ? ": " : "", why ? why : "", todo ? "; " : "",
		      todo ? todo : "");
	return status;
}

int cli_fail_errno(enum cli_status status, const char *what, int error, const char *todo)
{
	return cli_fail(status, what, strerror(error < 0 ? -error : error), todo);
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein distance of short words; options are short. */
static size_t distance(const char *a, const char *b)
{
	enum { WORD_MAX = 32 };
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

static int unknown_option(const struct cli *c, const char *given, const struct cli_option *options, size_t n)
{
	_cleanup_(buf_fini) struct buf why = BUF_INIT(512);
	const char *best = NULL;
	size_t best_distance = 4;

	for (size_t i = 0; i < n; i++) {
		size_t d = distance(given + strspn(given, "-"), options[i].name);

		if (d < best_distance) {
			best = options[i].name;
			best_distance = d;
		}
	}
	buf_printf(&why, "there is no option %.80s", given);
	if (best)
		buf_printf(&why, "; did you mean --%s?", best);
	return cli_usage(c, buf_cstr(&why));
}

static const struct cli_option *find_option(const char *word, size_t name_len, const struct cli_option *options,
					    size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct cli_option *o = &options[i];

		if (word[1] == '-' ? strlen(o->name) == name_len - 2 && strncmp(word + 2, o->name, name_len - 2) == 0
				   : name_len == 2 && o->short_name && word[1] == o->short_name)
			return o;
	}
	return NULL;
}

static void add_word(struct cli_words *words, const char *value)
{
	words->items = xrealloc(words->items, (words->n + 1) * sizeof *words->items);
	words->items[words->n++] = value;
}

/* Handles the option at argv[*at]; moves *at past its value. */
static int take_option(struct cli *c, int *at, const struct cli_option *options, size_t n)
{
	char *word = c->argv[*at];
	char *equals = word[1] == '-' ? strchr(word, '=') : NULL;
	const struct cli_option *o = find_option(word, equals ? (size_t)(equals - word) : strlen(word), options, n);
	_cleanup_(buf_fini) struct buf why = BUF_INIT(256);
	const char *value;

	if (!o)
		return unknown_option(c, word, options, n);
	if (o->flag) {
		*o->flag = true;
		return 0;
	}
	value = equals ? equals + 1 : c->argv[++*at];
	if (!value) {
		buf_printf(&why, "--%s needs a value", o->name);
		return cli_usage(c, buf_cstr(&why));
	}
	if (o->values)
		add_word(o->values, value);
	else
		*o->value = value;
	return 0;
}

int cli_options(struct cli *c, const struct cli_option *options, size_t n)
{
	int kept = 1;

	for (int i = 1; i < c->argc; i++) {
		char *word = c->argv[i];
		int r;

		if (strcmp(word, "--") == 0) {
			while (++i < c->argc)
				c->argv[kept++] = c->argv[i];
			break;
		}
		if (word[0] != '-' || word[1] == '\0') {
			c->argv[kept++] = word;
			continue;
		}
		r = take_option(c, &i, options, n);
		if (r)
			return r;
	}
	c->argc = kept;
	c->argv[kept] = NULL;
	return 0;
}

char *cli_path(const struct cli *c, const char *below)
{
	struct buf b = BUF_INIT(4096);

	if (below[0] != '/')
		buf_printf(&b, "%s/", c->dir);
	buf_append_cstr(&b, below);
	return buf_take(&b, NULL);
}

int cli_read_file(const char *path, size_t max_bytes, struct buf *ret)
{
	_cleanup_(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char chunk[16384];
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, chunk, sizeof chunk)) > 0) {
		if (ret->n + (size_t)n > max_bytes)
			return -EFBIG;
		buf_append(ret, chunk, (size_t)n);
	}
	return n < 0 ? -errno : ret->overflow ? -EFBIG : 0;
}

enum { PASSWORD_LINE_MAX = 1024 };

/* One line without its end; 0 or -errno. */
static int read_line(int fd, struct buf *ret)
{
	char c;
	ssize_t n;

	while ((n = read(fd, &c, 1)) == 1 && c != '\n')
		buf_append_char(ret, c);
	if (n < 0)
		return -errno;
	if (ret->n && ret->p[ret->n - 1] == '\r')
		buf_truncate(ret, ret->n - 1);
	return ret->overflow ? -E2BIG : 0;
}

static int prompt(int tty, const char *text, struct buf *ret)
{
	struct termios old, quiet;
	int r;

	if (tcgetattr(tty, &old) < 0)
		return -errno;
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	(void)!write(tty, text, strlen(text));
	(void)tcsetattr(tty, TCSAFLUSH, &quiet);
	r = read_line(tty, ret);
	(void)tcsetattr(tty, TCSAFLUSH, &old);
	(void)!write(tty, "\n", 1);
	return r;
}

int cli_read_password(bool from_stdin, struct buf *ret)
{
	_cleanup_(fd_close) int tty = -1;
	_cleanup_(buf_fini) struct buf again = BUF_INIT(PASSWORD_LINE_MAX);
	int r;

	if (from_stdin) {
		r = read_line(STDIN_FILENO, ret);
		return r == 0 && ret->n == 0 ? -ENODATA : r;
	}
	tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	if (tty < 0)
		return -ENOTTY;
	r = prompt(tty, "Password: ", ret);
	if (r == 0)
		r = prompt(tty, "Once more: ", &again);
	if (r == 0 && !view_eq(buf_view(ret), buf_view(&again)))
		r = -EINVAL;
	if (again.p)
		explicit_bzero(again.p, again.cap);
	return r;
}

bool cli_parse_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	struct view v = view_from_cstr(text);
	unsigned shift = 0;
	uint64_t value;

	if (view_eq_lit_nocase(v, "none")) {
		*ret = 0;
		return true;
	}
	if (v.n && ascii_upper(v.p[v.n - 1]) == 'B')
		v.n--;
	if (v.n) {
		const char *unit = strchr(units, ascii_upper(v.p[v.n - 1]));

		if (unit && *unit) {
			shift = 10 * (unsigned)(unit - units + 1);
			v.n--;
		}
	}
	if (!view_to_u64(v, UINT64_MAX >> 1 >> shift, &value))
		return false;
	*ret = value << shift;
	return true;
}

void cli_format_size(uint64_t bytes, struct buf *out)
{
	static const char units[] = "KMGT";
	int unit = -1;
	double value = (double)bytes;

	while (value >= 1024 && unit < 3) {
		value /= 1024;
		unit++;
	}
	if (unit < 0)
		buf_printf(out, "%llu B", (unsigned long long)bytes);
	else
		buf_printf(out, value < 10 ? "%.1f %ciB" : "%.0f %ciB", value, units[unit]);
}

void cli_format_time(int64_t wall_s, struct buf *out)
{
	char text[CLOCK_RFC3339_BYTES];

	if (wall_s == 0) {
		buf_append_cstr(out, "never");
		return;
	}
	clock_format_rfc3339(wall_s * 1000000, text);
	buf_append_view(out, view_sub(view_from_cstr(text), 0, sizeof "2026-01-31T12:00:00" - 1));
	buf_append_char(out, 'Z');
}
