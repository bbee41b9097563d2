/* SPDX-License-Identifier: ISC
 * Arguments of the commands about annotations. */
#include "mail/imap_metadata.h"

bool imap_metadata_entry_is_valid(struct view entry)
{
	if (!view_starts_with_nocase(entry, VIEW_LIT("/private/")) &&
	    !view_starts_with_nocase(entry, VIEW_LIT("/shared/")))
		return false;
	if (entry.n > IMAP_METADATA_ENTRY_BYTES_MAX || entry.p[entry.n - 1] == '/')
		return false;
	for (size_t i = 0; i < entry.n; i++) {
		char c = entry.p[i];

		if (c < ' ' || c > '~' || c == '*' || c == '%' || (i && c == '/' && entry.p[i - 1] == '/'))
			return false;
	}
	return true;
}

/* What others are below. */
static bool is_top(struct view entry)
{
	return view_eq_lit_nocase(entry, "/private") || view_eq_lit_nocase(entry, "/shared");
}

/* In lower case, in the arena. */
static bool take_entry(const struct imap_arg *arg, bool or_top, struct arena *a, struct view *ret)
{
	struct view entry, copy;
	char *p;

	if (!imap_arg_astring(arg, &entry) || !(imap_metadata_entry_is_valid(entry) || (or_top && is_top(entry))))
		return false;
	copy = arena_copy(a, entry);
	p = (char *)copy.p;
	for (size_t i = 0; p && i < copy.n; i++)
		p[i] = ascii_lower(p[i]);
	*ret = copy;
	return p != NULL;
}

bool imap_metadata_entries_parse(const struct imap_arg *arg, struct arena *a, struct imap_metadata_get *ret)
{
	struct view *entries = arena_array(a, IMAP_METADATA_ENTRIES_MAX, sizeof *entries);
	const struct imap_arg *item;
	uint32_t n = 0;

	if (!entries || !arg)
		return false;
	ret->entries = entries;
	if (!imap_arg_list(arg, &item)) {
		ret->entry_count = 1;
		return take_entry(arg, true, a, &entries[0]);
	}
	for (; item; item = item->next)
		if (n == IMAP_METADATA_ENTRIES_MAX || !take_entry(item, true, a, &entries[n++]))
			return false;
	ret->entry_count = n;
	return n > 0;
}

static bool take_depth(const struct imap_arg *arg, enum imap_metadata_depth *ret)
{
	static const char *const words[] = {
	    [IMAP_DEPTH_0] = "0", [IMAP_DEPTH_1] = "1", [IMAP_DEPTH_INFINITY] = "infinity"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (imap_arg_is(arg, words[i])) {
			*ret = (enum imap_metadata_depth)i;
			return true;
		}
	}
	return false;
}

/* "(" getmetadata-option *(SP getmetadata-option) ")" */
static bool take_options(const struct imap_arg *list, struct imap_metadata_get *get)
{
	const struct imap_arg *arg = list->first;

	if (!arg)
		return false;
	for (; arg; arg = arg->next) {
		bool depth = imap_arg_is(arg, "DEPTH"), maxsize = imap_arg_is(arg, "MAXSIZE");

		arg = arg->next;
		if (!arg || !(depth ? take_depth(arg, &get->depth)
				    : maxsize && imap_arg_number(arg, UINT32_MAX, &get->maxsize)))
			return false;
		get->has_maxsize |= maxsize;
	}
	return true;
}

bool imap_metadata_get_parse(const struct imap_arg *arg, struct arena *a, struct imap_metadata_get *ret)
{
	struct imap_metadata_get get = {0};
	struct view name;

	if (arg && arg->kind == IMAP_LIST) {
		if (!take_options(arg, &get))
			return false;
		arg = arg->next;
	}
	if (!imap_arg_astring(arg, &name))
		return false;
	get.mailbox = arg;
	arg = arg->next;
	if (arg && arg->kind == IMAP_LIST && arg->next) {
		if (!take_options(arg, &get))
			return false;
		arg = arg->next;
	}
	if (!arg || arg->next || !imap_metadata_entries_parse(arg, a, &get))
		return false;
	*ret = get;
	return true;
}

/* value = nstring / literal8 */
static bool take_change(const struct imap_arg *entry, struct arena *a, struct imap_metadata_change *ret)
{
	const struct imap_arg *value = entry->next;

	if (!take_entry(entry, false, a, &ret->entry) || !value)
		return false;
	if (value->kind == IMAP_LITERAL && value->binary) {
		ret->value = value->text;
		return true;
	}
	return imap_arg_nstring(value, &ret->value);
}

bool imap_metadata_set_parse(const struct imap_arg *arg, struct arena *a, struct imap_metadata_set *ret)
{
	struct imap_metadata_change *changes = arena_array(a, IMAP_METADATA_ENTRIES_MAX, sizeof *changes);
	struct imap_metadata_set set = {.mailbox = arg, .changes = changes};
	const struct imap_arg *item;
	struct view name;

	if (!changes || !imap_arg_astring(arg, &name) || !imap_arg_list(arg->next, &item) || !item || arg->next->next)
		return false;
	for (; item; item = item->next->next)
		if (set.count == IMAP_METADATA_ENTRIES_MAX || !take_change(item, a, &changes[set.count++]))
			return false;
	*ret = set;
	return true;
}

/* How many levels `entry` is below `top`; -1: not at all. */
static int levels_below(struct view entry, struct view top)
{
	int levels = 0;

	if (!view_starts_with(entry, top) || (entry.n > top.n && entry.p[top.n] != '/'))
		return -1;
	for (size_t i = top.n; i < entry.n; i++)
		levels += entry.p[i] == '/';
	return levels;
}

bool imap_metadata_is_asked(const struct imap_metadata_get *get, struct view entry, uint32_t *ret_at)
{
	for (uint32_t i = 0; i < get->entry_count; i++) {
		int levels = levels_below(entry, get->entries[i]);

		if (levels == 0 || (levels > 0 && (get->depth == IMAP_DEPTH_INFINITY || levels <= (int)get->depth))) {
			*ret_at = i;
			return true;
		}
	}
	return false;
}
