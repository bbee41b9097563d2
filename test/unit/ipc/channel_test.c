/* SPDX-License-Identifier: ISC */
#include "ipc/channel.h"

#include "ipc/frame.h"
#include "ipc/msgs/smtp_msgs.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Both ends of an smtp channel on one loop: `mx` asks, `store` answers as the test says. */
struct pair {
	struct event_base *base;
	struct channel *mx, *store;
	size_t mx_closed, store_closed;
	const char *error;
	/* what store heard */
	size_t heard;
	enum smtp_type types[64];
	uint32_t ids[64];
	struct buf text;
	void (*on_store)(struct pair *p, uint32_t id, const struct smtp_msg *m);
	/* what mx heard */
	size_t unasked, answers, nones, drained;
	struct buf answer;
	uint64_t kept;
	void (*on_answer)(struct pair *p, const struct smtp_msg *m);
};

static void store_hears(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct pair *p = ctx;
	const struct smtp_msg *m = msg;

	assert_ptr_equal(c, p->store);
	if (p->heard < ARRAY_LEN(p->types)) {
		p->types[p->heard] = m->type;
		p->ids[p->heard] = id;
	}
	p->heard++;
	if (m->type == SMTP_RCPT_CHECK)
		buf_append_view(&p->text, m->rcpt_check.address);
	if (m->type == SMTP_PIECE)
		buf_append_view(&p->text, m->piece.bytes);
	if (p->on_store)
		p->on_store(p, id, m);
}

static void mx_hears(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct pair *p = ctx;

	(void)c;
	(void)msg;
	assert_int_equal(id, 0);
	p->unasked++;
}

static void on_close(void *ctx, struct channel *c)
{
	struct pair *p = ctx;

	p->error = channel_error(c);
	if (c == p->mx) {
		p->mx_closed++;
		p->mx = NULL;
	} else {
		p->store_closed++;
		p->store = NULL;
	}
}

static void on_drain(void *ctx, struct channel *c)
{
	struct pair *p = ctx;

	assert_false(channel_is_full(c));
	p->drained++;
}

static const struct channel_handlers store_handlers = {store_hears, on_close, on_drain};
static const struct channel_handlers mx_handlers = {mx_hears, on_close, on_drain};

static void hear_answer(void *ctx, const struct smtp_msg *m)
{
	struct pair *p = ctx;

	if (!m) {
		p->nones++;
		return;
	}
	p->answers++;
	if (m->type == SMTP_REFUSED)
		buf_append_view(&p->answer, m->refused.text);
	if (m->type == SMTP_KEPT)
		p->kept = m->kept.message_id;
	if (p->on_answer)
		p->on_answer(p, m);
}

static void turn(struct pair *p)
{
	assert_true(event_base_loop(p->base, EVLOOP_NONBLOCK) >= 0);
}

static void turns(struct pair *p, size_t n)
{
	while (n--)
		turn(p);
}

static void wait_ms(struct pair *p, unsigned ms)
{
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	event_base_loopexit(p->base, &tv);
	event_base_dispatch(p->base);
}

static void make_sockets(int sv[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
}

/* The other end is the test's own socket: it may say anything. Returns it. */
static int open_store(struct pair *p)
{
	int sv[2];

	memset(p, 0, sizeof *p);
	p->base = event_base_new();
	buf_init(&p->text, 1 << 24);
	buf_init(&p->answer, 1 << 20);
	make_sockets(sv);
	p->store = channel_new(p->base, sv[0], &smtp_proto, SMTP_PEER_STORE, SMTP_PEER_MX, &store_handlers, p);
	return sv[1];
}

static void open_pair(struct pair *p)
{
	int fd = open_store(p);

	p->mx = channel_new(p->base, fd, &smtp_proto, SMTP_PEER_MX, SMTP_PEER_STORE, &mx_handlers, p);
	turns(p, 3);
	assert_int_equal(p->mx_closed + p->store_closed, 0);
}

static void close_pair(struct pair *p)
{
	channel_free(&p->mx);
	channel_free(&p->store);
	event_base_free(p->base);
	buf_fini(&p->text);
	buf_fini(&p->answer);
}

static bool ask(struct pair *p, const char *address, uint32_t deadline_ms)
{
	struct smtp_rcpt_check m = {
	    .grant = VIEW_EMPTY, .sender = VIEW_LIT("a@example.org"), .address = view_from_cstr(address)};

	return smtp_call_rcpt_check(p->mx, &m, deadline_ms, hear_answer, p);
}

static void refuse(struct pair *p, uint32_t id, const struct smtp_msg *m)
{
	struct smtp_refused r = {550, VIEW_LIT("5.1.1"), m->rcpt_check.address, VIEW_EMPTY};

	assert_true(smtp_send_refused(p->store, id, &r));
}

static void answers_find_their_questions(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p);
	p.on_store = refuse;
	for (size_t i = 0; i < 40; i++)
		assert_true(ask(&p, i % 2 ? "x" : "y", 1000));
	assert_int_equal(channel_pending_calls(p.mx), 40);
	turns(&p, 4);
	assert_int_equal(p.answers, 40);
	assert_int_equal(p.heard, 40);
	assert_int_equal(channel_pending_calls(p.mx), 0);
	assert_string_equal(buf_cstr(&p.answer), "yxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyx");
	close_pair(&p);
}

