/* SPDX-License-Identifier: ISC
 * Streams without TLS, over socket pairs on a real loop. */
#include "io/stream.h"

#include "base/clock.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* One stream and its peer; what the handlers saw is written into `log`. */
struct rig {
	struct event_base *base;
	struct stream *stream;
	int peer;
	struct buf log;
	bool echo; /* answer each line with itself */
	bool pause; /* pause after each line */
	bool keep; /* consume nothing */
	const char *last_words;
	bool closed;
};

static void on_input(void *ctx)
{
	struct rig *r = ctx;

	while (!r->keep) {
		struct view in = stream_input(r->stream);
		size_t at = view_find_char(in, '\n');

		if (at == in.n)
			break;
		buf_printf(&r->log, "[%.*s]", (int)at, in.p);
		if (r->echo)
			stream_write(r->stream, view_sub(in, 0, at + 1));
		if (view_starts_with(in, VIEW_LIT("quit"))) {
			stream_write(r->stream, VIEW_LIT("bye\n"));
			stream_consume(r->stream, at + 1);
			stream_close(r->stream);
			stream_write(r->stream, VIEW_LIT("never"));
			assert_int_equal(stream_input(r->stream).n, 0);
			return;
		}
		stream_consume(r->stream, at + 1);
		if (r->pause) {
			stream_pause(r->stream);
			return;
		}
	}
	if (r->keep)
		buf_printf(&r->log, "(%zu)", stream_input(r->stream).n);
}

static void on_drain(void *ctx)
{
	struct rig *r = ctx;

	buf_append_cstr(&r->log, "drain ");
}

static void on_closed(void *ctx, enum stream_end end)
{
	static const char *const names[] = {"us", "peer", "error", "timeout"};
	struct rig *r = ctx;

	assert_false(r->closed);
	r->closed = true;
	stream_write(r->stream, VIEW_LIT("ignored"));
	stream_close(r->stream);
	buf_printf(&r->log, "closed:%s", names[end]);
}

static void on_timeout(void *ctx)
{
	struct rig *r = ctx;

	buf_append_cstr(&r->log, "timeout ");
	if (r->last_words) {
		stream_write(r->stream, view_from_cstr(r->last_words));
		stream_close(r->stream);
	}
}

static const struct stream_handlers handlers = {on_input, on_drain, NULL, on_closed, on_timeout};

static void rig_init(struct rig *r, size_t in_max)
{
	const struct stream_limits limits = {
	    .in_max = in_max, .out_max = 1 << 20, .out_high = 1 << 16, .out_low = 1 << 14};
	int pair[2];

	memset(r, 0, sizeof *r);
	buf_init(&r->log, 1 << 22);
	r->base = event_base_new();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	r->peer = pair[1];
	assert_int_equal(fcntl(r->peer, F_SETFL, O_NONBLOCK), 0);
	r->stream = stream_new(r->base, pair[0], &limits, &handlers, r);
}

static void turns(struct rig *r, int n)
{
	for (int i = 0; i < n; i++)
		assert_true(event_base_loop(r->base, EVLOOP_NONBLOCK) >= 0);
}

/* Runs until the stream is gone, at most `ms`. */
static void until_closed(struct rig *r, uint64_t ms)
{
	uint64_t end_ms = clock_mono_ms() + ms;

	while (!r->closed && clock_mono_ms() < end_ms)
		assert_true(event_base_loop(r->base, EVLOOP_ONCE) >= 0);
	assert_true(r->closed);
}

static void rig_fini(struct rig *r)
{
	if (!r->closed)
		stream_close(r->stream);
	if (r->peer >= 0)
		(void)close(r->peer);
	until_closed(r, 20000);
	event_base_free(r->base);
	buf_fini(&r->log);
}

static void say(struct rig *r, struct view text)
{
	assert_int_equal(send(r->peer, text.p, text.n, MSG_NOSIGNAL), text.n);
}

/* Everything the peer can read now; "$" at its end when the stream hung up. */
static void heard(struct rig *r, struct buf *out)
{
	static char bytes[65536];
	ssize_t n;

	while ((n = recv(r->peer, bytes, sizeof bytes, 0)) > 0)
		buf_append(out, bytes, (size_t)n);
	buf_append_cstr(out, n == 0 ? "$" : errno == EAGAIN ? "" : "!");
}

