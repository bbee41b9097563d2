/* SPDX-License-Identifier: ISC
 * What a client wants to be told unasked, and what of it is due. */
#include "imapd/notify.h"

#include "imapd/folders.h"
#include "imapd/selected.h"
#include "mail/imap_mailbox.h"
#include "mail/imap_write.h"

#include <stdlib.h>

enum { ARENA_MAX = 2 << 20, OWN_BYTES_MAX = 64 << 10 };

struct notify *notify_new(void)
{
	struct notify *n = xcalloc(1, sizeof *n);

	arena_init(&n->arena, ARENA_MAX);
	arena_init(&n->own_arena, OWN_BYTES_MAX);
	buf_init(&n->annotations, NOTIFY_ANNOTATIONS_BYTES);
	notify_states_init(&n->known);
	notify_states_init(&n->next);
	return n;
}

static void forget_arrived(struct notify *n)
{
	free(n->arrived);
	n->arrived = NULL;
	n->arrived_n = 0;
}

void notify_free(struct notify **np)
{
	struct notify *n = *np;

	if (!n)
		return;
	if (n->doing == NOTIFY_FETCHING)
		fetch_forget(&n->fetch);
	free(n->fetching);
	forget_arrived(n);
	notify_states_fini(&n->known);
	notify_states_fini(&n->next);
	buf_fini(&n->annotations);
	arena_fini(&n->own_arena);
	arena_fini(&n->arena);
	free(n);
	*np = NULL;
}

void notify_clear(struct session *s)
{
	struct notify *n = s->notify;

	n->active = n->overflow = n->account_due = n->has_fetch = false;
	n->selected_events = n->other_events = 0;
	n->group_count = n->own_n = 0;
	forget_arrived(n);
	buf_reset(&n->annotations);
	notify_states_fini(&n->known);
	notify_states_fini(&n->next);
	arena_reset(&n->own_arena);
	arena_reset(&n->arena);
}

/* Names that no mailbox can have are left out (RFC 5465 §3.1). */
static bool take_names(struct notify *n, const struct imap_notify_group *from, struct notify_group *to, bool utf8_names)
{
	struct buf name = BUF_INIT(IMAP_MAILBOX_BYTES_MAX * 2);
	struct view *names = arena_array(&n->arena, from->name_count ? from->name_count : 1, sizeof *names);
	bool ok = names != NULL;

	for (uint32_t i = 0; ok && i < from->name_count; i++) {
		buf_reset(&name);
		if (!imap_mailbox_parse(from->names[i], utf8_names, &name))
			continue;
		names[to->name_count] = arena_copy(&n->arena, buf_view(&name));
		ok = names[to->name_count++].p != NULL;
	}
	to->names = names;
	buf_fini(&name);
	return ok;
}

bool notify_take(struct notify *n, const struct imap_notify *args, bool utf8_names)
{
	n->groups = arena_array(&n->arena, args->group_count ? args->group_count : 1, sizeof *n->groups);
	if (!n->groups)
		return false;
	for (uint32_t i = 0; i < args->group_count; i++) {
		const struct imap_notify_group *from = &args->groups[i];
		struct notify_group *to = &n->groups[n->group_count];

		if (from->filter == IMAP_NOTIFY_SELECTED || from->filter == IMAP_NOTIFY_SELECTED_DELAYED) {
			n->selected_events = from->events;
			n->delayed = from->filter == IMAP_NOTIFY_SELECTED_DELAYED;
			continue;
		}
		*to = (struct notify_group){.filter = from->filter, .events = from->events};
		if (!take_names(n, from, to, utf8_names))
			return false;
		n->group_count++;
		n->other_events |= from->events;
	}
	n->has_fetch = args->has_fetch;
	n->items = args->fetch;
	n->active = n->selected_events || n->other_events;
	return true;
}

static bool is_at_or_below(struct view name, struct view top)
{
	return view_eq(name, top) || (name.n > top.n && name.p[top.n] == '/' && view_starts_with(name, top));
}

static bool matches(const struct notify_group *g, struct view name, uint32_t attributes)
{
	switch (g->filter) {
	case IMAP_NOTIFY_SELECTED:
	case IMAP_NOTIFY_SELECTED_DELAYED:
		return false;
	case IMAP_NOTIFY_INBOXES: /* a rule may deliver anywhere: as PERSONAL (RFC 5465 §6.3) */
	case IMAP_NOTIFY_PERSONAL:
		return true;
	case IMAP_NOTIFY_SUBSCRIBED:
		return (attributes & FOLDER_SUBSCRIBED) != 0;
	case IMAP_NOTIFY_SUBTREE:
		for (uint32_t i = 0; i < g->name_count; i++)
			if (is_at_or_below(name, g->names[i]))
				return true;
		return false;
	case IMAP_NOTIFY_MAILBOXES:
		for (uint32_t i = 0; i < g->name_count; i++)
			if (view_eq(name, g->names[i]))
				return true;
		return false;
	}
	return false;
}