static void nothing_is_read_of_an_answer_to_nobody(void **state)
{
	struct pair p;
	struct smtp_kept kept = {7};

	(void)state;
	open_pair(&p);
	assert_true(smtp_send_kept(p.store, 99, &kept)); /* never asked */
	assert_true(ask(&p, "x", 1000));
	channel_call_cancel(p.mx, channel_call_id(p.mx));
	assert_int_equal(channel_pending_calls(p.mx), 0);
	p.on_store = refuse;
	turns(&p, 4);
	assert_int_equal(p.heard, 1);
	assert_int_equal(p.answers + p.nones + p.unasked, 0);
	assert_non_null(p.mx);
	close_pair(&p);
}

static void a_deadline_passes(void **state)
{
	struct pair p;
	struct smtp_kept kept = {7};

	(void)state;
	open_pair(&p);
	assert_true(ask(&p, "slow", 10));
	assert_true(ask(&p, "slower", 100000));
	wait_ms(&p, 300);
	assert_int_equal(p.nones, 1);
	assert_int_equal(channel_pending_calls(p.mx), 1);
	assert_true(smtp_send_kept(p.store, p.ids[0], &kept)); /* late */
	turns(&p, 3);
	assert_int_equal(p.answers, 0);
	assert_true(smtp_send_kept(p.store, p.ids[1], &kept));
	turns(&p, 3);
	assert_int_equal(p.answers, 1);
	close_pair(&p);
}

static void keep_on_more(struct pair *p, const struct smtp_msg *m)
{
	if (m->type == SMTP_MORE)
		channel_call_continues(p->mx);
}

static void a_request_and_its_answer_in_several_frames(void **state)
{
	struct pair p;
	struct smtp_begin begin = {0};
	struct smtp_piece data = {VIEW_LIT("abc")};
	struct smtp_end end = {0};
	struct smtp_more more = {65536};
	struct smtp_kept kept = {42};
	uint32_t id;

	(void)state;
	open_pair(&p);
	p.on_answer = keep_on_more;
	assert_true(smtp_call_begin(p.mx, &begin, 0, hear_answer, &p));
	id = channel_call_id(p.mx);
	assert_true(smtp_send_piece(p.mx, id, &data));
	turns(&p, 3);
	assert_true(smtp_send_more(p.store, id, &more));
	assert_true(smtp_send_more(p.store, id, &more));
	turns(&p, 3);
	assert_int_equal(p.answers, 2);
	assert_int_equal(channel_pending_calls(p.mx), 1);
	assert_true(smtp_send_piece(p.mx, id, &data));
	assert_true(smtp_send_end(p.mx, id, &end));
	turns(&p, 3);
	assert_int_equal(p.heard, 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(p.ids[i], id);
	assert_string_equal(buf_cstr(&p.text), "abcabc");
	assert_true(smtp_send_kept(p.store, id, &kept));
	assert_true(smtp_send_kept(p.store, id, &kept)); /* once too often */
	turns(&p, 3);
	assert_int_equal(p.answers, 3);
	assert_int_equal(p.kept, 42);
	close_pair(&p);
}

static void both_ends_may_ask(void **state)
{
	/* Ids of the two ends never meet, though both start at one. */
	assert_true(frame_id_is_mine(frame_id_next(0, 0, 2), 0, 2));
	assert_false(frame_id_is_mine(frame_id_next(0, 0, 2), 2, 0));
	assert_true(frame_id_is_mine(frame_id_next(0, 2, 0), 2, 0));
	assert_int_equal(frame_id_next(0x7fffffff, 0, 1), 1);
	assert_int_equal(frame_id_next(0xffffffff, 1, 0), 0x80000001);
	assert_false(frame_id_is_mine(0, 0, 1));
	(void)state;
}

static size_t frames_to_socket(struct pair *p, size_t n)
{
	size_t sent = 0;
	struct smtp_piece data = {.bytes = view_from(calloc(1, 65536), 65536)};

	while (sent < n && smtp_send_piece(p->mx, 0, &data))
		sent++;
	free((void *)(uintptr_t)data.bytes.p);
	return sent;
}

static void backpressure(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p);
	channel_pause(p.store);
	assert_int_equal(frames_to_socket(&p, 40), 40);
	turns(&p, 5);
	assert_true(channel_is_full(p.mx));
	assert_int_equal(p.heard, 0);
	assert_int_equal(p.drained, 0);
	channel_resume(p.store);
	turns(&p, 500);
	assert_int_equal(p.heard, 40);
	assert_int_equal(p.drained, 1);
	assert_false(channel_is_full(p.mx));
	assert_int_equal(p.text.n, 40 * 65536);
	close_pair(&p);
}

