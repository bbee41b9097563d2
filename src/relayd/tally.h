/* SPDX-License-Identifier: ISC */
#ifndef POMBO_RELAYD_TALLY_H
#define POMBO_RELAYD_TALLY_H

#include "base/view.h"
#include "mail/tls_report.h"

/* How connections to other domains went as to TLS, gathered and given to stored every few seconds (RFC 8460). */
struct relayd;
struct tally;

struct tally_outcome {
	struct view domain;
	enum tls_report_policy policy_type;
	struct view policy; /* a line a string; more than 4 KiB are left out */
	struct view result; /* a result type (§4.3), or "": it went well */
	struct view mx, mx_ip, sending_ip;
	struct view reason; /* for people, or "" */
	struct view tlsa_base; /* of the TLSA records, or "" */
};

struct tally *tally_new(struct relayd *r);
void tally_add(struct tally *t, const struct tally_outcome *o);
/* What is gathered goes out now: relayd ends. */
void tally_flush(struct tally *t);

#endif
