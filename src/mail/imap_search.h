/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_IMAP_SEARCH_H
#define POMBO_MAIL_IMAP_SEARCH_H

#include "mail/imap_flags.h"
#include "mail/imap_set.h"

/* SEARCH's arguments (RFC 9051 §6.4.4, 3501 §6.4.4, 4731, 5182, 5032, 7162 §3.1.5, 8474 §6, 8514 §4.3) as a tree. */
enum imap_search_kind {
	IMAP_SEARCH_ALL,
	IMAP_SEARCH_AND, /* children */
	IMAP_SEARCH_OR, /* two children */
	IMAP_SEARCH_NOT, /* one child */
	IMAP_SEARCH_NUMBERS, /* set */
	IMAP_SEARCH_UID, /* set */
	IMAP_SEARCH_FLAG, /* number: an enum imap_flag */
	IMAP_SEARCH_KEYWORD, /* text */
	IMAP_SEARCH_BEFORE, /* days: the internal date is before, on, on or after that day */
	IMAP_SEARCH_ON,
	IMAP_SEARCH_SINCE,
	IMAP_SEARCH_SENTBEFORE, /* days: the Date field */
	IMAP_SEARCH_SENTON,
	IMAP_SEARCH_SENTSINCE,
	IMAP_SEARCH_SAVEDBEFORE, /* days: when it came into the mailbox (RFC 8514) */
	IMAP_SEARCH_SAVEDON,
	IMAP_SEARCH_SAVEDSINCE,
	IMAP_SEARCH_EMAILID, /* text: an objectid (RFC 8474) */
	IMAP_SEARCH_THREADID, /* text */
	IMAP_SEARCH_OLDER, /* number: seconds */
	IMAP_SEARCH_YOUNGER,
	IMAP_SEARCH_LARGER, /* number: octets */
	IMAP_SEARCH_SMALLER,
	IMAP_SEARCH_MODSEQ, /* number: at least */
	IMAP_SEARCH_HEADER, /* name, text (empty: the field exists); FROM, TO, CC, BCC and SUBJECT too */
	IMAP_SEARCH_BODY, /* text */
	IMAP_SEARCH_TEXT, /* text */
};

/* UNSEEN, UNKEYWORD… are NOT of the plain key; NEW is AND of RECENT and NOT SEEN; OLD is NOT RECENT. */
struct imap_search {
	enum imap_search_kind kind;
	const struct imap_search *first, *next; /* children; siblings */
	struct imap_set set; /* not resolved */
	uint64_t number;
	int64_t days; /* since 1970-01-01 */
	struct view name;
	struct view text; /* in the charset of the command */
};

enum imap_search_return {
	IMAP_RETURN_MIN = 1 << 0,
	IMAP_RETURN_MAX = 1 << 1,
	IMAP_RETURN_ALL = 1 << 2,
	IMAP_RETURN_COUNT = 1 << 3,
	IMAP_RETURN_SAVE = 1 << 4,
	IMAP_RETURN_PARTIAL = 1 << 5, /* RFC 9394 */
};

struct imap_search_program {
	bool extended; /* RETURN (…) was given: answer with ESEARCH */
	uint32_t returns; /* of enum imap_search_return; RETURN () is ALL */
	struct imap_partial partial; /* of IMAP_RETURN_PARTIAL */
	struct view partial_text; /* as written */
	struct view charset; /* empty: none was given */
	const struct imap_search *root; /* an AND */
	uint32_t keys; /* nodes in the tree */
	bool uses_modseq, uses_saved;
	bool uses_numbers; /* some key is a set of message numbers */
};

enum { IMAP_SEARCH_KEYS_MAX = 4096, IMAP_SEARCH_DEPTH_MAX = 64 };

/* search-criteria of SORT and THREAD (RFC 5256 §5): `arg` is the charset, keys follow. As imap_search_parse(). */
must_check bool imap_search_parse_criteria(const struct imap_arg *arg, struct arena *a, struct imap_search_program *ret,
					   const char **ret_error);

/* `arg`: the first argument behind SEARCH. False: `*ret_error` says why, for the BAD reply. */
must_check bool imap_search_parse(const struct imap_arg *arg, struct arena *a, struct imap_search_program *ret,
				  const char **ret_error);

#endif
