/* SPDX-License-Identifier: ISC
 * One question at a time, against a channel that answers in a child process. */
#include "ipc/sync.h"

#include "base/clock.h"
#include "ipc/msgs/admin_msgs.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
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

/* ---- the end that answers ---- */

struct pair {
	struct sync_channel asks, answers;
};

static void pair_init(struct pair *p)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
	sync_channel_init(&p->asks, sv[0], &admin_proto, ADMIN_PEER_CLI, ADMIN_PEER_STORE);
	sync_channel_init(&p->answers, sv[1], &admin_proto, ADMIN_PEER_STORE, ADMIN_PEER_CLI);
}

static void pair_fini(struct pair *p)
{
	sync_channel_fini(&p->asks);
	sync_channel_fini(&p->answers);
}

static void *answer_all(void *arg)
{
	struct sync_channel *s = arg;
	struct buf payload = BUF_INIT(2000);
	struct admin_msg m;
	uint32_t id;
	int r;

	while ((r = sync_channel_take(s, &id, &m)) == 0) {
		buf_reset(&payload);
		assert_int_equal(m.type, ADMIN_DOMAIN_ADD);
		assert_true(admin_put_done(&payload, &(struct admin_done){m.domain_add.domain}));
		assert_int_equal(sync_channel_answer(s, id, ADMIN_DONE, buf_view(&payload), 5000), 0);
	}
	buf_fini(&payload);
	return (void *)(intptr_t)r;
}

static void ask_domain(struct sync_channel *s, struct view domain)
{
	struct buf payload = BUF_INIT(2000);
	struct admin_msg m;

	assert_true(admin_put_domain_add(&payload, &(struct admin_domain_add){domain}));
	assert_int_equal(sync_channel_call(s, ADMIN_DOMAIN_ADD, buf_view(&payload), NULL, 0, 20000, &m), 0);
	assert_int_equal(m.type, ADMIN_DONE);
	assert_true(view_eq(m.done.text, domain));
	buf_fini(&payload);
}

static void taken_and_answered(void **state)
{
	struct pair p;
	pthread_t thread;
	void *r;

	(void)state;
	pair_init(&p);
	assert_int_equal(pthread_create(&thread, NULL, answer_all, &p.answers), 0);
	for (int i = 0; i < 100; i++)
		ask_domain(&p.asks, i % 2 ? VIEW_LIT("example.org") : VIEW_LIT("example.net"));
	assert_int_equal(shutdown(p.asks.fd, SHUT_RDWR), 0);
	assert_int_equal(pthread_join(thread, &r), 0);
	assert_int_equal((intptr_t)r, -EPIPE);
	pair_fini(&p);
}

/* Answers where nothing was asked are passed over; a message that this peer may not send is not. */
static void odd_questions(void **state)
{
	struct buf payload = BUF_INIT(2000);
	struct frame_head late = {0, ADMIN_KEPT, 0, 0};
	char head[FRAME_HEAD_BYTES];
	struct admin_msg m;
	struct pair p;
	uint32_t id;

	(void)state;
	pair_init(&p);
	assert_true(admin_put_domain_add(&payload, &(struct admin_domain_add){VIEW_LIT("example.org")}));
	assert_int_equal(sync_channel_follow(&p.asks, ADMIN_DOMAIN_ADD, buf_view(&payload), NULL, 0, 5000), 0);
	assert_int_equal(sync_channel_take(&p.answers, &id, &m), 0);
	assert_int_equal(id, 0);
	late.id = frame_id_next(0, ADMIN_PEER_STORE, ADMIN_PEER_CLI);
	frame_head_format(&late, head);
	assert_int_equal(write(p.asks.fd, head, sizeof head), sizeof head);
	assert_int_equal(sync_channel_begin(&p.asks, ADMIN_DOMAIN_ADD, buf_view(&payload), NULL, 0, 5000), 0);
	assert_int_equal(sync_channel_take(&p.answers, &id, &m), 0);
	assert_int_equal(id, p.asks.last_id);
	assert_true(view_eq(m.domain_add.domain, VIEW_LIT("example.org")));
	assert_int_equal(sync_channel_begin(&p.asks, ADMIN_KEPT, VIEW_EMPTY, NULL, 0, 5000), 0);
	assert_int_equal(sync_channel_take(&p.answers, &id, &m), -EPROTO);
	pair_fini(&p);
	buf_fini(&payload);
}

/* Who never reads what it is answered holds nobody for ever. */
static void answers_that_nobody_reads(void **state)
{
	struct buf payload = BUF_INIT(CHANNEL_FRAME_MAX);
	struct pair p;
	int r = 0;

	(void)state;
	pair_init(&p);
	memset(buf_reserve(&payload, CHANNEL_FRAME_MAX), 'x', CHANNEL_FRAME_MAX);
	buf_commit(&payload, CHANNEL_FRAME_MAX);
	for (int i = 0; i < 1000 && r == 0; i++)
		r = sync_channel_answer(&p.answers, 1, ADMIN_DONE, buf_view(&payload), 20);
	assert_int_equal(r, -ETIMEDOUT);
	pair_fini(&p);
	buf_fini(&payload);
}

static void *dribble(void *arg)
{
	int fd = *(int *)arg;
	static const char bytes[CHANNEL_FRAME_MAX] = {0, 0, 0x10}; /* says it is that long */

	/* A byte at a time, each within the time of one receive. */
	for (size_t i = 0; i < sizeof bytes && write(fd, bytes + i, 1) == 1; i++)
		(void)usleep(10000);
	return NULL;
}

/* The deadline is that of the answer, not of each receive. */
static void an_answer_byte_by_byte(void **state)
{
	struct pair p;
	pthread_t thread;
	struct admin_msg m;
	uint64_t began;

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	pair_init(&p);
	assert_int_equal(pthread_create(&thread, NULL, dribble, &p.answers.fd), 0);
	began = clock_mono_ms();
	assert_int_equal(sync_channel_call(&p.asks, ADMIN_STATUS_ASK, VIEW_EMPTY, NULL, 0, 100, &m), -ETIMEDOUT);
	assert_in_range(clock_mono_ms() - began, 99, 5000);
	assert_int_equal(shutdown(p.asks.fd, SHUT_RDWR), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	pair_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(one_after_the_other, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_question_in_several_frames, setup, teardown),
	    cmocka_unit_test_setup_teardown(no_answer, setup, teardown),
	    cmocka_unit_test(an_odd_peer),
	    cmocka_unit_test(taken_and_answered),
	    cmocka_unit_test(odd_questions),
	    cmocka_unit_test(answers_that_nobody_reads),
	    cmocka_unit_test(an_answer_byte_by_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
