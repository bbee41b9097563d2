/* SPDX-License-Identifier: ISC */
#include "policyd/judge.h"

#include "base/arena.h"
#include "mail/mime_index.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { TURNS = 20, BIG = 3000000 };

/* A stored that asks and a policyd that answers, on one loop. */
struct rig {
	struct event_base *base;
	struct channel *store, *policy;
	struct judge *judge;
	/* the answer */
	unsigned answers;
	enum judge_type type;
	uint16_t code;
	uint64_t header_bytes;
	bool eightbit, long_lines;
	struct buf index, header_add, text;
};

static void policy_hears(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct rig *r = ctx;

	judge_hear(r->judge, c, id, msg);
}

static void nothing_unasked(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	(void)ctx;
	(void)c;
	(void)id;
	(void)msg;
	fail();
}

static void never_closes(void *ctx, struct channel *c)
{
	(void)ctx;
	(void)c;
	fail();
}

static void hear(void *ctx, const struct judge_msg *m)
{
	struct rig *r = ctx;

	assert_non_null(m);
	r->answers++;
	r->type = m->type;
	if (m->type == JUDGE_REFUSED) {
		r->code = m->refused.code;
		return;
	}
	r->header_bytes = m->judged.header_bytes;
	r->eightbit = m->judged.eightbit;
	r->long_lines = m->judged.has_lines_over_998;
	buf_reset(&r->index);
	buf_append_view(&r->index, m->judged.index);
	buf_reset(&r->header_add);
	buf_append_view(&r->header_add, m->judged.header_add);
}

static void rig_open(struct rig *r)
{
	static const struct channel_handlers policy = {policy_hears, never_closes, NULL};
	static const struct channel_handlers store = {nothing_unasked, never_closes, NULL};
	int fds[2];

	*r = (struct rig){.base = event_base_new(), .judge = judge_new()};
	buf_init(&r->index, 1 << 20);
	buf_init(&r->header_add, 4096);
	buf_init(&r->text, 1 << 24);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	r->store = channel_new(r->base, fds[0], &judge_proto, JUDGE_PEER_STORE, JUDGE_PEER_POLICY, &store, r);
	r->policy = channel_new(r->base, fds[1], &judge_proto, JUDGE_PEER_POLICY, JUDGE_PEER_STORE, &policy, r);
}

static void rig_close(struct rig *r)
{
	channel_free(&r->store);
	channel_free(&r->policy);
	judge_free(&r->judge);
	buf_fini(&r->index);
	buf_fini(&r->header_add);
	buf_fini(&r->text);
	event_base_free(r->base);
}

static void turn(struct rig *r)
{
	unsigned before = r->answers;

	for (int i = 0; i < TURNS; i++)
		(void)event_base_loop(r->base, EVLOOP_NONBLOCK);
	assert_int_equal(r->answers, before + 1);
}

static void ask(struct rig *r, uint8_t purpose, struct view message)
{
	struct judge_judge q = {.message_id = 1,
				.purpose = purpose,
				.sender = VIEW_LIT("me@example.org"),
				.hostname = VIEW_LIT("mx.example.org"),
				.max_hops = 50,
				.max_header_bytes = 262144,
				.message = message};

	assert_true(judge_call_judge(r->store, &q, 0, hear, r));
	turn(r);
}

/* The same over a file; `claimed` bytes are said to be in it. */
static void ask_file(struct rig *r, uint8_t purpose, struct view message, uint64_t claimed)
{
	struct judge_judge_file q = {.message_id = 1,
				     .purpose = purpose,
				     .sender = VIEW_LIT("me@example.org"),
				     .hostname = VIEW_LIT("mx.example.org"),
				     .max_hops = 50,
				     .max_header_bytes = 1000,
				     .size_bytes = claimed,
				     .message = memfd_create("message", MFD_CLOEXEC)};

	assert_int_equal(write(q.message, message.p, message.n), message.n);
	assert_true(judge_call_judge_file(r->store, &q, 0, hear, r));
	turn(r);
}

