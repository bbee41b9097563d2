/* SPDX-License-Identifier: ISC
 * The queue: leases and their fencing, one destination beside another, schedule, age, the operator. */
#include "store/queue.h"

#include "base/clock.h"
#include "base/id.h"
#include "store/directory_write.h"
#include "trial.h"
#include "vfs.h"

enum { NOW = 1800000000 };

enum { RCPTS_MAX = 300 };

/* Not run yet; `remotes` outlives it. The later half of the recipients is forwarded through `via`. */
static void make(struct trial *t, struct deliver_job *j, struct deliver_remote remotes[RCPTS_MAX], const char *domain,
		 size_t n, uint8_t notify, const char *via)
{
	for (size_t i = 0; i < n; i++) {
		struct buf address = BUF_INIT(100);

		buf_printf(&address, "r%zu@%s", i, domain);
		remotes[i] = (struct deliver_remote){.address = arena_copy(&t->arena, buf_view(&address)),
						     .domain = trial_text(domain),
						     .orcpt = VIEW_EMPTY,
						     .via = trial_text(i < n / 2 ? "" : via),
						     .notify = notify};
		buf_fini(&address);
	}
	deliver_job_init(j);
	j->message.id = store_next_id(t->store);
	j->message.header = VIEW_LIT("Subject: x\r\n\r\n");
	j->message.content = VIEW_LIT("hello\r\n");
	j->message.index = j->message.header_add = VIEW_EMPTY;
	j->wall_s = NOW;
	j->remotes = remotes;
	j->remote_count = n;
	j->remote_prefix = VIEW_LIT("Received: x\r\n");
	j->sender = VIEW_LIT("a@example.org");
	j->envid = VIEW_EMPTY;
	j->own = *via != 0;
}

static uint64_t put_via(struct trial *t, const char *domain, size_t n, uint8_t notify, const char *via)
{
	struct deliver_remote remotes[RCPTS_MAX];
	struct deliver_job j;

	make(t, &j, remotes, domain, n, notify, via);
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
	return j.message.id;
}

static uint64_t put(struct trial *t, const char *domain, size_t n, uint8_t notify)
{
	return put_via(t, domain, n, notify, "");
}

static size_t lease(struct trial *t, struct queue_lease_job *j, int64_t now, size_t max, size_t per_domain)
{
	queue_lease_job_init(j);
	j->wall_s = now;
	j->until_s = now + 100;
	j->max_jobs = max;
	j->max_per_domain = j->max_per_unknown = per_domain;
	assert_int_equal(trial_run(t, &j->job), STORE_OK);
	return j->lease_count;
}

static size_t result(struct trial *t, uint64_t token, uint64_t rcpt, enum queue_outcome outcome, int64_t now,
		     int64_t closed)
{
	const struct queue_fate fate = {
	    .id = rcpt, .outcome = outcome, .code = 451, .status = VIEW_LIT("4.0.0"), .text = VIEW_LIT("words")};
	struct queue_result_job j;
	size_t counted;

	queue_result_job_init(&j);
	j.token = token;
	j.wall_s = now;
	j.schedule = (struct queue_schedule){60, 14400};
	j.mta = j.peer = j.tls = VIEW_EMPTY;
	j.closed_s = closed;
	j.fates = &fate;
	j.fate_count = 1;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	counted = j.ret_counted;
	store_job_fini(&j.job);
	return counted;
}

static void leases_and_fencing(void **state)
{
	struct trial *t = *state;
	struct queue_lease_job a, b;
	uint64_t late;

	(void)put(t, "far.example", 3, 0);
	assert_int_equal(lease(t, &a, NOW, 10, 10), 1);
	assert_int_equal(a.leases[0].rcpt_count, 3);
	assert_true(a.next_s == NOW + 100 && !a.more);
	assert_int_equal(lease(t, &b, NOW + 99, 10, 10), 0); /* still leased */
	store_job_fini(&b.job);
	assert_int_equal(lease(t, &b, NOW + 100, 10, 10), 1); /* run out: taken up again */
	late = a.leases[0].token;
	assert_true(b.leases[0].token > late);
	assert_int_equal(result(t, late, a.leases[0].rcpts[0].id, QUEUE_OUT_SENT, NOW + 101, 0), 0);
	assert_int_equal(trial_rows(t, "queue_recipient"), 3);
	/* Nobody's token is no token. */
	late = b.leases[0].rcpts[0].id;
	assert_int_equal(result(t, b.leases[0].token, late, QUEUE_OUT_RELEASED, NOW + 101, 0), 1);
	assert_int_equal(result(t, 0, late, QUEUE_OUT_SENT, NOW + 101, 0), 0);
	store_job_fini(&a.job);
	assert_int_equal(lease(t, &a, NOW + 101, 10, 10), 1);
	assert_int_equal(result(t, a.leases[0].token, late, QUEUE_OUT_SENT, NOW + 101, 0), 1);
	for (size_t i = 1; i < 3; i++)
		assert_int_equal(result(t, b.leases[0].token, b.leases[0].rcpts[i].id, QUEUE_OUT_SENT, NOW + 101, 0),
				 1);
	assert_int_equal(trial_rows(t, "queue_recipient"), 0);
	assert_int_equal(trial_rows(t, "queue_message"), 0);
	assert_int_equal(trial_rows(t, "queue_domain"), 0);
	assert_int_equal(trial_rows(t, "message"), 0);
	store_job_fini(&a.job);
	store_job_fini(&b.job);
}

