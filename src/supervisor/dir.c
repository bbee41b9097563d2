/* SPDX-License-Identifier: ISC
 * The data folder: who owns what, the lock that says a server runs, the settings, the control socket. */
#include "supervisor/dir.h"

#include "supervisor/kind.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

enum { CONF_MAX = 256 * 1024, PATH_BYTES = 4096, FOLDERS_DEEP = 16, LOCK_MODE = 0600 };

char *dir_path(const char *dir, const char *name)
{
	_cleanup_(buf_fini) struct buf b = BUF_INIT(2 * PATH_BYTES);

	if (name[0] != '/') {
		buf_append_cstr(&b, dir);
		buf_append_char(&b, '/');
	}
	buf_append_cstr(&b, name);
	return xstrdup(b.overflow ? "/" : buf_cstr(&b));
}

int dir_read_file(const char *path, struct buf *out)
{
	_cleanup_(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	for (;;) {
		char bytes[16384];
		ssize_t n = read(fd, bytes, sizeof bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		buf_append(out, bytes, (size_t)n);
		if (out->overflow)
			return -EFBIG;
	}
}

int supervisor_read_conf(const char *dir, struct conf **ret, struct buf *text, struct buf *error)
{
	_cleanup_(free_ptr) char *path = dir_path(dir, "pombo.conf");
	_cleanup_(buf_fini) struct buf bytes = BUF_INIT(CONF_MAX);
	int r = dir_read_file(path, &bytes);

	if (r < 0) {
		buf_printf(error, "cannot read %s: %s", path, strerror(-r));
		if (r == -ENOENT)
			buf_append_cstr(error, "; `pombo init` makes it, `--dir DIR` names another folder");
		return EX_CONFIG;
	}
	if (conf_parse(buf_view(&bytes), path, ret, error) < 0)
		return EX_CONFIG;
	if (text) {
		buf_reset(text);
		buf_append_view(text, buf_view(&bytes));
	}
	return 0;
}

uid_t supervisor_store_uid(const struct conf *conf)
{
	return geteuid() == 0 ? kind_uid(KIND_STORE, conf) : geteuid();
}

uid_t supervisor_policy_uid(const struct conf *conf)
{
	return geteuid() == 0 ? kind_uid(KIND_POLICY, conf) : 0;
}

/* ---- owners and modes ---- */

/* Gives a file or folder of ours, or of the folder's former owner, to `uid`. Never through a link, and never one that has
 * another name somewhere. */
static int give(int at, const char *name, uid_t former, uid_t uid)
{
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (st.st_uid == uid || (st.st_uid != 0 && st.st_uid != former) ||
	    !(S_ISDIR(st.st_mode) || (S_ISREG(st.st_mode) && st.st_nlink == 1)))
		return 0;
	return fchownat(at, name, uid, uid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int give_all(int folder, uid_t former, uid_t uid, unsigned deep);

static int give_entry(int folder, const struct dirent *e, uid_t former, uid_t uid, unsigned deep)
{
	_cleanup_(fd_close) int inner = -1;
	int r = give(folder, e->d_name, former, uid);

	if (r < 0 || deep == FOLDERS_DEEP)
		return r;
	inner = openat(folder, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return inner < 0 ? 0 : give_all(inner, former, uid, deep + 1);
}

static int give_all(int folder, uid_t former, uid_t uid, unsigned deep)
{
	int copy = fcntl(folder, F_DUPFD_CLOEXEC, 0);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;
	int r = 0;

	if (!d) {
		r = -errno;
		fd_close(&copy);
		return r;
	}
	while (r == 0 && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = give_entry(folder, e, former, uid, deep);
	(void)closedir(d);
	return r;
}

/* The whole store is looked through only when the folder itself has the wrong owner: a million files take long. */
static int own_store(const char *path, uid_t uid)
{
	_cleanup_(fd_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (geteuid() == 0 && st.st_uid != uid) {
		r = give_all(fd, st.st_uid, uid, 0);
		if (r == 0 && fchown(fd, uid, uid) < 0)
			r = -errno;
		if (r < 0)
			return r;
	}
	return fchmod(fd, 0700) < 0 ? -errno : 0;
}

static int make_folder(const char *path, mode_t mode)
{
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return -errno;
	return chmod(path, mode) < 0 ? -errno : 0;
}

/* Root, who makes folders and sets modes there, would do it wherever another user's links lead. */
static int check_owner(const char *dir, struct buf *error)
{
	struct stat st;

	if (geteuid() != 0 || stat(dir, &st) < 0 || st.st_uid == 0)
		return 0;
	buf_printf(error,
		   "%s belongs to another user (%u), whom root would have to trust; run this as that user, or make the "
		   "folder root's own: chown root %s",
		   dir, st.st_uid, dir);
	return EX_NOPERM;
}

int supervisor_prepare_dir(const char *dir, const struct conf *conf, struct buf *error)
{
	static const struct {
		const char *name;
		mode_t mode;
	} folders[] = {{"run", 0755}, {"tls", 0700}, {"keys", 0700}, {"store", 0700}};
	int r = check_owner(dir, error);

	if (r)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		_cleanup_(free_ptr) char *path = dir_path(dir, folders[i].name);

		r = make_folder(path, folders[i].mode);
		if (r == 0 && strcmp(folders[i].name, "store") == 0)
			r = own_store(path, supervisor_store_uid(conf));
		if (r < 0) {
			buf_printf(error, "cannot prepare %s: %s; the folder must belong to the user that runs pombo",
				   path, strerror(-r));
			return EX_CANTCREAT;
		}
	}
	return 0;
}

/* ---- the lock ---- */

static int open_lock(const char *dir, int flags)
{
	_cleanup_(free_ptr) char *run = dir_path(dir, "run"), *path = dir_path(dir, "run/lock");
	int fd;

	if ((flags & O_CREAT) && mkdir(run, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, (flags & O_CREAT ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | flags, LOCK_MODE);
	/* Who can read a file can hold a read lock on it, and no server could start. */
	if (fd >= 0 && flags & O_CREAT)
		(void)fchmod(fd, LOCK_MODE);
	return fd < 0 ? -errno : fd;
}

/* A lock of the process (not of the descriptor): it tells who holds it, and is not handed down to a child. */
int supervisor_lock(const char *dir)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	_cleanup_(buf_fini) struct buf pid = BUF_INIT(32);
	int fd = open_lock(dir, O_CREAT);
	int r;

	if (fd < 0)
		return fd;
	if (fcntl(fd, F_SETLK, &lock) < 0) {
		r = errno == EACCES ? -EAGAIN : -errno;
		fd_close(&fd);
		return r;
	}
	buf_printf(&pid, "%lld\n", (long long)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid.p, pid.n, 0) < 0)
		r = 0; /* only for people to read */
	return fd;
}

pid_t supervisor_find(const char *dir)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	_cleanup_(fd_close) int fd = open_lock(dir, 0);

	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid;
}

/* ---- the control socket ---- */

/* Through the open folder, since a socket's address holds 107 bytes only. */
static int control_address(const char *dir, struct sockaddr_un *ret)
{
	_cleanup_(free_ptr) char *run = dir_path(dir, "run");
	int fd = open(run, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	ret->sun_family = AF_UNIX;
	(void)snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/control.sock", fd);
	return fd;
}

int dir_listen_control(const char *dir)
{
	struct sockaddr_un a = {0};
	_cleanup_(fd_close) int folder = control_address(dir, &a);
	_cleanup_(fd_close) int fd = -1;
	mode_t mask;
	int r;

	if (folder < 0)
		return folder;
	if (unlinkat(folder, "control.sock", 0) < 0 && errno != ENOENT)
		return -errno;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 64) < 0 ? -errno : 0;
	(void)umask(mask);
	if (r < 0)
		return r;
	r = fd;
	fd = -1;
	return r;
}

int supervisor_connect(const char *dir)
{
	struct sockaddr_un a = {0};
	_cleanup_(fd_close) int folder = control_address(dir, &a);
	int fd, r;

	if (folder < 0)
		return folder;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
		return fd;
	r = -errno;
	fd_close(&fd);
	return r;
}
