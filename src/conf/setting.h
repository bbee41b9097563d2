/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CONF_SETTING_H
#define POMBO_CONF_SETTING_H

#include "conf/conf.h"

/* settings.def as a table, for the reader and the writers of pombo.conf. */
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
	size_t offset; /* of the member in struct conf */
};

enum {
#define CONF_STR(member, ...) SETTING_AT_##member,
#define CONF_LIST(member, ...) SETTING_AT_##member,
#define CONF_BOOL(member, ...) SETTING_AT_##member,
#define CONF_UINT(member, ...) SETTING_AT_##member,
#define CONF_SIZE(member, ...) SETTING_AT_##member,
#define CONF_TIME(member, ...) SETTING_AT_##member,
#define CONF_ENUM(member, ...) SETTING_AT_##member,
#include "conf/settings.def"
#undef CONF_STR
#undef CONF_LIST
#undef CONF_BOOL
#undef CONF_UINT
#undef CONF_SIZE
#undef CONF_TIME
#undef CONF_ENUM
	SETTING_COUNT
};

extern const struct setting setting_table[SETTING_COUNT];

const struct setting *setting_find(struct view key); /* NULL when there is none */
const struct setting *setting_nearest(struct view key); /* by edits; NULL when none is near */
/* "a number from 0 to 64", "yes or no", … */
void setting_type_text(const struct setting *s, struct buf *out);

/* Whether `item` (a string setting's value, or one item of a list) means something; `ret_want` says what it should be. */
must_check bool setting_check(const struct setting *s, struct view item, const char **ret_want);

#endif
