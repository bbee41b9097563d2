/* SPDX-License-Identifier: ISC
 * A folder as a Maildir (Maildir++), with the files in which Dovecot keeps keywords, UIDs and POP3 ids. */
#include "cli/export.h"

#include "base/id.h"
#include "base/map.h"
#include "mail/maildir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_BYTES = 512 };

struct target {
	struct export *ex;
	const char *folder;
	int fd, tmp, cur;
	struct map there; /* unique names in cur */
	struct buf uidlist;
	char *words[MAILDIR_KEYWORDS_MAX];
	unsigned n_words;
	bool too_many;
	uint64_t exported, there_n;
};

static int fail(const struct target *t, int error)
{
	return cli_fail_errno(CLI_CANNOT_CREATE, t->folder, error, error == -ENOTDIR ? EXPORT_NO_LINKS : NULL);
}

static int make_maildir(struct target *t)
{
	int r = export_open_folder(t->fd, "new");

	if (r < 0)
		return r;
	(void)close(r);
	t->tmp = export_open_folder(t->fd, "tmp");
	t->cur = export_open_folder(t->fd, "cur");
	return t->tmp < 0 ? t->tmp : t->cur < 0 ? t->cur : 0;
}

static void list_there(struct target *t)
{
	int copy = fcntl(t->cur, F_DUPFD_CLOEXEC, 0);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		struct maildir_name n;

		maildir_name_parse(view_from_cstr(e->d_name), &n);
		(void)map_set(&t->there, n.unique, t);
	}
	if (d)
		(void)closedir(d);
}

/* The same in every export: an interrupted one is continued. */
static void unique_name(const struct mail_rows *rows, const struct mail_row *row, struct buf *out)
{
	char id[ID_TEXT_BYTES + 1];

	id_format(row->message_id, id);
	buf_printf(out, "%lld.%s-%llx-%u.pombo", (long long)(row->date_s > 0 ? row->date_s : 0), id,
		   (unsigned long long)rows->mailbox, row->uid);
}

static void add_keyword(struct target *t, struct view word, struct maildir_name *n)
{
	unsigned i = 0;

	if (view_eq_lit_nocase(word, "$Forwarded")) {
		n->passed = true;
		return;
	}
	while (i < t->n_words && !view_eq(view_from_cstr(t->words[i]), word))
		i++;
	if (i == MAILDIR_KEYWORDS_MAX) {
		t->too_many = true;
		return;
	}
	if (i == t->n_words)
		t->words[t->n_words++] = view_to_cstr(word);
	n->letters |= 1U << i;
}

static void flags_of(struct target *t, const struct mail_row *row, struct maildir_name *n)
{
	struct view rest = view_from_cstr(row->keywords), word;

	*n = (struct maildir_name){.seen = row->flags & MAIL_SEEN,
				   .answered = (row->flags & MAIL_ANSWERED) != 0,
				   .flagged = (row->flags & MAIL_FLAGGED) != 0,
				   .deleted = (row->flags & MAIL_DELETED) != 0,
				   .draft = (row->flags & MAIL_DRAFT) != 0};
	while (rest.n) {
		if (!view_cut(rest, ' ', &word, &rest)) {
			word = rest;
			rest = VIEW_EMPTY;
		}
		add_keyword(t, word, n);
	}
}

static int write_whole(int fd, struct view text)
{
	while (text.n) {
		ssize_t n = write(fd, text.p, text.n);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			text = view_sub(text, (size_t)n, text.n);
	}
	return 0;
}

static int put_file(const struct target *t, const char *unique, const char *name, struct view text, int64_t date_s)
{
	const struct timespec times[2] = {{.tv_sec = date_s}, {.tv_sec = date_s}};
	_cleanup_(fd_close) int fd = export_new_file(t->tmp, unique);
	int r = fd < 0 ? -errno : write_whole(fd, text);

	if (r == 0 && (futimens(fd, times) < 0 || renameat(t->tmp, unique, t->cur, name) < 0))
		r = -errno;
	if (r < 0)
		(void)unlinkat(t->tmp, unique, 0);
	return r;
}

static int export_one(struct target *t, const struct mail_rows *rows, const struct mail_row *row)
{
	_cleanup_(buf_fini) struct buf unique = BUF_INIT(NAME_BYTES), name = BUF_INIT(NAME_BYTES),
				       text = BUF_INIT(SIZE_MAX / 2);
	struct maildir_name n;
	int r;

	unique_name(rows, row, &unique);
	flags_of(t, row, &n);
	buf_printf(&t->uidlist, "%u P%s :%s\n", row->uid, row->uidl, buf_cstr(&unique));
	if (map_get(&t->there, buf_view(&unique))) {
		t->there_n++;
		return 0;
	}
	r = export_message(t->ex, rows, row, &text);
	if (r)
		return r;
	buf_append_view(&name, buf_view(&unique));
	maildir_flags_format(&name, &n);
	r = put_file(t, buf_cstr(&unique), buf_cstr(&name), buf_view(&text), row->date_s);
	if (r < 0)
		return cli_fail_errno(CLI_CANNOT_CREATE, t->folder, r, NULL);
	t->exported++;
	return 0;
}

