/* SPDX-License-Identifier: ISC
 * Reads pombo.conf into struct conf, every setting by its row of the table. */
#include "conf/conf.h"

#include "base/arena.h"
#include "conf/route.h"
#include "conf/setting.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
	TEXT_MAX = 256 * 1024, /* what the supervisor hands on whole (control.def) */
	MEMORY_MAX = 64 * TEXT_MAX,
	LIST_ITEMS_MAX = 4096,
	ROUTES_MAX = 1024,
};

struct reader {
	struct conf *conf;
	struct arena *memory;
	const char *file;
	size_t line;
	const struct setting_table *table; /* of the section */
	struct conf_route *route; /* the section; NULL: the server's settings */
	size_t given_at[SETTINGS_MAX]; /* the line where each was given last; 0: not given */
	struct buf *error;
};

static int refuse(struct reader *r, const char *why, struct view value, const char *more)
{
	buf_printf(r->error, "%s:%zu: %s \"%.*s\"%s", r->file, r->line, why, (int)(value.n > 200 ? 200 : value.n),
		   value.p, more);
	return -EINVAL;
}

/* KEY: "VALUE" is not WANT */
static int refuse_value(struct reader *r, const struct setting *s, struct view value, const char *want)
{
	_cleanup_(buf_fini) struct buf type = BUF_INIT(1024), more = BUF_INIT(2048), why = BUF_INIT(256);

	if (!want) {
		setting_type_text(s, &type);
		want = buf_cstr(&type);
	}
	buf_printf(&more, " is not %s", want);
	buf_printf(&why, "%s:", s->key);
	return refuse(r, buf_cstr(&why), value, buf_cstr(&more));
}

static int refuse_key(struct reader *r, struct view key)
{
	const struct setting *near = setting_nearest(r->table, key);
	_cleanup_(buf_fini) struct buf more = BUF_INIT(256);

	if (r->route && setting_find(&setting_server, key))
		return refuse(r, "not a setting of a route:", key,
			      "; the server's own settings stand before the first section");
	if (near)
		buf_printf(&more, "; did you mean \"%s\"?", near->key);
	return refuse(r, "unknown key", key, near ? buf_cstr(&more) : "; `man pombo.conf` lists them all");
}

/* ---- values ---- */

static bool read_bool(struct view v, bool *ret)
{
	static const char *const yes[] = {"yes", "true", "on"}, *const no[] = {"no", "false", "off"};

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (view_eq_lit_nocase(v, yes[i]) || view_eq_lit_nocase(v, no[i])) {
			*ret = view_eq_lit_nocase(v, yes[i]);
			return true;
		}
	}
	return false;
}

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit size_units[] = {{"", 1},           {"K", 1024},         {"M", 1ULL << 20},
					 {"G", 1ULL << 30}, {"T", 1ULL << 40},   {"KiB", 1024},
					 {"MiB", 1 << 20},  {"GiB", 1ULL << 30}, {"TiB", 1ULL << 40}};
static const struct unit time_units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
static const struct unit no_units[] = {{"", 1}};

/* DIGITS UNIT within the setting's range; "0" needs no unit. */
static bool read_number(const struct setting *s, struct view v, const struct unit *units, size_t n_units, uint64_t *ret)
{
	size_t digits = 0;
	uint64_t n;

	while (digits < v.n && ascii_is_digit(v.p[digits]))
		digits++;
	if (!view_to_u64(view_sub(v, 0, digits), UINT64_MAX, &n))
		return false;
	v = view_trim(view_sub(v, digits, v.n));
	for (size_t i = 0; i < n_units; i++) {
		uint64_t product;

		if (!view_eq_lit_nocase(v, units[i].name) && !(n == 0 && v.n == 0))
			continue;
		if (__builtin_mul_overflow(n, units[i].factor, &product) || product < s->min || product > s->max)
			return false;
		*ret = product;
		return true;
	}
	return false;
}

static bool read_word(const struct setting *s, struct view v, unsigned *ret)
{
	struct view words = view_from_cstr(s->words), word;
	unsigned i = 0;

	for (; view_cut(words, ' ', &word, &words); i++) {
		if (view_eq_nocase(v, word)) {
			*ret = i;
			return true;
		}
	}
	*ret = i;
	return view_eq_nocase(v, words);
}

