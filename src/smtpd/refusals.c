/* SPDX-License-Identifier: ISC
 * Refusals, gathered for stored: bounded in rate and number. */
#include "smtpd/refusals.h"

#include "base/bucket.h"
#include "base/clock.h"
#include "base/map.h"
#include "io/stream.h"
#include "ipc/msgs/smtp_msgs.h"
#include "mail/ip.h"
#include "smtpd/auth.h"
#include "smtpd/transaction.h"

#include <event2/event.h>
#include <stdlib.h>

enum {
	INTERVAL_MS = 50, /* 20 a second */
	BURST = 200,
	SOURCE_INTERVAL_MS = 200, /* 5 a second of one network */
	SOURCE_BURST = 50,
	SOURCES = 256, /* networks that share a place share its allowance */
	NETWORK_V4_BITS = 24,
	NETWORK_V6_BITS = 64,
	BATCH_MAX = 64, /* as the list has it */
	BATCH_ARENA_MAX = 192 * 1024,
	GATHER_MS = 250,
	TEXT_MAX = 512,
};

struct refusals {
	struct smtpd *smtpd;
	struct event *timer;
	struct bucket all;
	struct bucket sources[SOURCES];
	struct arena arena; /* of the texts; empty between two batches */
	struct smtp_refusal *rows; /* in the arena; NULL: none */
	uint64_t noted_ms[BATCH_MAX];
	uint32_t count;
	uint64_t left_out;
};

static void wait_a_while(struct refusals *x)
{
	static const struct timeval while_ = {.tv_usec = GATHER_MS * 1000};

	if (!evtimer_pending(x->timer, NULL))
		(void)evtimer_add(x->timer, &while_);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct refusals *x = arg;

	(void)fd;
	(void)what;
	refusals_flush(x);
	if (x->count || x->left_out)
		wait_a_while(x); /* stored is away, or has no room */
}

struct refusals *refusals_new(struct smtpd *d)
{
	struct refusals *x = xcalloc(1, sizeof *x);

	x->smtpd = d;
	x->timer = evtimer_new(d->base, on_timer, x);
	if (!x->timer)
		abort();
	arena_init(&x->arena, BATCH_ARENA_MAX);
	return x;
}

void refusals_free(struct refusals **xp)
{
	struct refusals *x = *xp;

	*xp = NULL;
	if (!x)
		return;
	event_free(x->timer);
	arena_fini(&x->arena);
	free(x);
}

void refusals_flush(struct refusals *x)
{
	struct channel *store = x->smtpd->store;
	uint64_t now_ms = clock_mono_ms();

	if ((x->count == 0 && x->left_out == 0) || !store || channel_is_full(store))
		return;
	for (uint32_t i = 0; i < x->count; i++) {
		uint64_t age_ms = now_ms - x->noted_ms[i];

		x->rows[i].age_ms = age_ms < UINT32_MAX ? (uint32_t)age_ms : UINT32_MAX;
	}
	if (!smtp_send_refusals(store, 0, &(struct smtp_refusals){x->rows, x->count, x->left_out}))
		return;
	x->count = 0;
	x->left_out = 0;
	x->rows = NULL;
	arena_fini(&x->arena);
	arena_init(&x->arena, BATCH_ARENA_MAX);
}

/* May one more of this client be kept? */
static bool is_allowed(struct refusals *x, const struct session *s, uint64_t now_ms)
{
	struct ip ip = {0};
	struct bucket *source;

	if (ip_parse(view_from_cstr(stream_peer(s->stream)->ip), &ip))
		ip_to_network(&ip, NETWORK_V4_BITS, NETWORK_V6_BITS);
	source = &x->sources[map_hash(view_from(ip.bytes, sizeof ip.bytes)) % SOURCES];
	return bucket_take(source, now_ms, SOURCE_INTERVAL_MS, SOURCE_BURST) &&
	       bucket_take(&x->all, now_ms, INTERVAL_MS, BURST);
}

/* A place in the batch; NULL: there is none. */
static struct smtp_refusal *place(struct refusals *x)
{
	if (x->count == BATCH_MAX)
		refusals_flush(x);
	if (!x->rows)
		x->rows = arena_array(&x->arena, BATCH_MAX, sizeof *x->rows);
	return x->rows && x->count < BATCH_MAX ? &x->rows[x->count] : NULL;
}

static struct view keep(struct refusals *x, struct view text, size_t max)
{
	struct view copy = arena_copy(&x->arena, view_sub(text, 0, max));

	return copy.p ? copy : VIEW_EMPTY;
}

static bool add(struct session *s, struct view sender, struct view recipient, const struct verdict *v, uint64_t now_ms)
{
	struct refusals *x = s->smtpd->refusals;
	struct smtp_refusal *r = place(x);
	struct view message_id = s->tx ? s->tx->intake.message_id : VIEW_EMPTY;

	if (!r)
		return false;
	buf_reset(&s->smtpd->text);
	dsn_status_format(&s->smtpd->text, v->enhanced);
	*r = (struct smtp_refusal){
	    .session = s->id,
	    .sender = keep(x, sender, 320),
	    .recipient = keep(x, recipient, 320),
	    .client_ip = keep(x, view_from_cstr(stream_peer(s->stream)->ip), 64),
	    .helo = keep(x, s->helo, 255),
	    .account = keep(x, auth_is_done(s) ? s->login->account : VIEW_EMPTY, 320),
	    .tls = keep(x, stream_tls_text(s->stream), 128),
	    .listener = view_from_cstr(s->service),
	    .code = v->code,
	    .enhanced = keep(x, buf_view(&s->smtpd->text), 16),
	    .text = keep(x, v->text, TEXT_MAX),
	    .message_id = keep(x, message_id.p ? message_id : VIEW_EMPTY, 255),
	};
	x->noted_ms[x->count++] = now_ms;
	return true;
}

void refusals_note(struct session *s, struct view sender, struct view recipient, const struct verdict *v)
{
	struct refusals *x = s->smtpd->refusals;
	uint64_t now_ms = clock_mono_ms();

	if (sender.n == 0 && recipient.n == 0)
		return;
	if (!is_allowed(x, s, now_ms) || !add(s, sender, recipient, v, now_ms))
		x->left_out++;
	wait_a_while(x);
}

void refusals_note_message(struct session *s, const struct verdict *v)
{
	struct refusals *x = s->smtpd->refusals;
	uint64_t now_ms = clock_mono_ms();
	uint32_t left = s->tx->accepted;

	for (struct rcpt *r = s->tx->first; r && left; r = r->next) {
		if (!r->accepted)
			continue;
		if (!is_allowed(x, s, now_ms) || !add(s, s->tx->sender, r->address, v, now_ms))
			break;
		left--;
	}
	x->left_out += left; /* the first one that has no place ends it: a thousand recipients are not all tried */
	wait_a_while(x);
}