/* Three recipients, two of them the same, leased in the message's own commit if the domain lets them. The token. */
static uint64_t put_leased(struct trial *t, size_t *ret_leased, uint64_t *ret_first)
{
	struct deliver_remote remotes[RCPTS_MAX];
	struct deliver_job j;

	make(t, &j, remotes, "far.example", 3, 0, "");
	remotes[2].address = remotes[1].address;
	j.lease_until_s = NOW + 100;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	*ret_leased = j.ret_leased_count;
	*ret_first = j.ret_leased_count ? j.ret_leased[0].id : 0;
	store_job_fini(&j.job);
	return deliver_lease(&j);
}

static void leased_with_the_message(void **state)
{
	const struct view far = VIEW_LIT("far.example");
	struct trial *t = *state;
	struct queue_lease_job a;
	uint64_t token, first;
	size_t n;

	token = put_leased(t, &n, &first);
	assert_true(token != 0);
	assert_int_equal(n, 2);
	assert_int_equal(lease(t, &a, NOW + 99, 10, 10), 0);
	assert_int_equal(a.next_s, NOW + 100);
	store_job_fini(&a.job);
	assert_int_equal(result(t, token, first, QUEUE_OUT_SENT, NOW, 0), 1);
	assert_int_equal(trial_rows(t, "queue_recipient"), 1);
	/* Run out: the other is anybody's. */
	assert_int_equal(lease(t, &a, NOW + 100, 10, 10), 1);
	assert_true(a.leases[0].token > token);
	first = a.leases[0].rcpts[0].id;
	assert_int_equal(result(t, token, first, QUEUE_OUT_SENT, NOW + 101, 0), 0);
	/* The domain closes: what comes now waits with the rest. */
	assert_int_equal(result(t, a.leases[0].token, first, QUEUE_OUT_DEFERRED, NOW, NOW + 30), 1);
	store_job_fini(&a.job);
	assert_int_equal(put_leased(t, &n, &first), 0);
	assert_int_equal(n, 0);
	assert_int_equal(lease(t, &a, NOW + 29, 10, 10), 0);
	store_job_fini(&a.job);
	assert_int_equal(lease(t, &a, NOW + 30, 10, 10), 1);
	store_job_fini(&a.job);
	queue_lease_job_init(&a);
	a.wall_s = NOW;
	a.park = &far;
	a.park_count = 1;
	assert_int_equal(trial_run(t, &a.job), STORE_OK);
	store_job_fini(&a.job);
	assert_int_equal(put_leased(t, &n, &first), 0);
}

/* The disk was full at the commit: nobody is leased, nothing may go out. */
static void not_kept_and_not_leased(void **state)
{
	struct trial *t = *state;
	struct deliver_remote remotes[RCPTS_MAX];
	struct deliver_job j;

	make(t, &j, remotes, "far.example", 1, 0, "");
	j.lease_until_s = NOW + 100;
	vfs_faults.full_in = 1;
	assert_int_equal(trial_run(t, &j.job), STORE_NO_SPACE);
	vfs_faults.full_in = 0;
	assert_int_equal(deliver_lease(&j), 0);
	assert_int_equal(trial_rows(t, "queue_recipient"), 0);
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	assert_true(deliver_lease(&j) != 0);
	store_job_fini(&j.job);
}

/* They go out under another sender: a job of their own. */
static void what_is_forwarded_goes_apart(void **state)
{
	struct trial *t = *state;
	struct queue_lease_job j;

	(void)put_via(t, "far.example", 4, 0, "alias@example.org");
	assert_int_equal(lease(t, &j, NOW, 10, 10), 2);
	assert_true(j.leases[0].via.n == 0 && view_eq(j.leases[1].via, VIEW_LIT("alias@example.org")));
	assert_true(j.leases[0].rcpt_count == 2 && j.leases[1].rcpt_count == 2 &&
		    j.leases[0].token != j.leases[1].token);
	assert_true(j.leases[0].envelope.own && j.leases[1].envelope.own);
	store_job_fini(&j.job);
}

