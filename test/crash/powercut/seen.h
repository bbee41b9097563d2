/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_POWERCUT_SEEN_H
#define POMBO_TEST_POWERCUT_SEEN_H

#include "ledger.h"
#include "store/store.h"

/* What a client finds in the mailboxes. */
struct seen;

struct seen *seen_new(const struct ledger *l);
void seen_free(struct seen **s);
/* Reads all mailboxes and compares each message byte for byte. False: `why` says what is wrong. */
bool seen_read(struct seen *s, struct store_reader *r, struct buf *why);
/* Copies of a message in all mailboxes; of one account; the last one's UID. */
uint32_t seen_copies(const struct seen *s, uint32_t number);
uint32_t seen_count(const struct seen *s, uint32_t number, uint32_t account);
uint32_t seen_uid(const struct seen *s, uint32_t number, uint32_t account);
/* 0: there is none. */
uint64_t seen_mailbox(struct store_reader *r, uint64_t account, uint32_t box);

#endif
