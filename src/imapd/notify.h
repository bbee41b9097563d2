/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IMAPD_NOTIFY_H
#define POMBO_IMAPD_NOTIFY_H

#include "imapd/command.h"
#include "imapd/fetch.h"
#include "imapd/notify_states.h"
#include "mail/imap_notify.h"

/* What a client wants to be told unasked (RFC 5465), and what of it is due. A session has one from its first NOTIFY on.
 *
 * Of the selected mailbox stored's `changed` is followed (sync.h). Of all others there is a picture of how they stood when the client was told
 * last (notify_states.h); after `account_changed` a new one is fetched, and what differs is told, however many commits lie in between. */

struct notify_group {
	enum imap_notify_filter filter;
	uint32_t events;
	const struct view *names; /* UTF-8 */
	uint32_t name_count;
};

/* A change that the client itself made: not to be told (RFC 5465 §5). */
struct notify_own {
	struct view name;
	uint32_t events;
};
enum { NOTIFY_OWN_MAX = 64, NOTIFY_ARRIVED_MAX = 4096, NOTIFY_ANNOTATIONS_BYTES = 64 << 10 };

enum notify_doing {
	NOTIFY_NOTHING,
	NOTIFY_SYNCING, /* the selected mailbox */
	NOTIFY_FETCHING, /* what was asked for of messages that arrived there */
	NOTIFY_SCANNING, /* asked stored for a page of states */
	NOTIFY_TELLING, /* what differs */
};

struct notify {
	struct arena arena; /* what was asked for */
	bool active; /* some event was asked for */
	uint32_t selected_events;
	bool delayed; /* SELECTED-DELAYED */
	struct notify_group *groups; /* of other mailboxes */
	uint32_t group_count;
	uint32_t other_events; /* of all groups */
	bool has_fetch;
	struct imap_fetch items;
	/* due */
	bool overflow; /* more than can be told */
	bool account_due;
	struct notify_states known;
	struct buf annotations; /* METADATA responses */
	struct mailbox_range *arrived; /* UIDs in the selected mailbox whose items are to be told */
	uint32_t arrived_n;
	/* the client's own doing */
	struct arena own_arena;
	struct notify_own own[NOTIFY_OWN_MAX];
	uint32_t own_n;
	uint32_t wrote_uidvalidity; /* its last messages */
	struct mailbox_range wrote;
	/* telling */
	enum notify_doing doing;
	struct notify_states next;
	struct notify_diff diff;
	struct fetch fetch;
	struct mailbox_range *fetching;
	bool synced; /* in this round */
};

struct notify *notify_new(void);
void notify_free(struct notify **n);
/* As after NOTIFY NONE: nothing is wanted. */
void notify_clear(struct session *s);
/* Takes what the client asked for; the fetch items and the names as sent are in n->arena. False: too much. */
must_check bool notify_take(struct notify *n, const struct imap_notify *args, bool utf8_names);
/* The events wanted of a mailbox that is not the selected one. */
uint32_t notify_events(const struct notify *n, struct view name, uint32_t attributes);

/* ---- what stored and the commands say ---- */
void notify_account_changed(struct session *s);
void notify_annotated(struct session *s, const struct mailbox_annotated *m);
/* A message came into the selected mailbox and was told with EXISTS. */
void notify_arrived(struct session *s, uint32_t uid);
/* The client's own messages, wherever they went. */
void notify_wrote(struct session *s, uint32_t uidvalidity, uint32_t first, uint32_t last);
/* The client's own change; `events` of enum imap_notify_event. */
void notify_did(struct session *s, struct view name, uint32_t events);
void notify_deselected(struct session *s);

/* ---- what the commands ask ---- */
/* The client does not want to hear about the selected mailbox now. */
bool notify_silences(const struct session *s, unsigned command_flags);
/* Flags that others changed are to be told. */
bool notify_tells_flags(const struct session *s, unsigned command_flags);
/* There is something to tell between two commands. */
bool notify_is_due(const struct session *s);
/* Tells what is due, in steps like a handler's, in any command or none (cmd_notify.c). DONE: nothing is. `expunges`: those of the
 * selected mailbox may be told even with SELECTED-DELAYED. */
enum step notify_tell(struct session *s, struct command *c, bool expunges);
/* News about the selected mailbox are. */
bool notify_selected_is_due(const struct session *s, bool expunges);
/* The command that tells between two commands. */
extern const struct command_spec notify_spec;

#endif