static void one_destination_beside_another(void **state)
{
	struct trial *t = *state;
	struct queue_lease_job j;
	const struct view dead = VIEW_LIT("dead.example");

	for (size_t i = 0; i < 30; i++)
		(void)put(t, "dead.example", 1, 0);
	(void)put(t, "live.example", 1, 0);
	assert_int_equal(lease(t, &j, NOW, 10, 5), 6);
	assert_true(view_eq(j.leases[5].domain, VIEW_LIT("live.example")) && j.more);
	/* Its window is full: parked, others go on. */
	store_job_fini(&j.job);
	queue_lease_job_init(&j);
	j.wall_s = NOW;
	j.until_s = NOW + 100;
	j.max_jobs = j.max_per_domain = j.max_per_unknown = 5;
	j.park = &dead;
	j.park_count = 1;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	assert_int_equal(j.lease_count, 0);
	assert_false(j.more);
	store_job_fini(&j.job);
	(void)put(t, "dead.example", 1, 0); /* new mail does not unpark it */
	assert_int_equal(lease(t, &j, NOW, 10, 5), 0);
	store_job_fini(&j.job);
	queue_lease_job_init(&j);
	j.wall_s = NOW;
	j.until_s = NOW + 100;
	j.max_jobs = j.max_per_domain = j.max_per_unknown = 5;
	j.unpark = &dead;
	j.unpark_count = 1;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	assert_int_equal(j.lease_count, 5);
	/* Closed: nothing of it until then, whatever comes. */
	assert_int_equal(result(t, j.leases[0].token, j.leases[0].rcpts[0].id, QUEUE_OUT_DEFERRED, NOW, NOW + 60), 1);
	store_job_fini(&j.job);
	(void)put(t, "dead.example", 1, 0);
	assert_int_equal(lease(t, &j, NOW + 59, 10, 5), 0);
	assert_int_equal(j.next_s, NOW + 60);
	store_job_fini(&j.job);
	assert_int_equal(lease(t, &j, NOW + 60, 10, 5), 5);
	store_job_fini(&j.job);
}

static size_t lease_some(struct trial *t, struct queue_lease_job *j, const struct view *park)
{
	queue_lease_job_init(j);
	j->wall_s = NOW;
	j->until_s = NOW + 100;
	j->max_jobs = j->max_per_domain = 10;
	j->max_per_unknown = 2;
	j->park = park;
	j->park_count = park ? 1 : 0;
	assert_int_equal(trial_run(t, &j->job), STORE_OK);
	return j->lease_count;
}

static void reached(struct trial *t, const struct queue_lease *l)
{
	const struct queue_fate fate = {.id = l->rcpts[0].id, .outcome = QUEUE_OUT_SENT, .status = VIEW_LIT("2.0.0")};
	struct queue_result_job j;

	queue_result_job_init(&j);
	j.token = l->token;
	j.wall_s = NOW;
	j.mta = j.peer = j.tls = VIEW_EMPTY;
	j.reached = true;
	j.fates = &fate;
	j.fate_count = 1;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
}

static void a_destination_of_which_nothing_is_known(void **state)
{
	struct trial *t = *state;
	struct queue_lease_job a, b;
	const struct view far = VIEW_LIT("far.example");

	for (size_t i = 0; i < 30; i++)
		(void)put(t, "far.example", 1, 0);
	assert_int_equal(lease_some(t, &a, NULL), 2);
	assert_false(a.leases[0].reached);
	reached(t, &a.leases[0]); /* now it gets more */
	assert_int_equal(lease_some(t, &b, NULL), 10);
	assert_true(b.leases[0].reached);
	store_job_fini(&b.job);
	/* Parked: results do not change that. */
	assert_int_equal(lease_some(t, &b, &far), 0);
	store_job_fini(&b.job);
	reached(t, &a.leases[1]);
	assert_int_equal(lease_some(t, &b, NULL), 0);
	store_job_fini(&b.job);
	store_job_fini(&a.job);
}

/* Its row stays until it is due, so that the next message finds what is known of it. */
static void a_destination_that_answered(void **state)
{
	struct trial *t = *state;
	struct queue_lease_job j;

	for (size_t i = 0; i < 2; i++) {
		(void)put(t, "far.example", 1, 0);
		assert_int_equal(lease(t, &j, NOW, 10, 10), 1);
		assert_int_equal(j.leases[0].reached, i == 1);
		reached(t, &j.leases[0]);
		store_job_fini(&j.job);
		assert_int_equal(trial_rows(t, "queue_recipient"), 0);
		assert_int_equal(trial_rows(t, "queue_domain"), 1);
	}
	assert_int_equal(lease(t, &j, NOW + 100, 10, 10), 0);
	assert_int_equal(j.next_s, QUEUE_IDLE_S);
	store_job_fini(&j.job);
	assert_int_equal(trial_rows(t, "queue_domain"), 0);
}

static void relayd_comes_anew(void **state)
{
	struct trial *t = *state;
	struct queue_lease_job a, b;
	struct queue_resume_job r;
	uint64_t kept;

	for (size_t i = 0; i < 4; i++)
		(void)put(t, "far.example", 2, 0);
	assert_int_equal(lease(t, &a, NOW, 10, 10), 4);
	kept = a.leases[1].token;
	queue_resume_job_init(&r);
	r.wall_s = NOW + 1;
	r.tokens = &kept;
	r.token_count = 1;
	assert_int_equal(trial_run(t, &r.job), STORE_OK);
	store_job_fini(&r.job);
	assert_int_equal(lease(t, &b, NOW + 1, 10, 10), 3);
	for (size_t i = 0; i < 3; i++)
		assert_true(b.leases[i].envelope.message != a.leases[1].envelope.message);
	assert_int_equal(result(t, kept, a.leases[1].rcpts[0].id, QUEUE_OUT_SENT, NOW + 2, 0), 1);
	store_job_fini(&a.job);
	store_job_fini(&b.job);
}

