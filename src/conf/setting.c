/* SPDX-License-Identifier: ISC
 * The table of all settings, and how one is found by its name or nearly so. */
#include "conf/setting.h"

#include <string.h>

/* clang-format off */
#define CONF_STR(member, key, def, help) {key, SETTING_STR, def, 0, 0, "", help, AT(member)},
#define CONF_LIST(member, key, def, help) {key, SETTING_LIST, def, 0, 0, "", help, AT(member)},
#define CONF_BOOL(member, key, def, help) {key, SETTING_BOOL, def, 0, 0, "", help, AT(member)},
#define CONF_UINT(member, key, def, min, max, help) {key, SETTING_UINT, def, min, max, "", help, AT(member)},
#define CONF_SIZE(member, key, def, min, max, help) {key, SETTING_SIZE, def, min, max, "", help, AT(member)},
#define CONF_TIME(member, key, def, min, max, help) {key, SETTING_TIME, def, min, max, "", help, AT(member)},
#define CONF_ENUM(member, key, def, words, help) {key, SETTING_ENUM, def, 0, 0, words, help, AT(member)},

static const struct setting server[] = {
#define AT(member) offsetof(struct conf, member)
#include "conf/settings.def"
#undef AT
};

static const struct setting route[] = {
#define AT(member) offsetof(struct conf_route, member)
#include "conf/routes.def"
#undef AT
};
/* clang-format on */

_Static_assert(ARRAY_LEN(server) <= SETTINGS_MAX && ARRAY_LEN(route) <= SETTINGS_MAX, "SETTINGS_MAX");
const struct setting_table setting_server = {server, ARRAY_LEN(server)};
const struct setting_table setting_route = {route, ARRAY_LEN(route)};

enum { KEY_MAX = 64 };

const struct setting *setting_find(const struct setting_table *t, struct view key)
{
	for (size_t i = 0; i < t->n; i++)
		if (view_eq_lit(key, t->at[i].key))
			return &t->at[i];
	return NULL;
}

/* Levenshtein's distance; both at most KEY_MAX long. */
static size_t edits(struct view a, struct view b)
{
	size_t row[KEY_MAX + 1];

	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t best = diagonal + (ascii_lower(a.p[i - 1]) != b.p[j - 1]);

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return *(row + b.n);
}

const struct setting *setting_nearest(const struct setting_table *t, struct view key)
{
	const struct setting *best = NULL;
	size_t best_edits = key.n / 3 + 2;

	if (key.n > KEY_MAX)
		return NULL;
	for (size_t i = 0; i < t->n; i++) {
		size_t n = edits(key, view_from_cstr(t->at[i].key));

		if (n < best_edits) {
			best_edits = n;
			best = &t->at[i];
		}
	}
	return best;
}

static void size_text(struct buf *out, uint64_t bytes)
{
	static const char units[] = "KMGT";
	size_t unit = 0;

	while (unit < 4 && bytes && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	buf_append_u64(out, bytes);
	if (unit)
		buf_append_char(out, units[unit - 1]);
}

static void time_text(struct buf *out, uint64_t ms)
{
	static const struct {
		uint64_t ms;
		const char *unit;
	} units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
	size_t i = 0;

	while (ms % units[i].ms != 0 || (ms == 0 && i < 3))
		i++;
	buf_append_u64(out, ms / units[i].ms);
	buf_append_cstr(out, units[i].unit);
}

static void words_text(struct buf *out, struct view words)
{
	struct view word;

	buf_append_cstr(out, "one of ");
	while (view_cut(words, ' ', &word, &words)) {
		buf_append_view(out, word);
		buf_append_cstr(out, ", ");
	}
	buf_append_view(out, words);
}

static void range_text(const struct setting *s, struct buf *out, const char *what,
		       void (*number)(struct buf *out, uint64_t n))
{
	buf_append_cstr(out, what);
	number(out, s->min);
	buf_append_cstr(out, " to ");
	number(out, s->max);
}

void setting_type_text(const struct setting *s, struct buf *out)
{
	switch (s->type) {
	case SETTING_STR:
		buf_append_cstr(out, "a text");
		break;
	case SETTING_LIST:
		buf_append_cstr(out, "a list");
		break;
	case SETTING_BOOL:
		buf_append_cstr(out, "yes or no");
		break;
	case SETTING_UINT:
		range_text(s, out, "a number from ", buf_append_u64);
		break;
	case SETTING_SIZE:
		range_text(s, out, "a size (like 64K, 50M, 1G) from ", size_text);
		break;
	case SETTING_TIME:
		range_text(s, out, "a time (like 30s, 5m, 1h, 2d) from ", time_text);
		break;
	case SETTING_ENUM:
		words_text(out, view_from_cstr(s->words));
		break;
	}
}
