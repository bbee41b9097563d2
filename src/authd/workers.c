/* SPDX-License-Identifier: ISC
 * Threads for what takes milliseconds; results come back to the loop through an eventfd. */
#include "authd/workers.h"

#include <assert.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { STACK_BYTES = 256 * 1024 };

struct queue {
	struct work *first;
	struct work **last;
	size_t n;
};

struct workers {
	pthread_mutex_t lock; /* of the queues and `ending` */
	pthread_cond_t more;
	struct queue todo[2]; /* the first is served first */
	struct queue finished;
	bool ending;
	size_t queue_max;
	pthread_t *threads;
	size_t n_threads;
	int wake_fd;
	struct event *wake;
};

static void put(struct queue *q, struct work *work)
{
	work->next = NULL;
	*q->last = work;
	q->last = &work->next;
	q->n++;
}

static struct work *take(struct queue *q)
{
	struct work *work = q->first;

	if (!work)
		return NULL;
	q->first = work->next;
	if (!q->first)
		q->last = &q->first;
	q->n--;
	return work;
}

static void *serve(void *arg)
{
	static const uint64_t one = 1;
	struct workers *w = arg;

	(void)pthread_mutex_lock(&w->lock);
	for (;;) {
		struct work *work;

		while (!w->todo[0].first && !w->todo[1].first && !w->ending)
			(void)pthread_cond_wait(&w->more, &w->lock);
		if (w->ending)
			break;
		work = take(&w->todo[w->todo[0].first ? 0 : 1]);
		(void)pthread_mutex_unlock(&w->lock);
		work->run(work);
		(void)pthread_mutex_lock(&w->lock);
		put(&w->finished, work);
		(void)!write(w->wake_fd, &one, sizeof one); /* full is as good: it is readable then */
	}
	(void)pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct workers *w = arg;
	struct queue now = {NULL, NULL, 0};
	struct work *work;
	uint64_t count;

	(void)what;
	(void)!read(fd, &count, sizeof count);
	(void)pthread_mutex_lock(&w->lock);
	if (w->finished.first) {
		now = w->finished;
		w->finished = (struct queue){NULL, &w->finished.first, 0};
	}
	(void)pthread_mutex_unlock(&w->lock);
	while ((work = now.first)) {
		now.first = work->next;
		work->done(work);
	}
}

static void start_threads(struct workers *w, size_t n)
{
	pthread_attr_t attr;
	sigset_t all, before;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
	w->threads = xcalloc(n, sizeof *w->threads);
	while (w->n_threads < n && pthread_create(&w->threads[w->n_threads], &attr, serve, w) == 0)
		w->n_threads++;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
	assert(w->n_threads > 0);
}

struct workers *workers_new(struct event_base *base, size_t threads, size_t queue_max)
{
	struct workers *w = xcalloc(1, sizeof *w);

	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_cond_init(&w->more, NULL);
	for (size_t i = 0; i < ARRAY_LEN(w->todo); i++)
		w->todo[i].last = &w->todo[i].first;
	w->finished.last = &w->finished.first;
	w->queue_max = queue_max;
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->wake = event_new(base, w->wake_fd, EV_READ | EV_PERSIST, on_wake, w);
	assert(w->wake_fd >= 0 && w->wake && event_add(w->wake, NULL) == 0);
	start_threads(w, threads);
	return w;
}

void workers_free(struct workers **wp)
{
	struct workers *w = *wp;

	*wp = NULL;
	if (!w)
		return;
	(void)pthread_mutex_lock(&w->lock);
	w->ending = true;
	(void)pthread_cond_broadcast(&w->more);
	(void)pthread_mutex_unlock(&w->lock);
	for (size_t i = 0; i < w->n_threads; i++)
		(void)pthread_join(w->threads[i], NULL);
	event_free(w->wake);
	(void)close(w->wake_fd);
	(void)pthread_mutex_destroy(&w->lock);
	(void)pthread_cond_destroy(&w->more);
	free(w->threads);
	free(w);
}

bool workers_add(struct workers *w, struct work *work, bool first)
{
	struct queue *q = &w->todo[first ? 0 : 1];
	bool taken;

	(void)pthread_mutex_lock(&w->lock);
	taken = q->n < w->queue_max;
	if (taken) {
		put(q, work);
		(void)pthread_cond_signal(&w->more);
	}
	(void)pthread_mutex_unlock(&w->lock);
	return taken;
}
