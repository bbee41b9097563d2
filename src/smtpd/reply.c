/* SPDX-License-Identifier: ISC
 * Replies: in the order of the commands, errors counted. */
#include "smtpd/reply.h"

#include "io/stream.h"
#include "smtpd/transaction.h"

const struct verdict reply_store_away = VERDICT(451, 4, 3, 0, "The mail store cannot be reached now; try again");
const struct verdict reply_shutting_down = VERDICT(421, 4, 3, 2, "The server is shutting down; try again");
const struct verdict reply_login_ended = VERDICT(421, 4, 7, 0, "Your login has ended; connect again");

static const struct verdict too_many_errors = VERDICT(421, 4, 7, 0, "Too many errors; goodbye");

static void write_reply(struct session *s, const struct verdict *v)
{
	verdict_format_reply(stream_out(s->stream), v, s->tx && s->tx->smtputf8);
}

void reply_now(struct session *s, const struct verdict *v)
{
	if (s->state == SESSION_CLOSED || s->said_421)
		return;
	write_reply(s, v);
	if (v->code == 421) {
		s->said_421 = true;
		if (!s->why_closed)
			s->why_closed = "ended with 421";
	}
	if (v->class != VERDICT_PERMANENT || ++s->errors < s->settings->max_errors)
		return;
	write_reply(s, &too_many_errors);
	session_close(s, "too many errors");
}

void reply(struct session *s, const struct verdict *v)
{
	struct rcpt *place;

	if (!transaction_is_waiting(s)) {
		reply_now(s, v);
		return;
	}
	place = transaction_add(s, VIEW_EMPTY);
	if (place)
		transaction_answer(s, place, v);
	else
		session_close(s, "too many replies waiting");
}

struct verdict reply_of_refusal(const struct smtp_refused *r)
{
	struct verdict v = {.class = (enum verdict_class)(r->code / 100), .code = r->code, .text = r->text};

	if (r->code < 400 || r->code > 599)
		return reply_store_away;
	if (!dsn_status_parse(r->enhanced, &v.enhanced) || v.enhanced.class != (unsigned)v.class)
		v.enhanced = dsn_status_of_code(r->code);
	return v;
}
