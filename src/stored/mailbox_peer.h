/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_MAILBOX_PEER_H
#define POMBO_STORED_MAILBOX_PEER_H

#include "ipc/msgs/mailbox_msgs.h"
#include "stored/op.h"
#include "stored/session.h"

/* imapd and popd at the other end: the request `m`, of session `s`. Each answers exactly once under `id`. */
typedef void mailbox_request_fn(struct stored *sd, struct peer *peer, uint32_t id, struct session *s,
				const struct mailbox_msg *m);

/* mailbox_read.c */
mailbox_request_fn mailbox_on_names_want, mailbox_on_states_want, mailbox_on_open, mailbox_on_uids_want,
    mailbox_on_rows_want, mailbox_on_bytes_want, mailbox_on_changes_want, mailbox_on_quota_want;
/* mailbox_write.c */
mailbox_request_fn mailbox_on_create, mailbox_on_delete, mailbox_on_rename, mailbox_on_subscribe, mailbox_on_flags,
    mailbox_on_expunge, mailbox_on_copy;
/* mailbox_import.c */
mailbox_request_fn mailbox_on_imported_want, mailbox_on_replace_folders;
/* mailbox_annotations.c */
mailbox_request_fn mailbox_on_annotations_want, mailbox_on_annotate;
/* mailbox_undelete.c */
mailbox_request_fn mailbox_on_expunge_times_want, mailbox_on_gone_want, mailbox_on_undelete,
    mailbox_on_undelete_mailbox;
/* mailbox_search.c */
mailbox_request_fn mailbox_on_search;
/* mailbox_sort.c, mailbox_thread.c */
mailbox_request_fn mailbox_on_sort, mailbox_on_thread;

/* The `failed` answer for an outcome that is not STORE_OK. */
void mailbox_send_outcome(struct channel *c, uint32_t id, enum store_outcome outcome);
/* UID ranges out of a frame into `a`; NULL when it is full. */
struct uid_range *mailbox_copy_ranges(struct arena *a, const struct mailbox_range *ranges, uint32_t n);
/* And back. */
struct mailbox_range *mailbox_make_ranges(struct arena *a, const struct uid_range *ranges, size_t n);
struct view *mailbox_copy_words(struct arena *a, const struct mailbox_word *words, uint32_t n);

/* mailbox_rows.c: what was read ahead for the session is not what it asks for next. */
void mailbox_forget_ahead(struct session *s);

#endif
