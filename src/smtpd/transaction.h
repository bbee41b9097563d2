/* SPDX-License-Identifier: ISC */
#ifndef POMBO_SMTPD_TRANSACTION_H
#define POMBO_SMTPD_TRANSACTION_H

#include "mail/smtp_command.h"
#include "mail/smtp_data.h"
#include "smtpd/intake.h"
#include "smtpd/session.h"

/* The envelope of one message, from MAIL to the verdict. */

/* One RCPT, in the order they came; replies go out in that order, whatever the order of stored's answers.
 * Other replies that have to wait their turn stand here too, with an empty address. */
struct rcpt {
	struct session *session;
	struct rcpt *next;
	struct view address;
	struct view orcpt; /* "type;address" (RFC 3461 §4.2), or empty */
	uint8_t notify; /* bits of enum smtp_notify; 0: not said */
	uint32_t call_id; /* of the question out; 0: none */
	bool answered;
	bool accepted;
	struct verdict verdict;
};

enum message_way { WAY_NONE, WAY_DATA, WAY_CHUNKS, WAY_FAILED_CHUNK };

struct transaction {
	struct arena arena;
	struct view sender; /* empty: the null sender */
	enum smtp_body body;
	bool smtputf8, requiretls;
	uint8_t ret; /* RFC 3461 §4.3: 0 not said, 1 FULL, 2 HDRS */
	struct view envid;
	uint64_t size_bytes; /* announced; 0: not */
	enum message_way way;
	struct rcpt *first, *last;
	struct rcpt *unsaid; /* the first one whose reply is not out */
	uint32_t rcpt_commands; /* refused ones too (RFC 9422 RCPTMAX) */
	uint32_t accepted;
	struct smtp_data data;
	struct smtp_strict strict;
	struct intake intake;
};

enum { TRANSACTION_MAX = 2 * 1024 * 1024 };

/* Sets s->tx. False: `sender` does not fit. */
must_check bool transaction_begin(struct session *s, struct view sender);
/* Takes back the questions that are out, lets stored forget the message, frees; s->tx is NULL then. */
void transaction_end(struct session *s);
/* A copy that lives as long as the transaction; p == NULL when there is no room. */
struct view transaction_keep(struct session *s, struct view text);
/* A place in the order of replies; NULL when the arena is full. */
must_check struct rcpt *transaction_add(struct session *s, struct view address);
/* Its reply is known: said now if it is next, else the text is copied and it waits. */
void transaction_answer(struct session *s, struct rcpt *r, const struct verdict *v);
/* True while a reply has to wait for one before it. */
bool transaction_is_waiting(const struct session *s);

#endif
