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

struct cli {
	const char *dir; /* data folder: --dir, $POMBO_DIR, /var/lib/pombo */
	bool json;
	int argc; /* the command's own words: argv[0] is its name */
	char **argv;
};

/* A command, or a command with sub-commands ("account add"). */
struct cli_command {
	const char *name; /* "account add" */
	const char *usage; /* what follows the name: "ADDRESS [--quota SIZE]" */
	const char *summary; /* one line */
	const char *help; /* paragraphs with an example */
	int (*run)(struct cli *c);
};

/* Prints `pombo: what: why; todo` (the last two may be NULL) to stderr, returns `status`. */
int cli_fail(enum cli_status status, const char *what, const char *why, const char *todo);
int cli_fail_errno(enum cli_status status, const char *what, int error, const char *todo);

/* One option of a command: `--name VALUE` (or a flag when value is NULL and flag is not). */
struct cli_option {
	const char *name; /* without dashes */
	char short_name; /* or 0 */
	bool *flag;
	const char **value;
	struct cli_words *values; /* may be given several times */
};
struct cli_words {
	const char **items;
	size_t n;
};
/* Takes the options out of c->argv wherever they stand (until "--"); what is left are the arguments, argv[0] the name.
 * 0, or CLI_USAGE after an error was printed that names the nearest option. */
must_check int cli_options(struct cli *c, const struct cli_option *options, size_t n);
/* CLI_USAGE, with the command's usage. */
int cli_usage(const struct cli *c, const char *why);

/* A path below the data folder; caller frees. */
char *cli_path(const struct cli *c, const char *below);
/* The whole of a small file; 0 or -errno. */
must_check int cli_read_file(const char *path, size_t max_bytes, struct buf *ret);
/* A password: from stdin's first line (`from_stdin`), else typed twice at the terminal without echo. Not NUL-terminated; wipe it. */
must_check int cli_read_password(bool from_stdin, struct buf *ret);
/* "50M" → bytes; "none" → 0. */
must_check bool cli_parse_size(const char *text, uint64_t *ret);
void cli_format_size(uint64_t bytes, struct buf *out);
void cli_format_time(int64_t wall_s, struct buf *out); /* RFC 3339, "never" for 0 */

#endif
