/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IMAPD_EARLIER_H
#define POMBO_IMAPD_EARLIER_H

#include "imapd/selected.h"

/* What happened to a mailbox before the session looked at it: for SELECT (QRESYNC) and UID FETCH (CHANGEDSINCE … VANISHED), from
 * pages of changes that stored gives (RFC 7162 §3.2.5, §3.2.6). */
struct earlier {
	uint64_t since;
	uint32_t uid_from; /* of the page to ask for */
	bool has_known;
	struct imap_set known; /* resolved: only these UIDs are told of */
	uint32_t above; /* nothing up to this UID has vanished, as the client knows */
};

/* Asks for the page. As command_await_answer(). */
enum step earlier_ask(struct session *s, struct command *c, const struct earlier *e);
/* "* VANISHED (EARLIER) …" for what of the page has vanished, nothing when nothing has. */
void earlier_tell_vanished(struct session *s, const struct earlier *e, const struct mailbox_changes *m);
/* FETCH responses for messages of the page that the session knows. */
void earlier_tell_rows(struct session *s, const struct earlier *e, const struct mailbox_changes *m);
/* The highest UID whose message still has the number the client knows it by: nothing below it has vanished (RFC 7162 §3.2.5.2). The sets are
 * as written, their numbers pairs in order; what is out of order ends them. */
uint32_t earlier_match(const struct selected *x, const struct imap_set *numbers, const struct imap_set *uids);

#endif