static void assert_heard(struct rig *r, const char *want)
{
	struct buf out = BUF_INIT(1 << 24);

	heard(r, &out);
	assert_string_equal(buf_cstr(&out), want);
	buf_fini(&out);
}

static void assert_log(struct rig *r, const char *want)
{
	assert_string_equal(buf_cstr(&r->log), want);
	buf_reset(&r->log);
}

static void lines_however_they_come(void **state)
{
	static const char text[] = "alpha\nbeta\r\n\xc3\xa9\xff\x80\n\n";

	(void)state;
	for (size_t step = 1; step <= sizeof text; step++) {
		struct rig r;

		rig_init(&r, 4096);
		r.echo = true;
		for (size_t at = 0; at < sizeof text - 1; at += step) {
			say(&r, view_sub(VIEW_LIT(text), at, step));
			turns(&r, 2);
		}
		assert_log(&r, "[alpha][beta\r][\xc3\xa9\xff\x80][]");
		assert_heard(&r, text);
		rig_fini(&r);
	}
}

/* All replies of a turn leave in one piece: one packet, one wake-up of the peer. */
static void one_write_a_turn(void **state)
{
	struct rig r;
	char bytes[256];

	(void)state;
	rig_init(&r, 4096);
	r.echo = true;
	/* A datagram-like look at the writes: SEQPACKET keeps them apart. */
	stream_close(r.stream);
	until_closed(&r, 20000);
	(void)close(r.peer);
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	const struct stream_limits limits = {4096, 4096, 2048, 1024};
	r.closed = false;
	r.peer = pair[1];
	buf_reset(&r.log);
	assert_int_equal(fcntl(r.peer, F_SETFL, O_NONBLOCK), 0);
	r.stream = stream_new(r.base, pair[0], &limits, &handlers, &r);
	say(&r, VIEW_LIT("a\nb\nc\nquit\n"));
	until_closed(&r, 20000);
	assert_int_equal(recv(r.peer, bytes, sizeof bytes, 0), 15);
	assert_memory_equal(bytes, "a\nb\nc\nquit\nbye\n", 15);
	assert_int_equal(recv(r.peer, bytes, sizeof bytes, 0), 0);
	rig_fini(&r);
}

static void paused_and_resumed(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, 16);
	r.echo = r.pause = true;
	say(&r, VIEW_LIT("one\ntwo\nthree\nfour\nfive\nsix\n"));
	turns(&r, 5);
	assert_log(&r, "[one]");
	for (int i = 0; i < 4; i++) {
		stream_resume(r.stream);
		turns(&r, 5);
	}
	assert_log(&r, "[two][three][four][five]");
	stream_resume(r.stream);
	turns(&r, 5);
	assert_log(&r, "[six]");
	stream_resume(r.stream);
	stream_resume(r.stream);
	turns(&r, 5);
	assert_log(&r, "");
	assert_heard(&r, "one\ntwo\nthree\nfour\nfive\nsix\n");
	rig_fini(&r);
}

/* A peer that sends its commands and shuts down its side gets all answers, also those that take a while. */
static void half_close(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, 4096);
	r.echo = r.pause = true;
	say(&r, VIEW_LIT("one\ntwo\nhalf"));
	assert_int_equal(shutdown(r.peer, SHUT_WR), 0);
	turns(&r, 5);
	assert_log(&r, "[one]");
	assert_false(r.closed);
	stream_resume(r.stream);
	turns(&r, 5);
	assert_log(&r, "[two]");
	assert_false(r.closed);
	stream_write(r.stream, VIEW_LIT("late answer\n"));
	stream_resume(r.stream);
	turns(&r, 5);
	assert_log(&r, "closed:peer");
	assert_heard(&r, "one\ntwo\nlate answer\n$");
	rig_fini(&r);
}

static void close_ends_it(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, 4096);
	say(&r, VIEW_LIT("noop\nquit\n"));
	turns(&r, 3);
	assert_log(&r, "[noop][quit]closed:us");
	assert_heard(&r, "bye\n$");
	rig_fini(&r);
}