uint32_t notify_events(const struct notify *n, struct view name, uint32_t attributes)
{
	uint32_t events = 0;

	for (uint32_t i = 0; i < n->group_count; i++)
		if (matches(&n->groups[i], name, attributes))
			events |= n->groups[i].events;
	return events;
}

/* ---- what stored and the commands say ---- */

void notify_account_changed(struct session *s)
{
	if (!s->notify || !s->notify->other_events)
		return;
	s->notify->account_due = true;
	session_wake(s);
}

/* RFC 5464 §4.4.2: "* METADATA "INBOX" /shared/comment" */
void notify_annotated(struct session *s, const struct mailbox_annotated *m)
{
	struct notify *n = s->notify;
	const struct notify_state *state;
	uint32_t events;

	if (!n)
		return;
	state = notify_states_find(&n->known, m->name);
	events = m->name.n ? notify_events(n, m->name, state ? state->attributes : 0) : n->other_events;
	if (!(events & (m->name.n ? IMAP_NOTIFY_METADATA : IMAP_NOTIFY_SERVER_METADATA)))
		return;
	if (m->n_entries == 0) { /* more than stored can tell */
		n->overflow = true;
		session_wake(s);
		return;
	}
	buf_append_cstr(&n->annotations, "* METADATA ");
	imap_mailbox_format(&n->annotations, m->name, session_utf8_names(s));
	for (uint32_t i = 0; i < m->n_entries; i++) {
		buf_append_char(&n->annotations, ' ');
		imap_write_astring(&n->annotations, m->entries[i].entry);
	}
	buf_append_cstr(&n->annotations, "\r\n");
	n->overflow |= n->annotations.overflow;
	session_wake(s);
}

static bool is_own(const struct session *s, uint32_t uid)
{
	const struct notify *n = s->notify;

	return n->wrote_uidvalidity == s->selected->uidvalidity && uid >= n->wrote.first && uid <= n->wrote.last;
}

void notify_arrived(struct session *s, uint32_t uid)
{
	struct notify *n = s->notify;

	if (!n || !n->has_fetch || is_own(s, uid))
		return;
	if (n->arrived_n && n->arrived[n->arrived_n - 1].last + 1 == uid) {
		n->arrived[n->arrived_n - 1].last = uid;
		return;
	}
	if (n->arrived_n == NOTIFY_ARRIVED_MAX) {
		n->overflow = true;
		return;
	}
	if ((n->arrived_n & (n->arrived_n - 1)) == 0) /* room for a power of two */
		n->arrived = xrealloc(n->arrived, (n->arrived_n ? n->arrived_n * 2 : 1) * sizeof *n->arrived);
	n->arrived[n->arrived_n++] = (struct mailbox_range){uid, uid};
}

void notify_wrote(struct session *s, uint32_t uidvalidity, uint32_t first, uint32_t last)
{
	struct notify *n = s->notify;

	if (!n || first == 0 || last < first)
		return;
	n->wrote_uidvalidity = uidvalidity;
	n->wrote = (struct mailbox_range){first, last};
	for (uint32_t i = 0; i < n->known.n; i++) {
		struct notify_state *known = &n->known.at[i];

		/* Only when nothing came in between that is still to be told. */
		if (known->uidvalidity != uidvalidity || known->uidnext != first)
			continue;
		known->uidnext = last + 1;
		known->exists += last - first + 1;
	}
}

void notify_did(struct session *s, struct view name, uint32_t events)
{
	struct notify *n = s->notify;
	struct view copy;

	if (!n || !(n->other_events & events) || n->own_n == NOTIFY_OWN_MAX)
		return;
	copy = arena_copy(&n->own_arena, name);
	if (copy.p)
		n->own[n->own_n++] = (struct notify_own){copy, events};
}

void notify_deselected(struct session *s)
{
	if (s->notify)
		forget_arrived(s->notify);
}

/* ---- what the commands ask ---- */

bool notify_silences(const struct session *s, unsigned command_flags)
{
	const struct selected *x = s->selected;

	if (!s->notify || s->notify->selected_events || (command_flags & (COMMAND_SHOWS | COMMAND_DELETES)))
		return false;
	return x && x->latest != UINT64_MAX; /* it is gone */
}

bool notify_tells_flags(const struct session *s, unsigned command_flags)
{
	return !s->notify || (s->notify->selected_events & IMAP_NOTIFY_FLAGS) || (command_flags & COMMAND_SHOWS);
}

bool notify_selected_is_due(const struct session *s, bool expunges)
{
	const struct selected *x = s->selected;

	if (!x || notify_silences(s, 0))
		return false;
	return x->noticed || (x->held_n && (expunges || !s->notify->delayed));
}

bool notify_is_due(const struct session *s)
{
	const struct notify *n = s->notify;

	if (!n)
		return false;
	if (n->overflow || n->account_due || n->annotations.n || n->arrived_n || n->doing != NOTIFY_NOTHING)
		return true;
	return notify_selected_is_due(s, false);
}
