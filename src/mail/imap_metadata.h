/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_IMAP_METADATA_H
#define POMBO_MAIL_IMAP_METADATA_H

#include "mail/imap_arg.h"

/* Arguments of GETMETADATA and SETMETADATA (RFC 5464 §5), and of LIST's return option METADATA (RFC 9590). Entries come out in
 * lower case: their case means nothing (§3.2). */
enum { IMAP_METADATA_ENTRIES_MAX = 256, IMAP_METADATA_ENTRY_BYTES_MAX = 1000 };

enum imap_metadata_depth { IMAP_DEPTH_0, IMAP_DEPTH_1, IMAP_DEPTH_INFINITY };

struct imap_metadata_get {
	const struct imap_arg *mailbox;
	enum imap_metadata_depth depth;
	bool has_maxsize;
	uint64_t maxsize;
	const struct view *entries;
	uint32_t entry_count;
};
/* `arg`: the first argument of GETMETADATA. The options may stand in front of the mailbox, as the grammar has them, or behind it,
 * as its examples do. */
must_check bool imap_metadata_get_parse(const struct imap_arg *arg, struct arena *a, struct imap_metadata_get *ret);
/* entry / "(" entry *(SP entry) ")" */
must_check bool imap_metadata_entries_parse(const struct imap_arg *arg, struct arena *a, struct imap_metadata_get *ret);

struct imap_metadata_change {
	struct view entry;
	struct view value; /* p == NULL: NIL, it is to go */
};
struct imap_metadata_set {
	const struct imap_arg *mailbox;
	const struct imap_metadata_change *changes;
	uint32_t count;
};
/* `arg`: the first argument of SETMETADATA. */
must_check bool imap_metadata_set_parse(const struct imap_arg *arg, struct arena *a, struct imap_metadata_set *ret);

/* "/private/comment": below /private/ or /shared/, printable ASCII, no "*" or "%", no empty level. */
bool imap_metadata_entry_is_valid(struct view entry);
/* Whether `entry` is one of those asked for, or below one as far as the depth goes; `ret_at`: the first such. */
bool imap_metadata_is_asked(const struct imap_metadata_get *get, struct view entry, uint32_t *ret_at);

#endif
