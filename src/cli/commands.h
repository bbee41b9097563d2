/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_COMMANDS_H
#define POMBO_CLI_COMMANDS_H

#include "cli/cli.h"

/* Each cmd_*.c defines its entries; main.c lists them. */
extern const struct cli_command cmd_init, cmd_run, cmd_stop, cmd_reload;
extern const struct cli_command cmd_account_add, cmd_account_list, cmd_account_show, cmd_account_password,
    cmd_account_remove, cmd_account_enable, cmd_account_disable, cmd_account_quota, cmd_account_send_as;

#endif
