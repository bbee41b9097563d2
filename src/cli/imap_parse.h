/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_IMAP_PARSE_H
#define POMBO_CLI_IMAP_PARSE_H

#include "base/buf.h"
#include "base/mem.h"

/* What an IMAP server says (RFC 3501 §7), for a client; and its URL. All pure. */
struct imap_url {
	bool tls_at_start;
	char *user, *host, *port;
};
/* "imaps://user%40example.org@host:993"; the last "@" ends the user. False: not of that form. */
must_check bool imap_url_parse(const char *text, struct imap_url *ret);
void imap_url_fini(struct imap_url *u);

/* A response without the line end behind it; a literal that ends it may end in blanks and line ends of its own. */
struct view imap_response_text(struct view response);
/* Does it end in "{123}" (and a line end)? Then that many bytes follow. */
bool imap_ends_in_literal(struct view v, uint64_t *ret);

/* Responses, token by token. */
enum imap_word_kind {
	IMAP_WORD_END,
	IMAP_WORD_ATOM,
	IMAP_WORD_QUOTED, /* given with its escapes */
	IMAP_WORD_LITERAL,
	IMAP_WORD_OPEN,
	IMAP_WORD_CLOSE,
	IMAP_WORD_BAD,
};
/* Takes one off `*in`. */
enum imap_word_kind imap_word(struct view *in, struct view *ret);
/* Appends what such a word says. */
void imap_word_text(enum imap_word_kind kind, struct view word, struct buf *out);

/* "* LIST (attributes) delimiter name" */
enum imap_attribute {
	IMAP_NOSELECT = 1,
	IMAP_DRAFTS = 2,
	IMAP_SENT = 4,
	IMAP_JUNK = 8,
	IMAP_TRASH = 16,
	IMAP_ARCHIVE = 32,
	IMAP_SPECIAL = 62, /* those with a use */
};
struct imap_list {
	uint32_t attributes;
	char delimiter; /* or NUL */
	struct buf name; /* initialised by the caller */
};
bool imap_read_list(struct view line, struct imap_list *ret);

/* "* n FETCH (UID u FLAGS (…) INTERNALDATE "…" BODY[] …)", in any order, other items among them; false when it is none with a UID. */
enum { IMAP_FETCH_WORDS = 128 };
struct imap_fetch {
	uint32_t uid;
	struct view flags[IMAP_FETCH_WORDS]; /* more are passed over */
	size_t n_flags;
	struct view date;
	bool has_size;
	uint64_t size; /* RFC822.SIZE */
	enum imap_word_kind body_kind; /* END: there is none */
	struct view body;
};
bool imap_read_fetch(struct view line, struct imap_fetch *ret);

#endif
