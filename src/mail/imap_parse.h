/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_IMAP_PARSE_H
#define POMBO_MAIL_IMAP_PARSE_H

#include "base/buf.h"
#include "mail/imap_arg.h"
#include "mail/imap_token.h"

/* Reads IMAP commands (RFC 9051 §4, §9; literals also RFC 7888 and 3516) off a byte stream into a tree of arguments.
 *
 *     while (…) {
 *             switch (imap_reader_next(&r, in, &used)) {
 *             case IMAP_READ_MORE:    … read more bytes; those up to `used` are done with
 *             case IMAP_READ_LITERAL: decide: imap_reader_keep(), _stream() or _refuse(); after keep or stream of a
 *                                     literal with r.literal.sync, send "+ OK\r\n"
 *             case IMAP_READ_DATA:    bytes of a streamed literal: r.data
 *             case IMAP_READ_COMMAND: r.command is whole, until imap_reader_reset(), which must come before the next
 *             case IMAP_READ_BAD:     send r.command.tag (or "*") BAD r.error, then imap_reader_reset()
 *             case IMAP_READ_CLOSE:   the stream cannot be followed any more: BYE, close
 *             }
 *     }
 *
 * Lines end at CRLF and nothing else; NUL, and a control character outside a literal, are BAD. After BAD the rest of
 * the command, non-synchronising literals included, is skipped before the next command is read. */

struct imap_command {
	struct view tag;
	struct view name; /* the verb as written; "UID FETCH" is name "UID", first argument FETCH */
	const struct imap_arg *args; /* or NULL */
};

struct imap_reader_limits {
	size_t line_bytes; /* of one line; a literal starts a new one */
	size_t command_bytes; /* of memory for one command: lines, kept literals and tree */
	size_t literal_bytes; /* of a literal that is kept */
	uint64_t skip_bytes; /* of refused non-synchronising literals that are read and dropped before CLOSE */
	uint32_t args;
	uint32_t depth; /* of lists */
};

/* 64 KiB lines, 1 MiB commands, 256 KiB literals, 64 KiB skipped, 16,384 arguments, 32 deep. */
extern const struct imap_reader_limits imap_reader_limits_default;
/* For a client that has not logged in: 8 KiB lines, 32 KiB commands, 4 KiB literals, 32 arguments, 4 deep. */
extern const struct imap_reader_limits imap_reader_limits_before_login;

enum imap_read {
	IMAP_READ_MORE,
	IMAP_READ_LITERAL,
	IMAP_READ_DATA,
	IMAP_READ_COMMAND,
	IMAP_READ_BAD,
	IMAP_READ_CLOSE,
};

struct imap_reader {
	const struct imap_reader_limits *limits; /* may be changed between two commands */
	struct imap_command command; /* tag and name are set as soon as they are read, args as far as read */
	struct imap_literal_mark literal;
	struct view data;
	const char *error; /* a short text for the BAD reply */
	/* private */
	int state, resume;
	struct arena arena;
	struct buf line; /* a line whose end has not come */
	struct imap_tokens *tokens; /* in the arena; NULL between commands */
	struct imap_arg *literal_arg;
	char *literal_at;
	uint64_t literal_left;
	uint64_t skip_left;
};

void imap_reader_init(struct imap_reader *r, const struct imap_reader_limits *limits);
void imap_reader_fini(struct imap_reader *r);
/* Ready for the next command. All memory is freed: an idle session holds none. */
void imap_reader_reset(struct imap_reader *r);
/* Nothing of a command, or of a line, has been read. */
bool imap_reader_is_idle(const struct imap_reader *r);

/* Takes bytes from `in`; `*ret_used` is always set, and those bytes are never needed again (except r->data, which
 * points into them). Call again with the rest, also when the rest is empty, until MORE. */
must_check enum imap_read imap_reader_next(struct imap_reader *r, struct view in, size_t *ret_used);

/* The three answers to IMAP_READ_LITERAL. keep: false when it is over a limit (then refuse it). refuse: a synchronising
 * literal will not come: the command is over (reply NO or BAD, then reset); of a non-synchronising one the rest of the
 * command is skipped once imap_reader_reset() was called. */
must_check bool imap_reader_keep(struct imap_reader *r);
void imap_reader_stream(struct imap_reader *r);
void imap_reader_refuse(struct imap_reader *r);

/* One line outside any command (AUTHENTICATE's answers, IDLE's DONE): DONE with `*ret_line` without CRLF, valid until
 * reset (which a command in progress needs not); MORE; BAD when over `max_bytes` or with a bare CR, LF or a NUL (close then). */
must_check enum parse imap_reader_line(struct imap_reader *r, struct view in, size_t max_bytes, size_t *ret_used,
				       struct view *ret_line);

#endif
