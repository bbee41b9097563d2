/* SPDX-License-Identifier: ISC
 * NOTIFY's arguments. */
#include "mail/imap_notify.h"

struct parser {
	struct arena *arena;
	struct imap_notify notify;
	struct imap_notify_group *groups;
	uint32_t names;
	bool has_selected;
	const char *error;
};

static const struct {
	const char *name;
	uint32_t bit;
} events[] = {
    {"MessageNew", IMAP_NOTIFY_NEW},
    {"MessageExpunge", IMAP_NOTIFY_EXPUNGE},
    {"FlagChange", IMAP_NOTIFY_FLAGS},
    {"MailboxName", IMAP_NOTIFY_NAMES},
    {"SubscriptionChange", IMAP_NOTIFY_SUBSCRIPTIONS},
    {"MailboxMetadataChange", IMAP_NOTIFY_METADATA},
    {"ServerMetadataChange", IMAP_NOTIFY_SERVER_METADATA},
};

static const struct {
	const char *name;
	bool has_names;
} filters[] = {
    [IMAP_NOTIFY_SELECTED] = {"selected", false},     [IMAP_NOTIFY_SELECTED_DELAYED] = {"selected-delayed", false},
    [IMAP_NOTIFY_INBOXES] = {"inboxes", false},       [IMAP_NOTIFY_PERSONAL] = {"personal", false},
    [IMAP_NOTIFY_SUBSCRIBED] = {"subscribed", false}, [IMAP_NOTIFY_SUBTREE] = {"subtree", true},
    [IMAP_NOTIFY_MAILBOXES] = {"mailboxes", true},
};

static enum imap_notify_result bad(struct parser *p, const char *error)
{
	p->error = error;
	return IMAP_NOTIFY_BAD;
}

static bool is_selected(const struct imap_notify_group *g)
{
	return g->filter == IMAP_NOTIFY_SELECTED || g->filter == IMAP_NOTIFY_SELECTED_DELAYED;
}

/* one-or-more-mailbox = mailbox / "(" mailbox *(SP mailbox) ")" */
static enum imap_notify_result take_names(struct parser *p, const struct imap_arg *arg, struct imap_notify_group *g)
{
	const struct imap_arg *first = NULL;
	struct imap_arg alone;
	struct view *names;

	if (!arg)
		return bad(p, "A mailbox name is missing");
	if (!imap_arg_list(arg, &first)) {
		alone = *arg;
		alone.next = NULL;
		first = &alone;
	}
	for (const struct imap_arg *one = first; one; one = one->next)
		if (p->names + ++g->name_count > IMAP_NOTIFY_NAMES_MAX)
			return IMAP_NOTIFY_TOO_MUCH;
	if (g->name_count == 0)
		return bad(p, "A mailbox name is missing");
	p->names += g->name_count;
	g->names = names = arena_array(p->arena, g->name_count, sizeof *names);
	if (!names)
		return IMAP_NOTIFY_TOO_MUCH;
	for (uint32_t i = 0; first; first = first->next, i++) {
		if (!imap_arg_astring(first, &names[i]))
			return bad(p, "Not a mailbox name");
		names[i] = arena_copy(p->arena, names[i]);
		if (!names[i].p)
			return IMAP_NOTIFY_TOO_MUCH;
	}
	return IMAP_NOTIFY_OK;
}

/* fetch-att list behind MessageNew */
static enum imap_notify_result take_fetch(struct parser *p, const struct imap_arg *list,
					  const struct imap_notify_group *g)
{
	struct imap_arg alone = *list;

	alone.next = NULL;
	if (!is_selected(g) || !list->first)
		return bad(p, "Items to be fetched are for the selected mailbox");
	if (!imap_fetch_parse(&alone, p->arena, &p->notify.fetch, &p->error))
		return IMAP_NOTIFY_BAD;
	p->notify.has_fetch = true;
	return IMAP_NOTIFY_OK;
}

static uint32_t find_event(struct view name)
{
	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		if (view_eq_lit_nocase(name, events[i].name))
			return events[i].bit;
	return 0;
}

/* event *(SP event). Those that are not supported are found last: what is wrong in itself is BAD first. */
static enum imap_notify_result take_events(struct parser *p, const struct imap_arg *arg, struct imap_notify_group *g)
{
	bool unsupported = false;
	struct view name;