/* Input nobody reads: the peer must still get the last reply, so the socket is not closed under its feet. */
static void close_with_unread_input(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, 4096);
	say(&r, VIEW_LIT("quit\nMAIL\nRCPT\n"));
	turns(&r, 3);
	assert_log(&r, "[quit]");
	say(&r, VIEW_LIT("DATA\n"));
	turns(&r, 3);
	assert_false(r.closed);
	assert_heard(&r, "bye\n$"); /* FIN is there */
	(void)close(r.peer);
	r.peer = -1;
	turns(&r, 3);
	assert_log(&r, "closed:us");
	rig_fini(&r);
	/* and one that never hangs up is hung up on */
	rig_init(&r, 4096);
	say(&r, VIEW_LIT("quit\nMAIL\n"));
	until_closed(&r, 20000);
	assert_log(&r, "[quit]closed:us");
	rig_fini(&r);
}

static void full_input_stops_reading(void **state)
{
	struct rig r;
	char bytes[100000];
	ssize_t taken;

	(void)state;
	memset(bytes, 'x', sizeof bytes);
	rig_init(&r, 1000);
	r.keep = true;
	taken = send(r.peer, bytes, sizeof bytes, 0);
	assert_true(taken > 2000);
	turns(&r, 20);
	assert_log(&r, "(1000)");
	stream_consume(r.stream, 400);
	turns(&r, 20);
	assert_log(&r, "(1000)");
	rig_fini(&r);
}

static void output_is_bounded(void **state)
{
	static char bytes[100000];
	struct rig r;
	struct buf out = BUF_INIT(1 << 24);

	(void)state;
	memset(bytes, 'y', sizeof bytes);
	rig_init(&r, 4096);
	while (!stream_is_full(r.stream)) {
		stream_write(r.stream, view_from(bytes, 10000));
		turns(&r, 1);
	}
	assert_log(&r, "");
	for (int i = 0; i < 100 && !view_eq_lit(buf_view(&r.log), "drain "); i++) {
		heard(&r, &out);
		turns(&r, 2);
	}
	assert_log(&r, "drain ");
	assert_false(stream_is_full(r.stream));
	/* a role that goes on for ever is cut off */
	for (int i = 0; i < 20; i++)
		stream_write(r.stream, view_from(bytes, sizeof bytes));
	turns(&r, 2);
	assert_log(&r, "closed:error");
	buf_fini(&out);
	rig_fini(&r);
}

/* A large answer reaches a reader that takes a little now and then, whole and in order. */
static void slow_reader(void **state)
{
	enum { N = 900000 };
	struct rig r;
	struct buf want = BUF_INIT(N), got = BUF_INIT(N + 10);
	char bytes[3000];

	(void)state;
	while (want.n < N)
		buf_append_char(&want, (char)(want.n % 251));
	rig_init(&r, 4096);
	stream_write(r.stream, buf_view(&want));
	stream_close(r.stream);
	for (int i = 0; i < 10000 && got.n < N; i++) {
		ssize_t n;

		turns(&r, 1);
		n = recv(r.peer, bytes, sizeof bytes, 0);
		if (n > 0)
			buf_append(&got, bytes, (size_t)n);
	}
	assert_int_equal(got.n, N);
	assert_memory_equal(got.p, want.p, N);
	until_closed(&r, 20000);
	assert_log(&r, "closed:us");
	buf_fini(&want);
	buf_fini(&got);
	rig_fini(&r);
}

static void peer_vanishes(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, 4096);
	(void)close(r.peer);
	r.peer = -1;
	turns(&r, 3);
	assert_log(&r, "closed:peer");
	rig_fini(&r);
	/* while output waits */
	rig_init(&r, 4096);
	r.keep = true;
	stream_pause(r.stream);
	say(&r, VIEW_LIT("x"));
	while (!stream_is_full(r.stream)) {
		stream_write(r.stream, VIEW_LIT("0123456789012345678901234567890123456789"));
		turns(&r, 1);
	}
	(void)close(r.peer);
	r.peer = -1;
	turns(&r, 5);
	assert_log(&r, "closed:peer");
	rig_fini(&r);
}

/* Five inputs, each soon enough after the one before to move a deadline of 300 ms; false when this process had to wait for longer than that. */
static bool talks_in_time(struct rig *r)
{
	uint64_t last_ms = clock_mono_ms();

	stream_set_idle_timeout(r->stream, 300);
	for (int i = 0; i < 5; i++) {
		uint64_t before_ms = last_ms;

		say(r, VIEW_LIT("a\n"));
		turns(r, 2);
		last_ms = clock_mono_ms();
		if (last_ms - before_ms > 250)
			return false;
		(void)usleep(100000);
	}
	turns(r, 2);
	return clock_mono_ms() - last_ms <= 250;
}

