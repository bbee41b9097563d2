/* SPDX-License-Identifier: ISC
 * Descriptors through a channel: each arrives once, with its frame, closed on exec; none is left behind by anything odd. */
#include "ipc/channel.h"

#include "ipc/frame.h"
#include "ipc/msgs/control_msgs.h"

#include <dirent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct role_end {
	struct event_base *base;
	struct channel *c;
	size_t files, others, closed;
	const char *error;
};

static size_t open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

/* A pipe's reading end whose content is `text`. */
static int pipe_with(const char *text)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(write(fds[1], text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fds[1]);
	return fds[0];
}

static void on_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct role_end *r = ctx;
	const struct control_msg *m = msg;
	char text[64];
	ssize_t n;
	int fd;

	(void)c;
	(void)id;
	if (m->type != CONTROL_FILE) {
		r->others++;
		return;
	}
	fd = m->file.fd;
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	n = read(fd, text, sizeof text);
	assert_true(view_eq(view_from(text, n > 0 ? (size_t)n : 0), m->file.name));
	(void)close(fd);
	r->files++;
}

static void on_close(void *ctx, struct channel *c)
{
	struct role_end *r = ctx;

	r->error = channel_error(c);
	r->closed++;
	r->c = NULL;
}

static const struct channel_handlers handlers = {on_msg, on_close, NULL};

static int open_role(struct role_end *r)
{
	int sv[2];

	memset(r, 0, sizeof *r);
	r->base = event_base_new();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	r->c = channel_new(r->base, sv[0], &control_proto, CONTROL_PEER_ROLE, CONTROL_PEER_SUPERVISOR, &handlers, r);
	return sv[1];
}

static void close_role(struct role_end *r)
{
	channel_free(&r->c);
	event_base_free(r->base);
}

static void turns(struct role_end *r, int n)
{
	while (n--)
		(void)event_base_loop(r->base, EVLOOP_NONBLOCK);
}

static void each_comes_with_its_frame(void **state)
{
	size_t before = open_fds();
	struct role_end r;
	int fd = open_role(&r);
	struct channel *supervisor =
	    channel_new(r.base, fd, &control_proto, CONTROL_PEER_SUPERVISOR, CONTROL_PEER_ROLE, &handlers, &r);

	(void)state;
	for (int i = 0; i < 300; i++) {
		char name[16];
		struct control_file m;
		struct control_start start = {0};

		(void)snprintf(name, sizeof name, "file%d", i);
		m = (struct control_file){view_from_cstr(name), pipe_with(name)};
		assert_true(control_send_file(supervisor, 0, &m));
		if (i % 3 == 0)
			assert_true(control_send_start(supervisor, 0, &start));
		if (i % 50 == 0)
			turns(&r, 1);
	}
	turns(&r, 2000);
	assert_int_equal(r.files, 300);
	assert_int_equal(r.others, 100);
	channel_free(&supervisor);
	close_role(&r);
	assert_int_equal(open_fds(), before);
}

static void what_cannot_be_sent_is_closed(void **state)
{
	size_t before = open_fds();
	struct role_end r;
	int fd = open_role(&r);
	struct channel *supervisor =
	    channel_new(r.base, fd, &control_proto, CONTROL_PEER_SUPERVISOR, CONTROL_PEER_ROLE, &handlers, &r);
	char long_name[65] = {0};
	struct control_file m = {view_from(long_name, 65), pipe_with("x")};

	(void)state;
	assert_false(control_send_file(supervisor, 0, &m));
	m = (struct control_file){VIEW_LIT("bad"), -1};
	assert_false(control_send_file(supervisor, 0, &m));
	m = (struct control_file){VIEW_LIT("unsent"), pipe_with("x")};
	channel_pause(r.c);
	assert_true(control_send_file(supervisor, 0, &m)); /* waits, and is closed with the channel */
	channel_free(&supervisor);
	m = (struct control_file){VIEW_LIT("gone"), pipe_with("x")};
	assert_false(control_send_file(NULL, 0, &m));
	close_role(&r);
	assert_int_equal(open_fds(), before);
}

static void put_frame(struct buf *out, uint16_t type, uint8_t n_fds, struct view payload)
{
	struct frame_head h = {(uint32_t)payload.n, type, n_fds, 0};
	char head[FRAME_HEAD_BYTES];

	frame_head_format(&h, head);
	buf_append(out, head, sizeof head);
	buf_append_view(out, payload);
}

/* Says `bytes` with `n` descriptors, `times` times; the channel must close, and nothing stay open. */
static void odd(uint16_t type, uint8_t claimed, size_t n, int times, const char *want)
{
	size_t before = open_fds();
	struct role_end r;
	int fd = open_role(&r), fds[4];
	struct buf out = BUF_INIT(4096);

	frame_hello_format(&out, CONTROL_VERSION);
	assert_true(frame_send(fd, buf_view(&out), NULL, 0) == (long)out.n);
	buf_reset(&out);
	put_frame(&out, type, claimed, VIEW_LIT("\1\0\0\0x"));
	for (int i = 0; i < times; i++) {
		for (size_t k = 0; k < n; k++)
			fds[k] = pipe_with("x");
		(void)!frame_send(fd, buf_view(&out), fds, n);
		for (size_t k = 0; k < n; k++)
			(void)close(fds[k]);
		turns(&r, 2);
	}
	turns(&r, 3);
	assert_int_equal(r.closed, 1);
	assert_string_equal(r.error, want);
	buf_fini(&out);
	(void)close(fd);
	close_role(&r);
	assert_int_equal(open_fds(), before);
}

static void odd_descriptors_cost_the_peer_its_channel(void **state)
{
	(void)state;
	odd(CONTROL_FILE, 1, 0, 1, "a descriptor is missing");
	odd(CONTROL_FILE, 2, 1, 1, "a descriptor is missing");
	odd(CONTROL_FILE, 2, 2, 1, "a frame that is not in the list"); /* one too many */
	odd(CONTROL_READY, 1, 1, 1, "a frame that is not in the list"); /* not the supervisor's */
	odd(CONTROL_FILE, 5, 4, 1, "a frame out of bounds");
}

/* A frame that never ends, with descriptors in every piece: the queue is bounded. */
static void descriptors_that_no_frame_claims(void **state)
{
	size_t before = open_fds();
	struct role_end r;
	int fd = open_role(&r), fds[4];
	struct buf out = BUF_INIT(4096);
	struct frame_head h = {1000, CONTROL_CERTIFICATE, 0, 0};
	char head[FRAME_HEAD_BYTES];

	(void)state;
	frame_hello_format(&out, CONTROL_VERSION);
	frame_head_format(&h, head);
	buf_append(&out, head, sizeof head);
	assert_true(frame_send(fd, buf_view(&out), NULL, 0) == (long)out.n);
	for (int i = 0; i < 20 && r.closed == 0; i++) {
		for (size_t k = 0; k < 4; k++)
			fds[k] = pipe_with("x");
		(void)!frame_send(fd, VIEW_LIT("y"), fds, 4);
		for (size_t k = 0; k < 4; k++)
			(void)close(fds[k]);
		turns(&r, 2);
	}
	assert_int_equal(r.closed, 1);
	assert_string_equal(r.error, "too many descriptors");
	buf_fini(&out);
	(void)close(fd);
	close_role(&r);
	assert_int_equal(open_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_comes_with_its_frame),
	    cmocka_unit_test(what_cannot_be_sent_is_closed),
	    cmocka_unit_test(odd_descriptors_cost_the_peer_its_channel),
	    cmocka_unit_test(descriptors_that_no_frame_claims),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
