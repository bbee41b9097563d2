/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_HELP_H
#define POMBO_CLI_HELP_H

#include "cli/cli.h"

#include <stdio.h>

/* What --help says, from the commands' entries. */
void help_print(const struct cli_command *command);
/* All commands, a line each. */
void help_print_overview(FILE *out);
/* The members of a family ("account"); false (nothing printed) when there is none of that name. */
bool help_print_family(FILE *out, const char *word);

/* Edits from one word to the other (Levenshtein); large for long words. */
size_t help_distance(const char *a, const char *b);

#endif
