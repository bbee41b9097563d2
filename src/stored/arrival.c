/* SPDX-License-Identifier: ISC
 * The first events of a message's life, for `pombo trace`. */
#include "stored/arrival.h"

#include "base/clock.h"
#include "store/queue.h"

static struct view client_text(const struct smtp_begin *e, struct view login, struct arena *a)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(700);

	buf_append_view(&text, e->helo.n ? e->helo : e->protocol);
	if (e->client_ip.n)
		buf_printf(&text, " (%.*s%s%.*s)", VIEW_FMT(e->client_name), e->client_name.n ? " " : "",
			   VIEW_FMT(e->client_ip));
	if (login.n)
		buf_printf(&text, ", logged in as %.*s", VIEW_FMT(login));
	return arena_copy(a, buf_view(&text));
}

static struct trace_event of_local(const struct deliver_job *j, const struct deliver_local *l, int64_t now_ms)
{
	struct view to = l->prefix; /* until copy_prefixes() */

	return (struct trace_event){.message = j->message.id,
				    .kind = TRACE_DELIVERED,
				    .address = to,
				    .peer = view_eq_nocase(to, l->mailbox) ? VIEW_EMPTY : l->mailbox,
				    .words = l->folder,
				    .at_ms = now_ms};
}

static struct trace_event of_remote(const struct deliver_job *j, const struct deliver_remote *r, int64_t now_ms)
{
	return (struct trace_event){.message = j->message.id,
				    .kind = r->notice ? TRACE_FAILED : TRACE_QUEUED,
				    .address = r->notice ? r->via : r->address,
				    .peer = r->notice ? VIEW_EMPTY : r->via,
				    .words = r->notice ? r->words : VIEW_EMPTY,
				    .at_ms = now_ms};
}

static size_t put_recipients(const struct deliver_job *j, int64_t now_ms, struct trace_event *events)
{
	size_t n = 0;

	for (size_t i = 0; i < j->local_count; i++)
		events[n++] = of_local(j, &j->locals[i], now_ms);
	for (size_t i = 0; i < j->remote_count; i++)
		/* Delivered or expanded: said above. */
		if (!j->remotes[i].notice || j->remotes[i].notice == QUEUE_FAILED)
			events[n++] = of_remote(j, &j->remotes[i], now_ms);
	return n;
}

bool arrival_made(struct deliver_job *j, const struct trace_event *first, size_t count, struct arena *a)
{
	struct trace_event *events = arena_array(a, count + j->local_count + j->remote_count, sizeof *events);

	if (!events)
		return false;
	for (size_t i = 0; i < count; i++)
		events[i] = first[i];
	j->events = events;
	j->event_count = count + put_recipients(j, first[0].at_ms, events + count);
	return true;
}

/* What was looked at when it came, and what was not. */
static struct view checks_of(const struct arrival *how)
{
	switch (how->by) {
	case BY_ACCOUNT:
		return VIEW_LIT("checked: its From belongs to the account");
	case BY_TRUSTED_NETWORK:
		return VIEW_LIT("checked: the client is in trusted-networks");
	case BY_STRANGER:
		return how->envelope->client_name.n
			   ? VIEW_LIT("checked: the client's name (reverse DNS); not SPF, DKIM, DMARC")
			   : VIEW_LIT("not checked: who the client is (reverse DNS), SPF, DKIM, DMARC");
	case BY_OPERATOR:
		break;
	}
	return VIEW_EMPTY;
}

static struct view notes_of(const struct arrival *how, struct arena *a)
{
	struct view checks = checks_of(how);
	_cleanup_(buf_fini) struct buf text = BUF_INIT(1024);

	if (how->signatures.n == 0)
		return checks;
	buf_append_view(&text, checks);
	if (checks.n)
		buf_append_char(&text, '\n');
	buf_append_view(&text, how->signatures);
	return arena_copy(a, buf_view(&text));
}

bool arrival_events(struct deliver_job *j, const struct arrival *how, struct arena *a)
{
	const struct smtp_begin *e = how->envelope;
	int64_t now_ms = clock_wall_us() / 1000;
	struct trace_event *events;
	size_t n = 0;

	events = arena_array(a, 1 + j->local_count + j->remote_count + how->looped_count, sizeof *events);
	if (!events)
		return false;
	events[n++] = (struct trace_event){.message = j->message.id,
					   .kind = TRACE_RECEIVED,
					   .address = e->sender,
					   .peer = client_text(e, how->login, a),
					   .tls = e->tls,
					   .words = how->message_id,
					   .notes = notes_of(how, a),
					   .at_ms = now_ms};
	n += put_recipients(j, now_ms, events + n);
	for (size_t i = 0; i < how->looped_count; i++)
		events[n++] = (struct trace_event){.message = j->message.id,
						   .kind = TRACE_FAILED,
						   .address = how->looped[i],
						   .words = VIEW_LIT(ARRIVAL_LOOP_TEXT),
						   .at_ms = now_ms};
	j->events = events;
	j->event_count = n;
	return true;
}
