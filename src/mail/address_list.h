/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_ADDRESS_LIST_H
#define POMBO_MAIL_ADDRESS_LIST_H

#include "base/arena.h"
#include "base/mem.h"

/* The addresses of a From, To, … field (RFC 5322 §3.4, its obs- forms §4.4, UTF-8 of RFC 6532), leniently: whatever
 * stands there, no address is skipped silently. What is not as the RFC wants it comes out marked. */
enum address_item_kind { ADDRESS_ITEM_MAILBOX, ADDRESS_ITEM_GROUP_START, ADDRESS_ITEM_GROUP_END };

/* Decoded: quotes, backslashes, comments and folds are taken out, blanks between words are one SP. Encoded words
 * (RFC 2047) stay as they are. */
struct address_item {
	enum address_item_kind kind;
	struct view display_name; /* also of a GROUP_START; empty when there is none */
	struct view
	    comment; /* the last comment near the address, without its parentheses, as written; an old place for names */
	struct view route; /* obs-route, as written, "@a,@b" */
	struct view local; /* empty only when malformed */
	struct view domain; /* of a literal the brackets too; empty only when malformed */
	bool malformed; /* no "@", text left over, missing bracket or quote, group not closed, … */
};

struct address_list {
	struct view in;
	size_t at;
	size_t left; /* items that may still be given out */
	struct arena *arena;
	bool in_group;
};

/* `value` is a field's raw value, folds and all. Items hold views into it, or into `a` where decoding changed
 * something. */
void address_list_init(struct address_list *l, struct view value, size_t max_items, struct arena *a);
/* DONE: `*ret_item` is the next. MORE: there are no more. BAD: over max_items, or `a` is full. */
must_check enum parse address_list_next(struct address_list *l, struct address_item *ret_item);

#endif
