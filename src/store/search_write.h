/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_SEARCH_WRITE_H
#define POMBO_STORE_SEARCH_WRITE_H

#include "mail/search_match.h"
#include "store/mailbox_read.h"

/* Bringing search indexes up to date: one thread, in slices, beside everything else. What there is to do follows from the mailboxes
 * themselves: UIDs between what the index has and uidnext. So a crash, or a lost file, costs time and nothing else. Up to 30 MiB. */
struct search_writer;

struct search_progress {
	uint64_t done, total; /* messages (UIDs) of the account's mailboxes */
};

/* Whether the account's mail is worth an index: it has one, or 100 messages. */
bool search_is_due(struct store_reader *r, uint64_t account);
/* The account's index, made where it is missing, made anew where it is damaged or of another form. 0 or negative errno. */
must_check int search_writer_open(struct store_reader *r, uint64_t account, struct search_writer **ret);
void search_writer_close(struct search_writer **w);
/* A slice: some hundred messages, or joining what was written. 1 there is more, 0 all is done, negative errno (nothing is lost). */
must_check int search_writer_step(struct search_writer *w, struct search_progress *ret);

/* The index goes; the next search_writer_open() makes it anew. */
void search_drop(struct store *s, uint64_t account);
/* An account whose index was found damaged since the last call; 0: none. */
uint64_t search_take_damaged(struct store *s);
/* Accounts by id behind `after`, at most `max`. */
must_check enum store_outcome search_accounts(struct store_reader *r, uint64_t after, uint64_t *ids, size_t max,
					      size_t *ret_n);
/* Removes the index files of accounts that are gone. */
void search_sweep(struct store_reader *r);

/* Feeds a message of a mailbox (a row with ROW_MESSAGE and ROW_SIZE) without our prefix to a scan, in pieces when it is large. */
must_check enum store_outcome search_feed(struct store_reader *r, uint64_t account, uint64_t mailbox,
					  const struct box_row *row, struct search_scan *scan);

#endif
