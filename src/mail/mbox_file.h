/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_MBOX_FILE_H
#define POMBO_MAIL_MBOX_FILE_H

#include "base/buf.h"
#include "base/mem.h"

/* mbox (RFC 4155 and its elders): messages one behind the other, each after a "From " line. What counts as one:
 *
 *   "From " anything asctime-date            where the date may have a zone, before or behind the year, and no seconds
 *
 * at the start of the file or behind an empty line; a line of a message that merely begins with "From " has no such date. A
 * Content-Length that leads exactly to the next From_ line, or to the end, is believed (mboxcl, mboxcl2), any other is not.
 *
 * Quoting: ">From ", ">>From " … lose one ">" (mboxrd; mboxo's ">From " too), unless the message was measured by its Content-Length and
 * holds a bare From_ line, which shows that nothing was quoted (mboxcl2).
 *
 * Lines may end in LF or CRLF. Pure; linear. */
struct mbox_file {
	struct view in;
	size_t at;
	bool started;
};

struct mbox_message {
	struct view from_line; /* without its line end */
	struct view raw; /* header and body as they lie there, quoted, without the empty line before the next From_ */
	bool quoted; /* lines are to lose a ">" */
	bool measured; /* by its Content-Length */
};

/* Does a file that begins so look like an mbox? (An empty one does not.) */
bool mbox_file_is(struct view head);
void mbox_file_init(struct mbox_file *f, struct view whole);
/* DONE: a message. MORE: there are no more. BAD: the file does not begin with a From_ line. */
must_check enum parse mbox_file_next(struct mbox_file *f, struct mbox_message *ret);
/* True for a From_ line; its date (taken as UTC where it names no zone) and sender, which may be empty. */
must_check bool mbox_from_line_parse(struct view line, int64_t *ret_date_s, struct view *ret_sender);
/* "From SENDER Thu Jan  1 00:00:00 1970" LF. A sender that cannot stand there becomes MAILER-DAEMON. */
void mbox_from_line_format(struct buf *out, struct view sender, int64_t date_s);
/* Appends `message` with the lines that begin with any number of ">" and "From " quoted once more (mboxrd). */
void mbox_quote(struct buf *out, struct view message);
/* And back. */
void mbox_unquote(struct buf *out, struct view raw);

/* Flags in header fields that mail programs write into mbox files: Status, X-Status (RO AFDT), X-Keywords, X-Mozilla-Status. */
struct mbox_status {
	bool seen, answered, flagged, deleted, draft;
	struct view keywords; /* parted by blanks; or empty */
	bool is_pseudo; /* the "folder internal data" that some programs put first: no mail */
};
void mbox_status_read(struct view message, struct mbox_status *ret);
/* Appends `message` without those fields (and X-UID, X-IMAP, X-IMAPbase, and Content-Length where `measured`). */
void mbox_status_strip(struct buf *out, struct view message, bool measured);
/* The fields for these flags, lines ending in LF. */
void mbox_status_format(struct buf *out, const struct mbox_status *s);

#endif
