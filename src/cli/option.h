/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_OPTION_H
#define POMBO_CLI_OPTION_H

#include "cli/cli.h"

/* Words that may be given several times. Borrowed from argv. */
struct option_words {
	const char **items;
	size_t n;
};
void option_words_fini(struct option_words *w);

/* One option of a command: just one of flag, value, values. */
struct option {
	const char *name; /* without dashes */
	char short_name; /* or 0 */
	bool *flag;
	const char **value;
	struct option_words *values;
};

enum { OPTION_HELP_SHOWN = -1 };

/* Takes the options out of c->argv wherever they stand (until "--"): these, and --dir, --help and, where the command shows something,
 * --json. What is left are the arguments behind argv[0]. Each option must be in the command's help. 0; OPTION_HELP_SHOWN
 * (the command has nothing left to do); or CLI_USAGE after an error was printed that names the nearest option. */
must_check int option_take(struct cli *c, const struct option *options, size_t n);
/* The same for a command without options of its own, which wants from `min` to `max` arguments. */
must_check int option_take_words(struct cli *c, int min, int max, const char *need);
/* Takes --dir, --json, --help at argv[at], if that is what stands there, and moves the rest up. 1: took one; 0: none there;
 * or CLI_USAGE. For what stands before the command. */
must_check int option_take_leading(struct cli *c, int at, bool *ret_help);

#endif
