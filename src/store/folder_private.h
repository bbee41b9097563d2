/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_FOLDER_PRIVATE_H
#define POMBO_STORE_FOLDER_PRIVATE_H

#include "store/folder.h"
#include "store/writer.h"

/* INBOX, Drafts, Sent, Junk, Trash, Archive with their special uses, subscribed. */
must_check int folder_make_defaults(struct writer *w, uint64_t account);
/* All mailboxes of an account that is removed: marked gone, names and subscriptions dropped. *ret_busy: a bulk job is at one. */
must_check int folder_drop_all(struct writer *w, uint64_t account, bool *ret_busy);
/* Takes the uses from the mailboxes that have them, and the mailbox's other uses from it. */
must_check int folder_set_special_use(struct writer *w, uint64_t account, uint64_t mailbox, uint32_t special_use);

/* What files about names share. */
bool folder_name_is_valid(struct view name);
void folder_tell_names(struct writer *w, uint64_t account);
must_check int folder_set_subscribed(struct writer *w, uint64_t account, struct view name, bool on);

/* ---- what the files of folders share (folder.c); int results as in writer.h ---- */

/* A row of the tree. */
struct folder_node {
	uint64_t id;
	bool there, noselect;
};

must_check int folder_node_find(struct writer *w, uint64_t account, struct view name, struct folder_node *ret);
must_check int folder_delete_row(struct writer *w, uint64_t id);
must_check int folder_make_parents(struct writer *w, uint64_t account, struct view name);
/* What speaks against a new folder of that name where an account has at most `max`; STORE_OK: nothing. */
must_check int folder_check_new(struct writer *w, uint64_t account, struct view name, uint64_t max,
				struct folder_node *ret_node, enum store_outcome *ret);
/* The row loses its name; what is in it waits for pruning. */
must_check int folder_let_go(struct writer *w, uint64_t mailbox);

#endif
