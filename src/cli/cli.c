/* SPDX-License-Identifier: ISC
 * What every command shares: the data folder, errors, files. */
#include "cli/cli.h"

#include "cli/show.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 4096, PART_MAX = 2048, LINE_MAX_BYTES = 16 * 1024 };

void cli_set_dir(struct cli *c, const char *dir)
{
	_cleanup_(free_ptr) char *cwd = dir[0] == '/' ? NULL : getcwd(NULL, 0);
	struct buf path = BUF_INIT(2 * PATH_BYTES_MAX);

	if (cwd)
		buf_printf(&path, "%s/", strcmp(cwd, "/") == 0 ? "" : cwd);
	buf_append_cstr(&path, dir);
	while (path.n > 1 && path.p[path.n - 1] == '/')
		buf_truncate(&path, path.n - 1);
	free(c->dir);
	c->dir = xstrdup(path.overflow ? "/nonexistent" : buf_cstr(&path));
	buf_fini(&path);
}

void cli_fini(struct cli *c)
{
	free(c->dir);
	c->dir = NULL;
}

int cli_fail(enum cli_status status, const char *what, const char *why, const char *todo)
{
	const char *const parts[] = {"pombo: ",       what, why ? ": " : "", why ? why : "", todo ? "; " : "",
				     todo ? todo : ""};
	_cleanup_(buf_fini) struct buf line = BUF_INIT(LINE_MAX_BYTES);

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		show_clean(view_sub(view_from_cstr(parts[i]), 0, PART_MAX), &line);
	buf_append_char(&line, '\n');
	(void)fflush(stdout);
	(void)fwrite(line.p, 1, line.n, stderr);
	return status;
}

int cli_fail_errno(enum cli_status status, const char *what, int error, const char *todo)
{
	return cli_fail(status, what, strerror(error < 0 ? -error : error), todo);
}

int cli_usage(const struct cli *c, const char *why)
{
	_cleanup_(buf_fini) struct buf usage = BUF_INIT(1024);

	buf_printf(&usage, "usage: pombo %s%s%s", c->command->name, c->command->usage[0] ? " " : "", c->command->usage);
	return cli_fail(CLI_USAGE, c->command->name, why, buf_cstr(&usage));
}

char *cli_path(const struct cli *c, const char *below)
{
	struct buf b = BUF_INIT(3 * PATH_BYTES_MAX);

	if (below[0] != '/')
		buf_printf(&b, "%s/", c->dir);
	buf_append_cstr(&b, below);
	(void)buf_cstr(&b);
	return buf_take(&b, NULL);
}

int cli_read_fd(int fd, struct buf *ret)
{
	for (;;) {
		char chunk[16384];
		ssize_t n = read(fd, chunk, sizeof chunk);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		buf_append(ret, chunk, (size_t)n);
		if (ret->overflow)
			return -EFBIG;
	}
}

int cli_read_file(const char *path, struct buf *ret)
{
	_cleanup_(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : cli_read_fd(fd, ret);
}

char *cli_find_program(const char *name)
{
	static const char *const places[] = {"", "../libexec/pombo/"};
	_cleanup_(buf_fini) struct buf path = BUF_INIT(2 * PATH_BYTES_MAX);
	char own[PATH_BYTES_MAX];
	ssize_t n = readlink("/proc/self/exe", own, sizeof own);

	while (n > 0 && own[n - 1] != '/')
		n--;
	for (size_t i = 0; n > 0 && i < ARRAY_LEN(places); i++) {
		buf_reset(&path);
		buf_append(&path, own, (size_t)n);
		buf_append_cstr(&path, places[i]);
		buf_append_cstr(&path, name);
		if (buf_cstr(&path) && access(buf_cstr(&path), X_OK) == 0)
			return xstrdup(buf_cstr(&path));
	}
	buf_reset(&path);
	buf_printf(&path, "%s/%s", POMBO_LIBEXECDIR, name);
	return access(buf_cstr(&path), X_OK) == 0 ? xstrdup(buf_cstr(&path)) : NULL;
}