/* The next item of a list, parted by blanks or commas. */
static bool next_item(struct view *rest, struct view *ret)
{
	size_t n = 0;

	while (rest->n && (rest->p[0] == ' ' || rest->p[0] == '\t' || rest->p[0] == ','))
		*rest = view_sub(*rest, 1, rest->n);
	while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t' && rest->p[n] != ',')
		n++;
	*ret = view_sub(*rest, 0, n);
	*rest = view_sub(*rest, n, rest->n);
	return n > 0;
}

static size_t capacity(size_t n)
{
	size_t cap = 4;

	while (cap < n)
		cap *= 2;
	return cap;
}

/* The list's items with room for `n` of them; NULL when memory is out. */
static struct view *room_for(struct arena *memory, const struct conf_list *list, size_t n)
{
	struct view *items = list->items;

	if (items && capacity(n) == capacity(list->n))
		return items;
	items = arena_array(memory, capacity(n), sizeof *items);
	for (size_t i = 0; items && i < list->n; i++)
		items[i] = list->items[i];
	return items;
}

static int add_items(struct reader *r, const struct setting *s, struct view v, struct conf_list *list)
{
	struct view rest = v, item, *items;
	const char *want;
	size_t n = list->n;

	while (next_item(&rest, &item)) {
		if (!setting_check(s, item, &want))
			return refuse_value(r, s, item, want);
		n++;
	}
	if (n > LIST_ITEMS_MAX)
		return refuse(r, "too many items:", view_from_cstr(s->key), "");
	items = room_for(r->memory, list, n);
	if (!items)
		return refuse(r, "too much:", view_from_cstr(s->key), "");
	for (size_t i = list->n; next_item(&v, &item); i++)
		items[i] = arena_copy(r->memory, item);
	*list = (struct conf_list){items, n};
	return 0;
}

static int set_text(struct reader *r, const struct setting *s, struct view v, const char **ret)
{
	const char *want;

	if (!setting_check(s, v, &want))
		return refuse_value(r, s, v, want);
	*ret = arena_cstr(r->memory, v);
	return *ret ? 0 : refuse(r, "too much:", view_from_cstr(s->key), "");
}

/* `again`: a list that was given before, to be added to. */
static int set_value(struct reader *r, const struct setting *s, struct view v, bool again)
{
	char *at = (r->route ? (char *)r->route : (char *)r->conf) + s->offset;
	bool ok = true;

	switch (s->type) {
	case SETTING_STR:
		return set_text(r, s, v, (const char **)(void *)at);
	case SETTING_LIST:
		if (!again)
			*(struct conf_list *)(void *)at = (struct conf_list){NULL, 0};
		return add_items(r, s, v, (struct conf_list *)(void *)at);
	case SETTING_BOOL:
		ok = read_bool(v, (bool *)at);
		break;
	case SETTING_UINT:
		ok = read_number(s, v, no_units, ARRAY_LEN(no_units), (uint64_t *)(void *)at);
		break;
	case SETTING_SIZE:
		ok = read_number(s, v, size_units, ARRAY_LEN(size_units), (uint64_t *)(void *)at);
		break;
	case SETTING_TIME:
		ok = read_number(s, v, time_units, ARRAY_LEN(time_units), (uint64_t *)(void *)at);
		break;
	case SETTING_ENUM:
		ok = read_word(s, v, (unsigned *)(void *)at);
		break;
	}
	return ok ? 0 : refuse_value(r, s, v, NULL);
}

/* ---- lines ---- */

/* Without the comment: a `#` at the start or after a blank, outside of quotes. */
static struct view without_comment(struct view line)
{
	bool quoted = false;

	for (size_t i = 0; i < line.n; i++) {
		if (line.p[i] == '"')
			quoted = !quoted;
		else if (line.p[i] == '#' && !quoted && (i == 0 || line.p[i - 1] == ' ' || line.p[i - 1] == '\t'))
			return view_sub(line, 0, i);
	}
	return line;
}

static bool has_control(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (((unsigned char)v.p[i] < ' ' && v.p[i] != '\t') || v.p[i] == 0x7f)
			return true;
	return !view_is_utf8(v);
}

static void set_defaults(struct reader *r)
{
	memset(r->given_at, 0, sizeof r->given_at);
	for (size_t i = 0; i < r->table->n; i++) {
		int ok = set_value(r, &r->table->at[i], view_from_cstr(r->table->at[i].def), false);

		assert(ok == 0);
	}
}

