/* SPDX-License-Identifier: ISC
 * The policyd processes behind stored. */
#include "stored/judge.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { JUDGES_MAX = 64 };

struct judges {
	struct event_base *base;
	struct channel *channels[JUDGES_MAX];
	TAILQ_HEAD(, judges_waiter) waiting;
};

struct judges *judges_new(struct event_base *base)
{
	struct judges *js = xcalloc(1, sizeof *js);

	js->base = base;
	TAILQ_INIT(&js->waiting);
	return js;
}

void judges_free(struct judges **jsp)
{
	struct judges *js = *jsp;

	if (!js)
		return;
	for (size_t i = 0; i < JUDGES_MAX; i++)
		if (js->channels[i])
			channel_free(&js->channels[i]);
	free(js);
	*jsp = NULL;
}

static void on_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	/* policyd only answers; answers reach their callbacks in channel.c. */
	(void)ctx;
	(void)c;
	(void)id;
	(void)msg;
}

static bool any(const struct judges *js)
{
	for (size_t i = 0; i < JUDGES_MAX; i++)
		if (js->channels[i])
			return true;
	return false;
}

static struct channel *least_busy(const struct judges *js)
{
	struct channel *best = NULL;

	for (size_t i = 0; i < JUDGES_MAX; i++) {
		struct channel *c = js->channels[i];

		if (c && !channel_is_full(c) && (!best || channel_pending_calls(c) < channel_pending_calls(best)))
			best = c;
	}
	return best;
}

/* Lets those who wait ask again while there is room; when all policyds are gone, lets them hear so. */
static void wake_waiting(struct judges *js)
{
	struct judges_waiter *w;

	while ((w = TAILQ_FIRST(&js->waiting)) && (least_busy(js) || !any(js))) {
		TAILQ_REMOVE(&js->waiting, w, link);
		w->ready(w);
	}
}

static void on_drain(void *ctx, struct channel *c)
{
	(void)c;
	wake_waiting(ctx);
}

static void on_close(void *ctx, struct channel *c)
{
	struct judges *js = ctx;

	for (size_t i = 0; i < JUDGES_MAX; i++)
		if (js->channels[i] == c)
			js->channels[i] = NULL;
	wake_waiting(js);
}

int judges_add(struct judges *js, unsigned index, int fd)
{
	static const struct channel_handlers handlers = {.on_msg = on_msg, .on_close = on_close, .on_drain = on_drain};

	if (index >= JUDGES_MAX) {
		(void)close(fd);
		return -EINVAL;
	}
	if (js->channels[index])
		channel_free(&js->channels[index]);
	js->channels[index] =
	    channel_new(js->base, fd, &judge_proto, JUDGE_PEER_STORE, JUDGE_PEER_POLICY, &handlers, js);
	wake_waiting(js);
	return 0;
}

enum judges_ask judges_ask(struct judges *js, const struct judge_judge *question, judge_answer_fn *fn, void *ctx)
{
	struct channel *c = least_busy(js);

	if (!c)
		return any(js) ? JUDGES_BUSY : JUDGES_NONE;
	return judge_call_judge(c, question, JUDGE_DEADLINE_MS, fn, ctx) ? JUDGES_ASKED : JUDGES_NONE;
}

enum judges_ask judges_ask_file(struct judges *js, const struct judge_judge_file *question, judge_answer_fn *fn,
				void *ctx)
{
	struct channel *c = least_busy(js);

	if (!c) {
		(void)close(question->message);
		return any(js) ? JUDGES_BUSY : JUDGES_NONE;
	}
	return judge_call_judge_file(c, question, JUDGE_DEADLINE_MS, fn, ctx) ? JUDGES_ASKED : JUDGES_NONE;
}

void judges_wait(struct judges *js, struct judges_waiter *w)
{
	TAILQ_INSERT_TAIL(&js->waiting, w, link);
}

void judges_unwait(struct judges *js, struct judges_waiter *w)
{
	TAILQ_REMOVE(&js->waiting, w, link);
}