static void pause_in_a_handler(struct pair *p, uint32_t id, const struct smtp_msg *m)
{
	(void)id;
	(void)m;
	if (p->heard % 3 == 0)
		channel_pause(p->store);
}

static void a_pause_between_two_frames_of_one_read(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p);
	p.on_store = pause_in_a_handler;
	for (size_t i = 0; i < 10; i++)
		assert_true(ask(&p, "x", 0));
	turns(&p, 5);
	assert_int_equal(p.heard, 3);
	for (size_t want = 6; want < 12; want += 3) {
		channel_resume(p.store);
		turns(&p, 5);
		assert_int_equal(p.heard, want < 10 ? want : 10);
	}
	assert_true(ask(&p, "y", 0));
	channel_resume(p.store);
	turns(&p, 5);
	assert_int_equal(p.heard, 11);
	assert_string_equal(buf_cstr(&p.text), "xxxxxxxxxxy");
	close_pair(&p);
}

static void the_hard_bound_closes(void **state)
{
	struct pair p;
	size_t sent;

	(void)state;
	open_pair(&p);
	channel_pause(p.store);
	assert_true(ask(&p, "x", 0));
	sent = frames_to_socket(&p, 2000);
	assert_in_range(sent, CHANNEL_OUT_MAX / 65536 - 2, CHANNEL_OUT_MAX / 65536 + 1);
	assert_int_equal(p.mx_closed, 0); /* never out of a send */
	assert_false(ask(&p, "y", 0));
	turns(&p, 2);
	assert_int_equal(p.mx_closed, 1);
	assert_int_equal(p.nones, 1);
	close_pair(&p);
}

static void frames_of_a_turn_go_in_one_write(void **state)
{
	struct pair p;
	int fd = open_store(&p);
	char bytes[65536];
	ssize_t got;

	(void)state;
	turns(&p, 2);
	assert_int_equal(recv(fd, bytes, sizeof bytes, MSG_DONTWAIT), FRAME_HEAD_BYTES + 8);
	for (int i = 0; i < 20; i++)
		assert_true(smtp_send_space(p.store, 0, &(struct smtp_space){true}));
	assert_int_equal(recv(fd, bytes, sizeof bytes, MSG_DONTWAIT), -1);
	turn(&p);
	got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
	assert_int_equal(got, 20 * (FRAME_HEAD_BYTES + 1));
	(void)close(fd);
	close_pair(&p);
}

static void put_frame(struct buf *out, uint16_t type, uint32_t id, uint8_t n_fds, struct view payload)
{
	struct frame_head h = {(uint32_t)payload.n, type, n_fds, id};
	char head[FRAME_HEAD_BYTES];

	frame_head_format(&h, head);
	buf_append(out, head, sizeof head);
	buf_append_view(out, payload);
}

static void put_ask(struct buf *out, uint32_t id, const char *address)
{
	_cleanup_(buf_fini) struct buf payload = BUF_INIT(4096);
	struct smtp_rcpt_check m = {.grant = VIEW_EMPTY, .sender = VIEW_EMPTY, .address = view_from_cstr(address)};

	assert_true(smtp_put_rcpt_check(&payload, &m));
	put_frame(out, SMTP_RCPT_CHECK, id, 0, buf_view(&payload));
}

static void what_arrives_byte_by_byte(void **state)
{
	struct pair p;
	int fd = open_store(&p);
	struct buf out = BUF_INIT(1 << 20);

	(void)state;
	frame_hello_format(&out, SMTP_VERSION);
	put_ask(&out, 1, "first");
	put_ask(&out, 2, "");
	put_ask(&out, 3, "third");
	for (size_t i = 0; i < out.n; i++) {
		assert_int_equal(write(fd, out.p + i, 1), 1);
		turn(&p);
	}
	assert_int_equal(p.heard, 3);
	assert_string_equal(buf_cstr(&p.text), "firstthird");
	buf_fini(&out);
	(void)close(fd);
	close_pair(&p);
}

