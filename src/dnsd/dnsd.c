/* SPDX-License-Identifier: ISC
 * The askers: one channel each, their requests, and the answers. */
#include "dnsd/dnsd.h"

#include "dnsd/direct.h"
#include "dnsd/reverse.h"
#include "ipc/asker.h"
#include "ipc/msgs/dns_msgs.h"

#include <stdlib.h>

enum { DEADLINE_MIN_MS = 100, DEADLINE_MAX_MS = 60000, REQUESTS_MAX = 60000 };

struct client {
	struct asker asker;
	struct event_base *base;
	struct resolver *resolver;
	enum resolver_lane lane;
	const uint16_t *direct_port;
};

/* One of the three is under way. */
struct request {
	struct asked asked;
	struct question *question;
	struct direct *direct;
	struct reverse *reverse;
};

static void request_free(struct asked *asked)
{
	struct request *q = (struct request *)asked;

	asked_remove(asked);
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
	send_result(q->asked.asker->channel, q->asked.id, result);
	request_free(&q->asked);
}

static void on_client_name(void *ctx, struct view name)
{
	struct request *q = ctx;

	q->reverse = NULL; /* frees itself */
	(void)dns_send_client_name(q->asked.asker->channel, q->asked.id, &(struct dns_client_name){name});
	request_free(&q->asked);
}

/* ---- questions ---- */

static uint32_t bounded(uint32_t deadline_ms)
{
	return asker_deadline(deadline_ms, DEADLINE_MIN_MS, DEADLINE_MAX_MS);
}

/* NULL: the asker has too many open, or this id twice. */
static struct request *request_new(struct client *a, uint32_t id)
{
	struct request *q = xcalloc(1, sizeof *q);

	if (a->asker.requests.count < REQUESTS_MAX && asker_add(&a->asker, &q->asked, id, request_free))
		return q;
	free(q);
	return NULL;
}

/* One of the two: by the resolver, or `server` alone. */
static void begin(struct client *a, struct request *q, struct view name, uint16_t type, struct view server,
		  uint32_t deadline_ms)
{
	if (server.n)
		q->direct = direct_ask(a->base, server, *a->direct_port, name, type, deadline_ms, on_result, q);
	else
		q->question = resolver_ask(a->resolver, a->lane, name, type, deadline_ms, on_result, q);
}

static void ask(struct client *a, uint32_t id, struct view name, uint16_t type, struct view server,
		uint32_t deadline_ms)
{
	_cleanup_(buf_fini) struct buf canon = BUF_INIT(DNS_NAME_MAX);
	struct request *q;

	if (!dns_type_is_known(type) || !dns_name_canon(name, &canon)) {
		send_failed(a->asker.channel, id, DNS_BAD_NAME, VIEW_LIT("this is no name, or no type that is known"));
		return;
	}
	q = request_new(a, id);
	if (q)
		begin(a, q, canon.n ? buf_view(&canon) : VIEW_EMPTY, type, server, bounded(deadline_ms));
	if (q && (q->question || q->direct))
		return;
	if (q)
		request_free(&q->asked);
	send_failed(a->asker.channel, id, DNS_BUSY, VIEW_LIT("too many questions at once, or no address of a server"));
}

static void ask_one(struct client *a, uint32_t id, const struct dns_ask_server *m)
{
	if (m->server.n)
		ask(a, id, m->name, m->type, m->server, m->deadline_ms);
	else
		send_failed(a->asker.channel, id, DNS_BUSY, VIEW_LIT("no address of a server"));
}

static void ask_client_name(struct client *a, uint32_t id, const struct dns_client_name_ask *m)
{
	struct request *q = request_new(a, id);

	if (q)
		q->reverse = reverse_ask(a->resolver, a->lane, m->address, bounded(m->deadline_ms), on_client_name, q);
	if (q && q->reverse)
		return;
	if (q)
		request_free(&q->asked);
	(void)dns_send_client_name(a->asker.channel, id, &(struct dns_client_name){VIEW_EMPTY});
}

static void cancel(struct client *a, uint32_t id)
{
	struct asked *q = asker_find(&a->asker, id);

	if (q)
		request_free(q);
}

/* ---- the channel ---- */

static void on_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct client *a = ctx;
	const struct dns_msg *m = msg;

	switch (m->type) {
	case DNS_ASK:
		ask(a, id, m->ask.name, m->ask.type, VIEW_EMPTY, m->ask.deadline_ms);
		break;
	case DNS_ASK_SERVER:
		ask_one(a, id, &m->ask_server);
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
	asker_hold_back(c);
}

void dnsd_serve(struct event_base *base, int fd, unsigned peer, struct resolver *r, const uint16_t *direct_port)
{
	static const struct channel_handlers handlers = {on_msg, asker_on_close, asker_on_drain};
	static const enum resolver_lane lanes[] = {
	    [DNS_PEER_STORE] = LANE_STORE, [DNS_PEER_RELAY] = LANE_RELAY, [DNS_PEER_FETCH] = LANE_FETCH};
	struct client *a = xcalloc(1, sizeof *a);

	*a = (struct client){.base = base, .resolver = r, .lane = lanes[peer], .direct_port = direct_port};
	asker_init(&a->asker);
	a->asker.channel = channel_new(base, fd, &dns_proto, DNS_PEER_DNS, peer, &handlers, a);
}
