/* SPDX-License-Identifier: ISC
 * What the generated decoders refuse: every bound of a list, from both sides. */
#include "ipc/msgs/control_msgs.h"
#include "ipc/msgs/judge_msgs.h"
#include "ipc/msgs/smtp_msgs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static bool decode(uint16_t type, struct view payload, unsigned from, struct smtp_msg *ret)
{
	static struct arena arena;
	bool ok;

	arena_fini(&arena);
	arena_init(&arena, 1 << 20);
	ok = smtp_decode(type, payload, NULL, 0, from, &arena, ret);
	return ok;
}

/* A payload with one byte changed. */
static bool decode_changed(uint16_t type, const struct buf *good, size_t at, char to)
{
	_cleanup_(buf_fini) struct buf bad = BUF_INIT(1 << 20);
	struct smtp_msg m;

	buf_append_view(&bad, buf_view(good));
	assert_true(at < bad.n);
	bad.p[at] = to;
	return decode(type, buf_view(&bad), SMTP_PEER_MX, &m);
}

static void words_of_one_byte(void **state)
{
	_cleanup_(buf_fini) struct buf b = BUF_INIT(1 << 16);
	struct smtp_begin begin = {.body = 2, .ret = 1, .smtputf8 = true};
	struct smtp_msg m;
	size_t n;

	(void)state;
	assert_true(smtp_put_begin(&b, &begin));
	assert_true(decode(SMTP_BEGIN, buf_view(&b), SMTP_PEER_MX, &m));
	assert_int_equal(m.begin.body, 2);
	assert_true(m.begin.smtputf8);
	/* At the end stand: body, smtputf8, requiretls, ret, envid (4), trusted, size (8). */
	n = b.n - 8 - 1 - 4;
	assert_true(decode_changed(SMTP_BEGIN, &b, n - 4, 1)); /* body */
	assert_false(decode_changed(SMTP_BEGIN, &b, n - 4, 3)); /* past its words */
	assert_true(decode_changed(SMTP_BEGIN, &b, n - 3, 0));
	assert_false(decode_changed(SMTP_BEGIN, &b, n - 3, 2)); /* neither yes nor no */
	assert_false(decode_changed(SMTP_BEGIN, &b, n - 1, 127));
	begin.body = 3;
	buf_reset(&b);
	assert_false(smtp_put_begin(&b, &begin));
}

static void texts_and_lists_have_a_maximum(void **state)
{
	static char text[1000];
	static struct smtp_rcpt rcpts[1001];
	_cleanup_(buf_fini) struct buf b = BUF_INIT(1 << 20);
	struct smtp_begin begin = {.sender = view_from(text, 320), .rcpts = rcpts, .n_rcpts = 1000};
	struct smtp_msg m;
	size_t count_at = 4 + 4 + 320; /* behind grant and sender */

	(void)state;
	assert_true(smtp_put_begin(&b, &begin));
	assert_true(decode(SMTP_BEGIN, buf_view(&b), SMTP_PEER_MX, &m));
	assert_int_equal(m.begin.n_rcpts, 1000);
	assert_int_equal(m.begin.sender.n, 320);
	/* The same with a larger count: 1001 (0x3e9), and a huge one. */
	assert_int_equal((unsigned char)b.p[count_at], 0xe8);
	assert_false(decode_changed(SMTP_BEGIN, &b, count_at, (char)0xe9));
	assert_false(decode_changed(SMTP_BEGIN, &b, count_at + 3, 0x7f));
	/* The sender's length beyond its maximum, and beyond the frame. */
	assert_false(decode_changed(SMTP_BEGIN, &b, 4, 0x41));
	assert_false(decode_changed(SMTP_BEGIN, &b, 7, 0x7f));
	begin.n_rcpts = 1001;
	assert_false(smtp_put_begin(&b, &begin));
	begin = (struct smtp_begin){.sender = view_from(text, 321)};
	assert_false(smtp_put_begin(&b, &begin));
}