static int put_small(const struct target *t, const char *name, struct view text)
{
	_cleanup_(fd_close) int fd = export_new_file(t->tmp, name);
	int r = fd < 0 ? -errno : write_whole(fd, text);

	if (r == 0 && (fsync(fd) < 0 || renameat(t->tmp, name, t->fd, name) < 0))
		r = -errno;
	return r;
}

static int put_extras(struct target *t)
{
	_cleanup_(buf_fini) struct buf keywords = BUF_INIT(MAILDIR_KEYWORDS_MAX * 300);
	int r;

	for (unsigned i = 0; i < t->n_words; i++)
		buf_printf(&keywords, "%u %s\n", i, t->words[i]);
	r = put_small(t, "dovecot-uidlist", buf_view(&t->uidlist));
	if (r == 0 && t->n_words)
		r = put_small(t, "dovecot-keywords", buf_view(&keywords));
	if (r == 0 && syncfs(t->fd) < 0)
		r = -errno;
	return r < 0 ? cli_fail_errno(CLI_CANNOT_CREATE, t->folder, r, NULL) : 0;
}

static int fill(struct target *t, const struct mail_rows *rows)
{
	int r = make_maildir(t);

	if (r < 0)
		return fail(t, r);
	list_there(t);
	buf_printf(&t->uidlist, "3 V%u N%u\n", rows->uidvalidity, rows->uidnext);
	for (size_t i = 0; i < rows->n && r == 0; i++)
		r = export_one(t, rows, &rows->items[i]);
	if (t->too_many)
		export_note(t->ex, t->folder, "a Maildir has 26 keywords at most: the others are not in it");
	return r ? r : put_extras(t);
}

/* Does another folder of the account have that name, or did one of this export get it? */
static bool is_taken(const struct export *ex, struct view plain)
{
	return (ex->all && mail_folders_find(ex->all, plain)) || map_get(&ex->renamed, plain);
}

/* ".Sent.2019"; a "." within a level becomes "_", and where that is another folder's name, more of them at its end. */
static void folder_path(struct export *ex, const char *folder, struct buf *out)
{
	_cleanup_(buf_fini) struct buf plain = BUF_INIT(2048);

	if (maildir_folder_format(view_from_cstr(folder), out))
		return;
	buf_reset(out);
	for (const char *p = folder; *p; p++)
		buf_append_char(&plain, *p == '.' ? '_' : *p);
	while (!plain.overflow && is_taken(ex, buf_view(&plain)))
		buf_append_char(&plain, '_');
	if (plain.overflow || !maildir_folder_format(buf_view(&plain), out)) {
		buf_reset(out);
		ex->left_out = true;
	} else {
		(void)map_set(&ex->renamed, buf_view(&plain), ex);
	}
	export_note(ex, folder,
		    out->n ? "a Maildir++ folder cannot have a '.' in its name: it has a '_' there"
			   : "the name is too long for a Maildir++ folder: NOT exported");
}

int export_maildir(struct export *ex, const char *folder, const struct mail_rows *rows)
{
	_cleanup_(buf_fini) struct buf path = BUF_INIT(2048);
	struct target t = {
	    .ex = ex, .folder = folder, .fd = -1, .tmp = -1, .cur = -1, .uidlist = BUF_INIT(SIZE_MAX / 2)};
	int r = CLI_BAD_DATA;

	if (strcmp(folder, "INBOX") == 0)
		buf_append_char(&path, '.');
	else
		folder_path(ex, folder, &path);
	if (path.n == 0)
		return 0;
	map_init(&t.there);
	t.fd = export_open_folder(ex->top, buf_cstr(&path));
	r = t.fd < 0 ? fail(&t, t.fd) : fill(&t, rows);
	if (r == 0)
		export_done(ex, folder, buf_cstr(&path), t.exported, t.there_n);
	for (unsigned i = 0; i < t.n_words; i++)
		free(t.words[i]);
	map_fini(&t.there);
	buf_fini(&t.uidlist);
	fd_close(&t.tmp);
	fd_close(&t.cur);
	fd_close(&t.fd);
	return r;
}
