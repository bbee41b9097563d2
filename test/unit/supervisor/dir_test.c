/* SPDX-License-Identifier: ISC */
#include "supervisor/dir.h"

#include "supervisor/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

static char top[] = "/tmp/pombo-dir-XXXXXX";
static char *dir; /* deep enough that a socket's address would not hold its path */

static char *in_dir(const char *name)
{
	return dir_path(dir, name);
}

static void put_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static struct conf *conf_of(const char *text)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(4096);
	struct conf *c;

	assert_int_equal(conf_parse(view_from_cstr(text), "test", &c, &error), 0);
	return c;
}

static struct stat stat_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st;
}

static void each_part_has_its_owner_and_mode(void **state)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(4096);
	_cleanup_(free_ptr) char *store = in_dir("store"), *deep = in_dir("store/a/b"),
				 *file = in_dir("store/a/b/file");
	_cleanup_(free_ptr) char *link_path = in_dir("store/link"), *hard = in_dir("store/hard"),
				 *outside = in_dir("outside");
	_cleanup_(free_ptr) char *a = in_dir("store/a"), *tls = in_dir("tls"), *run = in_dir("run");
	struct conf *c = conf_of("uid-base = 61800");
	uid_t uid = geteuid() == 0 ? 61808 : geteuid();

	(void)state;
	assert_int_equal(supervisor_store_uid(c), uid);
	assert_int_equal(supervisor_prepare_dir(dir, c, &error), 0);
	assert_int_equal(stat_of(store).st_uid, uid);
	assert_int_equal(stat_of(store).st_mode & 07777, 0700);
	assert_int_equal(stat_of(tls).st_mode & 07777, 0700);
	assert_int_equal(stat_of(tls).st_uid, geteuid());
	assert_int_equal(stat_of(run).st_mode & 07777, 0755);
	/* As left behind by another user id; and traps in it. */
	assert_int_equal(mkdir(a, 0700), 0);
	assert_int_equal(mkdir(deep, 0700), 0);
	put_file(file, "x");
	put_file(outside, "x");
	assert_int_equal(symlink("../outside", link_path), 0);
	assert_int_equal(link(outside, hard), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(store, 0, 0), 0);
	assert_int_equal(supervisor_prepare_dir(dir, c, &error), 0);
	assert_int_equal(stat_of(deep).st_uid, uid);
	assert_int_equal(stat_of(file).st_uid, uid);
	assert_int_equal(stat_of(outside).st_uid, geteuid()); /* neither through a link nor by another name */
	conf_free(&c);
}

static void root_trusts_no_other_owner(void **state)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(4096);
	_cleanup_(free_ptr) char *keys = in_dir("keys"), *aside = in_dir("keys.aside"), *victim = in_dir("victim");
	struct conf *c = conf_of("");

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir(victim, 0755), 0);
	assert_int_equal(chmod(victim, 0755), 0);
	assert_int_equal(rename(keys, aside), 0);
	assert_int_equal(symlink("victim", keys), 0);
	assert_int_equal(chown(dir, 65534, 65534), 0);
	assert_int_equal(supervisor_prepare_dir(dir, c, &error), EX_NOPERM);
	assert_non_null(strstr(buf_cstr(&error), "belongs to another user (65534)"));
	assert_int_equal(stat_of(victim).st_mode & 07777, 0755);
	assert_int_equal(chown(dir, 0, 0), 0);
	assert_int_equal(unlink(keys), 0);
	assert_int_equal(rename(aside, keys), 0);
	assert_int_equal(rmdir(victim), 0);
	conf_free(&c);
}

static void what_cannot_be_made_is_named(void **state)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(4096);
	struct conf *c = conf_of("");

	(void)state;
	assert_int_equal(supervisor_prepare_dir("/nonexistent/folder", c, &error), EX_CANTCREAT);
	assert_non_null(strstr(buf_cstr(&error), "/nonexistent/folder/run: No such file or directory"));
	conf_free(&c);
}

/* In a child, as locks are a process's: takes the lock, says so, and holds it until it is killed. */
static pid_t lock_in_child(int *ret_said)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		int fd = supervisor_lock(dir);

		(void)!write(fds[1], fd >= 0 ? "y" : fd == -EAGAIN ? "n" : "?", 1);
		(void)pause();
		_exit(0);
	}
	(void)close(fds[1]);
	*ret_said = fds[0];
	return pid;
}

static void one_server_a_folder(void **state)
{
	int said, again, status, fd;
	char yes = 0, no = 0;
	pid_t first = lock_in_child(&said), second;

	(void)state;
	assert_int_equal(read(said, &yes, 1), 1);
	assert_int_equal(yes, 'y');
	assert_int_equal(supervisor_find(dir), first);
	second = lock_in_child(&again);
	assert_int_equal(read(again, &no, 1), 1);
	assert_int_equal(no, 'n');
	assert_int_equal(kill(first, SIGKILL), 0);
	assert_int_equal(kill(second, SIGKILL), 0);
	assert_int_equal(waitpid(first, &status, 0), first);
	assert_int_equal(waitpid(second, &status, 0), second);
	assert_int_equal(supervisor_find(dir), 0); /* a lock goes with its holder */
	fd = supervisor_lock(dir);
	assert_true(fd >= 0);
	(void)close(fd);
	(void)close(said);
	(void)close(again);
}