/* One recipient's fate, and what it says of a destination. True: others wait because of that. */
static bool told(struct trial *t, const struct queue_lease *l, enum queue_outcome outcome, const char *destination,
		 int64_t closed)
{
	const struct queue_fate fate = {.id = l->rcpts[0].id,
					.outcome = outcome,
					.code = 451,
					.status = VIEW_LIT("4.0.0"),
					.text = VIEW_LIT("words")};
	struct queue_result_job j;

	queue_result_job_init(&j);
	j.token = l->token;
	j.wall_s = NOW;
	j.schedule = (struct queue_schedule){3600, 14400};
	j.mta = j.peer = j.tls = VIEW_EMPTY;
	j.destination = view_from_cstr(destination);
	j.closed_s = closed;
	j.reached = closed == 0;
	j.fates = &fate;
	j.fate_count = 1;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	assert_int_equal(j.ret_counted, 1);
	store_job_fini(&j.job);
	return j.ret_reopened;
}

static uint64_t wake(struct trial *t, const char *destination)
{
	struct queue_wake_job j;
	uint64_t n;

	queue_wake_job_init(&j);
	j.wall_s = NOW;
	j.destination = view_from_cstr(destination);
	j.why = "words";
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	n = j.ret_count;
	store_job_fini(&j.job);
	return n;
}

/* Two domains behind one host that is dead, then alive; who was told 4xx by it, or waits for another, is left alone. */
static void who_waits_for_a_dead_host(void **state)
{
	struct trial *t = *state;
	struct queue_lease_job a, b;

	for (size_t i = 0; i < 3; i++)
		(void)put(t, "one.example", 1, 0);
	(void)put(t, "two.example", 1, 0);
	(void)put(t, "elsewhere.example", 1, 0);
	assert_int_equal(lease(t, &a, NOW, 10, 10), 5);
	for (size_t i = 0; i < 5; i++) {
		bool elsewhere = view_eq(a.leases[i].domain, VIEW_LIT("elsewhere.example"));

		assert_false(told(t, &a.leases[i], QUEUE_OUT_DEFERRED, elsewhere ? "b" : "a", NOW + 600));
	}
	store_job_fini(&a.job);
	assert_int_equal(wake(t, "c"), 0);
	assert_int_equal(lease(t, &a, NOW, 10, 10), 0);
	store_job_fini(&a.job);
	/* New mail finds it alive: all that waited for it is due, the closed domains too. */
	assert_int_equal(lease(t, &a, NOW + 600, 10, 10), 0);
	store_job_fini(&a.job);
	(void)put(t, "three.example", 1, 0);
	assert_int_equal(lease(t, &a, NOW, 10, 10), 1);
	assert_false(told(t, &a.leases[0], QUEUE_OUT_RELEASED, "", 0));
	store_job_fini(&a.job);
	assert_int_equal(lease(t, &a, NOW, 10, 10), 1);
	assert_true(told(t, &a.leases[0], QUEUE_OUT_DEFERRED, "a", 0)); /* it said 4xx, but it answers */
	store_job_fini(&a.job);
	assert_int_equal(wake(t, "a"), 4);
	assert_int_equal(lease(t, &b, NOW, 10, 10), 4); /* not the one that it said 4xx for */
	for (size_t i = 0; i < 4; i++)
		assert_false(told(t, &b.leases[i], QUEUE_OUT_SENT, "a", 0));
	store_job_fini(&b.job);
	assert_int_equal(trial_rows(t, "queue_recipient"), 2);
	/* Another way: all. */
	assert_int_equal(wake(t, ""), 2);
	assert_int_equal(wake(t, ""), 0);
	assert_int_equal(lease(t, &b, NOW, 10, 10), 2);
	assert_int_equal(wake(t, ""), 0); /* not what is leased */
	assert_int_equal(lease(t, &a, NOW, 10, 10), 0);
	store_job_fini(&a.job);
	store_job_fini(&b.job);
}

static uint64_t change(struct trial *t, enum queue_change what, uint64_t message)
{
	struct queue_change_job j;
	uint64_t n;

	queue_change_job_init(&j);
	j.wall_s = NOW;
	j.change = what;
	j.message = message;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	n = j.ret_count;
	store_job_fini(&j.job);
	return n;
}

static void all_are_retried_a_part_at_a_time(void **state)
{
	enum { MESSAGES = 45, EACH = 10 };
	struct trial *t = *state;
	struct queue_place from = {0};
	uint64_t changed = 0, looked_at = 0;
	size_t parts = 0;
	bool more = true;

	for (size_t i = 0; i < MESSAGES; i++)
		(void)put(t, "far.example", EACH, 0);
	assert_int_equal(change(t, QUEUE_HOLD, put(t, "far.example", EACH, 0)), EACH);
	while (more) {
		struct queue_change_job j;

		queue_change_job_init(&j);
		j.wall_s = NOW;
		j.from = from;
		j.slices = 1;
		assert_int_equal(trial_run(t, &j.job), STORE_OK);
		changed += j.ret_count;
		looked_at += j.ret_looked_at;
		from = j.ret_place;
		more = j.ret_more;
		parts++;
		store_job_fini(&j.job);
	}
	assert_int_equal(changed, MESSAGES * EACH);
	assert_int_equal(looked_at, (MESSAGES + 1) * EACH);
	assert_int_equal(parts, 3); /* of 200 */
	assert_int_equal(change(t, QUEUE_RETRY, 0), MESSAGES * EACH);
}