static void every_byte_is_read(void **state)
{
	_cleanup_(buf_fini) struct buf b = BUF_INIT(1 << 16);
	struct smtp_refused refused = {550, VIEW_LIT("5.1.1"), VIEW_LIT("no such user"), VIEW_EMPTY};
	struct smtp_msg m;

	(void)state;
	assert_true(smtp_put_refused(&b, &refused));
	for (size_t n = 0; n < b.n; n++)
		assert_false(decode(SMTP_REFUSED, view_sub(buf_view(&b), 0, n), SMTP_PEER_STORE, &m));
	assert_true(decode(SMTP_REFUSED, buf_view(&b), SMTP_PEER_STORE, &m));
	buf_append_char(&b, 0);
	assert_false(decode(SMTP_REFUSED, buf_view(&b), SMTP_PEER_STORE, &m));
}

static void only_who_may_say_it(void **state)
{
	_cleanup_(buf_fini) struct buf b = BUF_INIT(1 << 16);
	struct smtp_sender_check check = {VIEW_EMPTY, VIEW_EMPTY};
	struct smtp_msg m = {.type = SMTP_SPACE};

	(void)state;
	assert_true(smtp_put_sender_check(&b, &check));
	assert_true(decode(SMTP_SENDER_CHECK, buf_view(&b), SMTP_PEER_SUBMISSION, &m));
	m.type = SMTP_SPACE;
	assert_false(decode(SMTP_SENDER_CHECK, buf_view(&b), SMTP_PEER_MX, &m));
	assert_false(decode(SMTP_SENDER_CHECK, buf_view(&b), SMTP_PEER_STORE, &m));
	assert_false(decode(SMTP_SENDER_CHECK, buf_view(&b), 3, &m));
	assert_false(decode(0, VIEW_EMPTY, SMTP_PEER_MX, &m));
	assert_false(decode(UINT16_MAX, VIEW_EMPTY, SMTP_PEER_MX, &m));
	assert_int_equal(m.type, SMTP_SPACE); /* untouched on failure */
}

static void what_is_refused_is_closed(void **state)
{
	_cleanup_(buf_fini) struct buf b = BUF_INIT(1 << 16);
	struct control_msg m;
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 16);
	assert_true(control_put_file(&b, &(struct control_file){VIEW_LIT("x"), 0}));
	for (size_t n = 0; n <= 3; n++) {
		int given[3], fds[3];
		bool ok;

		for (size_t i = 0; i < n; i++)
			given[i] = fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		ok = control_decode(CONTROL_FILE, buf_view(&b), fds, n, CONTROL_PEER_SUPERVISOR, &arena, &m);
		assert_int_equal(ok, n == 1);
		if (ok) {
			assert_int_equal(m.file.fd, given[0]);
			control_close_fds(&m);
			assert_int_equal(m.file.fd, -1);
		}
		for (size_t i = 0; i < n; i++)
			assert_true(fcntl(given[i], F_GETFD) < 0);
	}
	arena_fini(&arena);
}

static void lists_take_no_more_memory_than_they_may(void **state)
{
	static struct judge_address from[100];
	_cleanup_(buf_fini) struct buf b = BUF_INIT(1 << 16);
	struct judge_judged judged = {.from = from, .n_from = 100};
	struct judge_msg m;
	struct arena arena;

	(void)state;
	assert_true(judge_put_judged(&b, &judged));
	arena_init(&arena, sizeof from - 1);
	assert_false(judge_decode(JUDGE_JUDGED, buf_view(&b), NULL, 0, JUDGE_PEER_POLICY, &arena, &m));
	arena_fini(&arena);
	arena_init(&arena, sizeof from + 64);
	assert_true(judge_decode(JUDGE_JUDGED, buf_view(&b), NULL, 0, JUDGE_PEER_POLICY, &arena, &m));
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(words_of_one_byte),         cmocka_unit_test(texts_and_lists_have_a_maximum),
	    cmocka_unit_test(every_byte_is_read),        cmocka_unit_test(only_who_may_say_it),
	    cmocka_unit_test(what_is_refused_is_closed), cmocka_unit_test(lists_take_no_more_memory_than_they_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
