/* SPDX-License-Identifier: ISC
 * pombo export: an account's mail as files that other programs read. */
#include "cli/commands.h"

#include "cli/export.h"
#include "cli/option.h"
#include "cli/show.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MESSAGE_MAX = 1 << 30 };

struct words {
	const char *folder, *format;
	bool crlf;
};

void export_note(struct export *ex, const char *folder, const char *why)
{
	(void)json_array_append_new(
	    ex->notes, json_pack("{s:o, s:s}", "folder", show_json_text(view_from_cstr(folder)), "why", why));
}

void export_done(struct export *ex, const char *folder, const char *path, uint64_t exported, uint64_t there)
{
	(void)json_array_append_new(ex->folders,
				    json_pack("{s:o, s:o, s:I, s:I}", "name", show_json_text(view_from_cstr(folder)),
					      "path", show_json_text(view_from_cstr(path)), "exported",
					      (json_int_t)exported, "there", (json_int_t)there));
}

int export_open_folder(int at, const char *name)
{
	int fd;

	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int export_new_file(int at, const char *name)
{
	int fd;

	(void)unlinkat(at, name, 0);
	fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

static void without_cr(struct view text, struct buf *out)
{
	while (text.n) {
		size_t n = view_find(text, VIEW_LIT("\r\n"));

		buf_append_view(out, view_sub(text, 0, n));
		if (n == text.n)
			return;
		buf_append_char(out, '\n');
		text = view_sub(text, n + 2, text.n);
	}
}

int export_message(struct export *ex, const struct mail_rows *rows, const struct mail_row *row, struct buf *out)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(MESSAGE_MAX);
	int r = mail_client_message(&ex->mail, rows->mailbox, row->uid, row->size_bytes, &text);

	if (r)
		return r;
	if (ex->crlf)
		buf_append_view(out, buf_view(&text));
	else
		without_cr(buf_view(&text), out);
	ex->progress.messages++;
	ex->progress.done++;
	progress_show(&ex->progress, VIEW_LIT(""));
	return 0;
}

static int export_folder(struct export *ex, const char *folder, bool mbox, const char *file)
{
	struct mail_rows rows;
	int r = mail_client_rows(&ex->mail, folder, &rows);

	if (r)
		return r;
	ex->progress.total += rows.n;
	r = mbox ? export_mbox(ex, folder, &rows, file) : export_maildir(ex, folder, &rows);
	mail_rows_fini(&rows);
	return r;
}

static int export_all(struct export *ex, const struct words *w, bool mbox)
{
	struct mail_folders folders;
	bool any = false;
	int r = mail_client_folders(&ex->mail, &folders);

	ex->all = &folders;
	for (size_t i = 0; i < folders.n && r == 0; i++) {
		const struct mail_folder *f = &folders.items[i];

		if (f->mailbox == 0 || (w->folder && strcmp(w->folder, f->name) != 0))
			continue;
		any = true;
		r = export_folder(ex, f->name, mbox, NULL);
	}
	ex->all = NULL;
	mail_folders_fini(&folders);
	if (r == 0 && !any)
		r = cli_fail(CLI_NO_SUCH, w->folder ? w->folder : "folders", "there is no such folder",
			     "see 'pombo account show'");
	return r;
}

static int report(struct export *ex)
{
	size_t i;
	json_t *item;

	progress_clear(&ex->progress);
	if (ex->c->json)
		return show_json(json_pack("{s:s, s:O, s:O}", "account", ex->mail.address, "folders", ex->folders,
					   "notes", ex->notes));
	(void)printf("%10s %10s  FOLDER\n", "EXPORTED", "THERE");
	json_array_foreach(ex->folders, i, item)
	{
		_cleanup_(buf_fini) struct buf name = BUF_INIT(8192);

		show_clean(view_from_cstr(json_string_value(json_object_get(item, "name"))), &name);
		(void)printf("%10lld %10lld  %s\n", (long long)json_integer_value(json_object_get(item, "exported")),
			     (long long)json_integer_value(json_object_get(item, "there")), buf_cstr(&name));
	}
	json_array_foreach(ex->notes, i, item)
	{
		_cleanup_(buf_fini) struct buf name = BUF_INIT(8192);

		show_clean(view_from_cstr(json_string_value(json_object_get(item, "folder"))), &name);
		(void)printf("  %s: %s\n", buf_cstr(&name), json_string_value(json_object_get(item, "why")));
	}
	return 0;
}

/* `--format mbox --folder F PATH`: PATH is the file unless it is a folder. */
static int open_target(struct export *ex, const char *path, bool *ret_is_file, bool may_be_file)
{
	struct stat st;

	*ret_is_file = may_be_file && (stat(path, &st) < 0 || !S_ISDIR(st.st_mode));
	ex->top = AT_FDCWD;
	if (*ret_is_file)
		return 0;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return cli_fail_errno(CLI_CANNOT_CREATE, path, errno,
				      errno == ENOENT ? "make the folder that it is to be in first" : NULL);
	ex->top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return ex->top < 0 ? cli_fail_errno(CLI_CANNOT_CREATE, path, errno, NULL) : 0;
}

static int export_to(struct export *ex, const char *path, const struct words *w)
{
	bool mbox = w->format && strcmp(w->format, "mbox") == 0, is_file;
	int r = open_target(ex, path, &is_file, mbox && w->folder);

	if (r == 0)
		r = is_file ? export_folder(ex, w->folder, true, path) : export_all(ex, w, mbox);
	if (ex->top >= 0)
		fd_close(&ex->top);
	if (r == 0)
		r = report(ex);
	return r ? r : ex->left_out ? CLI_BAD_DATA : 0;
}

static int run(struct cli *c)
{
	struct words w = {NULL};
	const struct option options[] = {{.name = "folder", .value = &w.folder},
					 {.name = "format", .value = &w.format},
					 {.name = "crlf", .flag = &w.crlf}};
	struct export ex = {.c = c};
	int r = option_take(c, options, ARRAY_LEN(options));

	if (r)
		return r;
	if (c->argc != 3)
		return cli_usage(c, "an account and a path are needed");
	if (w.format && strcmp(w.format, "maildir") != 0 && strcmp(w.format, "mbox") != 0)
		return cli_usage(c, "--format is maildir or mbox");
	r = mail_client_open(c, c->argv[1], false, &ex.mail);
	if (r)
		return r;
	ex.folders = json_array();
	ex.notes = json_array();
	map_init(&ex.renamed);
	ex.crlf = w.crlf;
	progress_init(&ex.progress, "exporting", c->json);
	r = export_to(&ex, c->argv[2], &w);
	progress_clear(&ex.progress);
	json_decref(ex.folders);
	json_decref(ex.notes);
	map_fini(&ex.renamed);
	mail_client_close(&ex.mail);
	return r;
}

const struct cli_command cmd_export = {
    .name = "export",
    .usage = "ACCOUNT PATH [--folder F] [--format maildir|mbox] [--crlf] [--json]",
    .summary = "writes an account's mail as Maildir or mbox",
    .help = "maildir: PATH becomes a Maildir++ with a subfolder for each folder; flags stand in the file names, a "
	    "file's time is when the "
	    "message arrived, keywords are in dovecot-keywords, UIDs and POP3 ids in dovecot-uidlist. Run again, it "
	    "adds what is not there yet.\n\n"
	    "mbox: a file for each folder (mboxrd), flags in Status and X-Status fields, keywords in X-Keywords. With "
	    "--folder, PATH is "
	    "the file itself unless it is a folder. A file that is there is not touched.\n\n"
	    "A folder whose name no file can have is named in the report, and the exit status is 65.\n\n"
	    "What was imported comes out as it went in, apart from what the import reported as repaired.",
    .options =
	(const struct cli_option_help[]){
	    {"--folder F", "this folder alone"},
	    {"--format FORMAT", "maildir (the default) or mbox"},
	    {"--crlf", "lines end in CRLF, as in the mail itself, not in LF"},
	    {NULL, NULL},
	},
    .example = "pombo export alice@example.org /backup/alice\npombo export alice@example.org sent.mbox --format mbox "
	       "--folder Sent",
    .shows = true,
    .run = run,
};
