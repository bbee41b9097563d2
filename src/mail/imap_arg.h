/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_IMAP_ARG_H
#define POMBO_MAIL_IMAP_ARG_H

#include "base/arena.h"
#include "base/mem.h"

/* The arguments of an IMAP command as a tree, and the checks that tell what one may be read as (RFC 9051 §9). */

enum imap_arg_kind {
	IMAP_ATOM, /* also numbers, NIL, flags, sets, patterns, and FETCH items with their "[" */
	IMAP_QUOTED,
	IMAP_LITERAL,
	IMAP_LIST,
};

struct imap_arg {
	enum imap_arg_kind kind;
	bool glued; /* followed the one before without a space: "]<0.9>" behind a header list */
	bool binary; /* literal8 */
	bool streamed; /* a literal whose bytes went to the caller: text is empty */
	struct view text; /* unquoted; of a list: empty */
	uint64_t literal_bytes;
	const struct imap_arg *first; /* of a list: its items, or NULL */
	const struct imap_arg *next;
};

/* Argument checks. Each takes NULL and says false to it. */
bool imap_arg_is(const struct imap_arg *arg, const char *atom); /* an atom, ASCII case ignored */
bool imap_arg_is_nil(const struct imap_arg *arg);
bool imap_arg_list(const struct imap_arg *arg, const struct imap_arg **ret_first);
/* atom of ATOM-CHARs only */
bool imap_arg_atom(const struct imap_arg *arg, struct view *ret);
/* astring: ASTRING-CHARs, quoted or literal. NIL is the three letters. */
bool imap_arg_astring(const struct imap_arg *arg, struct view *ret);
bool imap_arg_string(const struct imap_arg *arg, struct view *ret); /* quoted or literal */
bool imap_arg_nstring(const struct imap_arg *arg, struct view *ret); /* NIL: p == NULL */
bool imap_arg_number(const struct imap_arg *arg, uint64_t max, uint64_t *ret);

/* Character classes. */
bool imap_is_atom_char(char c);
bool imap_is_astring_char(char c);

#endif