/* With a read lock on it anybody could keep the server from starting. */
static void only_we_can_lock(void **state)
{
	_cleanup_(free_ptr) char *path = in_dir("run/lock");
	int fd = supervisor_lock(dir);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(stat_of(path).st_mode & 07777, 0600);
	(void)close(fd);
	assert_int_equal(chmod(path, 0644), 0); /* as it was made once */
	fd = supervisor_lock(dir);
	assert_true(fd >= 0);
	assert_int_equal(stat_of(path).st_mode & 07777, 0600);
	(void)close(fd);
}

static void the_control_socket_is_ours_alone(void **state)
{
	_cleanup_(free_ptr) char *path = in_dir("run/control.sock");
	int listening = dir_listen_control(dir), client;

	(void)state;
	assert_true(listening >= 0);
	assert_true(strlen(path) > 108);
	assert_int_equal(stat_of(path).st_mode & 0777, 0600);
	client = supervisor_connect(dir);
	assert_true(client >= 0);
	(void)close(client);
	(void)close(listening);
	assert_int_equal(supervisor_connect(dir), -ECONNREFUSED);
	listening = dir_listen_control(dir); /* what was left over is replaced */
	assert_true(listening >= 0);
	client = supervisor_connect(dir);
	assert_true(client >= 0);
	(void)close(client);
	(void)close(listening);
}

static void settings_are_read_whole_or_not(void **state)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(8192), text = BUF_INIT(1 << 20);
	_cleanup_(free_ptr) char *path = in_dir("pombo.conf");
	struct conf *c = NULL;

	(void)state;
	assert_int_equal(supervisor_read_conf(dir, &c, NULL, &error), EX_CONFIG);
	assert_non_null(strstr(buf_cstr(&error), "`pombo init` makes it"));
	put_file(path, "hostname = mail.example.org\n");
	assert_int_equal(supervisor_read_conf(dir, &c, &text, &error), 0);
	assert_string_equal(c->hostname, "mail.example.org");
	assert_string_equal(buf_cstr(&text), "hostname = mail.example.org\n");
	conf_free(&c);
	put_file(path, "\nhostnmae = x\n");
	buf_reset(&error);
	assert_int_equal(supervisor_read_conf(dir, &c, NULL, &error), EX_CONFIG);
	assert_non_null(strstr(buf_cstr(&error), "pombo.conf:2: unknown key"));
}

static struct conf *conf_with_offset(unsigned offset, const char *more)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(256);

	buf_printf(&text, "port-offset = %u\n%s", offset, more);
	return conf_of(buf_cstr(&text));
}

/* Some block of ports that nobody has: other tests run beside this one. */
static unsigned open_somewhere(struct listen_set *ret)
{
	for (unsigned i = 0; i < 200; i++) {
		_cleanup_(buf_fini) struct buf error = BUF_INIT(8192);
		unsigned offset = 2000 + ((unsigned)getpid() * 31 + i * 101) % 26000;
		struct conf *c = conf_with_offset(offset, "listen = 127.0.0.1");
		int r = listen_open(c, NULL, ret, &error);

		conf_free(&c);
		if (r == 0)
			return offset;
	}
	fail_msg("no free block of ports");
	return 0;
}

static void sockets_are_shared_across_a_reload(void **state)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(8192), want = BUF_INIT(256);
	struct listen_set first, second, third;
	unsigned offset = open_somewhere(&first);
	struct conf *c = conf_with_offset(offset, "listen = 127.0.0.1");

	(void)state;
	assert_int_equal(first.n, 7);
	/* In use, by ourselves: without the old set it cannot be had again, with it it can. */
	assert_int_equal(listen_open(c, NULL, &second, &error), EX_UNAVAILABLE);
	buf_printf(&want, "cannot listen on 127.0.0.1:%u (smtp): another program listens there", offset + 25);
	assert_non_null(strstr(buf_cstr(&error), buf_cstr(&want)));
	assert_int_equal(listen_open(c, &first, &third, &error), 0);
	assert_int_equal(third.n, 7);
	listen_fini(&first);
	listen_fini(&third);
	conf_free(&c);
}

/* "*" and "::" side by side on one port; where there is no IPv6, "*" alone. */
static void both_families(void **state)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(8192);
	struct listen_set set;
	unsigned offset = open_somewhere(&set);
	struct conf *c;

	(void)state;
	listen_fini(&set);
	c = conf_with_offset(offset, "listen = * ::");
	assert_int_equal(listen_open(c, NULL, &set, &error), 0);
	assert_true(set.n == 14 || set.n == 7);
	listen_fini(&set);
	conf_free(&c);
}

static int remove_one(const char *path, const struct stat *st, int what, struct FTW *at)
{
	(void)st;
	(void)what;
	(void)at;
	return remove(path);
}

static int make_dir(void **state)
{
	char path[256];

	(void)state;
	if (!mkdtemp(top))
		return -1;
	(void)snprintf(path, sizeof path, "%s/%0120d", top, 1);
	dir = strdup(path);
	return mkdir(path, 0755);
}

static int remove_dir(void **state)
{
	(void)state;
	free(dir);
	return nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_part_has_its_owner_and_mode),
	    cmocka_unit_test(root_trusts_no_other_owner),
	    cmocka_unit_test(what_cannot_be_made_is_named),
	    cmocka_unit_test(one_server_a_folder),
	    cmocka_unit_test(only_we_can_lock),
	    cmocka_unit_test(the_control_socket_is_ours_alone),
	    cmocka_unit_test(settings_are_read_whole_or_not),
	    cmocka_unit_test(sockets_are_shared_across_a_reload),
	    cmocka_unit_test(both_families),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
