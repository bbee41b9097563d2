/* SPDX-License-Identifier: ISC */
#ifndef POMBO_SMTPD_REFUSALS_H
#define POMBO_SMTPD_REFUSALS_H

#include "mail/dsn_status.h"
#include "smtpd/smtpd.h"

/* What clients are refused, on its way to stored, where `pombo trace` finds it (doc/smtp.md). Gathered and sent in batches; what comes faster than
 * sane is only counted, so a flood costs a look at the clock each. Nothing of it is on the path of what is accepted. */
struct refusals;

struct refusals *refusals_new(struct smtpd *d);
void refusals_free(struct refusals **r);
/* Of s->smtpd: this recipient (empty: the sender) was refused. Texts are copied. */
void refusals_note(struct session *s, struct view sender, struct view recipient, const struct verdict *v);
/* The message of s->tx was, for all its accepted recipients. */
void refusals_note_message(struct session *s, const struct verdict *v);
/* Sends what was gathered, if it can be sent. */
void refusals_flush(struct refusals *r);

#endif
