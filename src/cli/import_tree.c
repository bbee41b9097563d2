/* SPDX-License-Identifier: ISC
 * What below a path is mail: Maildirs (Maildir++ and folders in folders) and mbox files, and which folder each is. */
#include "cli/import.h"

#include "mail/imap_mailbox.h"
#include "mail/maildir.h"
#include "mail/mbox_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 32, HEAD_BYTES = 4096, NAME_MAX_BYTES = 4096, PATH_MAX_BYTES = 16384 };

/* A place in the tree. */
struct place {
	int fd;
	struct buf folder; /* the mailbox that it is; empty: the top */
	struct buf path; /* as it is told */
	unsigned depth;
};

static int walk(struct import *im, struct place *p);

static bool has_folder(int fd, const char *name)
{
	struct stat st;

	return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool is_mbox(int fd)
{
	char head[HEAD_BYTES];
	ssize_t n = pread(fd, head, sizeof head, 0);

	return n > 0 && mbox_file_is(view_from(head, (size_t)n));
}

/* The level that a file's or folder's name is: without what programs put behind it. */
static struct view level_of(struct view name)
{
	static const char *const ends[] = {".mbox", ".sbd", ".mbx"};

	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (name.n > strlen(ends[i]) && view_ends_with_nocase(name, view_from_cstr(ends[i])))
			return view_sub(name, 0, name.n - strlen(ends[i]));
	return name;
}

/* folder + "/" + name; false when that is no name. */
static bool join(struct view folder, struct view name, struct buf *out)
{
	_cleanup_(buf_fini) struct buf level = BUF_INIT(NAME_MAX_BYTES);
	bool ok;

	if (view_find_char(name, '/') < name.n)
		return false;
	ok = imap_mailbox_parse(name, false, &level);
	if (!ok) {
		buf_reset(&level);
		ok = imap_mailbox_parse(name, true, &level);
	}
	if (folder.n) {
		buf_append_view(out, folder);
		buf_append_char(out, '/');
	}
	buf_append_view(out, buf_view(&level));
	return ok && !out->overflow && imap_mailbox_is_valid(buf_view(out));
}

static struct view or_inbox(const struct place *p)
{
	return p->folder.n ? buf_view(&p->folder) : VIEW_LIT("INBOX");
}

static void place_init(struct place *child, const struct place *p, const char *name, int fd)
{
	*child = (struct place){fd, BUF_INIT(NAME_MAX_BYTES), BUF_INIT(PATH_MAX_BYTES), p->depth + 1};
	buf_append_view(&child->path, buf_view(&p->path));
	buf_append_char(&child->path, '/');
	buf_append_cstr(&child->path, name);
	if (!buf_cstr(&child->path)) {
		buf_reset(&child->path);
		buf_append_cstr(&child->path, name);
	}
}

static void place_fini(struct place *p)
{
	fd_close(&p->fd);
	buf_fini(&p->folder);
	buf_fini(&p->path);
}

/* A folder or file that has a level of its own. */
static int walk_child(struct import *im, const struct place *p, const char *name, bool folder)
{
	struct view level = level_of(view_from_cstr(name));
	struct place child;
	int fd = openat(p->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), r = 0;

	place_init(&child, p, name, fd);
	if (fd < 0 || (!folder && !is_mbox(fd))) {
		place_fini(&child);
		return 0;
	}
	/* "Sent.mbox/mbox": the folder is the one above. */
	if (!folder && strcmp(name, "mbox") == 0 && p->folder.n)
		buf_append_view(&child.folder, buf_view(&p->folder));
	else if (!join(buf_view(&p->folder), level, &child.folder)) {
		import_left_out(im, NULL, buf_view(&child.path), "this cannot be a folder's name");
		place_fini(&child);
		return 0;
	}
	r = folder ? walk(im, &child) : import_mbox(im, fd, or_inbox(&child), buf_cstr(&child.path));
	place_fini(&child);
	return r;
}

/* ".Sent.2019" of a Maildir++. */
static int walk_dotted(struct import *im, const struct place *p, const char *name)
{
	_cleanup_(buf_fini) struct buf below = BUF_INIT(NAME_MAX_BYTES);
	struct place child;
	int fd = openat(p->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r = 0;

	place_init(&child, p, name, fd);
	if (fd < 0 || !has_folder(fd, "cur")) {
		place_fini(&child);
		return 0;
	}
	if (p->folder.n) {
		buf_append_view(&child.folder, buf_view(&p->folder));
		buf_append_char(&child.folder, '/');
	}
	if (maildir_folder_parse(view_from_cstr(name), &below)) {
		buf_append_view(&child.folder, buf_view(&below));
		r = import_maildir(im, fd, buf_view(&child.folder), buf_cstr(&child.path));
	} else {
		import_left_out(im, NULL, buf_view(&child.path), "this cannot be a folder's name");
	}
	place_fini(&child);
	return r;
}

static bool is_ours(const char *name)
{
	return strcmp(name, "cur") == 0 || strcmp(name, "new") == 0 || strcmp(name, "tmp") == 0;
}

static int walk_entry(struct import *im, const struct place *p, const char *name, bool in_maildir)
{
	struct stat st;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || fstatat(p->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (name[0] == '.')
		return in_maildir && im->maildir && S_ISDIR(st.st_mode) ? walk_dotted(im, p, name) : 0;
	if (S_ISDIR(st.st_mode) && !(in_maildir && is_ours(name)))
		return walk_child(im, p, name, true);
	return S_ISREG(st.st_mode) && im->mbox ? walk_child(im, p, name, false) : 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int walk(struct import *im, struct place *p)
{
	bool in_maildir = has_folder(p->fd, "cur");
	struct dirent **entries = NULL;
	int n, r = 0;

	if (p->depth > DEPTH_MAX)
		return 0;
	if (in_maildir && im->maildir)
		r = import_maildir(im, p->fd, or_inbox(p), buf_cstr(&p->path));
	n = r ? 0 : scandirat(p->fd, ".", &entries, NULL, by_name);
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = walk_entry(im, p, entries[i]->d_name, in_maildir);
		free(entries[i]);
	}
	free(entries);
	return r;
}

int import_tree(struct import *im, const char *path, struct view folder)
{
	struct place top = {open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), BUF_INIT(NAME_MAX_BYTES),
			    BUF_INIT(PATH_MAX_BYTES), 0};
	struct stat st;
	int r = 0;

	buf_append_cstr(&top.path, path);
	buf_append_view(&top.folder, folder);
	if (top.fd < 0 || fstat(top.fd, &st) < 0)
		r = cli_fail_errno(errno == EACCES ? CLI_NOT_ALLOWED : CLI_BAD_DATA, path, errno,
				   "name a Maildir, an mbox file, or a folder of such, that can be read");
	else if (S_ISDIR(st.st_mode))
		r = walk(im, &top);
	else if (im->mbox && is_mbox(top.fd))
		r = import_mbox(im, top.fd, or_inbox(&top), path);
	place_fini(&top);
	if (r == 0 && im->counting && im->files == 0)
		r = cli_fail(CLI_BAD_DATA, path, "there is neither a Maildir nor an mbox",
			     "name the folder that holds 'cur' and 'new', or the mbox file");
	return r;
}
