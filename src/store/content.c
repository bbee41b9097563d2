/* SPDX-License-Identifier: ISC
 * Files of message bytes, in the disk order that content.h gives: the only place of the store that writes files itself. */
#include "store/content_private.h"

#include "base/id.h"
#include "store/store_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct content_file {
	struct store *store;
	uint64_t id;
	int fd;
	uint64_t bytes;
	bool synced, placed;
};

enum { FOLDERS = CONTENT_FOLDERS, NAME_BYTES = sizeof "content/ff/" + ID_TEXT_BYTES + 1 };

/* Ids of the same day fall into all folders: the milliseconds' low bits choose. */
static unsigned folder_of(uint64_t id)
{
	return (unsigned)(id >> 22) % FOLDERS;
}

static void spool_name(uint64_t id, char ret[NAME_BYTES])
{
	char text[ID_TEXT_BYTES + 1];

	id_format(id, text);
	(void)snprintf(ret, NAME_BYTES, "spool/%s", text);
}

static void folder_name(unsigned folder, char ret[NAME_BYTES])
{
	(void)snprintf(ret, NAME_BYTES, "content/%02x", folder % FOLDERS);
}

static void content_name(uint64_t id, char ret[NAME_BYTES])
{
	char text[ID_TEXT_BYTES + 1];

	id_format(id, text);
	(void)snprintf(ret, NAME_BYTES, "content/%02x/%s", folder_of(id), text);
}