static void many_wake_in_slices_and_the_held_sleep_on(void **state)
{
	struct trial *t = *state;
	struct queue_lease_job a;
	uint64_t held = 0;

	for (size_t i = 0; i < 45; i++)
		held = put(t, "far.example", 10, 0);
	for (size_t done = 0; done < 45; done += a.lease_count, store_job_fini(&a.job)) {
		assert_true(lease(t, &a, NOW, 25, 25) > 0);
		for (size_t i = 0; i < a.lease_count; i++)
			for (size_t k = 0; k < a.leases[i].rcpt_count; k++) {
				struct queue_lease one = a.leases[i];

				one.rcpts += k;
				(void)told(t, &one, QUEUE_OUT_DEFERRED, "a", 0); /* open, or no more would be leased */
			}
	}
	assert_int_equal(change(t, QUEUE_HOLD, held), 10);
	assert_int_equal(wake(t, "a"), 0); /* it answered */
	assert_int_equal(wake(t, ""), 440);
	assert_int_equal(wake(t, ""), 0);
	assert_int_equal(change(t, QUEUE_RELEASE, held), 10);
	/* Held while it is under way, and then its host goes. */
	assert_true(lease(t, &a, NOW, 50, 50) > 10);
	held = a.leases[0].envelope.message;
	assert_int_equal(change(t, QUEUE_HOLD, held), 10);
	for (size_t i = 0; i < a.lease_count; i++)
		assert_false(told(t, &a.leases[i], QUEUE_OUT_DEFERRED, i == 0 ? "b" : "a", NOW + 60));
	assert_int_equal(wake(t, "b"), 0);
	assert_int_equal(wake(t, "a"), a.lease_count - 1);
	assert_int_equal(wake(t, "a"), 0);
	store_job_fini(&a.job);
}

static void schedule(void **state)
{
	static const struct queue_schedule s = {60, 14400};
	static const int64_t wanted[] = {60, 120, 300, 600, 1200, 2400, 3600, 7200, 10800, 14400, 14400, 14400};

	(void)state;
	for (uint32_t n = 1; n <= ARRAY_LEN(wanted); n++) {
		bool differ = false;

		for (uint64_t m = 1; m < 50; m++) {
			int64_t at = queue_next_s(&s, n, NOW, m << 22, VIEW_LIT("a.example")) - NOW;

			assert_true(at >= wanted[n - 1] * 9 / 10 && at <= wanted[n - 1] * 11 / 10);
			assert_int_equal(at, queue_next_s(&s, n, NOW, m << 22, VIEW_LIT("a.example")) - NOW);
			differ |= at != queue_next_s(&s, n, NOW, 50 << 22, VIEW_LIT("a.example")) - NOW;
		}
		assert_true(differ);
	}
}

static const struct view patient[] = {VIEW_LIT("backup.example"), VIEW_LIT(".below.example")};

static size_t age(struct trial *t, int64_t now)
{
	struct queue_age_job j;
	size_t n;

	queue_age_job_init(&j);
	j.wall_s = now;
	j.lifetime_s = 5 * 86400;
	j.delay_after_s = 4 * 3600;
	j.patient = patient;
	j.patient_count = ARRAY_LEN(patient);
	j.patient_lifetime_s = 14 * 86400;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	n = j.ret_notices;
	store_job_fini(&j.job);
	return n;
}

/* Ids sort by the clock of now, so this test's times are real. */
static void old_mail(void **state)
{
	struct trial *t = *state;
	struct queue_notices told;
	uint64_t first = put(t, "far.example", 3, 0);
	int64_t now = id_wall_us(first) / 1000000;

	(void)put(t, "far.example", 2, 1); /* NOTIFY=NEVER */
	assert_int_equal(age(t, now + 3600), 0);
	assert_int_equal(age(t, now + 4 * 3600 + 60), 3);
	assert_int_equal(age(t, now + 5 * 3600), 0); /* once */
	assert_int_equal(queue_next_notices(t->reader, 0, &t->arena, &told), STORE_OK);
	assert_true(told.envelope.message == first && told.count == 3 && told.items[0].notice == QUEUE_DELAYED);
	assert_int_equal(age(t, now + 5 * 86400 + 60), 3);
	assert_int_equal(trial_rows(t, "queue_recipient"), 3); /* the two nobody is told of are gone */
	trial_reset(t);
	assert_int_equal(queue_next_notices(t->reader, 0, &t->arena, &told), STORE_OK);
	assert_true(told.count == 3 && told.items[0].notice == QUEUE_EXPIRED);
}

static void settle_told(struct trial *t, const struct queue_notices *told)
{
	struct queue_settle_job j;

	queue_settle_job_init(&j);
	j.message = told->envelope.message;
	j.told = told->items;
	j.count = told->count;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
}

