/* SPDX-License-Identifier: ISC
 * Streams that speak DEFLATE, against zlib at the other end. */
#include "io/stream.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

enum { IN_MAX = 4096 };

/* A stream that answers every line with itself, and its peer. */
struct rig {
	struct event_base *base;
	struct stream *stream;
	int peer;
	z_stream in, out; /* the peer's */
	struct buf heard;
	size_t most; /* unread input that the stream ever showed */
	size_t lines;
	bool keep; /* consumes nothing */
	bool mute; /* answers nothing */
	bool closed;
	enum stream_end end;
};

static void on_input(void *ctx)
{
	struct rig *r = ctx;

	for (;;) {
		struct view in = stream_input(r->stream);
		size_t at = view_find_char(in, '\n');

		r->most = in.n > r->most ? in.n : r->most;
		if (at == in.n || r->keep)
			return;
		r->lines++;
		if (!r->mute)
			stream_write(r->stream, view_sub(in, 0, at + 1));
		stream_consume(r->stream, at + 1);
	}
}

static void on_closed(void *ctx, enum stream_end end)
{
	struct rig *r = ctx;

	r->closed = true;
	r->end = end;
}

static const struct stream_handlers handlers = {on_input, NULL, NULL, on_closed, NULL};

static void turns(struct rig *r, int n)
{
	for (int i = 0; i < n; i++)
		assert_true(event_base_loop(r->base, EVLOOP_NONBLOCK) >= 0);
}

