/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_MAILDIR_H
#define POMBO_MAIL_MAILDIR_H

#include "base/buf.h"
#include "base/mem.h"

/* Maildir and Maildir++ by name: what a file's and a folder's name says, and the small files that Dovecot and Courier keep
 * beside them. Pure. */

enum { MAILDIR_KEYWORDS_MAX = 26 }; /* letters a to z */

struct maildir_name {
	struct view unique; /* what stands before the flags: the same for the message's life */
	bool seen, answered, flagged, deleted, draft, passed;
	uint32_t letters; /* bit 0: "a" … */
};
/* "1234.M5P6.host,S=12:2,FRSab"; ";" and "!" for ":" too (file systems that have no ":"). Never fails: what is no flag is no flag. */
void maildir_name_parse(struct view name, struct maildir_name *ret);
/* The ":2,…" part, letters in order. */
void maildir_flags_format(struct buf *out, const struct maildir_name *n);

/* ".Sent.2019" → "Sent/2019" (modified UTF-7, or UTF-8 where it is that); false when it is no folder's name. */
must_check bool maildir_folder_parse(struct view name, struct buf *out);
/* And back; false when the name cannot be one here (a "." in a level). */
must_check bool maildir_folder_format(struct view folder, struct buf *out);

/* dovecot-keywords: "0 $Forwarded" LF … ; courierimapkeywords/:list is not of this form. The next word; false: no more. Lines that are
 * none are passed over. */
must_check bool maildir_keyword_next(struct view *file, uint32_t *ret_letter, struct view *ret_word);

/* dovecot-uidlist, version 3: a head "3 V123 N456", then "UID [LETTERvalue …] :name"; version 1: "1 V N", "UID name". */
struct maildir_uid {
	uint32_t uid;
	struct view name; /* up to the flags: maildir_name.unique */
	struct view uidl; /* extension P; or empty */
};
struct maildir_uidlist {
	struct view rest;
	uint32_t version, uidvalidity, uidnext;
};
must_check bool maildir_uidlist_init(struct maildir_uidlist *l, struct view file);
/* The next entry; lines that are none are passed over. False: no more. */
must_check bool maildir_uidlist_next(struct maildir_uidlist *l, struct maildir_uid *ret);

#endif
