/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_CLI_H
#define POMBO_CLI_CLI_H

#include "base/buf.h"
#include "base/mem.h"

/* What every command of `pombo` shares: where the server lives, how errors look, exit statuses (sysexits). */
enum cli_status {
	CLI_OK = 0,
	CLI_OTHER = 1,
	CLI_USAGE = 64,
	CLI_BAD_DATA = 65,
	CLI_NO_SUCH = 67, /* no such account or domain */
	CLI_NOT_RUNNING = 69, /* server not running or unreachable */
	CLI_CANNOT_CREATE = 73,
	CLI_TRY_AGAIN = 75,
	CLI_NOT_ALLOWED = 77,
	CLI_BAD_CONFIG = 78,
};

/* One option, as --help and the manual page tell it: "-s, --subject TEXT". */
struct cli_option_help {
	const char *option;
	const char *text;
};

struct cli;

/* A command, or a member of a family ("account add"): its entry stands beside its code. */
struct cli_command {
	const char *name;
	const char *usage; /* what follows the name: "ADDRESS [--quota SIZE]" */
	const char *summary; /* one line, no capital, no full stop */
	const char *help; /* paragraphs parted by empty lines; may be NULL */
	const struct cli_option_help *options; /* ended by {NULL, NULL}; may be NULL */
	const char *example; /* command lines */
	bool shows; /* lists or shows something: takes --json */
	int (*run)(struct cli *c);
};

struct cli {
	const struct cli_command *command;
	char *dir; /* data folder, absolute: --dir, $POMBO_DIR, /var/lib/pombo */
	bool json;
	int argc; /* the command's own words: argv[0] is its name */
	char **argv;
};

/* The data folder as typed, made absolute, without slashes at its end. */
void cli_set_dir(struct cli *c, const char *dir);
void cli_fini(struct cli *c);

/* Prints `pombo: what: why; todo` (the last two may be NULL) to stderr, returns `status`. */
int cli_fail(enum cli_status status, const char *what, const char *why, const char *todo);
int cli_fail_errno(enum cli_status status, const char *what, int error, const char *todo);
/* CLI_USAGE, with the command's usage. */
int cli_usage(const struct cli *c, const char *why);

/* A path below the data folder; caller frees. */
char *cli_path(const struct cli *c, const char *below);
/* The whole of a file, at most ret->max bytes; 0 or -errno (-EFBIG). */
must_check int cli_read_file(const char *path, struct buf *ret);
/* The same of an open one, from where it stands. */
must_check int cli_read_fd(int fd, struct buf *ret);
/* A program of ours that is not for people, beside this one or where it is installed; caller frees. NULL: not there. */
char *cli_find_program(const char *name);

#endif
