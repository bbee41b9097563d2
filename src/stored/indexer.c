/* SPDX-License-Identifier: ISC
 * The thread that keeps search indexes up to date. */
#include "stored/indexer.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "store/search_write.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
	REST_MS = 2000, /* from the first change to an account to the look at it: more may come */
	RETRY_MS = 60000, /* after a failure */
	TICK_MS = 1000,
	ACCOUNTS_PAGE = 256,
	TOUCHED_MAX = 100000, /* accounts waiting; more are found by looking at all */
	PRIORITY = 19,
};

struct indexer {
	struct store *store;
	struct store_reader *reader;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	bool ending;
	/* Under the lock: */
	struct map due; /* account → clock_mono_ms() when to look at it */
	bool rebuild_asked;
	uint64_t rebuild_account;
	struct indexer_progress progress;
	/* The thread's own: */
	bool walking; /* through all accounts */
	uint64_t walked; /* last account of the walk */
};

static uint64_t due_of(void *v)
{
	return (uint64_t)(uintptr_t)v;
}

/* The lock is held. */
static void put_due(struct indexer *x, uint64_t account, uint64_t at_ms)
{
	if (account && !map_u64_get(&x->due, account))
		(void)map_u64_set(&x->due, account, (void *)(uintptr_t)at_ms);
}

void indexer_touch(struct indexer *x, uint64_t account)
{
	if (!x)
		return;
	(void)pthread_mutex_lock(&x->lock);
	if (x->due.count < TOUCHED_MAX)
		put_due(x, account, clock_mono_ms() + REST_MS);
	(void)pthread_mutex_unlock(&x->lock);
}

bool indexer_rebuild(struct indexer *x, uint64_t account)
{
	bool taken;

	(void)pthread_mutex_lock(&x->lock);
	taken = !x->progress.running;
	if (taken) {
		x->rebuild_asked = true;
		x->rebuild_account = account;
		x->progress = (struct indexer_progress){.running = true};
		(void)pthread_cond_signal(&x->more);
	}
	(void)pthread_mutex_unlock(&x->lock);
	return taken;
}

void indexer_progress(struct indexer *x, struct indexer_progress *ret)
{
	(void)pthread_mutex_lock(&x->lock);
	*ret = x->progress;
	(void)pthread_mutex_unlock(&x->lock);
}

/* ---- one account ---- */

static bool is_ending(struct indexer *x)
{
	bool ending;

	(void)pthread_mutex_lock(&x->lock);
	ending = x->ending;
	(void)pthread_mutex_unlock(&x->lock);
	return ending;
}

static void log_failure(uint64_t account, int error)
{
	struct log_line l;

	log_begin(&l, LOG_LEVEL_WARNING, "search-index-failed");
	log_u64(&l, "account", account);
	log_errno(&l, error);
	log_end(&l);
}

static void tell_progress(struct indexer *x, const struct search_progress *p)
{
	(void)pthread_mutex_lock(&x->lock);
	if (p->done < x->progress.messages_done)
		x->progress.messages_done = 0; /* another account */
	x->progress.messages_all += p->done - x->progress.messages_done;
	x->progress.messages = p->total;
	x->progress.messages_done = p->done;
	(void)pthread_mutex_unlock(&x->lock);
}

/* 0 or negative errno. */
static int index_account(struct indexer *x, uint64_t account, bool rebuild)
{
	struct search_progress p = {0, 0};
	struct search_writer *w = NULL;
	int rc;

	if (rebuild)
		search_drop(x->store, account);
	else if (!search_is_due(x->reader, account))
		return 0;
	rc = search_writer_open(x->reader, account, &w);
	rc = rc < 0 ? rc : 1;
	while (rc > 0 && !is_ending(x)) {
		rc = search_writer_step(w, &p);
		if (rebuild)
			tell_progress(x, &p);
	}
	search_writer_close(&w);
	if (rc < 0 && rc != -ESTALE) {
		log_failure(account, rc);
		(void)pthread_mutex_lock(&x->lock);
		put_due(x, account, clock_mono_ms() + RETRY_MS);
		(void)pthread_mutex_unlock(&x->lock);
	}
	return rc < 0 ? rc : 0;
}

/* ---- what is next ---- */

static uint64_t take_due(struct indexer *x)
{
	uint64_t now = clock_mono_ms(), account = 0;

	(void)pthread_mutex_lock(&x->lock);
	for (struct map_entry *e = map_first(&x->due); e && account == 0; e = map_next(&x->due, e))
		if (due_of(map_value(e)) <= now)
			memcpy(&account, map_key(e).p, sizeof account);
	if (account)
		(void)map_u64_remove(&x->due, account);
	(void)pthread_mutex_unlock(&x->lock);
	return account;
}

