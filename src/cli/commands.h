/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_COMMANDS_H
#define POMBO_CLI_COMMANDS_H

#include "cli/cli.h"

/* Every command, in the order in which they are told. Each cmd_*.c defines its entries. */
extern const struct cli_command *const commands[];
extern const size_t commands_n;

extern const struct cli_command cmd_init;
extern const struct cli_command cmd_run, cmd_stop, cmd_reload, cmd_status;
extern const struct cli_command cmd_domain_add, cmd_domain_alias, cmd_domain_remove, cmd_domain_list, cmd_domain_dkim;
extern const struct cli_command cmd_account_add, cmd_account_password, cmd_account_remove, cmd_account_enable,
    cmd_account_confirm, cmd_account_disable, cmd_account_quota, cmd_account_send_as, cmd_account_list,
    cmd_account_show;
extern const struct cli_command cmd_alias_add, cmd_alias_remove, cmd_alias_list;
extern const struct cli_command cmd_route_list, cmd_route_show, cmd_route_password, cmd_queue_list, cmd_queue_show,
    cmd_queue_retry, cmd_queue_hold, cmd_queue_release, cmd_queue_remove, cmd_trace;
extern const struct cli_command cmd_import, cmd_export, cmd_backup, cmd_restore, cmd_read, cmd_undelete;
extern const struct cli_command cmd_reindex;
extern const struct cli_command cmd_dns, cmd_send;

#endif
