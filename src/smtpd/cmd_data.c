/* SPDX-License-Identifier: ISC
 * DATA (RFC 5321 §4.1.1.4) and BDAT (RFC 3030): the message itself, and stored's verdict on it. */
#include "smtpd/command.h"
#include "smtpd/data.h"

#include "io/stream.h"
#include "smtpd/refusals.h"
#include "smtpd/reply.h"
#include "smtpd/trail.h"
#include "smtpd/transaction.h"

/* RFC 5321 §2.3.8: the content is refused as a whole and with 550, never repaired: what some would take for the end of a
 * message others would not. No enhanced code says "bare LF"; 5.6.0 says that it is the content. */
static struct verdict content_fault(enum smtp_data_error error)
{
	switch (error) {
	case SMTP_DATA_BARE_CR:
		return VERDICT(550, 5, 6, 0, "The message has a CR without LF; lines end in CRLF");
	case SMTP_DATA_BARE_LF:
		return VERDICT(550, 5, 6, 0, "The message has an LF without CR; lines end in CRLF");
	case SMTP_DATA_NUL:
		return VERDICT(550, 5, 6, 0, "The message has a NUL byte");
	case SMTP_DATA_LINE_TOO_LONG:
		return VERDICT(550, 5, 6, 0, "A line of the message is too long");
	case SMTP_DATA_OK:
		break;
	}
	return VERDICT(550, 5, 6, 0, "The message's content is not valid");
}

static void tell_refused(struct session *s, const struct verdict *v)
{
	trail_refused(s, "message", VIEW_EMPTY, v);
	refusals_note_message(s, v);
}

/* The message is over; what follows is a new one. */
static enum step conclude(struct session *s, const struct verdict *v)
{
	if (v->class != VERDICT_DONE)
		tell_refused(s, v);
	session_enter(s, SESSION_COMMAND);
	reply_now(s, v);
	if (s->tx)
		transaction_end(s);
	return STEP_DONE;
}

void data_kept(struct session *s, uint64_t message_id)
{
	char id[ID_TEXT_BYTES + 1]; /* proven: what id_format writes */
	struct verdict v = VERDICT(250, 2, 0, 0, "");

	id_format(message_id, id);
	v.text = smtpd_text(s->smtpd, "kept, id %s", id);
	s->kept++;
	s->smtpd->message_count++;
	trail_kept(s, message_id);
	(void)conclude(s, &v);
	session_run(s);
}

void data_refused(struct session *s, const struct verdict *refusal)
{
	(void)conclude(s, refusal);
	session_run(s);
}

enum step cmd_data(struct session *s, const struct smtp_command *c)
{
	(void)c;
	s->tx->way = WAY_DATA;
	smtp_data_init(&s->tx->data, s->settings->max_data_line);
	intake_init(s);
	reply(s, &VERDICT(354, 0, 0, 0, "End with a line that is one dot"));
	session_enter(s, SESSION_DATA);
	return STEP_DONE;
}

/* More was sent of a lost message than is worth reading. */
static enum step hang_up(struct session *s)
{
	tell_refused(s, &s->tx->intake.fault);
	reply_now(s, &s->tx->intake.fault);
	s->why_closed = "endless message";
	return STEP_CLOSE;
}

/* Takes what of `in` there is room for; `*ret_used` bytes of it are done with. */
static enum parse take_text(struct session *s, struct view in, size_t *ret_used)
{
	struct transaction *tx = s->tx;
	enum parse r = PARSE_MORE;

	*ret_used = 0;
	while (r != PARSE_DONE && *ret_used < in.n) {
		struct view run;
		size_t used;

		r = smtp_data_next(&tx->data, view_sub(in, *ret_used, intake_room(s)), &used, &run);
		intake_take(s, run);
		if (r == PARSE_BAD) {
			struct verdict fault = content_fault(tx->data.error);

			if (tx->intake.size_bytes == 0)
				intake_note_header(s, in);
			intake_fail(s, &fault);
		}
		*ret_used += used;
		if (intake_room(s) == 0)
			break;
	}
	return r;
}

enum step data_run(struct session *s)
{
	struct view in = stream_input(s->stream);
	enum parse r;
	size_t used;

