/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_POWERCUT_LEDGER_H
#define POMBO_TEST_POWERCUT_LEDGER_H

#include "base/buf.h"
#include "record.h"

/* What was handed to the store and what it promised, and when: op numbers of the record, NO_OP for never. In memory that the
 * lives of the store share. */
enum { ACCOUNTS = 4, MESSAGES_MAX = 2048, BOXES = 2 };

struct copy {
	bool wanted;
	uint32_t uid;
	uint32_t expunge_begun, expunge_kept;
};

struct message {
	uint32_t content_bytes;
	uint32_t box; /* 0 INBOX (delivered), 1 Sent (appended) */
	uint32_t begun, kept;
	struct copy copies[ACCOUNTS];
};

struct ledger {
	uint64_t accounts[ACCOUNTS]; /* ids */
	uint32_t made; /* the store is there, with its accounts */
	uint32_t message_count;
	struct message messages[MESSAGES_MAX];
};

struct ledger *ledger_new(void);
const char *ledger_box_name(uint32_t box);
/* The same bytes every time; appended to `out`. The header names the message. */
void message_prefix(const struct message *m, uint32_t account, struct buf *out);
void message_header(uint32_t number, struct buf *out);
void message_content(uint32_t number, uint32_t bytes, struct buf *out);
/* The number that a header names, or NO_OP. */
uint32_t message_number(struct view header);

#endif
