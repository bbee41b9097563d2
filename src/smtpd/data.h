/* SPDX-License-Identifier: ISC */
#ifndef POMBO_SMTPD_DATA_H
#define POMBO_SMTPD_DATA_H

#include "mail/smtp_command.h"
#include "smtpd/session.h"

/* The steps of the states DATA, CHUNK and SENDING (cmd_data.c). */
enum step data_run(struct session *s);
enum step chunk_run(struct session *s);
enum step sending_run(struct session *s);
/* BDAT that is refused: its octets follow all the same (RFC 3030 §2); `v` (its text static) is said behind them. */
enum step chunk_refuse(struct session *s, const struct smtp_command *c, const struct verdict *v);
/* stored's verdict on the message in KEEPING: kept under `message_id`, or `refusal`. */
void data_kept(struct session *s, uint64_t message_id);
void data_refused(struct session *s, const struct verdict *refusal);

#endif
