/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IMAPD_FOLDERS_H
#define POMBO_IMAPD_FOLDERS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"

/* The tree of an account's mailbox names, and what LIST and LSUB answer from it (RFC 9051 §6.3.9, 3501 §6.3.9, 5258, 6154).
 * Pure: names come from stored, patterns from the client, both in UTF-8. */

/* As in `names` of msgs/mailbox.def. */
enum folder_attribute {
	FOLDER_NOSELECT = 1 << 0, /* a name that only has others below it */
	FOLDER_DRAFTS = 1 << 1,
	FOLDER_SENT = 1 << 2,
	FOLDER_JUNK = 1 << 3,
	FOLDER_TRASH = 1 << 4,
	FOLDER_ARCHIVE = 1 << 5,
	FOLDER_FLAGGED = 1 << 6,
	FOLDER_ALL = 1 << 7,
	FOLDER_SUBSCRIBED = 1 << 8,
	FOLDER_MISSING = 1 << 9, /* does not exist: only subscribed, or (made here) only a parent */
};
enum { FOLDER_SPECIAL_USE = 0xfe };

struct folder {
	struct view name;
	uint32_t attributes;
	uint32_t below; /* so many behind it in the list are below it */
	enum { FOLDER_MATCH_UNKNOWN, FOLDER_MATCHES, FOLDER_MATCHES_NOT } match;
};

struct folders {
	struct folder *at; /* after folders_arrange(): parents before children, every parent there */
	uint32_t n, cap;
	struct arena *arena; /* holds the names */
};

void folders_init(struct folders *f, struct arena *arena);
void folders_fini(struct folders *f);
/* False: the arena is full. */
must_check bool folders_add(struct folders *f, struct view name, uint32_t attributes);
void folders_arrange(struct folders *f);

struct folder_query {
	const struct view *patterns; /* reference and pattern as one */
	uint32_t pattern_count;
	bool lsub;
	bool utf8; /* names are written in UTF-8, not modified UTF-7 */
	bool extended; /* say \NonExistent where RFC 3501 knows \Noselect only */
	uint32_t select; /* of enum imap_list_select */
	uint32_t returns; /* of enum imap_list_return */
};

/* Puts the patterns to one name, once: what takes long of an answer. */
void folders_match(struct folders *f, uint32_t i, const struct folder_query *q);
/* Writes "* LIST (…) "/" name …" for the `i`-th, when it is part of the answer. */
bool folders_answer(const struct folders *f, uint32_t i, const struct folder_query *q, struct buf *out);

/* "* LIST (…) "/" name", all that is known of the name (RFC 5465 §5.4). `old_name`: what it was called before, or empty. */
void folders_tell(struct buf *out, struct view name, uint32_t attributes, bool children, struct view old_name,
		  bool utf8);

#endif