	for (; arg; arg = arg->next) {
		uint32_t bit;

		if (!imap_arg_atom(arg, &name))
			return bad(p, "Not the name of an event");
		bit = find_event(name);
		g->events |= bit;
		unsupported |= bit == 0;
		if (bit == IMAP_NOTIFY_NEW && arg->next && arg->next->kind == IMAP_LIST) {
			enum imap_notify_result r = take_fetch(p, arg->next, g);

			if (r != IMAP_NOTIFY_OK)
				return r;
			arg = arg->next;
		}
	}
	if (unsupported)
		return IMAP_NOTIFY_BADEVENT;
	return IMAP_NOTIFY_OK;
}

/* RFC 5465 §5, §6.1 */
static enum imap_notify_result check_events(struct parser *p, const struct imap_notify_group *g)
{
	uint32_t both = IMAP_NOTIFY_NEW | IMAP_NOTIFY_EXPUNGE;

	if (is_selected(g) && (g->events & ~(uint32_t)IMAP_NOTIFY_MESSAGES))
		return bad(p, "Only events of messages are for the selected mailbox");
	if ((g->events & IMAP_NOTIFY_MESSAGES) && (g->events & both) != both)
		return bad(p, "MessageNew and MessageExpunge must both be there");
	return IMAP_NOTIFY_OK;
}

/* event-group = "(" filter-mailboxes SP events ")"; the events also without parentheses, as the examples of RFC 5465 §3.1 have them */
static enum imap_notify_result take_group(struct parser *p, const struct imap_arg *arg, struct imap_notify_group *g)
{
	enum imap_notify_result r = IMAP_NOTIFY_OK;
	const struct imap_arg *first;
	size_t filter = 0;

	if (!imap_arg_list(arg, &arg) || !arg)
		return bad(p, "A list of mailboxes and events is missing");
	while (filter < ARRAY_LEN(filters) && !imap_arg_is(arg, filters[filter].name))
		filter++;
	if (filter == ARRAY_LEN(filters))
		return bad(p, "Not a choice of mailboxes");
	g->filter = (enum imap_notify_filter)filter;
	if (is_selected(g) && p->has_selected)
		return bad(p, "The selected mailbox is named twice");
	p->has_selected |= is_selected(g);
	arg = arg->next;
	if (filters[filter].has_names) {
		r = take_names(p, arg, g);
		arg = arg ? arg->next : NULL;
	}
	if (r != IMAP_NOTIFY_OK)
		return r;
	if (!arg)
		return bad(p, "Events are missing");
	if (imap_arg_is(arg, "NONE"))
		return arg->next ? bad(p, "Nothing may follow NONE") : IMAP_NOTIFY_OK;
	if (imap_arg_list(arg, &first)) {
		if (arg->next || !first)
			return bad(p, "Not a list of events");
		arg = first;
	}
	r = take_events(p, arg, g);
	return r == IMAP_NOTIFY_OK ? check_events(p, g) : r;
}

static enum imap_notify_result take_set(struct parser *p, const struct imap_arg *arg)
{
	bool badevent = false;
	uint32_t n = 0;

	p->notify.set = true;
	if (imap_arg_is(arg, "STATUS")) {
		p->notify.status = true;
		arg = arg->next;
	}
	if (!arg)
		return bad(p, "Which mailboxes?");
	for (const struct imap_arg *one = arg; one; one = one->next)
		if (++n > IMAP_NOTIFY_GROUPS_MAX)
			return IMAP_NOTIFY_TOO_MUCH;
	p->notify.groups = p->groups = arena_array(p->arena, n, sizeof *p->groups);
	if (!p->groups)
		return IMAP_NOTIFY_TOO_MUCH;
	for (; arg; arg = arg->next) {
		enum imap_notify_result r = take_group(p, arg, &p->groups[p->notify.group_count++]);

		badevent |= r == IMAP_NOTIFY_BADEVENT;
		if (r != IMAP_NOTIFY_OK && r != IMAP_NOTIFY_BADEVENT)
			return r;
	}
	return badevent ? IMAP_NOTIFY_BADEVENT : IMAP_NOTIFY_OK;
}

enum imap_notify_result imap_notify_parse(const struct imap_arg *arg, struct arena *a, struct imap_notify *ret,
					  const char **ret_error)
{
	struct parser p = {.arena = a};
	enum imap_notify_result r = IMAP_NOTIFY_OK;

	if (imap_arg_is(arg, "SET"))
		r = take_set(&p, arg->next);
	else if (!imap_arg_is(arg, "NONE") || arg->next)
		r = bad(&p, "SET or NONE is needed");
	if (r == IMAP_NOTIFY_OK)
		*ret = p.notify;
	else
		*ret_error = p.error ? p.error : "Not what NOTIFY takes";
	return r;
}