/* While the sender is told that it is late, the other server refuses it: he is told that too. */
static void an_end_while_a_delay_is_told(void **state)
{
	struct trial *t = *state;
	struct queue_notices delayed, failed;
	struct queue_lease_job a;
	int64_t now = id_wall_us(put(t, "far.example", 1, 0)) / 1000000;

	assert_int_equal(age(t, now + 4 * 3600 + 60), 1);
	assert_int_equal(queue_next_notices(t->reader, 0, &t->arena, &delayed), STORE_OK);
	assert_int_equal(lease(t, &a, NOW, 10, 10), 1);
	assert_int_equal(result(t, a.leases[0].token, a.leases[0].rcpts[0].id, QUEUE_OUT_FAILED, NOW, 0), 1);
	settle_told(t, &delayed);
	assert_int_equal(queue_next_notices(t->reader, 0, &t->arena, &failed), STORE_OK);
	assert_true(failed.count == 1 && failed.items[0].notice == QUEUE_FAILED);
	settle_told(t, &failed);
	assert_int_equal(trial_rows(t, "queue_message"), 0);
	store_job_fini(&a.job);
}

/* More than one slice takes, of one message. */
static void many_recipients(void **state)
{
	enum { MANY = 300 };
	struct trial *t = *state;
	uint64_t id = put(t, "far.example", MANY, 0), other = put(t, "far.example", 1, 0);
	int64_t now = id_wall_us(id) / 1000000;

	assert_true(id < other);
	assert_int_equal(change(t, QUEUE_HOLD, id), MANY);
	assert_int_equal(change(t, QUEUE_RETRY, 0), 1);
	assert_int_equal(change(t, QUEUE_RELEASE, id), MANY);
	assert_int_equal(age(t, now + 4 * 3600 + 60), MANY + 1); /* all hear of the delay */
	assert_int_equal(age(t, now + 5 * 3600), 0); /* once */
	assert_int_equal(age(t, now + 5 * 86400 + 60), MANY + 1);
	assert_int_equal(change(t, QUEUE_REMOVE, id), MANY);
	assert_int_equal(trial_rows(t, "queue_message"), 1);
}

static uint64_t mend_clock(struct trial *t, int64_t now)
{
	struct queue_clock_job j;

	queue_clock_job_init(&j);
	j.wall_s = now;
	j.longest_s = 7200;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
	return j.ret_count;
}

/* What the queue was told while the clock was years ahead counts no more once it is right again. */
static void a_clock_that_was_years_ahead(void **state)
{
	enum { MANY = 250, AHEAD_S = 10 * 365 * 86400 };
	struct trial *t = *state;
	struct queue_lease_job a, b;
	uint64_t held;

	(void)put(t, "far.example", MANY, 0);
	(void)put(t, "dead.example", 1, 0);
	held = put(t, "held.example", 2, 0);
	assert_int_equal(change(t, QUEUE_HOLD, held), 2);
	assert_int_equal(mend_clock(t, NOW), 0);
	/* Ahead: 101 leased, one that closed its destination, the others due. */
	assert_int_equal(lease(t, &a, NOW + AHEAD_S, 2, 1), 2);
	assert_int_equal(a.leases[0].rcpt_count, 1);
	assert_int_equal(result(t, a.leases[0].token, a.leases[0].rcpts[0].id, QUEUE_OUT_DEFERRED, NOW + AHEAD_S,
				NOW + AHEAD_S + 1800),
			 1);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(
		    result(t, a.leases[1].token, a.leases[1].rcpts[i].id, QUEUE_OUT_DEFERRED, NOW + AHEAD_S, 0), 1);
	/* Back. */
	assert_int_equal(lease(t, &b, NOW, 10, 10), 2); /* those that it never came to */
	assert_true(b.rcpt_count == MANY - 100 && b.next_s == NOW + 100);
	assert_int_equal(mend_clock(t, NOW), 101);
	assert_int_equal(mend_clock(t, NOW), 0);
	store_job_fini(&b.job);
	assert_int_equal(lease(t, &b, NOW, 10, 10), 2);
	assert_int_equal(b.rcpt_count, 11);
	store_job_fini(&b.job);
	assert_int_equal(lease(t, &b, NOW + 7200, 64, 64), 4); /* leases run out as they should; nothing else is lost */
	assert_int_equal(b.rcpt_count, MANY + 1);
	store_job_fini(&b.job);
	store_job_fini(&a.job);
}

static size_t age_ahead(struct trial *t, int64_t now)
{
	struct queue_age_job j;
	size_t notices;

	queue_age_job_init(&j);
	j.wall_s = now;
	j.lifetime_s = 5 * 86400;
	j.delay_after_s = 4 * 3600;
	j.ahead = true;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	notices = j.ret_notices;
	store_job_fini(&j.job);
	return notices;
}

