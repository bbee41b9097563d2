/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IMAPD_SEARCH_SCOPE_H
#define POMBO_IMAPD_SEARCH_SCOPE_H

#include "imapd/command.h"
#include "mail/imap_search.h"

/* What SORT and THREAD ask stored: the program, and just the messages that the session knows. */
struct search_scope {
	struct view program;
	struct mailbox_range *ranges;
	uint32_t n_ranges; /* 0: the session knows of no message */
	bool expunged; /* the ranges are exact: messages that went, and were not told yet, are meant too */
};

/* In the command's arena. False: *ret_step is what to return. */
must_check bool search_scope_make(struct session *s, struct command *c, const struct imap_search_program *search,
				  struct search_scope *ret, enum step *ret_step);

/* Asks stored for the messages of `search` by `send`, a mailbox_call_x(); a session that knows of no message goes on with `say` at once. */
typedef bool search_send_fn(struct session *s, const struct command *c, const struct search_scope *scope);
must_check enum step search_scope_ask(struct session *s, struct command *c, const struct imap_search_program *search,
				      search_send_fn *send, command_fn *say);

/* Numbers that come in several answers, kept until the last: freed by its owner. */
struct number_list {
	uint32_t *at;
	size_t n, cap;
};
/* False: more than stored gives. */
must_check bool number_list_add(struct number_list *l, const struct mailbox_number *numbers, uint32_t n);

#endif
