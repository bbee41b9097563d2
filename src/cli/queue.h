/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_QUEUE_H
#define POMBO_CLI_QUEUE_H

#include "cli/cli.h"

/* `pombo queue list`, for mailq. An exit status. */
int queue_list(struct cli *c);

#endif