static void idle_deadline(void **state)
{
	struct rig r;
	uint64_t start_ms;

	(void)state;
	for (int tries = 1;; tries++) {
		rig_init(&r, 4096);
		r.last_words = "421 idle\n";
		start_ms = clock_mono_ms();
		if (talks_in_time(&r))
			break;
		assert_true(tries < 100);
		rig_fini(&r);
	}
	/* 5 x 100 ms are more than 300 */
	assert_log(&r, "[a][a][a][a][a]");
	until_closed(&r, 20000);
	assert_log(&r, "timeout closed:timeout");
	assert_true(clock_mono_ms() - start_ms >= 700);
	assert_heard(&r, "421 idle\n$");
	rig_fini(&r);
}

static void idle_deadline_rests_while_paused(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, 4096);
	stream_set_idle_timeout(r.stream, 50);
	stream_pause(r.stream);
	for (int i = 0; i < 5; i++) {
		(void)usleep(100000);
		turns(&r, 2);
	}
	assert_log(&r, "");
	stream_resume(r.stream);
	until_closed(&r, 20000);
	assert_log(&r, "timeout closed:timeout");
	rig_fini(&r);
}

static void total_deadline(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, 4096);
	stream_set_idle_timeout(r.stream, 60000);
	stream_set_total_timeout(r.stream, 200);
	stream_pause(r.stream);
	for (int i = 0; i < 20 && !r.closed; i++) {
		say(&r, VIEW_LIT("a\n"));
		turns(&r, 2);
		(void)usleep(30000);
	}
	until_closed(&r, 20000); /* the peer still talks: it gets time to read why */
	assert_log(&r, "timeout closed:timeout");
	rig_fini(&r);
	/* taken back in time */
	rig_init(&r, 4096);
	stream_set_total_timeout(r.stream, 100);
	stream_set_total_timeout(r.stream, 0);
	(void)usleep(300000);
	turns(&r, 3);
	assert_log(&r, "");
	rig_fini(&r);
}

/* Another owner in the middle of input: it sees the rest. */
static void on_other(void *ctx)
{
	struct rig *r = ctx;
	struct view in = stream_input(r->stream);

	buf_printf(&r->log, "<%.*s>", VIEW_FMT(in));
	stream_consume(r->stream, in.n);
}

static void handlers_change(void **state)
{
	static const struct stream_handlers other = {on_other, NULL, NULL, on_closed, NULL};
	struct rig r;

	(void)state;
	rig_init(&r, 4096);
	r.pause = true;
	say(&r, VIEW_LIT("one\nrest"));
	turns(&r, 3);
	stream_set_handlers(r.stream, &other, &r);
	stream_resume(r.stream);
	turns(&r, 3);
	assert_log(&r, "[one]<rest>");
	rig_fini(&r);
}

static void abort_waits_for_nobody(void **state)
{
	static char much[400000];
	struct rig r;
	uint64_t began_ms = clock_mono_ms();

	(void)state;
	rig_init(&r, 100);
	stream_write(r.stream, view_from(much, sizeof much));
	turns(&r, 3);
	assert_true(stream_is_full(r.stream)); /* the peer reads nothing */
	stream_close(r.stream);
	turns(&r, 3);
	assert_false(r.closed);
	stream_abort(r.stream);
	turns(&r, 2);
	assert_true(r.closed);
	assert_true(clock_mono_ms() - began_ms < 8000);
	assert_string_equal(buf_cstr(&r.log), "closed:us");
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_however_they_come),
	    cmocka_unit_test(one_write_a_turn),
	    cmocka_unit_test(paused_and_resumed),
	    cmocka_unit_test(half_close),
	    cmocka_unit_test(close_ends_it),
	    cmocka_unit_test(close_with_unread_input),
	    cmocka_unit_test(abort_waits_for_nobody),
	    cmocka_unit_test(full_input_stops_reading),
	    cmocka_unit_test(output_is_bounded),
	    cmocka_unit_test(slow_reader),
	    cmocka_unit_test(peer_vanishes),
	    cmocka_unit_test(idle_deadline),
	    cmocka_unit_test(idle_deadline_rests_while_paused),
	    cmocka_unit_test(total_deadline),
	    cmocka_unit_test(handlers_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
