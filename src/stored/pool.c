/* SPDX-License-Identifier: ISC
 * A few threads that take tasks in turn. */
#include "stored/pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

STAILQ_HEAD(task_list, task);

struct worker {
	struct pool *pool;
	pthread_t thread;
	unsigned index;
	const void *lane; /* of the task that runs now */
};

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct task_list waiting;
	size_t n_waiting;
	size_t max_waiting;
	struct completions *completions;
	bool ending;
	unsigned n;
	struct worker workers[];
};

static bool lane_is_busy(const struct pool *p, const void *lane)
{
	for (unsigned i = 0; lane && i < p->n; i++)
		if (p->workers[i].lane == lane)
			return true;
	return false;
}

/* The first task whose lane is free, or NULL. */
static struct task *next_task(struct pool *p)
{
	struct task *t;

	STAILQ_FOREACH (t, &p->waiting, link) {
		if (lane_is_busy(p, t->lane))
			continue;
		STAILQ_REMOVE(&p->waiting, t, task, link);
		p->n_waiting--;
		return t;
	}
	return NULL;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct pool *p = w->pool;

	(void)pthread_mutex_lock(&p->lock);
	for (;;) {
		struct task *t = next_task(p);

		if (!t) {
			if (p->ending && STAILQ_EMPTY(&p->waiting))
				break;
			(void)pthread_cond_wait(&p->more, &p->lock);
			continue;
		}
		w->lane = t->lane;
		(void)pthread_mutex_unlock(&p->lock);
		t->run(t, w->index);
		(void)pthread_mutex_lock(&p->lock);
		w->lane = NULL;
		if (t->lane)
			(void)pthread_cond_signal(&p->more); /* the lane's next task may have been passed over */
		completions_put(p->completions, &t->completion);
	}
	(void)pthread_cond_broadcast(&p->more);
	(void)pthread_mutex_unlock(&p->lock);
	return NULL;
}

int pool_new(struct completions *cs, unsigned threads, size_t max_waiting, struct pool **ret)
{
	struct pool *p = xcalloc(1, sizeof *p + threads * sizeof p->workers[0]);
	sigset_t all, old;

	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_cond_init(&p->more, NULL);
	STAILQ_INIT(&p->waiting);
	p->max_waiting = max_waiting;
	p->completions = cs;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old); /* signals go to the loop's thread */
	for (unsigned i = 0; i < threads; i++) {
		p->workers[i] = (struct worker){.pool = p, .index = i};
		if (pthread_create(&p->workers[i].thread, NULL, work, &p->workers[i]) != 0)
			break;
		p->n++;
	}
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (p->n < threads) {
		pool_free(&p);
		return -EAGAIN;
	}
	*ret = p;
	return 0;
}

void pool_free(struct pool **pp)
{
	struct pool *p = *pp;

	if (!p)
		return;
	(void)pthread_mutex_lock(&p->lock);
	p->ending = true;
	(void)pthread_cond_broadcast(&p->more);
	(void)pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->n; i++)
		(void)pthread_join(p->workers[i].thread, NULL);
	(void)pthread_cond_destroy(&p->more);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
	*pp = NULL;
}

bool pool_put(struct pool *p, struct task *t)
{
	bool taken;

	assert(!p->ending);
	(void)pthread_mutex_lock(&p->lock);
	taken = p->n_waiting < p->max_waiting;
	if (taken) {
		STAILQ_INSERT_TAIL(&p->waiting, t, link);
		p->n_waiting++;
		(void)pthread_cond_signal(&p->more);
	}
	(void)pthread_mutex_unlock(&p->lock);
	return taken;
}
