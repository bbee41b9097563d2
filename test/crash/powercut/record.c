/* SPDX-License-Identifier: ISC
 * The calls that change files, defined anew for this executable (SQLite's too), and the list of what they did.
 *
 * They use system calls directly, so that no library stands between. A lock is held around each call and its entry in the list:
 * the order there is the order in which things happened. A call that would change a file in a way that is not modelled here
 * aborts. */

/* The names are wanted as they are, without what the headers make of them. */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE

#include "record.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define OPS_MAX (1U << 19)
#define FILES_MAX (1U << 13)
#define DATA_MAX (1ULL << 29)

enum { WAL_HEADER_BYTES = 32 };

/* What all processes share. */
struct shared {
	struct record record;
	pthread_mutex_t lock;
	dev_t device;
	bool on;
	uint32_t die_at_op; /* 0: never */
	enum sync_class die_class;
	uint32_t die_count;
};

static struct shared *shared;

/* What this thread wrote to the WAL since it last synced it. */
static _Thread_local struct {
	bool header, frames, opening;
} wal;

static const char *const class_names[SYNC_CLASSES] = {
    [SYNC_NONE] = "none",
    [SYNC_COMMIT] = "wal-commit",
    [SYNC_WAL_RESTART] = "wal-restart",
    [SYNC_WAL_COPY] = "wal-copy",
    [SYNC_DATABASE] = "database",
    [SYNC_JOURNAL] = "journal",
    [SYNC_STORE_FOLDER] = "store-folder",
    [SYNC_WAL_FOUND] = "wal-found",
    [SYNC_WAL_AHEAD] = "wal-ahead",
    [SYNC_CONTENT] = "content-file",
    [SYNC_PLACE] = "content-place",
    [SYNC_FOLDER] = "content-folder",
};

const char *sync_class_name(enum sync_class class)
{
	return class_names[class];
}

enum sync_class sync_class_find(const char *name)
{
	for (enum sync_class c = SYNC_COMMIT; c < SYNC_CLASSES; c++)
		if (strcmp(name, class_names[c]) == 0)
			return c;
	return SYNC_NONE;
}

/* ---- the list ---- */

static void *share(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

static void make_lock(void)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&shared->lock, &attr);
	pthread_mutexattr_destroy(&attr);
}

static void lock(void)
{
	pthread_mutex_lock(&shared->lock);
}

static void unlock(void)
{
	pthread_mutex_unlock(&shared->lock);
}

static bool is_on(void)
{
	return shared && shared->on;
}

static struct file *file_of(uint32_t file)
{
	assert(file < shared->record.file_count);
	return &shared->record.files[file];
}

static uint32_t add_file(uint64_t inode, uint32_t folder, const char *name, bool is_folder)
{
	struct record *r = &shared->record;
	size_t n = strlen(name);

	assert(r->file_count < FILES_MAX && n < NAME_MAX_BYTES);
	r->files[r->file_count] = (struct file){.inode = inode, .folder = folder, .is_folder = is_folder};
	r->files[r->file_count].first = r->files[r->file_count].last = NO_OP;
	r->files[r->file_count].left_out = n > 4 && strcmp(name + n - 4, "-shm") == 0;
	memcpy(r->files[r->file_count].name, name, n);
	return r->file_count++;
}

static struct op *add_op(const struct op *op)
{
	struct record *r = &shared->record;
	struct file *f = file_of(op->file);
	struct op *o = &r->ops[r->op_count];

	assert(r->op_count < OPS_MAX);
	*o = *op;
	o->next = NO_OP;
	if (f->last == NO_OP)
		f->first = r->op_count;
	else
		r->ops[f->last].next = r->op_count;
	f->last = r->op_count++;
	return o;
}

/* Before an op: is this the end of the process? The lock is held, and nobody gets it any more. */
static void live_on(enum sync_class class)
{
	if (shared->die_at_op > 0 && shared->record.op_count >= shared->die_at_op)
		_exit(0);
	if (class != SYNC_NONE && class == shared->die_class && --shared->die_count == 0)
		_exit(0);
}

void record_start(const char *dir)
{
	struct stat st;

	shared = share(sizeof *shared);
	shared->record.ops = share(OPS_MAX * sizeof(struct op));
	shared->record.files = share(FILES_MAX * sizeof(struct file));
	shared->record.data = share(DATA_MAX);
	make_lock();
	if (stat(dir, &st) < 0)
		abort();
	shared->device = st.st_dev;
	(void)add_file(st.st_ino, 0, "", true);
	shared->on = true;
}

