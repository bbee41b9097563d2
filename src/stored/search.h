/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_SEARCH_H
#define POMBO_STORED_SEARCH_H

#include "mail/imap_parse.h"
#include "mail/imap_search.h"
#include "mail/search_match.h"
#include "store/search_read.h"

/* A search of one mailbox, a slice at a time, on a reader thread. Each page of rows is first decided by what is cheap: flags, dates and
 * sizes, the digests, and which messages may hold a text, as far as the search index reaches. What is still open is read and looked
 * through. So the result is the same with and without an index, or with half of one. */

enum search_verdict { SEARCH_NO, SEARCH_YES, SEARCH_OPEN };

/* A key of the program that looks for text. */
struct search_term {
	const struct imap_search *node;
	struct search_key *key;
	bool narrowed; /* only `candidates` can hold it */
	struct search_candidates candidates;
	size_t cursor; /* where the last message was looked for */
};

enum { SEARCH_ROWS_MAX = 2000 };

struct search {
	uint64_t account, mailbox;
	struct arena *arena; /* of the request */
	struct view program;
	struct imap_reader reader; /* owns the parsed program */
	bool begun;
	const struct imap_search *root;
	struct search_term *terms; /* in the order of their nodes' addresses */
	size_t term_count;
	struct search_key *keys; /* of BODY and TEXT: one pass looks for all */
	size_t key_count;
	int64_t now_s;
	struct rows_query query; /* of rows to decide */
	uint32_t cheap, full; /* fields of either look */
	uint32_t indexed; /* UIDs below are in the index */
	struct search_records columns[DIGEST_COLUMNS];
	/* the page at hand */
	uint32_t *uids;
	uint8_t *verdicts;
	struct uid_range *open; /* still to be read */
	size_t page_count, open_count;
	uint32_t open_from; /* 0: nothing is open */
	/* the row at hand */
	struct store_reader *r;
	const struct box_row *row;
	bool is_full; /* all of it is here */
	bool scanned; /* keys tell of this row */
	enum store_outcome trouble;
	/* what was found */
	uint64_t highestmodseq;
	struct uid_range *found; /* grows in the arena */
	size_t found_count, found_cap;
};

/* `ranges`: where to look. What it points to must live as long as `s`. */
void search_init(struct search *s, struct arena *a, uint64_t account, uint64_t mailbox, struct view program,
		 const struct uid_range *ranges, size_t range_count, bool with_expunged);
void search_fini(struct search *s);
/* A slice. `*ret_again`: there is more. STORE_BAD_REQUEST: not a program. STORE_LIMIT: too many texts
 * to look for in every message, or too many found. */
must_check enum store_outcome search_step(struct search *s, struct store_reader *r, bool *ret_again);
size_t search_found(const struct search *s); /* messages */

/* ---- its parts ---- */
/* search_terms.c */
must_check enum store_outcome search_parse(struct search *s);
void search_narrow(struct search *s); /* asks the index what it knows */
struct search_term *search_term_of(const struct search *s, const struct imap_search *node);
/* search_row.c: s->row, cheap or full */
enum search_verdict search_decide(struct search *s);

#endif
