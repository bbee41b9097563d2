/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_IMAP_NOTIFY_H
#define POMBO_MAIL_IMAP_NOTIFY_H

#include "mail/imap_fetch.h"

/* NOTIFY's arguments (RFC 5465 §8). */

enum imap_notify_event {
	IMAP_NOTIFY_NEW = 1 << 0,
	IMAP_NOTIFY_EXPUNGE = 1 << 1,
	IMAP_NOTIFY_FLAGS = 1 << 2,
	IMAP_NOTIFY_NAMES = 1 << 3,
	IMAP_NOTIFY_SUBSCRIPTIONS = 1 << 4,
	IMAP_NOTIFY_METADATA = 1 << 5,
	IMAP_NOTIFY_SERVER_METADATA = 1 << 6,
};
enum { IMAP_NOTIFY_MESSAGES = IMAP_NOTIFY_NEW | IMAP_NOTIFY_EXPUNGE | IMAP_NOTIFY_FLAGS };
/* The names of all of them, for BADEVENT. AnnotationChange is of RFC 5257, which is not offered. */
#define IMAP_NOTIFY_EVENTS                                                                                             \
	"MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange "                   \
	"ServerMetadataChange"

enum imap_notify_filter {
	IMAP_NOTIFY_SELECTED,
	IMAP_NOTIFY_SELECTED_DELAYED,
	IMAP_NOTIFY_INBOXES,
	IMAP_NOTIFY_PERSONAL,
	IMAP_NOTIFY_SUBSCRIBED,
	IMAP_NOTIFY_SUBTREE,
	IMAP_NOTIFY_MAILBOXES,
};

struct imap_notify_group {
	enum imap_notify_filter filter;
	uint32_t events;
	const struct view *names; /* of SUBTREE and MAILBOXES, as sent */
	uint32_t name_count;
};

struct imap_notify {
	bool set; /* or NONE */
	bool status;
	const struct imap_notify_group *groups;
	uint32_t group_count;
	bool has_fetch; /* of the selected mailbox: items were named with MessageNew */
	struct imap_fetch fetch; /* in the arena */
};

enum { IMAP_NOTIFY_GROUPS_MAX = 64, IMAP_NOTIFY_NAMES_MAX = 2048 };

enum imap_notify_result {
	IMAP_NOTIFY_OK,
	IMAP_NOTIFY_BAD, /* `*ret_error` says why */
	IMAP_NOTIFY_BADEVENT, /* an event that is not supported */
	IMAP_NOTIFY_TOO_MUCH,
};
/* From the first argument on. What it returns is all in `a`. */
must_check enum imap_notify_result imap_notify_parse(const struct imap_arg *arg, struct arena *a,
						     struct imap_notify *ret, const char **ret_error);

#endif