void record_stop(void)
{
	shared->on = false;
}

const struct record *record_get(void)
{
	return &shared->record;
}

uint32_t record_mark(void)
{
	uint32_t at;

	lock();
	at = shared->record.op_count;
	(void)add_op(&(struct op){.kind = OP_MARK});
	unlock();
	return at;
}

uint32_t record_now(void)
{
	return shared->record.op_count;
}

void record_die_at_op(uint32_t count)
{
	shared->die_at_op = shared->record.op_count + count;
}

void record_die_at_sync(enum sync_class class, uint32_t count)
{
	shared->die_class = class;
	shared->die_count = count;
}

void record_revive(void)
{
	make_lock();
	shared->die_at_op = 0;
	shared->die_class = SYNC_NONE;
}

void record_opening(bool on)
{
	wal.opening = on;
}

/* ---- whom a call concerns ---- */

enum { NOT_OURS = UINT32_MAX };

static uint32_t find_inode(const struct stat *st)
{
	const struct record *r = &shared->record;

	if (st->st_dev != shared->device)
		return NOT_OURS;
	for (uint32_t i = r->file_count; i-- > 0;)
		if (r->files[i].inode == st->st_ino)
			return i;
	return NOT_OURS;
}

static uint32_t find_fd(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? NOT_OURS : find_inode(&st);
}

static uint32_t find_path(int dir, const char *path)
{
	struct stat st;

	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ? NOT_OURS : find_inode(&st);
}

/* The folder that a path ends in, and its last part. */
static uint32_t find_folder(int dir, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	char parent[4096];

	*ret_name = slash ? slash + 1 : path;
	if (!slash)
		return find_path(dir, ".");
	(void)snprintf(parent, sizeof parent, "%.*s", slash == path ? 1 : (int)(slash - path), path);
	return find_path(dir, parent);
}

static bool counts(uint32_t file)
{
	return file != NOT_OURS && !file_of(file)->left_out;
}

static bool is_wal(const struct file *f)
{
	return strcmp(f->name, "pombo.db-wal") == 0;
}

static void set_name(char ret[NAME_MAX_BYTES], const char *name)
{
	assert(strlen(name) < NAME_MAX_BYTES);
	(void)snprintf(ret, NAME_MAX_BYTES, "%s", name);
}

/* ---- making and opening ---- */

static void note_created(int dir, const char *path, uint32_t folder, const char *name, bool is_folder)
{
	struct op o = {.kind = OP_CREATE, .folder = folder};
	struct stat st;

	if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		abort();
	o.file = add_file(st.st_ino, folder, name, is_folder);
	set_name(o.name, name);
	if (!file_of(o.file)->left_out)
		(void)add_op(&o);
}

static int open_recorded(int dir, const char *path, int flags, mode_t mode)
{
	const char *name;
	uint32_t folder = NOT_OURS;
	bool is_new = false;
	int fd, error;

	if (!is_on() || !(flags & O_CREAT))
		return (int)syscall(SYS_openat, dir, path, flags, mode);
	lock();
	folder = find_folder(dir, path, &name);
	is_new = folder != NOT_OURS && find_path(dir, path) == NOT_OURS;
	if (is_new)
		live_on(SYNC_NONE);
	assert(folder == NOT_OURS || !(flags & (O_TRUNC | O_SYNC | O_DSYNC)));
	fd = (int)syscall(SYS_openat, dir, path, flags, mode);
	error = errno;
	if (fd >= 0 && is_new)
		note_created(dir, path, folder, name, false);
	unlock();
	errno = error;
	return fd;
}

#define MODE_OF(flags)                                                                                                 \
	__extension__({                                                                                                \
		mode_t mode_ = 0;                                                                                      \
		if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                 \
			va_list ap_;                                                                                   \
			va_start(ap_, flags);                                                                          \
			mode_ = (mode_t)va_arg(ap_, unsigned);                                                         \
			va_end(ap_);                                                                                   \
		}                                                                                                      \
		mode_;                                                                                                 \
	})

int open(const char *path, int flags, ...)
{
	return open_recorded(AT_FDCWD, path, flags, MODE_OF(flags));
}

