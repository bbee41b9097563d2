/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IMAPD_SELECTED_H
#define POMBO_IMAPD_SELECTED_H

#include "base/map.h"
#include "imapd/seqmap.h"
#include "imapd/session.h"
#include "mail/imap_flags.h"
#include "mail/imap_set.h"

/* The selected mailbox as the client believes it to be. */
struct selected {
	uint64_t mailbox; /* stored's id */
	bool read_only; /* EXAMINE */
	bool noticed; /* stored sent `changed` and was not asked since */
	uint32_t uidvalidity;
	uint32_t uidnext;
	struct seqmap map;
	uint64_t told; /* what happened up to this modseq was told, but for `held` */
	uint64_t latest; /* what there is, as far as the session has heard */
	struct seqmap_span *held; /* UIDs that went and could not be told yet; ascending and apart */
	size_t held_n;
	uint64_t held_since; /* with `held`: what happened up to this modseq was told without exception */
	struct seqmap_span *saved; /* UIDs of "$" (RFC 5182); ascending and apart */
	size_t saved_n;
	struct buf keywords; /* those the client was told of, each with a space behind it */
	struct map keyword_names; /* the first of them in lower case, once they are many */
	size_t mapped_bytes;
};

struct selected *selected_new(const struct mailbox_opened *m, bool read_only);
void selected_free(struct selected **x);

/* Remembers UIDs that went, to be told later. `uids` are ascending and apart. */
void selected_hold(struct selected *x, const struct seqmap_span *uids, size_t n);

/* A write of this session took the mailbox from modseq `before` to `after`. `quiet`: the client need not be told. */
void selected_wrote(struct selected *x, uint64_t before, uint64_t after, bool quiet);

/* A write of this session went into the mailbox with this UIDVALIDITY, which may be this one: there is something to tell. */
void selected_wrote_into(struct session *s, uint32_t uidvalidity);

/* "* FLAGS (…)" and "* OK [PERMANENTFLAGS (…)]" */
void selected_say_flags(struct session *s);
/* Before a page of messages is shown: its keywords (names joined by one space) are remembered one after the other, those of messages that the
 * session knows; where some are new, one FLAGS names every keyword there is. */
struct selected_meeting {
	struct session *session;
	struct view last; /* mostly the next message has the same */
	bool learnt;
};
void selected_meet(struct selected_meeting *m, uint32_t uid, struct view keywords);
void selected_say_met(const struct selected_meeting *m);
/* "FLAGS (\Seen $Junk)" */
void selected_format_flags(struct buf *out, uint32_t flags, struct view keywords);

/* "* 3 FETCH (", or with UIDONLY "* 17 UIDFETCH (". False, and nothing written: not a message that the session knows. */
must_check bool selected_begin_fetch(struct session *s, uint32_t uid);
/* "$" becomes these numbers. */
void selected_save(struct selected *x, const struct seqmap_span *seqs, size_t n);

/* A client's set as UID spans of messages that the session knows, ascending and apart, in the arena. `uids`: the set names UIDs
 * (unknown ones vanish), else numbers. False: a number that no message has; the answer is BAD. */
must_check bool selected_resolve(const struct selected *x, struct imap_set *set, bool uids, struct arena *a,
				 struct mailbox_range **ret_spans, uint32_t *ret_n);
/* The same, numbers that no message has vanish too (SEARCH). False: the arena is full. */
must_check bool selected_known(const struct selected *x, struct imap_set *set, bool uids, struct arena *a,
			       struct mailbox_range **ret_spans, uint32_t *ret_n);
/* All messages. n is 0 or 1. */
uint32_t selected_everything(const struct selected *x, struct mailbox_range *ret_span);

#endif
