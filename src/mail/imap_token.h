/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_IMAP_TOKEN_H
#define POMBO_MAIL_IMAP_TOKEN_H

#include "mail/imap_arg.h"

/* Adds the lines of one command, token by token, to its tree of arguments; imap_parse.h is built on it. Blanks in
 * excess are forgiven (they mean nothing), missing ones are not. */
struct imap_tokens;
struct imap_tokens_limits {
	uint32_t args;
	uint32_t depth;
};
enum imap_tokens_end { IMAP_TOKENS_OVER, IMAP_TOKENS_LITERAL, IMAP_TOKENS_BAD };
struct imap_literal_mark {
	uint64_t bytes;
	bool sync; /* the client waits for "+" */
	bool binary; /* literal8 */
};

/* NULL: the arena is too small. */
struct imap_tokens *imap_tokens_new(struct arena *a, struct imap_tokens_limits limits);
/* Adds the tokens of `n` bytes at `line` (without CRLF; changed in place, and pointed into from then on). The tree so
 * far is imap_tokens_first(). LITERAL: the line ends in a mark; `*ret_arg` waits for its text. BAD: `*ret_error`. */
must_check enum imap_tokens_end imap_tokens_add(struct imap_tokens *t, char *line, size_t n,
						struct imap_literal_mark *ret_mark, struct imap_arg **ret_arg,
						const char **ret_error);
const struct imap_arg *imap_tokens_first(const struct imap_tokens *t);
/* "{n}", "{n+}", "~{n}", "~{n+}" at the end of `line`. */
bool imap_literal_mark_parse(struct view line, struct imap_literal_mark *ret);

#endif