/* Whatever a peer says that it may not: it is dropped, once, and nothing of it acted on. */
static void odd(const char *want, void (*say)(struct buf *out))
{
	struct pair p;
	int fd = open_store(&p);
	struct buf out = BUF_INIT(1 << 21);

	say(&out);
	for (size_t at = 0; at < out.n;) {
		ssize_t n = send(fd, out.p + at, out.n - at, MSG_DONTWAIT | MSG_NOSIGNAL);

		turn(&p);
		if (n < 0 && errno != EAGAIN)
			break;
		at += n > 0 ? (size_t)n : 0;
	}
	turns(&p, 3);
	assert_int_equal(p.store_closed, 1);
	assert_string_equal(p.error, want);
	assert_int_equal(p.heard, 0);
	buf_fini(&out);
	(void)close(fd);
	close_pair(&p);
}

static void hello(struct buf *out)
{
	frame_hello_format(out, SMTP_VERSION);
}
static void no_hello(struct buf *out)
{
	put_ask(out, 1, "x");
}
static void old_hello(struct buf *out)
{
	frame_hello_format(out, SMTP_VERSION + 1);
}
static void second_hello(struct buf *out)
{
	hello(out);
	hello(out);
}
static void unknown_type(struct buf *out)
{
	hello(out);
	put_frame(out, 999, 1, 0, VIEW_EMPTY);
}
static void not_for_mx(struct buf *out)
{
	_cleanup_(buf_fini) struct buf payload = BUF_INIT(4096);

	assert_true(smtp_put_sender_check(&payload, &(struct smtp_sender_check){VIEW_EMPTY, VIEW_EMPTY}));
	hello(out);
	put_frame(out, SMTP_SENDER_CHECK, 1, 0, buf_view(&payload));
}
static void of_the_other_end(struct buf *out)
{
	hello(out);
	put_frame(out, SMTP_KEPT, 1, 0, VIEW_LIT("\1\0\0\0\0\0\0\0"));
}
static void short_payload(struct buf *out)
{
	hello(out);
	put_frame(out, SMTP_RCPT_CHECK, 1, 0, VIEW_LIT("\0\0\0"));
}
static void long_payload(struct buf *out)
{
	hello(out);
	put_frame(out, SMTP_END, 1, 0, VIEW_LIT("x"));
}
static void too_long(struct buf *out)
{
	struct frame_head h = {CHANNEL_FRAME_MAX + 1, SMTP_PIECE, 0, 1};
	char head[FRAME_HEAD_BYTES];

	hello(out);
	frame_head_format(&h, head);
	buf_append(out, head, sizeof head);
}
static void longest_of_nothing(struct buf *out)
{
	_cleanup_(buf_fini) struct buf zeros = BUF_INIT(CHANNEL_FRAME_MAX);

	memset(buf_reserve(&zeros, CHANNEL_FRAME_MAX), 0xff, CHANNEL_FRAME_MAX);
	buf_commit(&zeros, CHANNEL_FRAME_MAX);
	hello(out);
	put_frame(out, SMTP_PIECE, 1, 0, buf_view(&zeros));
}
static void promised_fd(struct buf *out)
{
	hello(out);
	put_frame(out, SMTP_END, 1, 1, VIEW_EMPTY);
}
static void garbage(struct buf *out)
{
	for (int i = 0; i < 1000; i++)
		buf_append_char(out, (char)(i * 37));
}

static void odd_peers_are_dropped(void **state)
{
	(void)state;
	odd("the peer is of another version", no_hello);
	odd("the peer is of another version", old_hello);
	odd("a frame that is not in the list", second_hello);
	odd("a frame that is not in the list", unknown_type);
	odd("a frame that is not in the list", not_for_mx);
	odd("a frame that is not in the list", of_the_other_end);
	odd("a frame that is not in the list", short_payload);
	odd("a frame that is not in the list", long_payload);
	odd("a frame out of bounds", too_long);
	odd("a frame that is not in the list", longest_of_nothing);
	odd("a descriptor is missing", promised_fd);
	odd("a frame out of bounds", garbage);
}

