/* SPDX-License-Identifier: ISC
 * The askers: one channel each, their requests, and the answers. */
#include "fetchd/fetchd.h"

#include "base/map.h"
#include "ipc/msgs/fetch_msgs.h"

#include <stdlib.h>

enum { BODY_MAX = 262144, DEADLINE_MIN_MS = 1000, DEADLINE_MAX_MS = 120000, AT_WORK_MAX = 64 };

struct asker {
	struct fetchd *fetchd;
	struct channel *channel;
	struct map requests; /* by id */
};

struct request {
	struct asker *asker;
	uint32_t id;
	struct fetch *fetch;
};

static void request_free(struct request *q)
{
	(void)map_u64_remove(&q->asker->requests, q->id);
	fetch_cancel(&q->fetch);
	free(q);
}

static void send_failed(struct asker *a, uint32_t id, enum fetch_failure why, struct view text)
{
	(void)fetch_send_failed(a->channel, id, &(struct fetch_failed){(uint8_t)why, view_sub(text, 0, 255)});
}

static void on_result(void *ctx, const struct fetch_result *r)
{
	struct request *q = ctx;

	q->fetch = NULL;
	if (r->failed)
		send_failed(q->asker, q->id, r->why, r->text);
	else
		(void)fetch_send_response(q->asker->channel, q->id,
					  &(struct fetch_response){r->status, r->content_type, r->body});
	request_free(q);
}

static uint32_t bounded(uint32_t deadline_ms)
{
	if (deadline_ms < DEADLINE_MIN_MS)
		return DEADLINE_MIN_MS;
	return deadline_ms > DEADLINE_MAX_MS ? DEADLINE_MAX_MS : deadline_ms;
}

static void start(struct asker *a, uint32_t id, struct view url, struct fetch_request *r)
{
	struct request *q;

	if (!https_url_parse(url, &r->url)) {
		send_failed(a, id, FETCH_BAD_URL, VIEW_LIT("not an https URL of a named server"));
		return;
	}
	if (a->fetchd->at_work >= AT_WORK_MAX || map_u64_get(&a->requests, id)) {
		send_failed(a, id, FETCH_BUSY, VIEW_LIT("too many at once"));
		return;
	}
	q = xcalloc(1, sizeof *q);
	*q = (struct request){.asker = a, .id = id};
	(void)map_u64_set(&a->requests, id, q);
	q->fetch = fetch_new(a->fetchd, r, on_result, q);
	if (q->fetch)
		return;
	send_failed(a, id, FETCH_NO_ADDRESS, VIEW_LIT("the DNS cannot be asked now"));
	request_free(q);
}

static void on_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct asker *a = ctx;
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
	if (channel_is_full(c))
		channel_pause(c);
}

static void on_drain(void *ctx, struct channel *c)
{
	(void)ctx;
	channel_resume(c);
}

static void on_close(void *ctx, struct channel *c)
{
	struct asker *a = ctx;
	struct map_entry *e;

	(void)c;
	a->channel = NULL;
	while ((e = map_first(&a->requests)))
		request_free(map_value(e));
	map_fini(&a->requests);
	free(a);
}

void fetchd_serve(struct fetchd *f, int fd, unsigned peer)
{
	static const struct channel_handlers handlers = {on_msg, on_close, on_drain};
	struct asker *a = xcalloc(1, sizeof *a);

	a->fetchd = f;
	map_init(&a->requests);
	a->channel = channel_new(f->base, fd, &fetch_proto, FETCH_PEER_FETCH, peer, &handlers, a);
}
