/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_IMAP_FETCH_H
#define POMBO_MAIL_IMAP_FETCH_H

#include "mail/imap_arg.h"
#include "mail/imap_section.h"
#include "mail/imap_set.h"

/* FETCH's arguments behind the set (RFC 9051 §6.4.5, 3501 §6.4.5, 7162 §3.1.4, 8474 §5, 8514 §4.2, 8970). Items without an argument are
 * bits, sections a list. */
enum imap_fetch_item {
	IMAP_FETCH_UID = 1 << 0,
	IMAP_FETCH_FLAGS = 1 << 1,
	IMAP_FETCH_INTERNALDATE = 1 << 2,
	IMAP_FETCH_RFC822_SIZE = 1 << 3,
	IMAP_FETCH_ENVELOPE = 1 << 4,
	IMAP_FETCH_BODY = 1 << 5, /* BODY without a section */
	IMAP_FETCH_BODYSTRUCTURE = 1 << 6,
	IMAP_FETCH_MODSEQ = 1 << 7,
	IMAP_FETCH_EMAILID = 1 << 8,
	IMAP_FETCH_THREADID = 1 << 9,
	IMAP_FETCH_SAVEDATE = 1 << 10,
	IMAP_FETCH_PREVIEW = 1 << 11, /* RFC 8970 */
};

enum imap_fetch_what {
	IMAP_FETCH_SECTION, /* BODY[…] */
	IMAP_FETCH_BINARY,
	IMAP_FETCH_BINARY_SIZE,
	/* RFC 3501's names for BODY[], BODY.PEEK[HEADER] and BODY[TEXT]: the section is set likewise */
	IMAP_FETCH_RFC822,
	IMAP_FETCH_RFC822_HEADER,
	IMAP_FETCH_RFC822_TEXT,
};

struct imap_fetch_section {
	enum imap_fetch_what what;
	bool peek; /* does not set \Seen */
	struct imap_section section;
	const struct imap_fetch_section *next;
};

struct imap_fetch {
	uint32_t items; /* of enum imap_fetch_item; ALL, FAST and FULL are taken apart */
	const struct imap_fetch_section *sections; /* in the order asked for */
	uint32_t section_count;
	bool sets_seen; /* some section does */
	bool lazy_preview; /* PREVIEW (LAZY) */
	bool changedsince; /* (CHANGEDSINCE modseq [VANISHED]) */
	uint64_t changedsince_modseq;
	bool vanished;
	bool has_partial; /* (PARTIAL range), RFC 9394 */
	struct imap_partial partial;
};

enum { IMAP_FETCH_SECTIONS_MAX = 256 };

/* `arg`: the argument behind the set. What it returns is all in `a`. False: `*ret_error` says why, for the BAD reply. */
must_check bool imap_fetch_parse(const struct imap_arg *arg, struct arena *a, struct imap_fetch *ret,
				 const char **ret_error);
/* The name of the item in the response, "BODY[1.MIME]<0>", "RFC822.TEXT", "BINARY.SIZE[2]". */
void imap_fetch_format_name(struct buf *out, const struct imap_fetch_section *s);

#endif
