/* SPDX-License-Identifier: ISC
 * A thread for each front end; their ends come back to the loop through an eventfd. */
#include "keyd/fronts.h"

#include "ipc/channel.h"
#include "keyd/front.h"

#include <assert.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { STACK_BYTES = 256 * 1024 };

struct served {
	struct fronts *all;
	struct front *front;
	pthread_t thread;
	const char *odd; /* how it ended */
	struct served *next;
};

struct fronts {
	struct keys *keys;
	size_t n;
	pthread_mutex_t lock; /* of `ended` */
	struct served *ended;
	int wake_fd;
	struct event *wake;
};

static void *serve(void *arg)
{
	static const uint64_t one = 1;
	struct served *s = arg;

	s->odd = front_run(s->front);
	(void)pthread_mutex_lock(&s->all->lock);
	s->next = s->all->ended;
	s->all->ended = s;
	(void)!write(s->all->wake_fd, &one, sizeof one);
	(void)pthread_mutex_unlock(&s->all->lock);
	return NULL;
}

static void end(struct fronts *f, struct served *s)
{
	(void)pthread_join(s->thread, NULL);
	channel_ended(front_fd(s->front), s->odd);
	front_free(&s->front);
	free(s);
	f->n--;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct fronts *f = arg;
	struct served *s, *next;
	uint64_t count;

	(void)what;
	(void)!read(fd, &count, sizeof count);
	(void)pthread_mutex_lock(&f->lock);
	s = f->ended;
	f->ended = NULL;
	(void)pthread_mutex_unlock(&f->lock);
	for (; s; s = next) {
		next = s->next;
		end(f, s);
	}
}

struct fronts *fronts_new(struct event_base *base, struct keys *k)
{
	struct fronts *f = xcalloc(1, sizeof *f);

	f->keys = k;
	(void)pthread_mutex_init(&f->lock, NULL);
	f->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->wake = event_new(base, f->wake_fd, EV_READ | EV_PERSIST, on_wake, f);
	assert(f->wake_fd >= 0 && f->wake && event_add(f->wake, NULL) == 0);
	return f;
}

static int start_thread(struct served *s)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int r;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
	r = -pthread_create(&s->thread, &attr, serve, s);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
	return r;
}

int fronts_add(struct fronts *f, int fd)
{
	struct served *s = xcalloc(1, sizeof *s);
	int r;

	s->all = f;
	s->front = front_new(fd, f->keys);
	r = start_thread(s);
	if (r == 0) {
		f->n++;
		return 0;
	}
	front_free(&s->front);
	free(s);
	return r;
}

size_t fronts_count(const struct fronts *f)
{
	return f->n;
}

void fronts_free(struct fronts **fp)
{
	struct fronts *f = *fp;

	*fp = NULL;
	if (!f)
		return;
	assert(f->n == 0);
	event_free(f->wake);
	(void)close(f->wake_fd);
	(void)pthread_mutex_destroy(&f->lock);
	free(f);
}
