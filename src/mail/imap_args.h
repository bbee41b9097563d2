/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_IMAP_ARGS_H
#define POMBO_MAIL_IMAP_ARGS_H

#include "mail/imap_arg.h"
#include "mail/imap_flags.h"
#include "mail/imap_set.h"

/* Arguments of the smaller commands. Each takes the first argument it is about, and is false for what the grammar does
 * not have: the reply is BAD. */

/* STORE: behind the set (RFC 9051 §6.4.6, 7162 §3.1.3): [(UNCHANGEDSINCE n)] [+-]FLAGS[.SILENT] flags */
enum imap_store_how { IMAP_STORE_REPLACE, IMAP_STORE_ADD, IMAP_STORE_REMOVE };
struct imap_store {
	enum imap_store_how how;
	bool silent;
	bool unchangedsince;
	uint64_t unchangedsince_modseq;
	struct imap_flags flags;
};
must_check bool imap_args_store(const struct imap_arg *arg, struct arena *a, struct imap_store *ret);

/* STATUS items (RFC 9051 §6.3.11, 3501, 7162, 7889, 8474): "(MESSAGES UNSEEN)" */
enum imap_status_item {
	IMAP_STATUS_MESSAGES = 1 << 0,
	IMAP_STATUS_RECENT = 1 << 1,
	IMAP_STATUS_UIDNEXT = 1 << 2,
	IMAP_STATUS_UIDVALIDITY = 1 << 3,
	IMAP_STATUS_UNSEEN = 1 << 4,
	IMAP_STATUS_DELETED = 1 << 5,
	IMAP_STATUS_SIZE = 1 << 6,
	IMAP_STATUS_HIGHESTMODSEQ = 1 << 7,
	IMAP_STATUS_APPENDLIMIT = 1 << 8,
	IMAP_STATUS_MAILBOXID = 1 << 9,
	IMAP_STATUS_DELETED_STORAGE = 1 << 10, /* RFC 9208 */
};
must_check bool imap_args_status_items(const struct imap_arg *arg, uint32_t *ret_items);

/* APPEND: behind the mailbox (RFC 9051 §6.3.12): [flags] [date-time] literal, the literal also as "UTF8 (~{n}…)" (RFC 6855
 * §4). May be asked as soon as the literal is announced: it is then the last argument there is. What follows `end` later
 * are the arguments of the next message (RFC 3502). */
struct imap_append {
	struct imap_flags flags;
	bool has_date;
	int64_t wall_s;
	int16_t zone_minutes;
	const struct imap_arg *message; /* the literal */
	const struct imap_arg *end; /* the literal, or the list that holds it */
};
must_check bool imap_args_append(const struct imap_arg *arg, struct arena *a, struct imap_append *ret);

/* SELECT and EXAMINE: behind the mailbox, NULL when nothing is there (RFC 7162 §3.1.8, §3.2.5): (CONDSTORE), (QRESYNC (…)) */
struct imap_select {
	bool condstore;
	bool qresync;
	uint32_t uidvalidity;
	uint64_t modseq;
	struct imap_set known_uids; /* count 0: not given */
	struct imap_set match_numbers, match_uids; /* count 0: not given */
};
must_check bool imap_args_select(const struct imap_arg *arg, struct arena *a, struct imap_select *ret);

/* CREATE: behind the mailbox, NULL when nothing is there (RFC 6154 §3): (USE (\Drafts \Sent)) */
enum imap_special_use {
	IMAP_USE_DRAFTS = 1 << 1,
	IMAP_USE_SENT = 1 << 2,
	IMAP_USE_JUNK = 1 << 3,
	IMAP_USE_TRASH = 1 << 4,
	IMAP_USE_ARCHIVE = 1 << 5,
};
struct imap_create {
	uint32_t uses; /* of enum imap_special_use */
	bool unsupported; /* a use that is none of them was asked for */
};
must_check bool imap_args_create(const struct imap_arg *arg, struct imap_create *ret);
/* "\Drafts" as one of enum imap_special_use; 0: another name. */
uint32_t imap_special_use_find(struct view name);
/* "\Drafts \Sent" */
void imap_special_use_format(struct buf *out, uint32_t uses);

/* LIST and LSUB (RFC 9051 §6.3.9, 5258, 5819, 6154): from the first argument on. */
enum imap_list_select {
	IMAP_LIST_SUBSCRIBED = 1 << 0,
	IMAP_LIST_REMOTE = 1 << 1,
	IMAP_LIST_RECURSIVEMATCH = 1 << 2,
	IMAP_LIST_SPECIAL_USE = 1 << 3,
};
enum imap_list_return {
	IMAP_LIST_RETURN_SUBSCRIBED = 1 << 0,
	IMAP_LIST_RETURN_CHILDREN = 1 << 1,
	IMAP_LIST_RETURN_SPECIAL_USE = 1 << 2,
	IMAP_LIST_RETURN_STATUS = 1 << 3,
};
struct imap_list {
	bool extended; /* the form of RFC 5258 was used */
	uint32_t select;
	uint32_t returns;
	uint32_t status_items; /* of RETURN (STATUS (…)) */
	struct view reference;
	const struct view *patterns; /* as sent, not yet UTF-8 */
	uint32_t pattern_count;
};
enum { IMAP_LIST_PATTERNS_MAX = 32 };
must_check bool imap_args_list(const struct imap_arg *arg, struct arena *a, struct imap_list *ret);

#endif