/* What single lines do not show: the section as a whole. */
static int end_section(struct reader *r)
{
	const char *key = "outbound-source", *why = "at most one address of IPv4 and one of IPv6";
	bool ok = r->route ? conf_route_check(r->route, &key, &why) : setting_are_sources(&r->conf->outbound_source);
	const struct setting *s = setting_find(r->table, view_from_cstr(key));

	if (ok)
		return 0;
	r->line = r->given_at[s - r->table->at];
	if (r->line == 0)
		r->line = r->route ? r->route->line : 1;
	buf_printf(r->error, "%s:%zu: ", r->file, r->line);
	if (r->route)
		buf_printf(r->error, "route \"%s\": ", r->route->name);
	buf_printf(r->error, "%s: %s", key, why);
	return -EINVAL;
}

static int begin_route(struct reader *r, struct view name)
{
	struct conf *c = r->conf;
	const struct conf_route *former = conf_route_named(c, name);
	_cleanup_(buf_fini) struct buf more = BUF_INIT(128);

	if (!setting_check_name(name))
		return refuse(r, "not a name for a route:", name, "; letters, digits, \"-\", \"_\" and \".\" make one");
	if (former) {
		buf_printf(&more, "; the first one is in line %zu", former->line);
		return refuse(r, "a second route of that name:", name, buf_cstr(&more));
	}
	if (c->n_routes == ROUTES_MAX)
		return refuse(r, "more than 1024 routes:", name, "");
	c->routes = xrealloc(c->routes, (c->n_routes + 1) * sizeof *c->routes);
	r->route = &c->routes[c->n_routes];
	*r->route = (struct conf_route){.name = arena_cstr(r->memory, name), .line = r->line};
	if (!r->route->name)
		return refuse(r, "too much:", name, "");
	c->n_routes++;
	r->table = &setting_route;
	set_defaults(r);
	return 0;
}

/* [route NAME] */
static int read_section(struct reader *r, struct view line)
{
	struct view kind, name;

	if (end_section(r) < 0)
		return -EINVAL;
	if (line.p[line.n - 1] != ']')
		return refuse(r, "not `[route NAME]`:", line, "");
	line = view_trim(view_sub(line, 1, line.n - 2));
	if (!view_cut(line, ' ', &kind, &name)) {
		kind = line;
		name = VIEW_EMPTY;
	}
	if (!view_eq_lit(kind, "route"))
		return refuse(r, "unknown section", kind, "; there is `[route NAME]`");
	return begin_route(r, view_trim(name));
}

static int read_line(struct reader *r, struct view line)
{
	const struct setting *s;
	struct view key, value;
	size_t *given;

	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	if (has_control(line))
		return refuse(r, "this line holds bytes that are not text", VIEW_EMPTY, "");
	line = view_trim(without_comment(line));
	if (line.n == 0)
		return 0;
	if (line.p[0] == '[')
		return read_section(r, line);
	if (!view_cut(line, '=', &key, &value))
		return refuse(r, "not `key = value`:", line, "");
	key = view_trim(key);
	value = view_trim(value);
	if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
		value = view_sub(value, 1, value.n - 2);
	s = setting_find(r->table, key);
	if (!s)
		return refuse_key(r, key);
	given = &r->given_at[s - r->table->at];
	if (*given && s->type != SETTING_LIST)
		return refuse(r, "given twice:", key, "");
	if (set_value(r, s, value, *given != 0) < 0)
		return -EINVAL;
	*given = r->line;
	return 0;
}

static int read_text(struct reader *r, struct view text)
{
	bool more = true;

	if (text.n > TEXT_MAX)
		return refuse(r, "longer than 256 KiB", VIEW_EMPTY, "");
	if (view_starts_with(text, VIEW_LIT("\xef\xbb\xbf")))
		text = view_sub(text, 3, text.n);
	while (more) {
		struct view line = text, rest = VIEW_EMPTY;

		more = view_cut(text, '\n', &line, &rest);
		r->line++;
		if (read_line(r, line) < 0)
			return -EINVAL;
		text = rest;
	}
	return end_section(r);
}

int conf_parse(struct view text, const char *file, struct conf **ret, struct buf *error)
{
	struct conf *conf = xcalloc(1, sizeof *conf);
	struct arena *memory = xmalloc(sizeof *memory);
	struct reader r = {.conf = conf, .memory = memory, .file = file, .table = &setting_server, .error = error};

	arena_init(memory, MEMORY_MAX);
	conf->memory = memory;
	set_defaults(&r);
	if (read_text(&r, text) < 0) {
		conf_free(&conf);
		return -EINVAL;
	}
	*ret = conf;
	return 0;
}

void conf_free(struct conf **c)
{
	if (!*c)
		return;
	arena_fini((*c)->memory);
	free((*c)->memory);
	free((*c)->routes);
	free(*c);
	*c = NULL;
}