/* Ids only rise: what came while the clock was ahead, and since, has ids of later than now, and yet grows old. */
static void mail_with_ids_of_later(void **state)
{
	enum { MANY = 250 };
	const int64_t ahead_us = 10LL * 365 * 86400 * 1000000, now = NOW - 86400;
	struct trial *t = *state;
	struct queue_notices told;
	uint64_t first;

	clock_shift_wall(ahead_us);
	first = put(t, "far.example", MANY, 0); /* at NOW, says its envelope: a day from now */
	clock_shift_wall(-ahead_us);
	assert_true(put(t, "other.example", 1, 0) > first);
	assert_int_equal(age_ahead(t, now + 3 * 86400), MANY + 1); /* by its envelope; that is not enough: */
	assert_int_equal(queue_next_notices(t->reader, 0, &t->arena, &told), STORE_OK);
	settle_told(t, &told);
	assert_int_equal(mend_clock(t, now), MANY + 1); /* due a day from now, they said */
	assert_int_equal(age_ahead(t, now + 5 * 86400 - 60), 0);
	assert_int_equal(age_ahead(t, now + 5 * 86400 + 60), MANY + 1);
	assert_int_equal(age_ahead(t, now + 5 * 86400 + 120), 0);
}

/* Delays that were told of by a clock that was ahead are no reason to tell of no other. */
static void delays_after_a_clock_that_was_ahead(void **state)
{
	struct trial *t = *state;
	int64_t now = id_wall_us(put(t, "far.example", 1, 1)) / 1000000;

	assert_int_equal(age(t, now + 3 * 86400), 0); /* NOTIFY=NEVER */
	(void)put(t, "far.example", 1, 0);
	assert_int_equal(age(t, now + 60), 0);
	assert_int_equal(age(t, now + 4 * 3600 + 60), 1);
}

/* One transaction leases so many recipients, however many jobs there is credit for; the next takes the others. */
static void a_lease_job_ends_soon(void **state)
{
	enum { MESSAGES = 20, EACH = 100, SOON = 1100 };
	struct trial *t = *state;
	struct queue_lease_job j;
	size_t leased = 0;

	for (size_t i = 0; i < MESSAGES; i++) {
		char domain[] = "a.example";

		domain[0] = (char)(domain[0] + (char)i);
		(void)put(t, domain, EACH, 0);
	}
	for (size_t jobs = 0; leased < MESSAGES * EACH; jobs++) {
		size_t n = 0;

		(void)lease(t, &j, NOW, 64, 50);
		for (size_t i = 0; i < j.lease_count; i++)
			n += j.leases[i].rcpt_count;
		leased += n;
		assert_true(n > 0 && n < SOON && n == j.rcpt_count);
		assert_true(j.more == (leased < MESSAGES * EACH));
		assert_true(jobs < 3);
		store_job_fini(&j.job);
	}
}

/* What is said of it afterwards still counts: it is not sent twice. */
static void held_while_it_is_under_way(void **state)
{
	struct trial *t = *state;
	uint64_t id = put(t, "far.example", 3, 0);
	struct queue_lease_job a, b;

	assert_int_equal(lease(t, &a, NOW, 10, 10), 1);
	assert_int_equal(change(t, QUEUE_HOLD, id), 3);
	assert_int_equal(result(t, a.leases[0].token, a.leases[0].rcpts[0].id, QUEUE_OUT_SENT, NOW, 0), 1);
	assert_int_equal(result(t, a.leases[0].token, a.leases[0].rcpts[1].id, QUEUE_OUT_DEFERRED, NOW, 0), 1);
	assert_int_equal(trial_rows(t, "queue_recipient"), 2);
	assert_int_equal(lease(t, &b, NOW + 1000, 10, 10), 0); /* the third: its lease ran out */
	assert_true(b.next_s == QUEUE_IDLE_S);
	store_job_fini(&b.job);
	assert_int_equal(change(t, QUEUE_RELEASE, id), 2);
	assert_int_equal(lease(t, &b, NOW + 1000, 10, 10), 1);
	assert_int_equal(b.leases[0].rcpt_count, 2);
	store_job_fini(&a.job);
	store_job_fini(&b.job);
}

static void mail_of_domains_we_are_the_backup_of(void **state)
{
	struct trial *t = *state;
	uint64_t first = put(t, "backup.example", 1, 0);
	int64_t now = id_wall_us(first) / 1000000;

	(void)put(t, "x.below.example", 1, 0);
	(void)put(t, "below.example", 1, 0); /* not below itself */
	assert_int_equal(age(t, now + 4 * 3600 + 60), 1);
	assert_int_equal(age(t, now + 5 * 86400 + 60), 1);
	assert_int_equal(age(t, now + 13 * 86400), 0);
	assert_int_equal(age(t, now + 14 * 86400 + 60), 2);
	assert_int_equal(trial_rows(t, "queue_recipient"), 3); /* until their senders are told */
}

/* ---- summaries ---- */

static uint64_t put_for(struct trial *t, uint64_t account, size_t remotes, bool local)
{
	struct deliver_remote r[2] = {
	    {.address = VIEW_LIT("a@far.example"), .domain = VIEW_LIT("far.example")},
	    {.address = VIEW_LIT("b@far.example"), .domain = VIEW_LIT("far.example"), .notify = 1}};
	struct deliver_local l = {.account = account, .prefix = VIEW_LIT("x: y\r\n")};
	struct trace_event events[3] = {{.kind = TRACE_DELIVERED, .address = VIEW_LIT("c@example.org")}};
	struct deliver_job j;
	uint64_t id;

	deliver_job_init(&j);
	id = j.message.id = store_next_id(t->store);
	j.message.header = VIEW_LIT("Subject: x\r\n\r\n");
	j.message.content = VIEW_LIT("hello\r\n");
	j.message.index = j.message.header_add = VIEW_EMPTY;
	j.wall_s = NOW;
	j.account = account;
	j.remotes = r;
	j.remote_count = remotes;
	j.locals = &l;
	j.local_count = local;
	j.remote_prefix = VIEW_LIT("Received: x\r\n");
	j.sender = VIEW_LIT("a@example.org");
	j.envid = VIEW_EMPTY;
	events[0].message = id;
	j.events = events;
	j.event_count = local;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
	return id;
}