static void index_damaged(struct indexer *x)
{
	uint64_t account = search_take_damaged(x->store);
	struct log_line l;

	if (!account)
		return;
	log_begin(&l, LOG_LEVEL_WARNING, "search-index-damaged");
	log_u64(&l, "account", account);
	log_end(&l);
	(void)index_account(x, account, true);
}

/* The next account of the walk through all. */
static void walk(struct indexer *x)
{
	uint64_t account;
	size_t n;

	if (search_accounts(x->reader, x->walked, &account, 1, &n) != STORE_OK || n == 0) {
		x->walking = false;
		return;
	}
	x->walked = account;
	(void)index_account(x, account, false);
}

static void count_accounts(struct indexer *x)
{
	uint64_t ids[ACCOUNTS_PAGE], total = 0, after = 0;
	size_t n = ACCOUNTS_PAGE;

	while (n == ACCOUNTS_PAGE && search_accounts(x->reader, after, ids, ACCOUNTS_PAGE, &n) == STORE_OK) {
		total += n;
		after = n ? ids[n - 1] : after;
	}
	(void)pthread_mutex_lock(&x->lock);
	x->progress.accounts = total;
	(void)pthread_mutex_unlock(&x->lock);
}

static void account_done(struct indexer *x, bool failed)
{
	(void)pthread_mutex_lock(&x->lock);
	x->progress.accounts_done++;
	x->progress.accounts_failed += failed;
	(void)pthread_mutex_unlock(&x->lock);
}

static void rebuild(struct indexer *x, uint64_t only)
{
	uint64_t account = only, after = 0;
	size_t n = 1;

	if (!only)
		count_accounts(x);
	while (!is_ending(x)) {
		if (!only && (search_accounts(x->reader, after, &account, 1, &n) != STORE_OK || n == 0))
			break;
		account_done(x, index_account(x, account, true) < 0);
		after = account;
		if (only)
			break;
	}
	(void)pthread_mutex_lock(&x->lock);
	x->progress.running = false;
	(void)pthread_mutex_unlock(&x->lock);
}

static bool take_rebuild(struct indexer *x, uint64_t *ret_account)
{
	bool asked;

	(void)pthread_mutex_lock(&x->lock);
	asked = x->rebuild_asked;
	x->rebuild_asked = false;
	*ret_account = x->rebuild_account;
	if (asked)
		x->progress.accounts = 1;
	(void)pthread_mutex_unlock(&x->lock);
	return asked;
}

static void rest(struct indexer *x)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += TICK_MS / 1000;
	(void)pthread_mutex_lock(&x->lock);
	if (!x->ending && !x->rebuild_asked)
		(void)pthread_cond_timedwait(&x->more, &x->lock, &until);
	(void)pthread_mutex_unlock(&x->lock);
}

static void *work(void *arg)
{
	struct indexer *x = arg;

	(void)setpriority(PRIO_PROCESS, 0, PRIORITY); /* on Linux: of this thread */
	search_sweep(x->reader);
	while (!is_ending(x)) {
		uint64_t account;

		if (take_rebuild(x, &account))
			rebuild(x, account);
		index_damaged(x);
		account = take_due(x);
		if (account)
			(void)index_account(x, account, false);
		else if (x->walking)
			walk(x);
		else
			rest(x);
	}
	return NULL;
}

int indexer_new(struct store *s, struct indexer **ret)
{
	struct indexer *x = xcalloc(1, sizeof *x);
	pthread_condattr_t monotonic;
	sigset_t all, old;
	int rc;

	x->store = s;
	x->walking = true;
	map_init(&x->due);
	(void)pthread_mutex_init(&x->lock, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&x->more, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	rc = store_reader_open(s, &x->reader);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old); /* signals go to the loop's thread */
	if (rc == 0)
		rc = -pthread_create(&x->thread, NULL, work, x);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc < 0) {
		store_reader_close(&x->reader);
		map_fini(&x->due);
		free(x);
		return rc;
	}
	*ret = x;
	return 0;
}

void indexer_free(struct indexer **xp)
{
	struct indexer *x = *xp;

	if (!x)
		return;
	(void)pthread_mutex_lock(&x->lock);
	x->ending = true;
	(void)pthread_cond_signal(&x->more);
	(void)pthread_mutex_unlock(&x->lock);
	(void)pthread_join(x->thread, NULL);
	store_reader_close(&x->reader);
	map_fini(&x->due);
	(void)pthread_cond_destroy(&x->more);
	(void)pthread_mutex_destroy(&x->lock);
	free(x);
	*xp = NULL;
}
