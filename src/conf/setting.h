/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CONF_SETTING_H
#define POMBO_CONF_SETTING_H

#include "conf/conf.h"

/* settings.def and routes.def as tables, for the reader and the writers of pombo.conf. */
enum setting_type {
	SETTING_STR,
	SETTING_LIST,
	SETTING_BOOL,
	SETTING_UINT,
	SETTING_SIZE,
	SETTING_TIME,
	SETTING_ENUM,
};

struct setting {
	const char *key;
	enum setting_type type;
	const char *def;
	uint64_t min;
	uint64_t max;
	const char *words; /* SETTING_ENUM: parted by one blank */
	const char *help;
	size_t offset; /* of the member in struct conf, or struct conf_route */
};

struct setting_table {
	const struct setting *at;
	size_t n;
};

enum { SETTINGS_MAX = 128 }; /* of any table */
extern const struct setting_table setting_server; /* before the first section */
extern const struct setting_table setting_route; /* in [route NAME] */

const struct setting *setting_find(const struct setting_table *t, struct view key); /* NULL when there is none */
const struct setting *setting_nearest(const struct setting_table *t,
				      struct view key); /* by edits; NULL when none is near */
/* "a number from 0 to 64", "yes or no", … */
void setting_type_text(const struct setting *s, struct buf *out);

/* Whether `item` (a string setting's value, or one item of a list) means something; `ret_want` says what it should be. */
must_check bool setting_check(const struct setting *s, struct view item, const char **ret_want);
/* A section's NAME: letters, digits, "-", "_" and ".", at most 64. */
must_check bool setting_check_name(struct view name);
bool setting_is_address(struct view v); /* of IPv4 or IPv6, without brackets */
bool setting_are_sources(const struct conf_list *l); /* at most one address of each family */

#endif