static void set_confirm(struct trial *t, const char *address, bool on)
{
	struct account_confirm_job j;

	account_confirm_job_init(&j);
	j.address = view_from_cstr(address);
	j.on = on;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
}

static enum store_outcome next_sum(struct trial *t, uint64_t after, struct queue_sum *ret)
{
	arena_reset(&t->arena);
	return queue_next_sum(t->reader, after, &t->arena, ret);
}

/* The summary itself: into the same account, and the envelope goes. */
static enum store_outcome sum_up(struct trial *t, uint64_t account, uint64_t of)
{
	struct deliver_local l = {.account = account, .prefix = VIEW_LIT("x: y\r\n")};
	struct deliver_job j;
	enum store_outcome outcome;

	deliver_job_init(&j);
	j.message.id = store_next_id(t->store);
	j.message.header = VIEW_LIT("Subject: sum\r\n\r\n");
	j.message.content = j.message.index = j.message.header_add = VIEW_EMPTY;
	j.wall_s = NOW;
	j.locals = &l;
	j.local_count = 1;
	j.sender = j.envid = VIEW_EMPTY;
	j.summary_of = of;
	outcome = trial_run(t, &j.job);
	store_job_fini(&j.job);
	return outcome;
}

static void summaries(void **state)
{
	struct trial *t = *state;
	uint64_t account = trial_account(t, "a@example.org", 0), id;
	struct queue_lease_job a;
	struct queue_sum sum;

	(void)put_for(t, account, 0, true); /* not switched on: nothing stays */
	assert_int_equal(trial_rows(t, "queue_message"), 0);
	set_confirm(t, "a@example.org", true);
	id = put_for(t, account, 2, true);
	assert_int_equal(next_sum(t, 0, &sum), STORE_NO_MESSAGE);
	assert_int_equal(lease(t, &a, NOW, 10, 10), 1);
	assert_int_equal(result(t, a.leases[0].token, a.leases[0].rcpts[0].id, QUEUE_OUT_SENT, NOW, 0), 1);
	assert_int_equal(next_sum(t, 0, &sum), STORE_NO_MESSAGE); /* one fate is open */
	assert_int_equal(result(t, a.leases[0].token, a.leases[0].rcpts[1].id, QUEUE_OUT_FAILED, NOW, 0), 1);
	store_job_fini(&a.job);
	assert_int_equal(next_sum(t, 0, &sum), STORE_OK);
	assert_true(sum.envelope.message == id && sum.envelope.account == account && sum.count == 3);
	assert_true(sum.events[1].kind == TRACE_SENT && sum.events[2].kind == TRACE_FAILED);
	assert_true(view_eq_lit(sum.header, "Subject: x\r\n\r\n"));
	assert_int_equal(next_sum(t, id, &sum), STORE_NO_MESSAGE);
	assert_int_equal(sum_up(t, account, id), STORE_OK);
	assert_int_equal(trial_rows(t, "queue_message"), 0);
	assert_int_equal(sum_up(t, account, id), STORE_NO_MESSAGE); /* one, and no second */
	id = put_for(t, account, 0, true); /* all known at once */
	assert_int_equal(next_sum(t, 0, &sum), STORE_OK);
	assert_true(sum.envelope.message == id && sum.count == 1);
	set_confirm(t, "a@example.org", false);
	(void)put_for(t, account, 0, true);
	assert_int_equal(trial_rows(t, "queue_message"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(mail_of_domains_we_are_the_backup_of, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(leases_and_fencing, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(many_recipients, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(a_clock_that_was_years_ahead, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(mail_with_ids_of_later, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(delays_after_a_clock_that_was_ahead, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(a_lease_job_ends_soon, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(held_while_it_is_under_way, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(an_end_while_a_delay_is_told, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(leased_with_the_message, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(not_kept_and_not_leased, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(one_destination_beside_another, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(a_destination_of_which_nothing_is_known, trial_setup_domain,
					    trial_teardown),
	    cmocka_unit_test_setup_teardown(a_destination_that_answered, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(relayd_comes_anew, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(what_is_forwarded_goes_apart, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(summaries, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(who_waits_for_a_dead_host, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(all_are_retried_a_part_at_a_time, trial_setup_domain, trial_teardown),
	    cmocka_unit_test_setup_teardown(many_wake_in_slices_and_the_held_sleep_on, trial_setup_domain,
					    trial_teardown),
	    cmocka_unit_test(schedule),
	    cmocka_unit_test_setup_teardown(old_mail, trial_setup_domain, trial_teardown),
	};

	vfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