static void rig_init(struct rig *r)
{
	const struct stream_limits limits = {
	    .in_max = IN_MAX, .out_max = 8 << 20, .out_high = 1 << 16, .out_low = 1 << 14};
	int pair[2];

	memset(r, 0, sizeof *r);
	buf_init(&r->heard, 16 << 20);
	assert_int_equal(inflateInit2(&r->in, -15), Z_OK);
	assert_int_equal(deflateInit2(&r->out, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
	r->base = event_base_new();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	r->peer = pair[1];
	assert_int_equal(fcntl(r->peer, F_SETFL, O_NONBLOCK), 0);
	r->stream = stream_new(r->base, pair[0], &limits, &handlers, r);
}

static void rig_fini(struct rig *r)
{
	(void)close(r->peer);
	if (!r->closed)
		stream_close(r->stream);
	for (int i = 0; i < 100 && !r->closed; i++)
		turns(r, 1);
	assert_true(r->closed);
	event_base_free(r->base);
	(void)inflateEnd(&r->in);
	(void)deflateEnd(&r->out);
	buf_fini(&r->heard);
}

/* What the peer says, packed. */
static void pack(struct rig *r, struct view text, int flush, struct buf *to)
{
	r->out.next_in = (Bytef *)text.p;
	r->out.avail_in = (uInt)text.n;
	do {
		r->out.next_out = (Bytef *)buf_reserve(to, 65536);
		r->out.avail_out = 65536;
		assert_true(deflate(&r->out, flush) >= Z_OK || r->out.avail_in == 0);
		buf_commit(to, 65536 - r->out.avail_out);
	} while (r->out.avail_out == 0);
}

static void say(struct rig *r, struct view text, size_t at_once)
{
	struct buf packed = BUF_INIT(1 << 22);

	pack(r, text, Z_SYNC_FLUSH, &packed);
	for (size_t at = 0; at < packed.n; at += at_once) {
		struct view piece = view_sub(buf_view(&packed), at, at_once);

		assert_int_equal(send(r->peer, piece.p, piece.n, MSG_NOSIGNAL), piece.n);
		turns(r, 3);
	}
	buf_fini(&packed);
}

/* Everything that the peer can read by now, unpacked. */
static const char *hear(struct rig *r)
{
	char bytes[16384];

	buf_reset(&r->heard);
	for (;;) {
		ssize_t n;

		turns(r, 3);
		n = recv(r->peer, bytes, sizeof bytes, 0);
		if (n <= 0)
			return buf_cstr(&r->heard);
		r->in.next_in = (Bytef *)bytes;
		r->in.avail_in = (uInt)n;
		while (r->in.avail_in) {
			char *p = buf_reserve(&r->heard, 65536);

			r->in.next_out = (Bytef *)p;
			r->in.avail_out = 65536;
			assert_int_equal(inflate(&r->in, Z_SYNC_FLUSH), Z_OK);
			buf_commit(&r->heard, 65536 - r->in.avail_out);
		}
	}
}

static void begin(struct rig *r)
{
	char ok[8] = "";

	stream_write(r->stream, VIEW_LIT("OK\n"));
	stream_start_deflate(r->stream);
	turns(r, 3);
	assert_int_equal(recv(r->peer, ok, 3, 0), 3); /* as it is */
	assert_memory_equal(ok, "OK\n", 3);
	assert_true(stream_is_deflated(r->stream));
}

static void lines_come_and_go_at_once(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	begin(&r);
	say(&r, VIEW_LIT("one\ntwo\n"), SIZE_MAX);
	assert_string_equal(hear(&r), "one\ntwo\n");
	say(&r, VIEW_LIT("three\n"), 1);
	assert_string_equal(hear(&r), "three\n");
	rig_fini(&r);
}

/* What was sent ahead is taken for packed. */
static void unread_input_is_packed(void **state)
{
	struct buf packed = BUF_INIT(1 << 20);
	struct rig r;

	(void)state;
	rig_init(&r);
	r.keep = true;
	pack(&r, VIEW_LIT("early\n"), Z_SYNC_FLUSH, &packed);
	assert_int_equal(send(r.peer, packed.p, packed.n, 0), packed.n);
	turns(&r, 3);
	r.keep = false;
	begin(&r);
	assert_string_equal(hear(&r), "early\n");
	buf_fini(&packed);
	rig_fini(&r);
}

/* One look of the loop at all connections; how many lines came meanwhile. */
static size_t lines_of_a_turn(struct rig *r)
{
	size_t before = r->lines;

	assert_true(event_base_loop(r->base, EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
	return r->lines - before;
}

/* 64 MiB of lines in 64 KiB: what the stream holds is bounded, and so is what it does before the loop looks at others; nothing is lost. */
static void bombs_are_bounded(void **state)
{
	static char big[64 << 20];
	struct buf packed = BUF_INIT(1 << 20);
	struct rig r;

	(void)state;
	memset(big, 'x', sizeof big);
	for (size_t i = 1023; i < sizeof big; i += 1024)
		big[i] = '\n';
	rig_init(&r);
	begin(&r);
	r.mute = true;
	pack(&r, view_from(big, sizeof big), Z_SYNC_FLUSH, &packed);
	assert_in_range(packed.n, 1, 400 << 10);
	for (size_t at = 0; at < packed.n;) {
		struct view piece = view_sub(buf_view(&packed), at, 65536);
		ssize_t n = send(r.peer, piece.p, piece.n, MSG_NOSIGNAL);

		at += n > 0 ? (size_t)n : 0;
		assert_in_range(lines_of_a_turn(&r), 0, 2 * IN_MAX / 1024);
	}
	for (int i = 0; i < 100000 && r.lines < sizeof big / 1024; i++)
		assert_in_range(lines_of_a_turn(&r), 0, 2 * IN_MAX / 1024);
	assert_int_equal(r.lines, sizeof big / 1024);
	assert_in_range(r.most, 1, IN_MAX);
	buf_fini(&packed);
	rig_fini(&r);
}

/* Nobody consumes: the stream stops taking, and goes on when somebody does. */
static void full_input_waits(void **state)
{
	static char big[1 << 20];
	struct rig r;

	(void)state;
	memset(big, 'x', sizeof big);
	for (size_t i = 99; i < sizeof big; i += 100)
		big[i] = '\n';
	rig_init(&r);
	begin(&r);
	r.keep = r.mute = true;
	say(&r, view_from(big, sizeof big), SIZE_MAX);
	turns(&r, 50);
	assert_int_equal(stream_input(r.stream).n, IN_MAX);
	r.keep = false;
	on_input(&r);
	for (int i = 0; i < 10000 && r.lines < sizeof big / 100; i++)
		turns(&r, 1);
	assert_int_equal(r.lines, sizeof big / 100);
	rig_fini(&r);
}

static void much_output(void **state)
{
	static char big[6 << 20];
	struct rig r;
	uint32_t random = 1;

	(void)state;
	for (size_t i = 0; i < sizeof big; i++) {
		random = random * 1664525u + 1013904223u;
		big[i] = (char)('a' + (random >> 24) % 26);
	}
	rig_init(&r);
	begin(&r);
	stream_write(r.stream, view_from(big, sizeof big));
	assert_true(stream_is_full(r.stream));
	(void)hear(&r);
	assert_int_equal(r.heard.n, sizeof big);
	assert_memory_equal(r.heard.p, big, sizeof big);
	assert_false(stream_is_full(r.stream));
	rig_fini(&r);
}

static void garbage_ends_it(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	begin(&r);
	assert_int_equal(send(r.peer, "\xff\xff\xff\xff", 4, 0), 4);
	turns(&r, 5);
	assert_true(r.closed);
	assert_int_equal(r.end, STREAM_ERROR);
	rig_fini(&r);
}

static void last_words_are_heard(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	begin(&r);
	stream_write(r.stream, VIEW_LIT("bye\n"));
	stream_close(r.stream);
	assert_string_equal(hear(&r), "bye\n");
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_come_and_go_at_once),
	    cmocka_unit_test(unread_input_is_packed),
	    cmocka_unit_test(bombs_are_bounded),
	    cmocka_unit_test(full_input_waits),
	    cmocka_unit_test(much_output),
	    cmocka_unit_test(garbage_ends_it),
	    cmocka_unit_test(last_words_are_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
