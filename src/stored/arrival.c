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

bool arrival_events(struct deliver_job *j, const struct smtp_begin *e, struct view login, struct view message_id,
		    struct arena *a)
{
	struct trace_event *events;
	size_t n = 0, max = 1 + j->local_count + j->remote_count;
	int64_t now_ms = clock_wall_us() / 1000;

	events = arena_array(a, max, sizeof *events);
	if (!events)
		return false;
	events[n++] = (struct trace_event){.message = j->message.id,
					   .kind = TRACE_RECEIVED,
					   .address = e->sender,
					   .peer = client_text(e, login, a),
					   .tls = e->tls,
					   .words = message_id,
					   .at_ms = now_ms};
	for (size_t i = 0; i < j->local_count; i++) {
		struct view to = j->locals[i].prefix; /* until copy_prefixes() */

		events[n++] = (struct trace_event){
		    .message = j->message.id,
		    .kind = TRACE_DELIVERED,
		    .address = to,
		    .peer = view_eq_nocase(to, j->locals[i].mailbox) ? VIEW_EMPTY : j->locals[i].mailbox,
		    .words = j->locals[i].folder,
		    .at_ms = now_ms};
	}
	for (size_t i = 0; i < j->remote_count; i++) {
		const struct deliver_remote *r = &j->remotes[i];

		if (r->notice && r->notice != QUEUE_FAILED)
			continue; /* delivered or expanded: said above */
		events[n++] = (struct trace_event){.message = j->message.id,
						   .kind = r->notice ? TRACE_FAILED : TRACE_QUEUED,
						   .address = r->notice ? r->via : r->address,
						   .peer = r->notice ? VIEW_EMPTY : r->via,
						   .words = r->notice ? r->words : VIEW_EMPTY,
						   .at_ms = now_ms};
	}
	j->events = events;
	j->event_count = n;
	return true;
}
