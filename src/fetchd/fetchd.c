/* SPDX-License-Identifier: ISC
 * The askers: one channel each, their requests, and the answers. */
#include "fetchd/fetchd.h"

#include "ipc/asker.h"
#include "ipc/msgs/fetch_msgs.h"

#include <stdlib.h>

enum { BODY_MAX = 262144, DEADLINE_MIN_MS = 1000, DEADLINE_MAX_MS = 120000, AT_WORK_MAX = 64 };

struct client {
	struct asker asker;
	struct fetchd *fetchd;
};

struct request {
	struct asked asked;
	struct fetch *fetch;
};

static void request_free(struct asked *asked)
{
	struct request *q = (struct request *)asked;

	asked_remove(asked);
	fetch_cancel(&q->fetch);
	free(q);
}

static void send_failed(struct channel *c, uint32_t id, enum fetch_failure why, struct view text)
{
	(void)fetch_send_failed(c, id, &(struct fetch_failed){(uint8_t)why, view_sub(text, 0, 255)});
}

static void on_result(void *ctx, const struct fetch_result *r)
{
	struct request *q = ctx;

	q->fetch = NULL;
	if (r->failed)
		send_failed(q->asked.asker->channel, q->asked.id, r->why, r->text);
	else
		(void)fetch_send_response(q->asked.asker->channel, q->asked.id,
					  &(struct fetch_response){r->status, r->content_type, r->body});
	request_free(&q->asked);
}

static uint32_t bounded(uint32_t deadline_ms)
{
	return asker_deadline(deadline_ms, DEADLINE_MIN_MS, DEADLINE_MAX_MS);
}

static void start(struct client *a, uint32_t id, struct view url, struct fetch_request *r)
{
	struct request *q;

	if (!https_url_parse(url, &r->url)) {
		send_failed(a->asker.channel, id, FETCH_BAD_URL, VIEW_LIT("not an https URL of a named server"));
		return;
	}
	q = xcalloc(1, sizeof *q);
	if (a->fetchd->at_work >= AT_WORK_MAX || !asker_add(&a->asker, &q->asked, id, request_free)) {
		free(q);
		send_failed(a->asker.channel, id, FETCH_BUSY, VIEW_LIT("too many at once"));
		return;
	}
	q->fetch = fetch_new(a->fetchd, r, on_result, q);
	if (q->fetch)
		return;
	send_failed(a->asker.channel, id, FETCH_NO_ADDRESS, VIEW_LIT("the DNS cannot be asked now"));
	request_free(&q->asked);
}

static void on_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct client *a = ctx;
	const struct fetch_msg *m = msg;
	struct fetch_request r = {.content_type = VIEW_EMPTY, .body = VIEW_EMPTY, .max_bytes = BODY_MAX};

	switch (m->type) {
	case FETCH_GET:
		r.max_bytes = m->get.max_bytes < BODY_MAX ? m->get.max_bytes : BODY_MAX;
		r.deadline_ms = bounded(m->get.deadline_ms);
		start(a, id, m->get.url, &r);
		break;
	case FETCH_POST:
		r.is_post = true;
		r.content_type = m->post.content_type;
		r.body = m->post.body;
		r.deadline_ms = bounded(m->post.deadline_ms);
		start(a, id, m->post.url, &r);
		break;
	case FETCH_RESPONSE:
	case FETCH_FAILED:
		break; /* ours to send: the decoder lets none in */
	}
	asker_hold_back(c);
}

void fetchd_serve(struct fetchd *f, int fd, unsigned peer)
{
	static const struct channel_handlers handlers = {on_msg, asker_on_close, asker_on_drain};
	struct client *a = xcalloc(1, sizeof *a);

	a->fetchd = f;
	asker_init(&a->asker);
	a->asker.channel = channel_new(f->base, fd, &fetch_proto, FETCH_PEER_FETCH, peer, &handlers, a);
}
