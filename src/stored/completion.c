/* SPDX-License-Identifier: ISC
 * How threads hand finished work back to the loop. */
#include "stored/completion.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct completions {
	pthread_mutex_t lock;
	struct completion_list list;
	struct event *wake;
	int fd;
};

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct completions *cs = arg;
	struct completion_list ready = STAILQ_HEAD_INITIALIZER(ready);
	struct completion *c;
	uint64_t count;

	(void)what;
	(void)!read(fd, &count, sizeof count);
	(void)pthread_mutex_lock(&cs->lock);
	STAILQ_CONCAT(&ready, &cs->list);
	(void)pthread_mutex_unlock(&cs->lock);
	while ((c = STAILQ_FIRST(&ready))) {
		STAILQ_REMOVE_HEAD(&ready, link);
		c->done(c);
	}
}

int completions_new(struct event_base *base, struct completions **ret)
{
	struct completions *cs = xcalloc(1, sizeof *cs);

	STAILQ_INIT(&cs->list);
	(void)pthread_mutex_init(&cs->lock, NULL);
	cs->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	cs->wake = cs->fd < 0 ? NULL : event_new(base, cs->fd, EV_READ | EV_PERSIST, on_wake, cs);
	if (!cs->wake || event_add(cs->wake, NULL) < 0) {
		completions_free(&cs);
		return -ENOMEM;
	}
	*ret = cs;
	return 0;
}

void completions_free(struct completions **csp)
{
	struct completions *cs = *csp;

	if (!cs)
		return;
	if (cs->wake)
		event_free(cs->wake);
	fd_close(&cs->fd);
	(void)pthread_mutex_destroy(&cs->lock);
	free(cs);
	*csp = NULL;
}

static void wake(struct completions *cs)
{
	(void)!write(cs->fd, &(uint64_t){1}, sizeof(uint64_t));
}

void completions_put(struct completions *cs, struct completion *c)
{
	bool was_empty;

	(void)pthread_mutex_lock(&cs->lock);
	was_empty = STAILQ_EMPTY(&cs->list);
	STAILQ_INSERT_TAIL(&cs->list, c, link);
	(void)pthread_mutex_unlock(&cs->lock);
	if (was_empty)
		wake(cs);
}

void completions_put_all(struct completions *cs, struct completion_list *list)
{
	bool was_empty;

	if (STAILQ_EMPTY(list))
		return;
	(void)pthread_mutex_lock(&cs->lock);
	was_empty = STAILQ_EMPTY(&cs->list);
	STAILQ_CONCAT(&cs->list, list);
	(void)pthread_mutex_unlock(&cs->lock);
	if (was_empty)
		wake(cs);
}