static void too_big_a_field_is_not_sent(void **state)
{
	struct pair p;
	char *big = calloc(1, 65537);
	struct smtp_piece data = {view_from(big, 65537)};

	(void)state;
	open_pair(&p);
	assert_true(ask(&p, "before", 0));
	assert_false(smtp_send_piece(p.mx, 0, &data));
	assert_true(ask(&p, "after", 0));
	turns(&p, 3);
	assert_string_equal(buf_cstr(&p.text), "beforeafter");
	free(big);
	close_pair(&p);
}

static void free_in_handler(struct pair *p, uint32_t id, const struct smtp_msg *m)
{
	struct smtp_refused r = {550, VIEW_LIT("5.1.1"), m->rcpt_check.address, VIEW_EMPTY};

	assert_true(smtp_send_refused(p->store, id, &r));
	channel_free(&p->store);
}

static void freed_in_its_own_handler(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p);
	p.on_store = free_in_handler;
	assert_true(ask(&p, "one", 0));
	assert_true(ask(&p, "two", 0));
	turns(&p, 4);
	assert_int_equal(p.heard, 1);
	assert_int_equal(p.answers, 1); /* written before the end */
	assert_int_equal(p.nones, 1);
	assert_int_equal(p.mx_closed, 1);
	assert_int_equal(p.store_closed, 0);
	assert_string_equal(p.error, "the peer went");
	close_pair(&p);
}

static void free_in_answer(struct pair *p, const struct smtp_msg *m)
{
	(void)m;
	channel_free(&p->mx);
	assert_null(p->mx);
	assert_false(ask(p, "into nothing", 0));
}

static void freed_in_an_answer(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p);
	p.on_store = refuse;
	p.on_answer = free_in_answer;
	for (int i = 0; i < 5; i++)
		assert_true(ask(&p, "x", 0));
	turns(&p, 4);
	assert_int_equal(p.answers, 1);
	assert_int_equal(p.nones, 4);
	assert_int_equal(p.store_closed, 1);
	close_pair(&p);
}

static void the_peer_goes(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p);
	assert_true(ask(&p, "x", 0));
	turns(&p, 2);
	channel_free(&p.store);
	for (int i = 0; i < 300; i++)
		(void)ask(&p, "x", 1); /* writes fail before the end is read */
	turns(&p, 3);
	assert_int_equal(p.mx_closed, 1);
	assert_int_equal(p.nones, 301);
	close_pair(&p);
}

static void the_peer_goes_during_a_pause(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p);
	channel_pause(p.mx);
	channel_free(&p.store);
	assert_true(ask(&p, "x", 0));
	turns(&p, 3);
	assert_int_equal(p.mx_closed, 1);
	close_pair(&p);
}

/* Bytes in use on the heap; a sanitizer's allocator says 0 always. */
static size_t heap(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static void idle_channels_hold_no_big_buffers(void **state)
{
	struct pair p;
	size_t before;

	(void)state;
	open_pair(&p);
	before = heap();
	channel_pause(p.store);
	assert_int_equal(frames_to_socket(&p, 10), 10);
	turns(&p, 2);
	assert_true(before == 0 || heap() > before + 512 * 1024);
	channel_resume(p.store);
	turns(&p, 20);
	assert_int_equal(p.heard, 10);
	buf_fini(&p.text);
	assert_true(before == 0 || heap() > before + 256 * 1024); /* kept while there is traffic */
	wait_ms(&p, 2300);
	assert_true(heap() < before + 32 * 1024);
	assert_true(ask(&p, "x", 0));
	turns(&p, 3);
	assert_int_equal(p.heard, 11);
	close_pair(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answers_find_their_questions),
	    cmocka_unit_test(nothing_is_read_of_an_answer_to_nobody),
	    cmocka_unit_test(a_deadline_passes),
	    cmocka_unit_test(a_request_and_its_answer_in_several_frames),
	    cmocka_unit_test(both_ends_may_ask),
	    cmocka_unit_test(backpressure),
	    cmocka_unit_test(a_pause_between_two_frames_of_one_read),
	    cmocka_unit_test(the_hard_bound_closes),
	    cmocka_unit_test(frames_of_a_turn_go_in_one_write),
	    cmocka_unit_test(what_arrives_byte_by_byte),
	    cmocka_unit_test(odd_peers_are_dropped),
	    cmocka_unit_test(too_big_a_field_is_not_sent),
	    cmocka_unit_test(freed_in_its_own_handler),
	    cmocka_unit_test(freed_in_an_answer),
	    cmocka_unit_test(the_peer_goes),
	    cmocka_unit_test(the_peer_goes_during_a_pause),
	    cmocka_unit_test(idle_channels_hold_no_big_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
