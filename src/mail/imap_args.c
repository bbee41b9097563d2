/* SPDX-License-Identifier: ISC
 * Arguments of STORE, STATUS, APPEND, SELECT, LIST. */
#include "mail/imap_args.h"

#include "mail/date.h"

struct named_bit {
	const char *name;
	uint32_t bit;
};

static uint32_t find_bit(const struct named_bit *names, size_t count, const struct imap_arg *arg)
{
	for (size_t i = 0; i < count; i++)
		if (imap_arg_is(arg, names[i].name))
			return names[i].bit;
	return 0;
}

/* store-modifiers (RFC 7162 §7): "(UNCHANGEDSINCE" SP mod-sequence-valzer ")" */
static bool store_modifiers(const struct imap_arg *arg, struct imap_store *store)
{
	if (!imap_arg_is(arg, "UNCHANGEDSINCE") || !arg->next || arg->next->next)
		return false;
	store->unchangedsince = true;
	return imap_arg_number(arg->next, INT64_MAX, &store->unchangedsince_modseq);
}

/* ["+" / "-"] "FLAGS" [".SILENT"] */
static bool store_item(const struct imap_arg *arg, struct imap_store *store)
{
	static const struct {
		const char *name;
		enum imap_store_how how;
		bool silent;
	} items[] = {
	    {"FLAGS", IMAP_STORE_REPLACE, false}, {"FLAGS.SILENT", IMAP_STORE_REPLACE, true},
	    {"+FLAGS", IMAP_STORE_ADD, false},    {"+FLAGS.SILENT", IMAP_STORE_ADD, true},
	    {"-FLAGS", IMAP_STORE_REMOVE, false}, {"-FLAGS.SILENT", IMAP_STORE_REMOVE, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(items); i++) {
		if (imap_arg_is(arg, items[i].name)) {
			store->how = items[i].how;
			store->silent = items[i].silent;
			return true;
		}
	}
	return false;
}

bool imap_args_store(const struct imap_arg *arg, struct arena *a, struct imap_store *ret)
{
	struct imap_store store = {0};
	const struct imap_arg *first;

	if (imap_arg_list(arg, &first)) {
		if (!store_modifiers(first, &store))
			return false;
		arg = arg->next;
	}
	if (!store_item(arg, &store) || !imap_flags_parse(arg->next, a, &store.flags))
		return false;
	if (arg->next->kind == IMAP_LIST && arg->next->next)
		return false;
	*ret = store;
	return true;
}

bool imap_args_status_items(const struct imap_arg *arg, uint32_t *ret_items)
{
	static const struct named_bit names[] = {
	    {"MESSAGES", IMAP_STATUS_MESSAGES},
	    {"RECENT", IMAP_STATUS_RECENT},
	    {"UIDNEXT", IMAP_STATUS_UIDNEXT},
	    {"UIDVALIDITY", IMAP_STATUS_UIDVALIDITY},
	    {"UNSEEN", IMAP_STATUS_UNSEEN},
	    {"DELETED", IMAP_STATUS_DELETED},
	    {"SIZE", IMAP_STATUS_SIZE},
	    {"HIGHESTMODSEQ", IMAP_STATUS_HIGHESTMODSEQ},
	    {"APPENDLIMIT", IMAP_STATUS_APPENDLIMIT},
	    {"MAILBOXID", IMAP_STATUS_MAILBOXID},
	    {"DELETED-STORAGE", IMAP_STATUS_DELETED_STORAGE},
	};
	uint32_t items = 0;

	if (!imap_arg_list(arg, &arg) || !arg)
		return false;
	for (; arg; arg = arg->next) {
		uint32_t bit = find_bit(names, ARRAY_LEN(names), arg);

		if (bit == 0)
			return false;
		items |= bit;
	}
	*ret_items = items;
	return true;
}

/* literal / literal8 / "UTF8" SP "(" literal8 ")" */
static bool append_data(const struct imap_arg *arg, struct imap_append *append)
{
	const struct imap_arg *first;

	append->end = append->message = arg;
	if (imap_arg_is(arg, "UTF8")) {
		if (!imap_arg_list(arg->next, &first) || !first || !first->binary)
			return false;
		append->end = arg->next;
		append->message = first;
	}
	return arg && append->message->kind == IMAP_LITERAL && !append->message->next && !append->end->next;
}

bool imap_args_append(const struct imap_arg *arg, struct arena *a, struct imap_append *ret)
{
	struct imap_append append = {0};

	if (arg && arg->kind == IMAP_LIST) {
		if (!imap_flags_parse(arg, a, &append.flags))
			return false;
		arg = arg->next;
	}
	if (arg && arg->kind == IMAP_QUOTED) {
		struct date date;

		if (!date_parse_imap(arg->text, &date))
			return false;
		append.has_date = true;
		append.wall_s = date.utc_s;
		append.zone_minutes = (int16_t)date.zone_min;
		arg = arg->next;
	}
	if (!append_data(arg, &append))
		return false;
	*ret = append;
	return true;
}

static bool known_set(const struct imap_arg *arg, struct arena *a, struct imap_set *ret)
{
	return arg && arg->kind == IMAP_ATOM && !arg->glued && imap_set_parse_known(arg->text, a, ret);
}

/* "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP "(" known-sequence-set SP known-uid-set ")"] ")" */
static bool select_qresync(const struct imap_arg *arg, struct arena *a, struct imap_select *select)
{
	uint64_t uidvalidity;
	const struct imap_arg *first;

	if (!imap_arg_list(arg, &arg) || !imap_arg_number(arg, UINT32_MAX, &uidvalidity) || uidvalidity == 0)
		return false;
	arg = arg->next;
	if (!imap_arg_number(arg, INT64_MAX, &select->modseq) || select->modseq == 0)
		return false;
	arg = arg->next;
	select->qresync = true;
	select->uidvalidity = (uint32_t)uidvalidity;
	if (arg && arg->kind == IMAP_ATOM) {
		if (!known_set(arg, a, &select->known_uids))
			return false;
		arg = arg->next;
	}
	if (!arg)
		return true;
	return !arg->next && imap_arg_list(arg, &first) && known_set(first, a, &select->match_numbers) &&
	       known_set(first->next, a, &select->match_uids) && !first->next->next;
}

bool imap_args_select(const struct imap_arg *arg, struct arena *a, struct imap_select *ret)
{
	struct imap_select select = {0};

	if (arg) {
		if (arg->next || !imap_arg_list(arg, &arg) || !arg)
			return false;
		for (; arg; arg = arg->next) {
			if (imap_arg_is(arg, "CONDSTORE")) {
				select.condstore = true;
			} else if (imap_arg_is(arg, "QRESYNC") && !select.qresync) {
				arg = arg->next;
				if (!select_qresync(arg, a, &select))
					return false;
			} else {
				return false;
			}
		}
	}
	*ret = select;
	return true;
}

static const struct named_bit special_uses[] = {
    {"\\Drafts", IMAP_USE_DRAFTS}, {"\\Sent", IMAP_USE_SENT},       {"\\Junk", IMAP_USE_JUNK},
    {"\\Trash", IMAP_USE_TRASH},   {"\\Archive", IMAP_USE_ARCHIVE},
};

uint32_t imap_special_use_find(struct view name)
{
	for (size_t i = 0; i < ARRAY_LEN(special_uses); i++)
		if (view_eq_lit_nocase(name, special_uses[i].name))
			return special_uses[i].bit;
	return 0;
}

void imap_special_use_format(struct buf *out, uint32_t uses)
{
	bool any = false;

	for (size_t i = 0; i < ARRAY_LEN(special_uses); i++) {
		if (!(uses & special_uses[i].bit))
			continue;
		buf_append_cstr(out, any ? " " : "");
		buf_append_cstr(out, special_uses[i].name);
		any = true;
	}
}

/* "USE" SP "(" [use-attr *(SP use-attr)] ")" */
static bool create_uses(const struct imap_arg *arg, struct imap_create *create)
{
	if (!imap_arg_list(arg, &arg))
		return false;
	for (; arg; arg = arg->next) {
		uint32_t use;

		if (arg->kind != IMAP_ATOM || arg->glued || arg->text.p[0] != '\\')
			return false;
		use = imap_special_use_find(arg->text);
		create->uses |= use;
		create->unsupported |= use == 0;
	}
	return true;
}

bool imap_args_create(const struct imap_arg *arg, struct imap_create *ret)
{
	struct imap_create create = {0};

	if (arg) {
		if (arg->next || !imap_arg_list(arg, &arg) || !imap_arg_is(arg, "USE") ||
		    !create_uses(arg->next, &create) || arg->next->next)
			return false;
	}
	*ret = create;
	return true;
}

/* list-mailbox = 1*list-char / string; list-char = ATOM-CHAR / list-wildcards / resp-specials */
static bool list_pattern(const struct imap_arg *arg, struct view *ret)
{
	if (!arg || arg->kind != IMAP_ATOM)
		return imap_arg_string(arg, ret);
	if (arg->glued || arg->text.p[0] == '\\')
		return false;
	*ret = arg->text;
	return true;
}

/* list-mailbox / "(" list-mailbox *(SP list-mailbox) ")" */
static bool list_patterns(const struct imap_arg *arg, struct arena *a, struct imap_list *list)
{
	struct view *patterns = arena_array(a, IMAP_LIST_PATTERNS_MAX, sizeof *patterns);
	const struct imap_arg *item;

	list->patterns = patterns;
	if (!patterns || !arg)
		return false;
	if (!imap_arg_list(arg, &item)) {
		list->pattern_count = 1;
		return list_pattern(arg, &patterns[0]);
	}
	list->extended = true;
	for (; item; item = item->next) {
		if (list->pattern_count == IMAP_LIST_PATTERNS_MAX ||
		    !list_pattern(item, &patterns[list->pattern_count]))
			return false;
		list->pattern_count++;
	}
	return list->pattern_count > 0;
}

/* list-select-opts (RFC 5258 §6; SPECIAL-USE: RFC 6154 §6) */
static bool list_select(const struct imap_arg *arg, struct imap_list *list)
{
	static const struct named_bit names[] = {
	    {"SUBSCRIBED", IMAP_LIST_SUBSCRIBED},
	    {"REMOTE", IMAP_LIST_REMOTE},
	    {"RECURSIVEMATCH", IMAP_LIST_RECURSIVEMATCH},
	    {"SPECIAL-USE", IMAP_LIST_SPECIAL_USE},
	};

	for (; arg; arg = arg->next) {
		uint32_t bit = find_bit(names, ARRAY_LEN(names), arg);

		if (bit == 0)
			return false;
		list->select |= bit;
	}
	list->extended = true;
	return !(list->select & IMAP_LIST_RECURSIVEMATCH) ||
	       (list->select & (IMAP_LIST_SUBSCRIBED | IMAP_LIST_SPECIAL_USE));
}

/* "RETURN" SP "(" [return-option *(SP return-option)] ")" */
static bool list_returns(const struct imap_arg *arg, struct imap_list *list)
{
	static const struct named_bit names[] = {
	    {"SUBSCRIBED", IMAP_LIST_RETURN_SUBSCRIBED},
	    {"CHILDREN", IMAP_LIST_RETURN_CHILDREN},
	    {"SPECIAL-USE", IMAP_LIST_RETURN_SPECIAL_USE},
	    {"STATUS", IMAP_LIST_RETURN_STATUS},
	};

	if (!imap_arg_is(arg, "RETURN") || !arg->next || arg->next->next || !imap_arg_list(arg->next, &arg))
		return false;
	list->extended = true;
	for (; arg; arg = arg->next) {
		uint32_t bit = find_bit(names, ARRAY_LEN(names), arg);

		if (bit == 0)
			return false;
		list->returns |= bit;
		if (bit == IMAP_LIST_RETURN_STATUS) {
			arg = arg->next;
			if (!imap_args_status_items(arg, &list->status_items))
				return false;
		}
	}
	return true;
}

bool imap_args_list(const struct imap_arg *arg, struct arena *a, struct imap_list *ret)
{
	struct imap_list list = {0};
	const struct imap_arg *first;

	if (imap_arg_list(arg, &first)) {
		if (!list_select(first, &list))
			return false;
		arg = arg->next;
	}
	if (!imap_arg_astring(arg, &list.reference) || !list_patterns(arg->next, a, &list))
		return false;
	arg = arg->next->next;
	if (arg && !list_returns(arg, &list))
		return false;
	*ret = list;
	return true;
}