int open64(const char *path, int flags, ...)
{
	return open_recorded(AT_FDCWD, path, flags, MODE_OF(flags));
}

int openat(int dir, const char *path, int flags, ...)
{
	return open_recorded(dir, path, flags, MODE_OF(flags));
}

int openat64(int dir, const char *path, int flags, ...)
{
	return open_recorded(dir, path, flags, MODE_OF(flags));
}

static int mkdir_recorded(int dir, const char *path, mode_t mode)
{
	const char *name;
	uint32_t folder;
	int rc, error;

	if (!is_on())
		return (int)syscall(SYS_mkdirat, dir, path, mode);
	lock();
	folder = find_folder(dir, path, &name);
	if (folder != NOT_OURS)
		live_on(SYNC_NONE);
	rc = (int)syscall(SYS_mkdirat, dir, path, mode);
	error = errno;
	if (rc == 0 && folder != NOT_OURS)
		note_created(dir, path, folder, name, true);
	unlock();
	errno = error;
	return rc;
}

int mkdir(const char *path, mode_t mode)
{
	return mkdir_recorded(AT_FDCWD, path, mode);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
	return mkdir_recorded(dir, path, mode);
}

/* ---- names ---- */

static int unlink_recorded(int dir, const char *path, int flags)
{
	struct op o = {.kind = OP_UNLINK};
	const char *name;
	int rc, error;

	if (!is_on())
		return (int)syscall(SYS_unlinkat, dir, path, flags);
	lock();
	o.folder = find_folder(dir, path, &name);
	o.file = o.folder == NOT_OURS ? NOT_OURS : find_path(dir, path);
	if (counts(o.file))
		live_on(SYNC_NONE);
	rc = (int)syscall(SYS_unlinkat, dir, path, flags);
	error = errno;
	if (rc == 0 && counts(o.file)) {
		set_name(o.name, name);
		(void)add_op(&o);
	}
	if (rc == 0 && o.file != NOT_OURS)
		file_of(o.file)->inode = 0; /* its number may be another's next */
	unlock();
	errno = error;
	return rc;
}

int unlink(const char *path)
{
	return unlink_recorded(AT_FDCWD, path, 0);
}

int unlinkat(int dir, const char *path, int flags)
{
	return unlink_recorded(dir, path, flags);
}

static int rename_recorded(int dir, const char *path, int to_dir, const char *to_path)
{
	struct op o = {.kind = OP_RENAME};
	const char *name, *to_name;
	int rc, error;

	if (!is_on())
		return (int)syscall(SYS_renameat2, dir, path, to_dir, to_path, 0);
	lock();
	o.folder = find_folder(dir, path, &name);
	o.to_folder = find_folder(to_dir, to_path, &to_name);
	o.file = o.folder == NOT_OURS ? NOT_OURS : find_path(dir, path);
	assert(!counts(o.file) || (o.to_folder != NOT_OURS && find_path(to_dir, to_path) == NOT_OURS));
	if (counts(o.file))
		live_on(SYNC_NONE);
	rc = (int)syscall(SYS_renameat2, dir, path, to_dir, to_path, 0);
	error = errno;
	if (rc == 0 && counts(o.file)) {
		set_name(o.name, name);
		set_name(o.to_name, to_name);
		(void)add_op(&o);
	}
	unlock();
	errno = error;
	return rc;
}

int rename(const char *path, const char *to_path)
{
	return rename_recorded(AT_FDCWD, path, AT_FDCWD, to_path);
}

int renameat(int dir, const char *path, int to_dir, const char *to_path)
{
	return rename_recorded(dir, path, to_dir, to_path);
}

/* ---- bytes ---- */

