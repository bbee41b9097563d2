/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_HANDED_IN_H
#define POMBO_STORED_HANDED_IN_H

#include "ipc/msgs/smtp_msgs.h"
#include "mail/dsn_status.h"
#include "stored/stored.h"

/* The messages that one smtpd (or the command line) is handing in: begin, pieces, end; judged; recipients resolved anew; one
 * deliver job; `kept` or `refused` back. */
struct handed_in_table;

/* How the answers are put: each list has messages of its own. */
struct handed_in_answers {
	void (*kept)(struct channel *c, uint32_t id, uint64_t message_id);
	/* message_id: the one in its header, without brackets, or empty. */
	void (*refused)(struct channel *c, uint32_t id, const struct verdict *v, struct view message_id);
	void (*more)(struct channel *c, uint32_t id, uint32_t bytes);
};

struct handed_in_table *handed_in_table_new(struct stored *sd, struct peer *peer,
					    const struct handed_in_answers *answers);
/* The channel went: those not yet resolved or committing end. */
void handed_in_table_free(struct handed_in_table **t);

/* Whose message it is: decides what is checked and what is added. */
enum handed_in_by { BY_STRANGER, BY_ACCOUNT, BY_TRUSTED_NETWORK, BY_OPERATOR };

/* account, login (its address): of the grant, 0 and empty for all but BY_ACCOUNT. Grants were checked by the caller. */
void handed_in_begin(struct handed_in_table *t, uint32_t id, enum handed_in_by by, uint64_t account, struct view login,
		     const struct smtp_begin *m);
void handed_in_piece(struct handed_in_table *t, uint32_t id, struct view bytes);
void handed_in_end(struct handed_in_table *t, uint32_t id);
void handed_in_abort(struct handed_in_table *t, uint32_t id);

#endif
