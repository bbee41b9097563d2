/* SPDX-License-Identifier: ISC
 * One question at a time, against a channel that answers in a child process. */
#include "ipc/sync.h"

#include "base/clock.h"
#include "ipc/msgs/admin_msgs.h"

#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void answer(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	const struct admin_msg *m = msg;
	static size_t submitted;
	struct admin_done unasked = {VIEW_LIT("unasked")};

	(void)ctx;
	if (m->type == ADMIN_DOMAIN_ADD) {
		struct admin_done done = {m->domain_add.domain};

		assert_true(admin_send_done(c, 0, &unasked)); /* is passed over */
		assert_true(admin_send_done(c, id, &done));
	} else if (m->type == ADMIN_SUBMIT) {
		submitted = 0;
	} else if (m->type == ADMIN_SUBMIT_DATA) {
		struct admin_more more = {(uint32_t)m->submit_data.bytes.n};

		submitted += m->submit_data.bytes.n;
		assert_true(admin_send_more(c, id, &more));
	} else if (m->type == ADMIN_SUBMIT_END) {
		struct admin_kept kept = {submitted};

		assert_true(admin_send_kept(c, id, &kept));
	}
	/* Everything else gets no answer at all. */
}

static void closed(void *ctx, struct channel *c)
{
	(void)ctx;
	(void)c;
	_exit(0);
}

struct both {
	struct sync_channel s;
	pid_t pid;
	struct buf payload;
};

static int setup(void **state)
{
	static const struct channel_handlers handlers = {answer, closed, NULL};
	struct both *b = calloc(1, sizeof *b);
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	b->pid = fork();
	if (b->pid == 0) {
		struct event_base *base = event_base_new();

		(void)close(sv[0]);
		(void)alarm(20);
		(void)channel_new(base, sv[1], &admin_proto, ADMIN_PEER_STORE, ADMIN_PEER_CLI, &handlers, NULL);
		(void)event_base_dispatch(base);
		_exit(1);
	}
	(void)close(sv[1]);
	buf_init(&b->payload, CHANNEL_FRAME_MAX + 1);
	sync_channel_init(&b->s, sv[0], &admin_proto, ADMIN_PEER_CLI, ADMIN_PEER_STORE);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct both *b = *state;
	int status;

	sync_channel_fini(&b->s);
	buf_fini(&b->payload);
	assert_int_equal(waitpid(b->pid, &status, 0), b->pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	free(b);
	return 0;
}

static void one_after_the_other(void **state)
{
	struct both *b = *state;

	for (int i = 0; i < 50; i++) {
		struct admin_domain_add add = {i % 2 ? VIEW_LIT("example.org") : VIEW_LIT("example.net")};
		struct admin_msg m;

		buf_reset(&b->payload);
		assert_true(admin_put_domain_add(&b->payload, &add));
		assert_int_equal(sync_channel_call(&b->s, ADMIN_DOMAIN_ADD, buf_view(&b->payload), NULL, 0, 5000, &m),
				 0);
		assert_int_equal(m.type, ADMIN_DONE);
		assert_true(view_eq(m.done.text, add.domain));
	}
}

static void a_question_in_several_frames(void **state)
{
	struct both *b = *state;
	struct admin_submit submit = {.sender = VIEW_EMPTY};
	static char bytes[65536];
	struct admin_submit_data data = {view_from(bytes, sizeof bytes)};
	struct admin_submit_end end = {0};
	struct admin_msg m;

	assert_true(admin_put_submit(&b->payload, &submit));
	/* Nothing comes before the data: the call runs out, the request goes on. */
	assert_int_equal(sync_channel_begin(&b->s, ADMIN_SUBMIT, buf_view(&b->payload), NULL, 0, 5000), 0);
	buf_reset(&b->payload);
	assert_true(admin_put_submit_data(&b->payload, &data));
	for (int i = 0; i < 40; i++) {
		assert_int_equal(sync_channel_follow(&b->s, ADMIN_SUBMIT_DATA, buf_view(&b->payload), NULL, 0, 5000),
				 0);
		assert_int_equal(sync_channel_next(&b->s, 5000, &m), 0);
		assert_int_equal(m.type, ADMIN_MORE);
		assert_int_equal(m.more.bytes, 65536);
	}
	buf_reset(&b->payload);
	assert_true(admin_put_submit_end(&b->payload, &end));
	assert_int_equal(sync_channel_follow(&b->s, ADMIN_SUBMIT_END, buf_view(&b->payload), NULL, 0, 5000), 0);
	assert_int_equal(sync_channel_next(&b->s, 5000, &m), 0);
	assert_int_equal(m.type, ADMIN_KEPT);
	assert_int_equal(m.kept.message_id, 40 * 65536);
}

static void no_answer(void **state)
{
	struct both *b = *state;
	struct admin_msg m;
	uint64_t began = clock_mono_ms();

	assert_int_equal(sync_channel_call(&b->s, ADMIN_STATUS_ASK, VIEW_EMPTY, NULL, 0, 50, &m), -ETIMEDOUT);
	assert_in_range(clock_mono_ms() - began, 49, 5000);
	memset(buf_reserve(&b->payload, CHANNEL_FRAME_MAX + 1), 0, CHANNEL_FRAME_MAX + 1);
	buf_commit(&b->payload, CHANNEL_FRAME_MAX + 1);
	assert_int_equal(sync_channel_call(&b->s, ADMIN_STATUS_ASK, buf_view(&b->payload), NULL, 0, 50, &m), -EMSGSIZE);
	buf_reset(&b->payload);
	/* What the list does not allow: the other end hangs up. */
	assert_int_equal(sync_channel_call(&b->s, ADMIN_KEPT, VIEW_EMPTY, NULL, 0, 5000, &m), -EPIPE);
}

static void an_odd_peer(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} cases[] = {{"HTTP/1.1 400 Bad Request\r\n\r\n", 28},
		     {"\x08\0\0\0\0\0\0\0\0\0\0\0abcdefgh", 20}, /* another version */
		     {"\xff\xff\xff\xff\0\0\0\0\0\0\0\0", 12}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sync_channel s;
		struct admin_msg m;
		int sv[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
		assert_int_equal(write(sv[1], cases[i].bytes, cases[i].n), (ssize_t)cases[i].n);
		sync_channel_init(&s, sv[0], &admin_proto, ADMIN_PEER_CLI, ADMIN_PEER_STORE);
		assert_int_equal(sync_channel_call(&s, ADMIN_STATUS_ASK, VIEW_EMPTY, NULL, 0, 1000, &m), -EPROTO);
		sync_channel_fini(&s);
		(void)close(sv[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(one_after_the_other, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_question_in_several_frames, setup, teardown),
	    cmocka_unit_test_setup_teardown(no_answer, setup, teardown),
	    cmocka_unit_test(an_odd_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
