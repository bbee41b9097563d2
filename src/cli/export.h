/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_EXPORT_H
#define POMBO_CLI_EXPORT_H

#include "base/map.h"
#include "cli/mail_client.h"
#include "cli/progress.h"

#include <jansson.h>

/* An account's folders as files that other programs read. A message is whole in its place or not there at all. */
struct export
{
	const struct cli *c;
	struct mail_client mail;
	struct progress progress;
	json_t *folders; /* {name, path, exported, there} */
	json_t *notes; /* {folder, why}: what could not be kept as it was */
	bool crlf; /* else lines end in LF */
	bool left_out; /* a folder was: the exit status tells */
	const struct mail_folders *all; /* the account's; or NULL */
	struct map renamed; /* names that folders got here which they do not have */
	int top; /* the folder they go into */
};

/* What is written stays below ex->top, whoever else may write there: the folder `name` of `at`, made where it is missing and no link; a
 * file of ours that nobody has open. A descriptor, or -errno. */
must_check int export_open_folder(int at, const char *name);
must_check int export_new_file(int at, const char *name);
#define EXPORT_NO_LINKS "what is there already must be a folder, and no symbolic link"

void export_note(struct export *ex, const char *folder, const char *why);
void export_done(struct export *ex, const char *folder, const char *path, uint64_t exported, uint64_t there);
/* The message as a file has it. */
must_check int export_message(struct export *ex, const struct mail_rows *rows, const struct mail_row *row,
			      struct buf *out);
/* One folder below ex->top. */
must_check int export_maildir(struct export *ex, const char *folder, const struct mail_rows *rows);
/* `path`: the file, NULL: by the folder's name below ex->top. */
must_check int export_mbox(struct export *ex, const char *folder, const struct mail_rows *rows, const char *path);

#endif
