/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IMAPD_SYNC_H
#define POMBO_IMAPD_SYNC_H

#include "imapd/seqmap.h"
#include "imapd/session.h"

/* Tells the client what happened to its mailbox since it was told last: EXPUNGE or VANISHED, FETCH (FLAGS), EXISTS (RFC 9051 §5.2, §7.5.1,
 * 7162 §3.2.10).
 * Asks stored page by page; the view of selected.h changes exactly as the client hears it. */
struct sync {
	bool asked; /* a page is on its way */
	bool began;
	bool expunges; /* EXPUNGE may be sent */
	uint32_t uid_from;
	uint64_t highestmodseq; /* of the first page: everything up to it will have been told */
	struct seqmap_span *gone; /* numbers to be told as EXPUNGE, from the last to the first */
	size_t gone_n;
	struct seqmap_span *vanished; /* UIDs to be told as VANISHED, from vanished_at on */
	size_t vanished_n, vanished_at;
	bool flushed; /* what was held back is told */
};

struct command;
/* One round of telling, in steps like a handler's. CLOSE: the mailbox is gone, or stored is. */
enum step sync_run(struct session *s, struct command *c);
void sync_fini(struct sync *y);
/* Before the rows of a page above that modseq are told. */
void sync_meet_keywords(struct session *s, const struct mailbox_changes *m, uint64_t above_modseq);
/* "* 3 FETCH (FLAGS (…))", with UID and MODSEQ for who follows modseqs (RFC 7162 §3.2.4). */
void sync_tell_flags(struct session *s, bool with_uid, const struct mailbox_change *row);
/* Begun and not done. */
bool sync_is_under_way(const struct sync *y);
/* There may be something to tell. */
bool sync_is_due(const struct session *s, bool expunges);

#endif