/* A write at offset 0 is the WAL's header, others are frames; zeros behind its end come by a descriptor that cannot read. */
static void note_wal(int fd, uint64_t offset, size_t n)
{
	if ((fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR)
		return;
	if (offset == 0 && n == WAL_HEADER_BYTES)
		wal.header = true;
	else
		wal.frames = true;
}

static void note_write(int fd, uint32_t file, const void *p, size_t n, uint64_t offset)
{
	struct record *r = &shared->record;

	assert(r->data_bytes + n <= DATA_MAX);
	memcpy(r->data + r->data_bytes, p, n);
	(void)add_op(&(struct op){
	    .kind = OP_WRITE, .file = file, .offset = offset, .bytes = (uint32_t)n, .data = r->data_bytes});
	r->data_bytes += n;
	if (is_wal(file_of(file)))
		note_wal(fd, offset, n);
}

static ssize_t write_recorded(int fd, const void *p, size_t n, off_t offset)
{
	uint32_t file = NOT_OURS;
	ssize_t done;
	int error;

	lock();
	file = find_fd(fd);
	if (counts(file))
		live_on(SYNC_NONE);
	done = syscall(SYS_pwrite64, fd, p, n, offset);
	error = errno;
	if (done > 0 && counts(file))
		note_write(fd, file, p, (size_t)done, (uint64_t)offset);
	unlock();
	errno = error;
	return done;
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t offset)
{
	return is_on() ? write_recorded(fd, p, n, offset) : syscall(SYS_pwrite64, fd, p, n, offset);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t offset)
{
	return pwrite64(fd, p, n, offset);
}

ssize_t write(int fd, const void *p, size_t n)
{
	if (is_on() && counts(find_fd(fd)))
		abort(); /* nobody does so far */
	return syscall(SYS_write, fd, p, n);
}

int ftruncate64(int fd, off_t bytes)
{
	uint32_t file;
	int rc, error;

	if (!is_on())
		return (int)syscall(SYS_ftruncate, fd, bytes);
	lock();
	file = find_fd(fd);
	if (counts(file))
		live_on(SYNC_NONE);
	rc = (int)syscall(SYS_ftruncate, fd, bytes);
	error = errno;
	if (rc == 0 && counts(file))
		(void)add_op(&(struct op){.kind = OP_TRUNCATE, .file = file, .offset = (uint64_t)bytes});
	unlock();
	errno = error;
	return rc;
}

int ftruncate(int fd, off_t bytes)
{
	return ftruncate64(fd, bytes);
}

/* ---- syncs ---- */

static enum sync_class class_of_wal(int fd)
{
	enum sync_class class = SYNC_WAL_COPY;

	if (wal.opening && !wal.frames && !wal.header)
		return SYNC_WAL_FOUND;
	if ((fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR)
		return SYNC_WAL_AHEAD;
	if (wal.frames)
		class = SYNC_COMMIT;
	else if (wal.header)
		class = SYNC_WAL_RESTART;
	wal.frames = wal.header = false;
	return class;
}

static enum sync_class class_of(int fd, uint32_t file)
{
	const struct file *f = file_of(file);

	if (file == 0)
		return SYNC_STORE_FOLDER;
	if (f->is_folder)
		return f->folder == 0 ? SYNC_FOLDER : SYNC_PLACE;
	if (is_wal(f))
		return class_of_wal(fd);
	if (strcmp(f->name, "pombo.db") == 0)
		return SYNC_DATABASE;
	if (strcmp(f->name, "pombo.db-journal") == 0)
		return SYNC_JOURNAL;
	assert(f->folder != 0);
	return SYNC_CONTENT;
}

static int sync_recorded(int fd)
{
	enum sync_class class;
	uint32_t file;

	if (!is_on())
		return 0;
	lock();
	file = find_fd(fd);
	if (counts(file)) {
		class = class_of(fd, file);
		live_on(class);
		shared->record.syncs[class]++;
		(void)add_op(&(struct op){.kind = OP_SYNC, .file = file, .class = class});
	}
	unlock();
	return 0;
}

int fsync(int fd)
{
	return sync_recorded(fd);
}

int fdatasync(int fd)
{
	return sync_recorded(fd);
}

/* ---- what is not modelled ---- */

static void refuse(int fd)
{
	if (is_on() && counts(find_fd(fd)))
		abort();
}

int fallocate64(int fd, int mode, off_t offset, off_t bytes)
{
	refuse(fd);
	return (int)syscall(SYS_fallocate, fd, mode, offset, bytes);
}

int posix_fallocate64(int fd, off_t offset, off_t bytes)
{
	return fallocate64(fd, 0, offset, bytes) < 0 ? errno : 0;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	refuse(fd);
	return syscall(SYS_writev, fd, parts, count);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t offset)
{
	refuse(fd);
	return syscall(SYS_pwritev, fd, parts, count, offset, 0L);
}

int sync_file_range(int fd, off_t offset, off_t bytes, unsigned flags)
{
	refuse(fd);
	return (int)syscall(SYS_sync_file_range, fd, offset, bytes, flags);
}