static uint32_t parts_of(struct rig *r)
{
	struct mime_index x;
	struct arena a;
	uint32_t n;

	arena_init(&a, 1 << 22);
	assert_true(mime_index_decode(buf_view(&r->index), &a, &x));
	n = x.part_count;
	arena_fini(&a);
	return n;
}

static uint64_t bytes_of(struct rig *r)
{
	struct mime_index_head head;

	assert_true(mime_index_peek(buf_view(&r->index), &head));
	return head.bytes;
}

static void a_message_in_the_question(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r);
	ask(&r, 0, VIEW_LIT("Subject: x\r\n\r\nb\xe4\r\n"));
	assert_int_equal(r.type, JUDGE_JUDGED);
	assert_int_equal(r.header_bytes, 14);
	assert_true(r.eightbit);
	assert_false(r.long_lines);
	assert_int_equal(bytes_of(&r), 18);
	ask(&r, 1, VIEW_LIT("Subject: x\r\n\r\nb\r\n"));
	assert_int_equal(r.type, JUDGE_REFUSED);
	assert_int_equal(r.code, 550);
	ask(&r, 1, VIEW_LIT("From: me@example.org\r\n\r\nb\r\n"));
	assert_int_equal(r.type, JUDGE_JUDGED);
	assert_true(r.header_add.n > 0);
	assert_int_equal(bytes_of(&r), 27 + r.header_add.n); /* the index is of what will be kept */
	ask(&r, 0, VIEW_EMPTY);
	assert_int_equal(r.type, JUDGE_JUDGED);
	assert_int_equal(bytes_of(&r), 0);
	rig_close(&r);
}

static void a_message_in_a_file(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r);
	buf_append_cstr(&r.text, "Subject: x\r\n\r\n");
	while (r.text.n < BIG)
		buf_append_cstr(&r.text, "0123456789012345678901234567890123456789\r\n");
	ask_file(&r, 0, buf_view(&r.text), r.text.n);
	assert_int_equal(r.type, JUDGE_JUDGED);
	assert_int_equal(r.header_bytes, 14);
	assert_int_equal(bytes_of(&r), r.text.n);
	assert_false(r.eightbit);
	ask_file(&r, 0, buf_view(&r.text), r.text.n + 1); /* shorter than stored said */
	assert_int_equal(r.type, JUDGE_REFUSED);
	assert_int_equal(r.code, 451);
	buf_append_cstr(&r.text, "\xff");
	ask_file(&r, 0, buf_view(&r.text), r.text.n);
	assert_true(r.eightbit);
	buf_reset(&r.text);
	buf_append_cstr(&r.text, "Subject: ");
	for (int i = 0; i < 70000; i++)
		buf_append_char(&r.text, 'x');
	ask_file(&r, 0, buf_view(&r.text), r.text.n);
	assert_int_equal(r.code, 552);
	rig_close(&r);
}

/* However big the structure, the index fits a frame: the full one, a smaller one, or the message as one part. */
static void structures_of_any_size(void **state)
{
	static const struct {
		unsigned parts;
		size_t param_bytes;
		uint32_t kept_min, kept_max;
	} cases[] = {{10, 10, 11, 11}, {3000, 10, 3001, 3001}, {9000, 60, 2, 1000}, {3000, 1000, 1, 1}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rig r;

		rig_open(&r);
		buf_append_cstr(&r.text, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
		for (unsigned n = 0; n < cases[i].parts; n++) {
			buf_append_cstr(&r.text, "--b\r\nContent-Type: text/plain; name=");
			for (size_t k = 0; k < cases[i].param_bytes; k++)
				buf_append_char(&r.text, 'n');
			buf_append_cstr(&r.text, "\r\n\r\nx\r\n");
		}
		buf_append_cstr(&r.text, "--b--\r\n");
		ask_file(&r, 0, buf_view(&r.text), r.text.n);
		assert_int_equal(r.type, JUDGE_JUDGED);
		assert_true(parts_of(&r) >= cases[i].kept_min && parts_of(&r) <= cases[i].kept_max);
		assert_int_equal(bytes_of(&r), r.text.n);
		rig_close(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_message_in_the_question),
	    cmocka_unit_test(a_message_in_a_file),
	    cmocka_unit_test(structures_of_any_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
