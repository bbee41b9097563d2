/* SPDX-License-Identifier: ISC
 * A folder as an mbox file (mboxrd), flags in Status fields. */
#include "cli/export.h"

#include "mail/header.h"
#include "mail/mbox_file.h"

#include <errno.h>
#include <fcntl.h>
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

/* "Sent/2019" → "Sent/2019.mbox", folders made; a level may not begin with "." nor have a "/" or NUL. */
static int file_path(struct export *ex, const char *folder, struct buf *out)
{
	bool start = true, changed = false;

	for (const char *p = folder; *p; p++) {
		bool dot = start && *p == '.';

		if (*p == '/' && mkdirat(ex->top, buf_cstr(out), 0700) < 0 && errno != EEXIST)
			return cli_fail_errno(CLI_CANNOT_CREATE, folder, errno, NULL);
		buf_append_char(out, dot ? '_' : *p);
		changed |= dot;
		start = *p == '/';
	}
	buf_append_cstr(out, ".mbox");
	if (changed)
		export_note(ex, folder, "a file's name here cannot begin with '.': it has a '_' there");
	return 0;
}

int export_mbox(struct export *ex, const char *folder, const struct mail_rows *rows, const char *path)
{
	_cleanup_(buf_fini) struct buf name = BUF_INIT(8192), tmp = BUF_INIT(8192);
	_cleanup_(fd_close) int fd = -1;
	int r = 0;

	if (path)
		buf_append_cstr(&name, path);
	else
		r = file_path(ex, folder, &name);
	if (r)
		return r;
	if (faccessat(ex->top, buf_cstr(&name), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return cli_fail(CLI_CANNOT_CREATE, buf_cstr(&name), "there is such a file already",
				"an mbox is not added to: name another place");
	buf_printf(&tmp, "%s.tmp", buf_cstr(&name));
	fd = openat(ex->top, buf_cstr(&tmp), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return cli_fail_errno(CLI_CANNOT_CREATE, buf_cstr(&tmp), errno, NULL);
	r = write_all(ex, rows, fd);
	if (r == 0 && renameat(ex->top, buf_cstr(&tmp), ex->top, buf_cstr(&name)) < 0)
		r = cli_fail_errno(CLI_CANNOT_CREATE, buf_cstr(&name), errno, NULL);
	if (r)
		(void)unlinkat(ex->top, buf_cstr(&tmp), 0);
	else
		export_done(ex, folder, buf_cstr(&name), rows->n, 0);
	return r;
}
