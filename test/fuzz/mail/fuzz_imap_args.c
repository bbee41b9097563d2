/* SPDX-License-Identifier: ISC
 * Every typed reading of a command's arguments takes any arguments; names written back are what was asked for. */
#include "mail/imap_args.h"
#include "mail/imap_fetch.h"
#include "mail/imap_mailbox.h"
#include "mail/imap_metadata.h"
#include "mail/imap_notify.h"
#include "mail/imap_parse.h"
#include "mail/imap_search.h"
#include "mail/imap_sort.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check_set(struct imap_set set)
{
	imap_set_resolve(&set, 100);
	for (uint32_t i = 0; i < set.count; i++) {
		require(set.spans[i].first > 0 && set.spans[i].first <= set.spans[i].last);
		require(i == 0 || set.spans[i].first > set.spans[i - 1].last);
		require(imap_set_has(&set, set.spans[i].first) && imap_set_has(&set, set.spans[i].last));
	}
}

static void check_mailbox(struct view wire)
{
	struct buf utf8 = BUF_INIT(1 << 16), back = BUF_INIT(1 << 16);

	if (imap_mailbox_from_utf7(wire, &utf8)) {
		require(view_is_utf8(buf_view(&utf8)));
		require(imap_mailbox_to_utf7(buf_view(&utf8), &back));
		require(view_eq(buf_view(&back), wire));
	}
	buf_reset(&utf8);
	if (imap_mailbox_parse(wire, false, &utf8)) {
		require(imap_mailbox_is_valid(buf_view(&utf8)));
		require(imap_mailbox_match(VIEW_LIT("*"), buf_view(&utf8)));
		(void)imap_mailbox_match(wire, buf_view(&utf8));
	}
	buf_fini(&utf8);
	buf_fini(&back);
}

/* Events of messages come in pairs, those of other kinds are not for the selected mailbox, which is named once. */
static void check_notify(const struct imap_arg *arg, struct arena *a)
{
	struct imap_notify notify;
	const char *error = NULL;
	unsigned selected = 0;

	if (imap_notify_parse(arg, a, &notify, &error) != IMAP_NOTIFY_OK) {
		require(error != NULL);
		return;
	}
	for (uint32_t i = 0; i < notify.group_count; i++) {
		const struct imap_notify_group *g = &notify.groups[i];
		bool is_selected = g->filter <= IMAP_NOTIFY_SELECTED_DELAYED;

		require(!(g->events & IMAP_NOTIFY_NEW) == !(g->events & IMAP_NOTIFY_EXPUNGE));
		require(!(g->events & IMAP_NOTIFY_FLAGS) || (g->events & IMAP_NOTIFY_NEW));
		require(!is_selected || !(g->events & ~(uint32_t)IMAP_NOTIFY_MESSAGES));
		require((g->name_count > 0) == (g->filter >= IMAP_NOTIFY_SUBTREE));
		selected += is_selected;
	}
	require(selected <= 1 && (selected || !notify.has_fetch));
}

static void check_metadata(const struct imap_arg *arg, struct arena *a)
{
	struct imap_metadata_get get;
	struct imap_metadata_set set;
	uint32_t at;

	if (imap_metadata_get_parse(arg, a, &get))
		for (uint32_t i = 0; i < get.entry_count; i++)
			require(imap_metadata_is_asked(&get, get.entries[i], &at) && at <= i);
	if (imap_metadata_set_parse(arg, a, &set))
		for (uint32_t i = 0; i < set.count; i++)
			require(imap_metadata_entry_is_valid(set.changes[i].entry));
}

static void check_sort(const struct imap_arg *arg, struct arena *a)
{
	struct imap_thread thread;
	struct imap_sort sort;
	const char *error = NULL;

	if (imap_sort_parse(arg, a, &sort, &error))
		require(sort.count > 0 && sort.count <= IMAP_SORT_CRITERIA_MAX && sort.search.root);
	else
		require(error != NULL);
	error = NULL;
	if (imap_thread_parse(arg, a, &thread, &error))
		require(thread.search.root != NULL);
	else
		require(error != NULL);
}

static void check_arg(const struct imap_arg *arg)
{
	struct imap_search_program search;
	struct imap_select select;
	struct imap_append append;
	struct imap_create create;
	struct imap_store store;
	struct imap_fetch fetch;
	struct imap_flags flags;
	struct imap_list list;
	struct imap_set set;
	const char *error = NULL;
	struct buf out = BUF_INIT(1 << 20);
	struct arena a;
	uint32_t items;
	bool ok;

	arena_init(&a, 1 << 20);
	if (imap_search_parse(arg, &a, &search, &error))
		require(search.root && search.keys >= 1);
	else
		require(error != NULL);
	error = NULL;
	if (imap_fetch_parse(arg, &a, &fetch, &error)) {
		for (const struct imap_fetch_section *s = fetch.sections; s; s = s->next)
			imap_fetch_format_name(&out, s);
		require(!out.overflow);
	} else {
		require(error != NULL);
	}
	if (imap_flags_parse(arg, &a, &flags))
		imap_flags_format(&out, &flags);
	if (arg->kind == IMAP_ATOM && imap_set_parse(arg->text, &a, &set))
		check_set(set);
	check_mailbox(arg->text);
	ok = imap_args_store(arg, &a, &store);
	ok |= imap_args_status_items(arg, &items);
	ok |= imap_args_append(arg, &a, &append);
	ok |= imap_args_select(arg, &a, &select);
	ok |= imap_args_list(arg, &a, &list);
	ok |= imap_args_create(arg, &create);
	check_sort(arg, &a);
	check_metadata(arg, &a);
	check_notify(arg, &a);
	(void)ok;
	arena_fini(&a);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct imap_reader_limits limits = {4000, 1 << 20, 500, 300, 500, 20};
	struct view in = view_from(data, size);
	struct imap_reader r;

	imap_reader_init(&r, &limits);
	for (;;) {
		size_t used;
		enum imap_read what = imap_reader_next(&r, in, &used);

		in = view_sub(in, used, in.n);
		if (what == IMAP_READ_LITERAL) {
			if (imap_reader_keep(&r))
				continue;
			imap_reader_refuse(&r);
			imap_reader_reset(&r);
		} else if (what == IMAP_READ_COMMAND) {
			for (const struct imap_arg *arg = r.command.args; arg; arg = arg->next)
				check_arg(arg);
			imap_reader_reset(&r);
		} else if (what == IMAP_READ_BAD) {
			imap_reader_reset(&r);
		} else {
			break;
		}
	}
	imap_reader_fini(&r);
	return 0;
}
