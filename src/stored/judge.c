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
};

struct judges *judges_new(struct event_base *base)
{
	struct judges *js = xcalloc(1, sizeof *js);

	js->base = base;
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

static void on_close(void *ctx, struct channel *c)
{
	struct judges *js = ctx;

	for (size_t i = 0; i < JUDGES_MAX; i++)
		if (js->channels[i] == c)
			js->channels[i] = NULL;
}

int judges_add(struct judges *js, unsigned index, int fd)
{
	static const struct channel_handlers handlers = {.on_msg = on_msg, .on_close = on_close};

	if (index >= JUDGES_MAX) {
		(void)close(fd);
		return -EINVAL;
	}
	if (js->channels[index])
		channel_free(&js->channels[index]);
	js->channels[index] =
	    channel_new(js->base, fd, &judge_proto, JUDGE_PEER_STORE, JUDGE_PEER_POLICY, &handlers, js);
	return js->channels[index] ? 0 : -ENOMEM;
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

bool judges_ask(struct judges *js, const struct judge_judge *question, judge_answer_fn *fn, void *ctx)
{
	struct channel *c = least_busy(js);

	return c && judge_call_judge(c, question, JUDGE_DEADLINE_MS, fn, ctx);
}

bool judges_ask_file(struct judges *js, const struct judge_judge_file *question, judge_answer_fn *fn, void *ctx)
{
	struct channel *c = least_busy(js);

	if (!c) {
		(void)close(question->message);
		return false;
	}
	return judge_call_judge_file(c, question, JUDGE_DEADLINE_MS, fn, ctx);
}
