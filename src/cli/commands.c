/* SPDX-License-Identifier: ISC
 * The list of all commands. */
#include "cli/commands.h"

const struct cli_command *const commands[] = {
    &cmd_init,
    &cmd_run,
    &cmd_stop,
    &cmd_reload,
    &cmd_status,
    &cmd_domain_add,
    &cmd_domain_alias,
    &cmd_domain_remove,
    &cmd_domain_list,
    &cmd_account_add,
    &cmd_account_list,
    &cmd_account_show,
    &cmd_account_password,
    &cmd_account_remove,
    &cmd_account_enable,
    &cmd_account_disable,
    &cmd_account_quota,
    &cmd_account_send_as,
    &cmd_alias_add,
    &cmd_alias_remove,
    &cmd_alias_list,
    &cmd_queue_list,
    &cmd_queue_show,
    &cmd_read,
    &cmd_import,
    &cmd_export,
    &cmd_backup,
    &cmd_restore,
    &cmd_reindex,
    &cmd_dns,
    &cmd_send,
};
const size_t commands_n = ARRAY_LEN(commands);
