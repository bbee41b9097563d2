/* SPDX-License-Identifier: ISC
 * How all mailboxes of an account stand, and what two such pictures have for differences. */
#include "imapd/notify_states.h"

#include "imapd/folders.h"
#include "imapd/notify.h"
#include "imapd/selected.h"
#include "imapd/status.h"
#include "mail/imap_args.h"
#include "mail/imap_mailbox.h"

#include <stdlib.h>

enum { NAMES_BYTES_MAX = 8 << 20 };

void notify_states_init(struct notify_states *st)
{
	*st = (struct notify_states){0};
	arena_init(&st->names, NAMES_BYTES_MAX);
}

void notify_states_fini(struct notify_states *st)
{
	free(st->at);
	arena_fini(&st->names);
	notify_states_init(st);
}

bool notify_states_add(struct notify_states *st, const struct mailbox_state *m)
{
	struct view name = arena_copy(&st->names, m->name);

	if (!name.p || st->n == NOTIFY_MAILBOXES_MAX)
		return false;
	if (st->n == st->cap) {
		st->cap = st->cap ? st->cap * 2 : 16;
		st->at = xrealloc(st->at, st->cap * sizeof *st->at);
	}
	st->at[st->n++] = (struct notify_state){
	    .mailbox = m->attributes & FOLDER_MISSING ? 0 : m->mailbox,
	    .name = name,
	    .attributes = m->attributes,
	    .uidvalidity = m->uidvalidity,
	    .uidnext = m->uidnext,
	    .exists = m->exists,
	    .unseen = m->unseen,
	    .highestmodseq = m->highestmodseq,
	};
	return true;
}

