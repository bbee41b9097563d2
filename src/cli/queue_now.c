/* SPDX-License-Identifier: ISC
 * What a recipient on another server waits for, in words. */
#include "cli/queue.h"

#include "base/clock.h"
#include "cli/show.h"
#include "conf/conf.h"

const char *const queue_states[] = {"waiting", "sending", "held", "ended"};

void queue_put_span(int64_t seconds, struct buf *out)
{
	long long s = seconds > 0 ? (long long)seconds : 0;

	if (s >= 86400)
		buf_printf(out, "%lldd%lldh", s / 86400, s % 86400 / 3600);
	else if (s >= 3600)
		buf_printf(out, "%lldh%lldm", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		buf_printf(out, "%lldm", s / 60);
	else
		buf_printf(out, "%llds", s);
}

void queue_put_next(const struct admin_queued *q, int64_t now_s, struct buf *out)
{
	if (q->state != QUEUE_WAITING) {
		buf_append_cstr(out, queue_states[q->state]);
	} else if (q->next_s <= now_s) {
		buf_append_cstr(out, q->attempts ? "now" : "new");
	} else {
		buf_append_cstr(out, "in ");
		queue_put_span(q->next_s - now_s, out);
	}
}

static void put_waiting(const struct admin_queued *q, struct buf *out)
{
	if (q->attempts == 0)
		buf_append_cstr(out, "waits: not tried yet");
	else
		buf_printf(out, "waits: tried %u %s", q->attempts, show_noun(q->attempts, "time", "times"));
	if (q->closed)
		buf_append_cstr(out, q->attempts ? ", its destination does not answer"
						 : ", as its destination did not answer when other mail was");
	if (q->next_s > clock_wall_s()) {
		buf_append_cstr(out, "; next attempt ");
		show_time(q->next_s, out);
	} else {
		buf_append_cstr(out, "; it is due now");
	}
}

void queue_put_now(const struct admin_queued *q, struct buf *out)
{
	static const char *const words[] = {[QUEUE_SENDING] = "is being sent",
					    [QUEUE_HELD] = "is held until it is released ('pombo queue release ID')",
					    [QUEUE_ENDED] = "has ended; its sender is being told"};

	if (q->state == QUEUE_WAITING)
		put_waiting(q, out);
	else
		buf_append_cstr(out, words[q->state]);
}

const char *queue_why_stopped(const struct store_client *s, const struct conf *conf)
{
	if (s->pid)
		return "nothing is sent, as no server runs: 'pombo run'";
	return conf && conf->hold_outbound ? "nothing is sent, as pombo.conf says hold-outbound = yes" : NULL;
}
