/* SPDX-License-Identifier: ISC
 * A folder as an mbox file (mboxrd), flags in Status fields. */
#include "cli/export.h"

#include "mail/header.h"
#include "mail/mbox_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "<alice@example.org>" of Return-Path. */
static struct view sender_of(struct view message)
{
	struct header_field f;
	struct view v;

	if (!header_find(message, "Return-Path", &f))
		return VIEW_EMPTY;
	v = view_trim(f.value);
	return v.n > 2 && v.p[0] == '<' && v.p[v.n - 1] == '>' ? view_sub(v, 1, v.n - 2) : VIEW_EMPTY;
}

/* From_ line, header with the status fields at its end, quoted content, an empty line. */
static void format(const struct mail_row *row, struct view message, struct buf *out)
{
	const struct mbox_status status = {
	    .seen = row->flags & MAIL_SEEN,
	    .answered = (row->flags & MAIL_ANSWERED) != 0,
	    .flagged = (row->flags & MAIL_FLAGGED) != 0,
	    .deleted = (row->flags & MAIL_DELETED) != 0,
	    .draft = (row->flags & MAIL_DRAFT) != 0,
	    .keywords = view_from_cstr(row->keywords),
	};
	size_t content = header_length(message), fields = content;
	_cleanup_(buf_fini) struct buf with = BUF_INIT(SIZE_MAX / 2);

	if (content && view_ends_with_nocase(view_sub(message, 0, content), VIEW_LIT("\r\n\r\n")))
		fields = content - 2;
	else if (content && (content == 1 || view_ends_with_nocase(view_sub(message, 0, content), VIEW_LIT("\n\n"))))
		fields = content - 1;
	buf_append_view(&with, view_sub(message, 0, fields));
	if (fields && message.p[fields - 1] != '\n')
		buf_append_char(&with, '\n');
	mbox_status_format(&with, &status);
	buf_append_view(&with, view_sub(message, fields, message.n));
	mbox_from_line_format(out, sender_of(message), row->date_s);
	mbox_quote(out, buf_view(&with));
	if (message.n && message.p[message.n - 1] != '\n')
		buf_append_char(out, '\n');
	buf_append_char(out, '\n');
}

static int write_all(struct export *ex, const struct mail_rows *rows, int fd)
{
	for (size_t i = 0; i < rows->n; i++) {
		_cleanup_(buf_fini) struct buf text = BUF_INIT(SIZE_MAX / 2), out = BUF_INIT(SIZE_MAX / 2);
		struct view left;
		int r = export_message(ex, rows, &rows->items[i], &text);

		if (r)
			return r;
		format(&rows->items[i], buf_view(&text), &out);
		for (left = buf_view(&out); left.n;) {
			ssize_t n = write(fd, left.p, left.n);

			if (n < 0 && errno != EINTR)
				return cli_fail_errno(CLI_CANNOT_CREATE, "the mbox file", errno, NULL);
			left = view_sub(left, n > 0 ? (size_t)n : 0, left.n);
		}
	}
	return fsync(fd) < 0 ? cli_fail_errno(CLI_CANNOT_CREATE, "the mbox file", errno, NULL) : 0;
}

/* "Sent/2019" → the folder "Sent", made, and "2019.mbox" in it; a level may not begin with "." nor have a "/" or NUL. The folder's
 * descriptor, or -errno; `told`: the whole path. */
static int find_place(struct export *ex, const char *folder, struct buf *leaf, struct buf *told)
{
	int at = openat(ex->top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool changed = false;

	if (at < 0)
		return -errno;
	for (const char *p = folder; at >= 0 && *p; p++) {
		bool dot = leaf->n == 0 && *p == '.';

		changed |= dot;
		if (*p != '/') {
			buf_append_char(leaf, dot ? '_' : *p);
		} else {
			int inner = export_open_folder(at, buf_cstr(leaf));

			(void)close(at);
			at = inner;
			buf_append_view(told, buf_view(leaf));
			buf_append_char(told, '/');
			buf_reset(leaf);
		}
	}
	buf_append_cstr(leaf, ".mbox");
	buf_append_view(told, buf_view(leaf));
	if (at >= 0 && leaf->n + strlen(".tmp") > NAME_MAX) {
		fd_close(&at);
		at = -ENAMETOOLONG;
	}
	if (at < 0)
		return at;
	if (changed)
		export_note(ex, folder, "a file's name here cannot begin with '.': it has a '_' there");
	return at;
}

/* `told`: the path as the report has it. */
static int write_file(struct export *ex, int at, const char *name, const char *told, const struct mail_rows *rows)
{
	_cleanup_(buf_fini) struct buf tmp = BUF_INIT(8192);
	_cleanup_(fd_close) int fd = -1;
	int r;

	if (faccessat(at, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return cli_fail(CLI_CANNOT_CREATE, told, "there is such a file already",
				"an mbox is not added to: name another place");
	buf_printf(&tmp, "%s.tmp", name);
	fd = export_new_file(at, buf_cstr(&tmp));
	if (fd < 0)
		return cli_fail_errno(CLI_CANNOT_CREATE, told, fd, NULL);
	r = write_all(ex, rows, fd);
	if (r == 0 && renameat(at, buf_cstr(&tmp), at, name) < 0)
		r = cli_fail_errno(CLI_CANNOT_CREATE, told, errno, NULL);
	if (r)
		(void)unlinkat(at, buf_cstr(&tmp), 0);
	return r;
}

int export_mbox(struct export *ex, const char *folder, const struct mail_rows *rows, const char *path)
{
	_cleanup_(buf_fini) struct buf leaf = BUF_INIT(8192), told = BUF_INIT(8192);
	_cleanup_(fd_close) int at = -1;
	int r;

	if (path) {
		r = write_file(ex, AT_FDCWD, path, path, rows);
	} else {
		at = find_place(ex, folder, &leaf, &told);
		if (at == -ENAMETOOLONG) {
			ex->left_out = true;
			export_note(ex, folder, "the name is too long for a file: NOT exported");
			return 0;
		}
		if (at < 0)
			return cli_fail_errno(CLI_CANNOT_CREATE, folder, at, at == -ENOTDIR ? EXPORT_NO_LINKS : NULL);
		r = write_file(ex, at, buf_cstr(&leaf), buf_cstr(&told), rows);
	}
	if (r == 0)
		export_done(ex, folder, path ? path : buf_cstr(&told), rows->n, 0);
	return r;
}
