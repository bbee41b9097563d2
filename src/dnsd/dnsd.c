/* SPDX-License-Identifier: ISC
 * The askers: one channel each, their requests, and the answers. */
#include "dnsd/dnsd.h"

#include "base/map.h"
#include "dnsd/direct.h"
#include "dnsd/reverse.h"
#include "ipc/msgs/dns_msgs.h"

#include <stdlib.h>

enum { DEADLINE_MIN_MS = 100, DEADLINE_MAX_MS = 60000, REQUESTS_MAX = 60000 };

struct asker {
	struct event_base *base;
	struct channel *channel;
	struct resolver *resolver;
	enum resolver_lane lane;
	const uint16_t *direct_port;
	struct map requests; /* by id */
};

/* One of the three is under way. */
struct request {
	struct asker *asker;
	uint32_t id;
	struct question *question;
	struct direct *direct;
	struct reverse *reverse;
};

static void request_free(struct request *q)
{
	(void)map_u64_remove(&q->asker->requests, q->id);
	question_cancel(&q->question);
	direct_cancel(&q->direct);
	reverse_cancel(&q->reverse);
	free(q);
}

/* ---- answers ---- */

static void send_failed(struct channel *c, uint32_t id, enum dns_failure why, struct view text)
{
	(void)dns_send_failed(c, id, &(struct dns_failed){(uint8_t)why, view_sub(text, 0, 255)});
}

static void send_found(struct channel *c, uint32_t id, const struct dns_result *r)
{
	struct dns_record *records = xcalloc(r->answer.n_records, sizeof *records);
	struct dns_found m = {r->secure, r->answer.ttl_s, r->answer.canonical, records, r->answer.n_records};

	for (uint32_t i = 0; i < r->answer.n_records; i++)
		records[i].data = r->answer.records[i];
	if (!dns_send_found(c, id, &m))
		send_failed(c, id, DNS_BAD_ANSWER, VIEW_LIT("the answer is too long"));
	free(records);
}

static void send_result(struct channel *c, uint32_t id, const struct dns_result *r)
{
	if (r->failed)
		send_failed(c, id, r->why, r->text);
	else if (r->answer.n_records > 0)
		send_found(c, id, r);
	else
		(void)dns_send_nothing(
		    c, id,
		    &(struct dns_nothing){r->secure, r->answer.ttl_s, r->answer.canonical, r->answer.rcode == 0});
}

static void on_result(void *ctx, const struct dns_result *result)
{
	struct request *q = ctx;

	q->question = NULL;
	q->direct = NULL;
	send_result(q->asker->channel, q->id, result);
	request_free(q);
}

static void on_client_name(void *ctx, struct view name)
{
	struct request *q = ctx;

	q->reverse = NULL; /* frees itself */
	(void)dns_send_client_name(q->asker->channel, q->id, &(struct dns_client_name){name});
	request_free(q);
}

/* ---- questions ---- */

static uint32_t bounded(uint32_t deadline_ms)
{
	if (deadline_ms < DEADLINE_MIN_MS)
		return DEADLINE_MIN_MS;
	return deadline_ms > DEADLINE_MAX_MS ? DEADLINE_MAX_MS : deadline_ms;
}

/* NULL: the asker has too many open, or this id twice. */
static struct request *request_new(struct asker *a, uint32_t id)
{
	struct request *q;

	if (a->requests.count >= REQUESTS_MAX || map_u64_get(&a->requests, id))
		return NULL;
	q = xcalloc(1, sizeof *q);
	*q = (struct request){.asker = a, .id = id};
	(void)map_u64_set(&a->requests, id, q);
	return q;
}

static void refuse(struct asker *a, uint32_t id, struct request *q, enum dns_failure why, const char *text)
{
	if (q)
		request_free(q);
	send_failed(a->channel, id, why, view_from_cstr(text));
}

static bool is_question(struct view name, uint16_t type, struct buf *ret_name)
{
	return dns_type_is_known(type) && dns_name_canon(name, ret_name);
}

static struct view view_of(const struct buf *b)
{
	return b->n ? buf_view(b) : VIEW_EMPTY;
}

static void ask(struct asker *a, uint32_t id, const struct dns_ask *m)
{
	_cleanup_(buf_fini) struct buf name = BUF_INIT(DNS_NAME_MAX);
	struct request *q;

	if (!is_question(m->name, m->type, &name)) {
		refuse(a, id, NULL, DNS_BAD_NAME, "this is no name, or no type that is known");
		return;
	}
	q = request_new(a, id);
	if (q)
		q->question =
		    resolver_ask(a->resolver, a->lane, view_of(&name), m->type, bounded(m->deadline_ms), on_result, q);
	if (!q || !q->question)
		refuse(a, id, q, DNS_BUSY, "too many questions at once");
}

static void ask_server(struct asker *a, uint32_t id, const struct dns_ask_server *m)
{
	_cleanup_(buf_fini) struct buf name = BUF_INIT(DNS_NAME_MAX);
	struct request *q;

	if (!is_question(m->name, m->type, &name)) {
		refuse(a, id, NULL, DNS_BAD_NAME, "this is no name, or no type that is known");
		return;
	}
	q = request_new(a, id);
	if (q)
		q->direct = direct_ask(a->base, m->server, *a->direct_port, view_of(&name), m->type,
				       bounded(m->deadline_ms), on_result, q);
	if (!q || !q->direct)
		refuse(a, id, q, DNS_BUSY, "too many questions at once, or no address of a server");
}

static void ask_client_name(struct asker *a, uint32_t id, const struct dns_client_name_ask *m)
{
	struct request *q = request_new(a, id);

	if (q)
		q->reverse = reverse_ask(a->resolver, a->lane, m->address, bounded(m->deadline_ms), on_client_name, q);
	if (q && q->reverse)
		return;
	if (q)
		request_free(q);
	(void)dns_send_client_name(a->channel, id, &(struct dns_client_name){VIEW_EMPTY});
}

static void cancel(struct asker *a, uint32_t id)
{
	struct request *q = map_u64_get(&a->requests, id);

	if (q)
		request_free(q);
}

/* ---- the channel ---- */

static void on_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct asker *a = ctx;
	const struct dns_msg *m = msg;

	switch (m->type) {
	case DNS_ASK:
		ask(a, id, &m->ask);
		break;
	case DNS_ASK_SERVER:
		ask_server(a, id, &m->ask_server);
		break;
	case DNS_CLIENT_NAME_ASK:
		ask_client_name(a, id, &m->client_name_ask);
		break;
	case DNS_CANCEL:
		cancel(a, id);
		break;
	case DNS_FOUND:
	case DNS_NOTHING:
	case DNS_FAILED:
	case DNS_CLIENT_NAME:
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

void dnsd_serve(struct event_base *base, int fd, unsigned peer, struct resolver *r, const uint16_t *direct_port)
{
	static const struct channel_handlers handlers = {on_msg, on_close, on_drain};
	static const enum resolver_lane lanes[] = {
	    [DNS_PEER_STORE] = LANE_STORE, [DNS_PEER_RELAY] = LANE_RELAY, [DNS_PEER_FETCH] = LANE_FETCH};
	struct asker *a = xcalloc(1, sizeof *a);

	*a = (struct asker){.base = base, .resolver = r, .lane = lanes[peer], .direct_port = direct_port};
	map_init(&a->requests);
	a->channel = channel_new(base, fd, &dns_proto, DNS_PEER_DNS, peer, &handlers, a);
}
