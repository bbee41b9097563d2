/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IMAPD_COMMANDS_H
#define POMBO_IMAPD_COMMANDS_H

#include "imapd/command.h"

/* The tables of commands, each beside its handlers; the last entry has no name. */
extern const struct command_spec cmd_basic_table[]; /* CAPABILITY NOOP LOGOUT ID ENABLE NAMESPACE CHECK */
extern const struct command_spec cmd_login_table[]; /* STARTTLS AUTHENTICATE LOGIN */
extern const struct command_spec cmd_select_table[]; /* SELECT EXAMINE CLOSE UNSELECT */
extern const struct command_spec cmd_mailbox_table[]; /* CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE */
extern const struct command_spec cmd_list_table[]; /* LIST LSUB */
extern const struct command_spec cmd_status_table[]; /* STATUS */
extern const struct command_spec cmd_append_table[]; /* APPEND */
extern const struct command_spec cmd_expunge_table[]; /* EXPUNGE, UID EXPUNGE */
extern const struct command_spec cmd_search_table[]; /* SEARCH, UID SEARCH */
extern const struct command_spec cmd_sort_table[]; /* SORT, UID SORT */
extern const struct command_spec cmd_thread_table[]; /* THREAD, UID THREAD */
extern const struct command_spec cmd_fetch_table[]; /* FETCH, UID FETCH */
extern const struct command_spec cmd_store_table[]; /* STORE, UID STORE */
extern const struct command_spec cmd_copy_table[]; /* COPY, UID COPY, MOVE, UID MOVE */
extern const struct command_spec cmd_idle_table[]; /* IDLE */
extern const struct command_spec cmd_metadata_table[]; /* GETMETADATA SETMETADATA */
extern const struct command_spec cmd_quota_table[]; /* GETQUOTA GETQUOTAROOT SETQUOTA */
extern const struct command_spec cmd_notify_table[]; /* NOTIFY */

#endif
