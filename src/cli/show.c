/* SPDX-License-Identifier: ISC
 * How sizes, times and others' text look. */
#include "cli/show.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool show_parse_size(const char *text, uint64_t *ret)
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

void show_size(uint64_t bytes, struct buf *out)
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

void show_time(int64_t wall_s, struct buf *out)
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

const char *show_noun(uint64_t n, const char *one, const char *many)
{
	return n == 1 ? one : many;
}

void show_span(int64_t seconds, struct buf *out)
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};

	seconds = seconds < 0 ? 0 : seconds;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		int64_t rest = seconds % units[i].seconds;

		if (seconds < units[i].seconds && units[i].seconds > 1)
			continue;
		buf_printf(out, "%lld %s", (long long)(seconds / units[i].seconds), units[i].name);
		if (i + 1 < ARRAY_LEN(units) && rest >= units[i + 1].seconds)
			buf_printf(out, " %lld %s", (long long)(rest / units[i + 1].seconds), units[i + 1].name);
		return;
	}
}

/* Characters that turn the direction of what follows: U+202A…202E, U+2066…2069, U+200E, U+200F, U+061C. */
static bool turns(struct view v)
{
	const unsigned char *p = (const unsigned char *)v.p;

	if (v.n >= 3 && p[0] == 0xe2 && p[1] == 0x80)
		return (p[2] >= 0xaa && p[2] <= 0xae) || p[2] == 0x8e || p[2] == 0x8f;
	if (v.n >= 3 && p[0] == 0xe2 && p[1] == 0x81)
		return p[2] >= 0xa6 && p[2] <= 0xa9;
	return v.n >= 2 && p[0] == 0xd8 && p[1] == 0x9c;
}

/* Length of the UTF-8 character at the front that may be shown; 0: none. Control characters are C0, DEL and C1. */
static size_t shown_bytes(struct view v)
{
	unsigned char first = (unsigned char)v.p[0];
	size_t n = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

	if (first < 0x20 || first == 0x7f || n > v.n || !view_is_utf8(view_sub(v, 0, n)) || turns(v))
		return 0;
	return n == 2 && first == 0xc2 && (unsigned char)v.p[1] < 0xa0 ? 0 : n;
}

static void append_clean(struct view text, const char *instead, struct buf *out)
{
	while (text.n) {
		size_t n = shown_bytes(text);

		if (n)
			buf_append(out, text.p, n);
		else
			buf_append_cstr(out, text.p[0] == '\n' || text.p[0] == '\t' ? " " : instead);
		text = view_sub(text, n ? n : 1, text.n);
	}
}

void show_clean(struct view text, struct buf *out)
{
	append_clean(text, "?", out);
}

void show_column(struct view text, size_t columns)
{
	struct buf clean;
	size_t n = 0;

	buf_init(&clean, text.n);
	show_clean(text, &clean);
	for (size_t i = 0; i < clean.n; i++)
		n += ((unsigned char)clean.p[i] & 0xc0) != 0x80;
	(void)printf("%.*s%*s", VIEW_FMT(buf_view(&clean)), n < columns ? (int)(columns - n) : 0, "");
	buf_fini(&clean);
}

struct view show_sender(struct view from)
{
	size_t at = view_find_char(from, '<');
	struct view name = view_trim(view_sub(from, 0, at < from.n ? at : 0));

	if (name.n > 1 && name.p[0] == '"' && name.p[name.n - 1] == '"')
		name = view_sub(name, 1, name.n - 2);
	return name.n ? name : from;
}

/* The first so many columns of clean text: East Asian characters take two. */
static struct view cut(struct view clean, size_t columns)
{
	size_t used = 0, i = 0;

	while (i < clean.n) {
		unsigned char c = (unsigned char)clean.p[i];
		size_t bytes = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4, width = c >= 0xe3 ? 2 : 1;

		if (used + width > columns)
			break;
		used += width;
		i += bytes;
	}
	return view_sub(clean, 0, i);
}

void show_cut_column(struct view text, size_t columns)
{
	_cleanup_(buf_fini) struct buf clean = BUF_INIT(text.n);

	show_clean(text, &clean);
	show_column(cut(buf_view(&clean), columns), columns);
}

void show_rest(struct view text, size_t used)
{
	_cleanup_(buf_fini) struct buf clean = BUF_INIT(text.n);
	struct winsize size;
	struct view v;

	show_clean(text, &clean);
	v = buf_view(&clean);
	if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > used)
		v = cut(v, size.ws_col - used);
	(void)printf("%.*s\n", VIEW_FMT(v));
}

json_t *show_json_text(struct view text)
{
	json_t *value = json_stringn(text.p, text.n);
	struct buf clean;

	if (value)
		return value;
	buf_init(&clean, 3 * text.n);
	append_clean(text, "\xef\xbf\xbd", &clean);
	value = json_stringn(clean.p, clean.n);
	buf_fini(&clean);
	return value;
}

json_t *show_json_time(int64_t wall_s)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(64);

	if (wall_s == 0)
		return json_null();
	show_time(wall_s, &text);
	return json_string(buf_cstr(&text));
}

int show_json(json_t *document)
{
	/* C1 controls and what turns text stand in JSON as they are: at a terminal they would do their work. */
	size_t ascii = isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0;

	(void)json_dumpf(document, stdout, JSON_INDENT(2) | ascii);
	(void)printf("\n");
	json_decref(document);
	return 0;
}
