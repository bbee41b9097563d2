/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_ALIAS_TARGET_H
#define POMBO_CLI_ALIAS_TARGET_H

#include "cli/store_client.h"

/* Warns on standard error of each that is an address here which nobody has, so that mail to it is refused: accounts and aliases may be made
 * in any order, so that is no error. */
void alias_targets_warn(struct store_client *s, const char *alias, char *const *targets, int n);

#endif
