/* SPDX-License-Identifier: ISC */
#include "supervisor/server.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char top[] = "/tmp/pombo-unix-XXXXXX";

static const char *in_top(const char *name)
{
	static char path[100];

	assert_true(snprintf(path, sizeof path, "%s/%s", top, name) < (int)sizeof path);
	return path;
}

static int serve(const char *path, int type, int backlog)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0 && strlen(path) < sizeof at.sun_path);
	memcpy(at.sun_path, path, strlen(path));
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(type == SOCK_STREAM ? listen(fd, backlog) : 0, 0);
	return fd;
}

static void connects_without_waiting(void **state)
{
	const char *path = in_top("lmtp");
	int listener = serve(path, SOCK_STREAM, 0), fds[64], n = 0;

	(void)state;
	while (n < 64 && (fds[n] = unix_socket_connect(path)) >= 0) {
		assert_true(fcntl(fds[n], F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(fds[n], F_GETFD) & FD_CLOEXEC);
		n++;
	}
	/* The backlog is full: a blocking connect() would wait here for ever. */
	assert_true(n > 0 && n < 64);
	assert_int_equal(fds[n], -EAGAIN);
	while (n > 0)
		(void)close(fds[--n]);
	(void)close(listener);
	assert_int_equal(unix_socket_connect(path), -ECONNREFUSED);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unix_socket_connect(path), -ENOENT);
}

static void says_why_not(void **state)
{
	char longest[200];
	int fd, before = dup(0);

	(void)state;
	(void)close(before);
	fd = serve(in_top("datagrams"), SOCK_DGRAM, 0);
	memset(longest, 'x', sizeof longest);
	longest[0] = '/';
	longest[sizeof longest - 1] = '\0';
	assert_int_equal(unix_socket_connect(""), -ENODEV);
	assert_int_equal(unix_socket_connect(longest), -ENAMETOOLONG);
	assert_int_equal(unix_socket_connect(in_top("datagrams")), -EPROTOTYPE);
	(void)close(fd);
	assert_int_equal(unlink(in_top("datagrams")), 0);
	fd = open(in_top("file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(unix_socket_connect(in_top("file")), -ECONNREFUSED);
	assert_int_equal(unix_socket_connect(in_top("file/below")), -ENOTDIR);
	assert_int_equal(unlink(in_top("file")), 0);
	/* None of them left a descriptor open. */
	assert_int_equal(fd = dup(0), before);
	(void)close(fd);
}

static int make_top(void **state)
{
	(void)state;
	return mkdtemp(top) ? 0 : -1;
}

static int remove_top(void **state)
{
	(void)state;
	return rmdir(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(connects_without_waiting),
	    cmocka_unit_test(says_why_not),
	};

	return cmocka_run_group_tests(tests, make_top, remove_top);
}
