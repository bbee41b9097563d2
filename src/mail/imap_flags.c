/* SPDX-License-Identifier: ISC
 * Message flags of IMAP: system flags as bits, keywords as names. */
#include "mail/imap_flags.h"

static const struct {
	const char *name;
	enum imap_flag flag;
} system_flags[] = {
    {"\\Answered", IMAP_ANSWERED}, {"\\Flagged", IMAP_FLAGGED}, {"\\Deleted", IMAP_DELETED},
    {"\\Seen", IMAP_SEEN},         {"\\Draft", IMAP_DRAFT},     {"\\Recent", IMAP_RECENT},
};

static uint32_t find_system(struct view name)
{
	for (size_t i = 0; i < ARRAY_LEN(system_flags); i++)
		if (view_eq_lit_nocase(name, system_flags[i].name))
			return system_flags[i].flag;
	return 0;
}

static bool is_atom(struct view keyword)
{
	for (size_t i = 0; i < keyword.n; i++)
		if (!imap_is_atom_char(keyword.p[i]))
			return false;
	return keyword.n > 0;
}

bool imap_keyword_is_valid(struct view keyword)
{
	return is_atom(keyword) && keyword.n <= IMAP_KEYWORD_BYTES_MAX;
}

static bool has_keyword(const struct view *keywords, uint32_t count, struct view keyword)
{
	for (uint32_t i = 0; i < count; i++)
		if (view_eq_nocase(keywords[i], keyword))
			return true;
	return false;
}

static bool add_keyword(struct imap_flags *flags, struct view *keywords, struct view keyword)
{
	if (!is_atom(keyword))
		return false;
	if (has_keyword(keywords, flags->keyword_count, keyword))
		return true;
	if (flags->keyword_count == IMAP_KEYWORDS_MAX || keyword.n > IMAP_KEYWORD_BYTES_MAX)
		flags->over_limit = true;
	else
		keywords[flags->keyword_count++] = keyword;
	return true;
}

static uint32_t count_keywords(const struct imap_arg *arg)
{
	uint32_t n = 0;

	for (; arg && n < IMAP_KEYWORDS_MAX; arg = arg->next)
		n += arg->kind == IMAP_ATOM && arg->text.p[0] != '\\';
	return n;
}

bool imap_flags_parse(const struct imap_arg *arg, struct arena *a, struct imap_flags *ret)
{
	struct imap_flags flags = {0};
	struct view *keywords = NULL;
	uint32_t room;

	if (!arg)
		return false;
	if (arg->kind == IMAP_LIST)
		arg = arg->first;
	room = count_keywords(arg);
	if (room && !(keywords = arena_array(a, room, sizeof *keywords)))
		return false;
	for (; arg; arg = arg->next) {
		uint32_t bit;

		if (arg->kind != IMAP_ATOM || arg->glued)
			return false;
		bit = find_system(arg->text);
		if (bit == IMAP_RECENT || (!bit && !add_keyword(&flags, keywords, arg->text)))
			return false;
		flags.system |= bit;
	}
	flags.keywords = keywords;
	*ret = flags;
	return true;
}

bool imap_flags_format_system(struct buf *out, uint32_t system)
{
	bool any = false;

	for (size_t i = 0; i < ARRAY_LEN(system_flags); i++) {
		if (!(system & (uint32_t)system_flags[i].flag))
			continue;
		if (any)
			buf_append_char(out, ' ');
		buf_append_cstr(out, system_flags[i].name);
		any = true;
	}
	return any;
}

void imap_flags_format(struct buf *out, const struct imap_flags *flags)
{
	bool any;

	buf_append_char(out, '(');
	any = imap_flags_format_system(out, flags->system);
	for (uint32_t i = 0; i < flags->keyword_count; i++) {
		if (any)
			buf_append_char(out, ' ');
		buf_append_view(out, flags->keywords[i]);
		any = true;
	}
	buf_append_char(out, ')');
}
