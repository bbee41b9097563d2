/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_IMAP_FLAGS_H
#define POMBO_MAIL_IMAP_FLAGS_H

#include "base/buf.h"
#include "mail/imap_arg.h"

/* Message flags (RFC 9051 §2.3.2): the system flags as bits, keywords as names. */
enum imap_flag {
	IMAP_SEEN = 1 << 0,
	IMAP_ANSWERED = 1 << 1,
	IMAP_FLAGGED = 1 << 2,
	IMAP_DELETED = 1 << 3,
	IMAP_DRAFT = 1 << 4,
	IMAP_RECENT = 1 << 5, /* a client may not set it */
};

enum { IMAP_KEYWORDS_MAX = 256, IMAP_KEYWORD_BYTES_MAX = 255 };

struct imap_flags {
	uint32_t system; /* of enum imap_flag */
	const struct view *keywords; /* no two alike, ASCII case ignored */
	uint32_t keyword_count;
	bool over_limit; /* there were more keywords, or longer ones: they are not among these */
};

/* "(\Seen $Junk)", or bare flags from `arg` to the end of its list. BAD (false): an unknown "\Flag", \Recent, or a
 * keyword that is no atom. */
must_check bool imap_flags_parse(const struct imap_arg *arg, struct arena *a, struct imap_flags *ret);
/* An atom of at most IMAP_KEYWORD_BYTES_MAX bytes. */
bool imap_keyword_is_valid(struct view keyword);
/* "\Seen \Deleted", in a fixed order, without parentheses; returns whether anything was written. */
bool imap_flags_format_system(struct buf *out, uint32_t system);
/* "(\Seen $Junk)" */
void imap_flags_format(struct buf *out, const struct imap_flags *flags);

#endif
