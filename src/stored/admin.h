/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_ADMIN_H
#define POMBO_STORED_ADMIN_H

#include "ipc/msgs/admin_msgs.h"
#include "stored/op.h"

/* The command line at the other end. Each request is answered once under `id`, lists by their own message, everything else by done
 * or failed. */
typedef void admin_request_fn(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m);

/* admin_write.c */
admin_request_fn admin_on_domain_add, admin_on_domain_alias, admin_on_domain_remove, admin_on_account_add,
    admin_on_account_password, admin_on_account_quota, admin_on_account_remove, admin_on_account_enable,
    admin_on_account_confirm, admin_on_send_as, admin_on_alias_add, admin_on_alias_remove;
/* admin_list.c */
admin_request_fn admin_on_domain_list, admin_on_account_list, admin_on_account_show, admin_on_alias_list,
    admin_on_queue_list;
/* admin_queue.c */
admin_request_fn admin_on_queue_figures_ask, admin_on_queue_change, admin_on_trace_ask, admin_on_trace_find,
    admin_on_refusals_find;
/* admin_dkim.c */
admin_request_fn admin_on_dkim_list, admin_on_dkim_add, admin_on_dkim_look;
/* admin_dns.c */
admin_request_fn admin_on_dns_ask;
/* admin_mail.c */
admin_request_fn admin_on_mail_open;
/* admin_backup.c */
admin_request_fn admin_on_backup_begin, admin_on_backup_want, admin_on_backup_bytes_want;

/* admin_reindex.c */
admin_request_fn admin_on_reindex, admin_on_reindex_ask;

/* `failed`, worded for the operator: what outcome, about what ("alice@example.org"). */
void admin_send_outcome(struct channel *c, uint32_t id, enum store_outcome outcome, struct view subject);

/* Keys of the directory, made of what the operator typed. Empty subject views and a `failed` answer when it is none. "@domain" is
 * taken where `catch_all`. */
must_check bool admin_address_key(struct view typed, bool catch_all, struct arena *a, struct view *ret);
must_check bool admin_domain_key(struct view typed, struct arena *a, struct view *ret);

#endif