/* The first that is not less than `name`. */
static uint32_t lower_bound(const struct notify_states *st, struct view name)
{
	uint32_t low = 0, high = st->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (view_cmp(st->at[mid].name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct notify_state *notify_states_find(const struct notify_states *st, struct view name)
{
	uint32_t i = lower_bound(st, name);

	return i < st->n && view_eq(st->at[i].name, name) ? &st->at[i] : NULL;
}

static const struct notify_state *find_id(const struct notify_states *st, uint64_t mailbox)
{
	for (uint32_t i = 0; mailbox && i < st->n; i++)
		if (st->at[i].mailbox == mailbox)
			return &st->at[i];
	return NULL;
}

static bool has_children(const struct notify_states *st, struct view name)
{
	/* Names below it begin with "name/", but others may stand in between: "name-2". */
	for (uint32_t i = lower_bound(st, name); i < st->n && view_starts_with(st->at[i].name, name); i++) {
		struct view one = st->at[i].name;

		if (one.n > name.n && one.p[name.n] == '/' && !(st->at[i].attributes & FOLDER_MISSING))
			return true;
	}
	return false;
}

/* What a name stands for in both pictures; NULL: nothing. */
struct pair {
	const struct notify_state *was, *is;
	const struct notify_state *before; /* what `is` was, under whatever name */
};

static bool exists(const struct notify_state *state)
{
	return state && state->mailbox;
}

static struct view parent_of(struct view name)
{
	size_t n = name.n;

	while (n && name.p[n - 1] != '/')
		n--;
	return view_sub(name, 0, n ? n - 1 : 0);
}

static bool moved(const struct pair *p)
{
	return exists(p->is) && p->before && !view_eq(p->before->name, p->is->name);
}

/* It was renamed only because the one above it was (RFC 5465 §5.4). */
static bool moved_along(const struct notify *n, const struct pair *p)
{
	struct view above_was = parent_of(p->before->name), above_is = parent_of(p->is->name);
	const struct notify_state *was = notify_states_find(&n->known, above_was);
	const struct notify_state *is = notify_states_find(&n->next, above_is);

	return exists(was) && exists(is) && was->mailbox == is->mailbox &&
	       view_eq(view_sub(p->before->name, above_was.n, p->before->name.n),
		       view_sub(p->is->name, above_is.n, p->is->name.n));
}

static bool came(const struct pair *p)
{
	return exists(p->is) && !p->before;
}

/* A mailbox went, not to another name. */
static bool went(const struct notify *n, const struct pair *p)
{
	if (!exists(p->was) || (p->is && p->is->mailbox == p->was->mailbox))
		return false;
	return !find_id(&n->next, p->was->mailbox);
}

static bool changed_kind(const struct pair *p)
{
	return exists(p->is) && p->before && ((p->before->attributes ^ p->is->attributes) & FOLDER_NOSELECT);
}

/* The next pair in the order of names; false: both are at their ends. */
static bool next_pair(const struct notify *n, struct notify_diff *d, struct pair *ret)
{
	const struct notify_state *was = d->was < n->known.n ? &n->known.at[d->was] : NULL;
	const struct notify_state *is = d->is < n->next.n ? &n->next.at[d->is] : NULL;
	int order = was && is ? view_cmp(was->name, is->name) : 0;

	if (!was && !is)
		return false;
	*ret = (struct pair){order <= 0 ? was : NULL, order >= 0 ? is : NULL, NULL};
	d->was += ret->was != NULL;
	d->is += ret->is != NULL;
	if (exists(ret->is))
		ret->before =
		    ret->was && ret->was->mailbox == ret->is->mailbox ? ret->was : find_id(&n->known, ret->is->mailbox);
	return true;
}

static bool is_own(const struct notify *n, struct view name, uint32_t event)
{
	for (uint32_t i = 0; i < n->own_n; i++) {
		struct view own = n->own[i].name;

		if (!(n->own[i].events & event) || !view_starts_with(own, name))
			continue;
		if (own.n == name.n || (event == IMAP_NOTIFY_NAMES && own.p[name.n] == '/'))
			return true;
	}
	return false;
}

void notify_diff_begin(struct notify *n)
{
	struct notify_diff d = {0};
	struct pair p;

	n->diff = d;
	while (next_pair(n, &d, &p)) {
		struct view name = p.is ? p.is->name : p.was->name;
		struct notify_state *above;

		if (!(came(&p) || went(n, &p)) || is_own(n, name, IMAP_NOTIFY_NAMES))
			continue;
		above = (struct notify_state *)notify_states_find(&n->next, parent_of(name));
		if (above)
			above->touched = true;
	}
}

static bool subscription_differs(const struct pair *p)
{
	uint32_t was = p->was ? p->was->attributes : 0, is = p->is ? p->is->attributes : 0;

	return ((was ^ is) & FOLDER_SUBSCRIBED) != 0;
}

/* At most one LIST response for a name (RFC 5465 §5.4, §5.5). */
static void tell_list(struct session *s, const struct notify *n, const struct pair *p, uint32_t events)
{
	struct view name = p->is ? p->is->name : p->was->name, old_name = VIEW_EMPTY;
	uint32_t attributes = p->is ? p->is->attributes : FOLDER_MISSING;
	bool tell = false;

	if ((events & IMAP_NOTIFY_NAMES) && !is_own(n, name, IMAP_NOTIFY_NAMES)) {
		tell = came(p) || went(n, p) || changed_kind(p) || (p->is && p->is->touched);
		if (moved(p) && !moved_along(n, p)) {
			tell = true;
			old_name = p->before->name;
		}
	}
	if ((events & IMAP_NOTIFY_SUBSCRIPTIONS) && !is_own(n, name, IMAP_NOTIFY_SUBSCRIPTIONS))
		tell |= subscription_differs(p);
	if (tell)
		folders_tell(session_out(s), name, attributes, has_children(&n->next, name), old_name,
			     session_utf8_names(s));
}

static void tell_status(struct session *s, const struct notify_state *is, uint32_t items)
{
	const struct mailbox_opened m = {
	    .mailbox = is->mailbox,
	    .uidvalidity = is->uidvalidity,
	    .uidnext = is->uidnext,
	    .exists = is->exists,
	    .unseen = is->unseen,
	    .highestmodseq = is->highestmodseq,
	};

	if (items)
		status_format(session_out(s), s, is->name, items, &m);
}

/* Message events of it are told as STATUS: it can be selected and is not. */
static bool is_other(const struct session *s, const struct notify_state *is)
{
	if (!exists(is) || (is->attributes & FOLDER_NOSELECT))
		return false;
	return !s->selected || s->selected->mailbox != is->mailbox;
}

/* RFC 5465 §5.1, §5.2, §5.3 */
static void tell_messages(struct session *s, const struct pair *p, uint32_t events)
{
	const struct notify_state fresh = {
	    .uidvalidity = p->is->uidvalidity, .uidnext = 1, .highestmodseq = p->is->highestmodseq};
	const struct notify_state *was = p->before ? p->before : &fresh, *is = p->is;
	uint32_t items = 0;

	if ((events & IMAP_NOTIFY_NEW) && (was->uidnext != is->uidnext || was->exists != is->exists)) {
		items |= IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY;
		items |= s->condstore ? IMAP_STATUS_HIGHESTMODSEQ : 0;
	}
	if (events & IMAP_NOTIFY_FLAGS) {
		if (was->unseen != is->unseen)
			items |= IMAP_STATUS_UNSEEN | IMAP_STATUS_UIDVALIDITY;
		if (s->condstore && was->highestmodseq != is->highestmodseq)
			items |= IMAP_STATUS_HIGHESTMODSEQ | IMAP_STATUS_UIDVALIDITY;
	}
	if ((events & (IMAP_NOTIFY_FLAGS | IMAP_NOTIFY_NEW)) && was->uidvalidity != is->uidvalidity)
		items |= IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY;
	tell_status(s, is, items);
}

/* The special uses are an annotation too (RFC 6154 §4). */
static void tell_special_use(struct session *s, const struct notify *n, const struct pair *p)
{
	struct buf *out = session_out(s);

	if (!exists(p->is) || !p->before || !((p->before->attributes ^ p->is->attributes) & FOLDER_SPECIAL_USE) ||
	    is_own(n, p->is->name, IMAP_NOTIFY_METADATA))
		return;
	buf_append_cstr(out, "* METADATA ");
	imap_mailbox_format(out, p->is->name, session_utf8_names(s));
	buf_append_cstr(out, " /private/specialuse\r\n");
}

bool notify_diff_next(struct session *s, struct notify *n)
{
	uint32_t events, attributes;
	struct view name;
	struct pair p;

	if (!next_pair(n, &n->diff, &p))
		return false;
	name = p.is ? p.is->name : p.was->name;
	attributes = (p.was ? p.was->attributes : 0) | (p.is ? p.is->attributes : 0);
	events = notify_events(n, name, attributes);
	if (p.before)
		events |= notify_events(n, p.before->name, p.before->attributes) & IMAP_NOTIFY_NAMES;
	tell_list(s, n, &p, events);
	if (is_other(s, p.is))
		tell_messages(s, &p, events);
	if (events & IMAP_NOTIFY_METADATA)
		tell_special_use(s, n, &p);
	return true;
}

void notify_states_tell_status(struct session *s, const struct notify *n, const struct notify_state *is)
{
	uint32_t events = notify_events(n, is->name, is->attributes), items = 0;

	if (!is_other(s, is))
		return;
	if (events & IMAP_NOTIFY_NEW)
		items |= IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY;
	if (events & IMAP_NOTIFY_FLAGS)
		items |= IMAP_STATUS_UIDVALIDITY | IMAP_STATUS_HIGHESTMODSEQ;
	tell_status(s, is, items);
}