	if (in.n == 0 || intake_room(s) == 0)
		return STEP_WAIT;
	r = take_text(s, in, &used);
	stream_consume(s->stream, used);
	if (r == PARSE_DONE) {
		session_enter(s, SESSION_SENDING);
		return STEP_DONE;
	}
	if (s->tx->intake.fault.code && !intake_drop(s, used))
		return hang_up(s);
	return STEP_WAIT;
}

enum step sending_run(struct session *s)
{
	if (!intake_finish(s))
		return STEP_WAIT;
	if (s->tx->intake.fault.code)
		return conclude(s, &s->tx->intake.fault);
	session_enter(s, SESSION_KEEPING);
	return STEP_WAIT;
}

enum step cmd_bdat(struct session *s, const struct smtp_command *c)
{
	struct transaction *tx = s->tx;

	if (tx->way == WAY_NONE) {
		tx->way = WAY_CHUNKS;
		smtp_strict_init(&tx->strict, s->settings->max_data_line);
		intake_init(s);
	}
	s->chunk_left = c->chunk_bytes;
	s->chunk_last = c->is_last;
	s->chunk_size = c->chunk_bytes;
	s->chunk_verdict = (struct verdict){0};
	session_enter(s, SESSION_CHUNK);
	return STEP_DONE;
}

enum step chunk_refuse(struct session *s, const struct smtp_command *c, const struct verdict *v)
{
	s->chunk_left = c->chunk_bytes;
	s->chunk_last = c->is_last;
	s->chunk_size = c->chunk_bytes;
	s->chunk_verdict = *v;
	session_enter(s, SESSION_CHUNK);
	return STEP_DONE;
}

/* The octets of a BDAT that was refused from the start. */
static enum step skip_chunk(struct session *s)
{
	struct view in = view_sub(stream_input(s->stream), 0, s->chunk_left);

	stream_consume(s->stream, in.n);
	s->chunk_left -= in.n;
	if (s->chunk_left > 0 && s->chunk_size > 2 * s->settings->max_message_bytes) {
		reply_now(s, &s->chunk_verdict);
		s->why_closed = "endless chunk";
		return STEP_CLOSE;
	}
	if (s->chunk_left > 0)
		return STEP_WAIT;
	session_enter(s, SESSION_COMMAND);
	reply_now(s, &s->chunk_verdict);
	return STEP_DONE;
}

static void take_chunk(struct session *s, struct view bytes)
{
	enum smtp_data_error error = SMTP_DATA_OK;

	if (!s->tx->intake.fault.code)
		error = smtp_strict_check(&s->tx->strict, bytes);
	if (error) {
		struct verdict fault = content_fault(error);

		if (s->tx->intake.size_bytes == 0)
			intake_note_header(s, bytes);
		intake_fail(s, &fault);
	}
	intake_take(s, bytes);
}

static enum step chunk_done(struct session *s)
{
	struct intake *in = &s->tx->intake;

	if (s->chunk_last) {
		if (!in->fault.code && smtp_strict_end(&s->tx->strict)) {
			struct verdict fault = content_fault(SMTP_DATA_BARE_CR);

			intake_fail(s, &fault);
		}
		session_enter(s, SESSION_SENDING);
		return STEP_DONE;
	}
	session_enter(s, SESSION_COMMAND);
	if (in->fault.code) {
		s->tx->way = WAY_FAILED_CHUNK;
		tell_refused(s, &in->fault);
		reply_now(s, &in->fault);
	} else {
		struct verdict v = VERDICT(250, 2, 0, 0, "");

		v.text = smtpd_text(s->smtpd, "%llu octets taken", (unsigned long long)s->chunk_size);
		reply_now(s, &v);
	}
	return STEP_DONE;
}

enum step chunk_run(struct session *s)
{
	if (s->chunk_verdict.code)
		return skip_chunk(s);
	while (s->chunk_left > 0) {
		size_t room = intake_room(s);
		struct view in = view_sub(stream_input(s->stream), 0, room < s->chunk_left ? room : s->chunk_left);

		if (in.n == 0)
			return STEP_WAIT;
		take_chunk(s, in);
		stream_consume(s->stream, in.n);
		s->chunk_left -= in.n;
		if (s->tx->intake.fault.code && !intake_drop(s, in.n))
			return hang_up(s);
	}
	return chunk_done(s);
}
