/* SPDX-License-Identifier: ISC
 * Whether a folder is empty, and making it so again. */
#include "cli/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 16 };

static bool is_ours(const char *name)
{
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, "lost+found") != 0;
}

int folder_is_empty(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *e;
	int empty = 1;

	if (!d)
		return -errno;
	while (empty && (e = readdir(d)))
		empty = !is_ours(e->d_name);
	(void)closedir(d);
	return empty;
}

static void clear(int fd, unsigned depth)
{
	DIR *d = fdopendir(fd);
	const struct dirent *e;

	if (!d) {
		(void)close(fd);
		return;
	}
	while ((e = readdir(d))) {
		int inner;

		if (!is_ours(e->d_name) || unlinkat(dirfd(d), e->d_name, 0) == 0 || depth == DEPTH_MAX)
			continue;
		inner = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (inner >= 0)
			clear(inner, depth + 1);
		(void)unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
	}
	(void)closedir(d);
}

void folder_clear(const char *path, bool itself)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		clear(fd, 0);
	if (itself)
		(void)rmdir(path);
}