static int sync_folder(const struct store *s, const char *name)
{
	_cleanup_(fd_close) int fd = openat(s->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

int content_make_folders(int dir_fd)
{
	if (mkdirat(dir_fd, "content", 0700) < 0 && errno != EEXIST)
		return -errno;
	if (mkdirat(dir_fd, "spool", 0700) < 0 && errno != EEXIST)
		return -errno;
	return fsync(dir_fd) < 0 ? -errno : 0;
}

int content_create(struct store *s, uint64_t id, struct content_file **ret)
{
	struct content_file *f;
	char name[NAME_BYTES];
	int fd;

	spool_name(id, name);
	fd = openat(s->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	f = xcalloc(1, sizeof *f);
	*f = (struct content_file){.store = s, .id = id, .fd = fd};
	store_crash_point("content-created");
	*ret = f;
	return 0;
}

int content_append(struct content_file *f, struct view bytes)
{
	while (bytes.n > 0) {
		ssize_t n = pwrite(f->fd, bytes.p, bytes.n, (off_t)f->bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EDQUOT ? -ENOSPC : -errno;
		f->bytes += (uint64_t)n;
		bytes = view_sub(bytes, (size_t)n, bytes.n);
	}
	f->synced = false;
	return 0;
}

int content_open_fd(const struct content_file *f)
{
	char name[NAME_BYTES];
	int fd;

	if (f->placed)
		return content_open(f->store, f->id);
	spool_name(f->id, name);
	fd = openat(f->store->dir_fd, name, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

uint64_t content_bytes(const struct content_file *f)
{
	return f->bytes;
}

uint64_t content_id(const struct content_file *f)
{
	return f->id;
}

bool content_is_placed(const struct content_file *f)
{
	return f->placed;
}

int content_read_fd(int fd, uint64_t offset, size_t n, struct buf *out)
{
	char *at = buf_reserve(out, n);
	size_t got = 0;

	if (!at)
		return -EMSGSIZE;
	while (got < n) {
		ssize_t part = pread(fd, at + got, n - got, (off_t)(offset + got));

		if (part < 0 && errno == EINTR)
			continue;
		if (part < 0)
			return -errno;
		if (part == 0)
			return -EUCLEAN;
		got += (size_t)part;
	}
	buf_commit(out, n);
	return 0;
}

int content_read(const struct content_file *f, uint64_t offset, size_t n, struct buf *out)
{
	return content_read_fd(f->fd, offset, n, out);
}

int content_sync(struct content_file *f)
{
	if (fsync(f->fd) < 0)
		return store_fail(f->store, "fsync of a content file", strerror(errno));
	f->synced = true;
	store_crash_point("content-synced");
	return 0;
}

/* The folder content/XX, made when it is the first of its kind; its name is durable before anything lies in it. One that is there
 * already may have been made a moment ago by another thread, or by a process that was killed before it synced: only what this
 * process has synced itself counts. */
static int make_folder(struct store *s, uint64_t id)
{
	unsigned folder = folder_of(id);
	char name[NAME_BYTES];
	int rc;

	if (atomic_load(&s->folder_is_durable[folder]))
		return 0;
	folder_name(folder, name);
	if (mkdirat(s->dir_fd, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	rc = sync_folder(s, "content");
	if (rc == 0)
		atomic_store(&s->folder_is_durable[folder], true);
	return rc;
}

int content_place(struct content_file *f)
{
	_cleanup_(fd_close) int fd = -1;
	char from[NAME_BYTES], to[NAME_BYTES], folder[NAME_BYTES];
	int rc;

	if (!f->synced)
		return -EINVAL;
	spool_name(f->id, from);
	content_name(f->id, to);
	folder_name(folder_of(f->id), folder);
	rc = make_folder(f->store, f->id);
	if (rc == -EIO)
		return store_fail(f->store, "fsync of a content folder", strerror(EIO));
	if (rc < 0)
		return rc;
	/* Too few descriptors are no doubt about the disk. */
	fd = openat(f->store->dir_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (renameat(f->store->dir_fd, from, f->store->dir_fd, to) < 0)
		return errno == EDQUOT ? -ENOSPC : -errno;
	f->placed = true;
	store_crash_point("content-renamed");
	if (fsync(fd) < 0)
		return store_fail(f->store, "fsync of a content folder", strerror(errno));
	store_crash_point("content-placed");
	return 0;
}

void content_empty(struct content_file *f)
{
	if (ftruncate(f->fd, 0) == 0)
		f->bytes = 0;
}

void content_free(struct content_file **f, bool keep)
{
	struct content_file *x = *f;
	char name[NAME_BYTES];

	if (!x)
		return;
	if (!keep) {
		if (x->placed)
			content_name(x->id, name);
		else
			spool_name(x->id, name);
		(void)unlinkat(x->store->dir_fd, name, 0);
	}
	fd_close(&x->fd);
	free(x);
	*f = NULL;
}

/* ---- files that have their place ---- */

int content_open(const struct store *s, uint64_t id)
{
	char name[NAME_BYTES];
	int fd;

	content_name(id, name);
	fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int content_unlink(const struct store *s, uint64_t id)
{
	char name[NAME_BYTES];

	content_name(id, name);
	return unlinkat(s->dir_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static DIR *open_folder(const struct store *s, const char *name)
{
	int fd = openat(s->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		fd_close(&fd);
	return dir;
}

int content_sweep(const struct store *s, unsigned step, content_sweep_fn *fn, void *ctx, uint64_t *ret_removed)
{
	char name[NAME_BYTES];
	struct dirent *e;
	DIR *dir;
	int rc = 0;

	folder_name(step, name);
	dir = open_folder(s, name);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (rc >= 0 && (e = readdir(dir))) {
		uint64_t id;

		if (!id_parse(view_from_cstr(e->d_name), &id))
			continue;
		rc = fn(ctx, id);
		if (rc > 0 && unlinkat(dirfd(dir), e->d_name, 0) == 0)
			++*ret_removed;
	}
	(void)closedir(dir);
	return rc < 0 ? rc : 0;
}

int content_clear_spool(const struct store *s, uint64_t *ret_removed)
{
	DIR *dir = open_folder(s, "spool");
	struct dirent *e;

	if (!dir)
		return -errno;
	while ((e = readdir(dir))) {
		uint64_t id;

		if (id_parse(view_from_cstr(e->d_name), &id) && id < s->first_id &&
		    unlinkat(dirfd(dir), e->d_name, 0) == 0)
			++*ret_removed;
	}
	(void)closedir(dir);
	return 0;
}
