/* SPDX-License-Identifier: ISC
 * One message to some of its recipients over one connection: MAIL, RCPT…, then DATA or BDAT; what each reply means for whom.
 *
 * With PIPELINING everything up to DATA leaves at once, with CHUNKING a small message too: then a whole transaction is one round trip. A
 * reply that nobody can act on any more (to DATA after all recipients were refused) is taken and means nothing. */
#include "relayd/session_private.h"
#include "relayd/variant.h"

#include "base/clock.h"
#include "base/id.h"

#include <stdlib.h>
#include <string.h>

enum {
	PIPELINED_BODY_MAX = 65536, /* a message up to here is sent before its recipients were accepted */
	BLOCK = 65536,
	TRIES_MAX = 3,
	REPLIES_MAX = EXPECT_MAX - 8,
};

static const struct conf *conf_of(const struct session_private *s)
{
	return relayd_conf(s->relayd);
}

static bool is_lmtp(const struct session_private *s)
{
	return destination_route(s->destination)->lmtp;
}

/* ---- fates ---- */

static void put_fate(struct session_private *s, unsigned rcpt, const struct fate *f)
{
	struct transaction *tx = &s->tx;
	struct fate *to = &tx->fates[tx->fate_count];

	if (tx->fate_count == TRANSACTION_RCPTS_MAX)
		return;
	tx->fate_count++;
	*to = *f;
	to->id = tx->job->rcpts[rcpt].id;
	to->dsn_passed = f->outcome == FATE_SENT && s->offers.dsn;
	to->text = arena_copy(&tx->arena, view_sub(f->text, 0, FATE_TEXT_MAX));
	if (!to->text.p)
		to->text = VIEW_EMPTY;
}

static enum fate_outcome outcome_of(unsigned code)
{
	return code / 100 == 2 ? FATE_SENT : code / 100 == 5 ? FATE_FAILED : FATE_DEFERRED;
}

static bool has_fate(const struct transaction *tx, uint64_t id)
{
	for (size_t i = 0; i < tx->fate_count; i++)
		if (tx->fates[i].id == id)
			return true;
	return false;
}

/* The same for every recipient of the transaction that has none yet. */
static void put_fates(struct session_private *s, const struct fate *f)
{
	struct transaction *tx = &s->tx;

	for (size_t i = 0; i < tx->rcpt_count; i++)
		if (!has_fate(tx, tx->job->rcpts[tx->rcpts[i]].id))
			put_fate(s, tx->rcpts[i], f);
}

/* RFC 3207 §4: it asks for TLS, which it has, and which failed a moment ago: we are here without only for that. */
static bool asks_for_tls_that_failed(const struct session_private *s)
{
	return s->reply.code == 530 && !stream_is_tls(s->stream) && session_host(s)->plain_until_ms > 0;
}

static struct fate fate_of_reply(const struct session_private *s)
{
	struct fate f = {.outcome = outcome_of(s->reply.code),
			 .said = true,
			 .code = (uint16_t)s->reply.code,
			 .enhanced = s->reply.enhanced,
			 .text = buf_view(&s->reply.text)};

	if (asks_for_tls_that_failed(s)) {
		f.outcome = FATE_DEFERRED;
		f.enhanced.class = 4;
	}
	return f;
}

static void fates_of_reply(struct session_private *s)
{
	const struct fate f = fate_of_reply(s);

	put_fates(s, &f);
}

/* In our own words. */
static void put_own_fates(struct session_private *s, unsigned code, struct dsn_status status, struct view text)
{
	put_fates(
	    s, &(struct fate){.outcome = outcome_of(code), .code = (uint16_t)code, .enhanced = status, .text = text});
}

/* ---- the end of a transaction ---- */

/* Tells what is decided. The job is over, or NULL is not returned: it has recipients left. */
static struct job *tell(struct session_private *s)
{
	struct transaction *tx = &s->tx;
	struct report_about about = session_about(s);
	struct job *j = tx->job;
	bool over = tx->fate_count >= j->open;

	tx->job = NULL;
	about.closed_s = tx->closed_s;
	if (tx->fate_count)
		report_fates(s->relayd, j, &about, tx->fates, tx->fate_count);
	if (over)
		return NULL;
	for (size_t i = 0; i < j->rcpt_count; i++)
		if (j->rcpts[i].state != RCPT_OVER)
			j->rcpts[i].state = RCPT_WAITING;
	j->at_dot = false;
	return j;
}

static void end(struct session_private *s, bool hang_up)
{
	struct job *left = tell(s);

	if (left)
		destination_return(s->destination, left);
	if (hang_up)
		session_hang_up(s);
	else
		session_next(s);
}

/* The connection is over, and the message has not gone. Where that has happened too often, whoever waits hears `others`. */
static void end_sent_away(struct session_private *s, const struct fate *why, const struct fate *others)
{
	struct report_about about = session_about(s);

	about.closed_s = s->tx.closed_s = destination_sent_away(s->destination);
	put_fates(s, why);
	end(s, true);
	if (about.closed_s)
		destination_close(s->destination, &about, others);
}

static void log_unknown(const struct session_private *s)
{
	char id[ID_TEXT_BYTES + 1];
	struct log_line l;

	id_format(s->tx.job->message_id, id);
	log_begin(&l, LOG_LEVEL_WARNING, "unknown-fate");
	log_cstr(&l, "id", id);
	log_str(&l, "mx", buf_view(&s->mx));
	log_u64(&l, "recipients", s->tx.accepted);
	log_end(&l);
}

/* It took messages, and said nothing of this one: many servers take so many a connection. Another connection will do. */
static bool is_worn(const struct session_private *s)
{
	return s->sent_messages > 0 && s->tx.accepted == 0 && s->tx.fate_count == 0;
}

void transaction_broken(struct session_private *s, const char *why)
{
	struct transaction *tx = &s->tx;
	_cleanup_(buf_fini) struct buf text = BUF_INIT(FATE_TEXT_MAX);
	struct fate later = {.outcome = FATE_DEFERRED, .code = 451, .enhanced = {4, 4, 2}}, others = later;
	bool past_dot = transaction_is_past_dot(s), worn = is_worn(s);
	size_t said;

	s->state = SESSION_OVER;
	if (!tx->job)
		return;
	if (past_dot)
		log_unknown(s);
	if (!worn)
		session_host(s)->bad_until_ms = clock_mono_ms() + 60000;
	if (worn || (!past_dot && ++tx->job->tries < TRIES_MAX)) {
		destination_went_wrong(s->destination);
		end(s, true);
		return;
	}
	buf_printf(&text, "%s %s", buf_cstr(&s->mx), why);
	said = text.n;
	if (past_dot)
		buf_append_cstr(&text, " at the end of the message: whether it was taken is not known");
	later.text = buf_view(&text);
	others.text = view_sub(later.text, 0, said);
	end_sent_away(s, &later, &others);
}

bool transaction_is_past_dot(const struct session_private *s)
{
	return s->tx.job && s->tx.job->at_dot && !(s->stream && stream_has_unsent(s->stream));
}

/* However steadily a little of it was taken: who gets the next lease would send it beside this connection. */
void transaction_too_late(struct session_private *s)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(FATE_TEXT_MAX);
	struct fate later = {.outcome = FATE_DEFERRED, .code = 451, .enhanced = {4, 4, 2}};

	if (!s->tx.job || transaction_is_past_dot(s) || s->tx.last_dot_ms > clock_mono_ms()) {
		transaction_broken(s, "did not answer in time");
		return;
	}
	buf_printf(&text, "%s took too little of a message in the time that it may take (lease-time)",
		   buf_cstr(&s->mx));
	later.text = buf_view(&text);
	end_sent_away(s, &later, &later);
}

void transaction_drop(struct session_private *s)
{
	static const struct fate released = {.outcome = FATE_RELEASED};

	if (s->tx.job)
		report_rest(s->relayd, s->tx.job, &(struct report_about){0}, &released);
	s->tx.job = NULL;
	arena_fini(&s->tx.arena);
}

/* ---- what can be known before ---- */

/* RFC 6531 §3.4: an address or a header field in UTF-8 cannot go where SMTPUTF8 is not offered. */
static bool needs_smtputf8(const struct session_private *s, const struct job *j)
{
	if (!j->smtputf8)
		return false;
	if (!view_is_ascii(j->sender))
		return true;
	for (size_t i = 0; i < s->tx.rcpt_count; i++)
		if (j->rcpts[s->tx.rcpts[i]].is_utf8)
			return true;
	return job_has_eightbit_header(j);
}

/* True: it cannot be sent this way, and its recipients' fates say so. */
static bool is_hopeless(struct session_private *s)
{
	const struct job *j = s->tx.job;
	const struct offers *o = &s->offers;

	if (o->size_max && j->size_bytes > o->size_max) {
		put_own_fates(s, 552, (struct dsn_status){5, 3, 4},
			      VIEW_LIT("the message is bigger than the other server takes"));
		return true;
	}
	if (!o->smtputf8 && needs_smtputf8(s, j)) {
		put_own_fates(s, 553, (struct dsn_status){5, 6, 7},
			      VIEW_LIT("the other server does not take addresses or headers in UTF-8 (SMTPUTF8)"));
		return true;
	}
	return false;
}

/* RFC 6152 §3; and lines of 1000 octets are what every server must take, more is luck (RFC 5321 §4.5.3.1.6). */
static bool needs_variant(const struct session_private *s)
{
	return s->tx.job->long_lines || (!s->offers.eightbitmime && s->tx.job->eightbit);
}

static void wait_for_variant(struct session_private *s)
{
	const struct report_about about = session_about(s);
	struct job *j = s->tx.job;

	s->tx.job = NULL;
	variant_ask(s->relayd, j, &about);
	session_next(s);
}

/* ---- the message ---- */

static void body_is_sent(struct session_private *s)
{
	uint64_t now_ms = clock_mono_ms(), end_ms = s->tx.job->lease_end_ms;

	s->tx.body = BODY_SENT;
	session_set_wait(s, conf_of(s)->outbound_done_timeout);
	stream_set_total_timeout(s->stream, end_ms > now_ms ? end_ms - now_ms : 1);
	if (is_lmtp(s)) {
		for (size_t i = 0; i < s->tx.accepted; i++)
			session_expect(s, EXPECT_END, 0);
	} else {
		session_expect(s, EXPECT_END, 0);
	}
	stream_flush(s->stream);
}

static void unreadable(struct session_private *s)
{
	put_own_fates(s, 451, (struct dsn_status){4, 3, 0}, VIEW_LIT("the message cannot be read here now"));
	end(s, true);
}

static void put_piece(struct transaction *tx, struct buf *out, struct view piece)
{
	if (tx->chunked) {
		buf_append_view(out, piece);
		return;
	}
	while (piece.n)
		buf_append_view(out, smtp_stuff_next(&tx->stuff, &piece));
}

static void push_body(struct session_private *s)
{
	struct transaction *tx = &s->tx;
	struct buf *out = stream_out(s->stream);
	_cleanup_(buf_fini) struct buf read = BUF_INIT(BLOCK);
	struct view piece;

	while (tx->body_at < tx->job->size_bytes) {
		if (stream_is_full(s->stream))
			return;
		if (job_read(tx->job, tx->body_at, BLOCK, &read, &piece) < 0 || piece.n == 0) {
			unreadable(s);
			return;
		}
		put_piece(tx, out, piece);
		tx->body_at += piece.n;
		stream_flush(s->stream);
	}
	if (tx->last_dot_ms <= clock_mono_ms()) {
		transaction_too_late(s);
		return;
	}
	tx->job->at_dot = true;
	if (!tx->chunked)
		buf_append_view(out, smtp_stuff_end(&tx->stuff));
	body_is_sent(s);
}

static void begin_body(struct session_private *s)
{
	struct transaction *tx = &s->tx;

	tx->body = BODY_SENDING;
	tx->body_at = 0;
	smtp_stuff_init(&tx->stuff);
	session_set_wait(s, conf_of(s)->outbound_data_timeout);
	if (tx->chunked)
		buf_printf(stream_out(s->stream), "BDAT %llu LAST\r\n", (unsigned long long)tx->job->size_bytes);
	push_body(s);
}

/* All recipients were refused, and yet the server waits for a message (RFC 2920 §3.1): it gets an empty one. */
static void end_unwanted(struct session_private *s)
{
	struct buf *out = stream_out(s->stream);

	buf_append_cstr(out, ".\r\n");
	s->tx.body = BODY_SENT;
	session_expect(s, EXPECT_END, 0);
	stream_flush(s->stream);
}

static bool is_whole_in_memory(const struct job *j)
{
	return j->content < 0 && j->size_bytes <= PIPELINED_BODY_MAX;
}

/* May the message follow its recipients at once? Not to LMTP: how many replies there will be is not known yet. */
static bool may_send_ahead(const struct session_private *s)
{
	return s->offers.pipelining && !is_lmtp(s) && !s->tx.was_idle && is_whole_in_memory(s->tx.job);
}

static bool asked_all(const struct transaction *tx)
{
	return tx->mail_written && (tx->mail_failed || tx->next_rcpt == tx->rcpt_count);
}

/* Everything was asked and answered, nobody is left to send to. */
static void end_without_body(struct session_private *s)
{
	s->needs_rset = !s->tx.mail_failed;
	end(s, false);
}

void transaction_push(struct session_private *s)
{
	struct transaction *tx = &s->tx;
	bool pipelining = s->offers.pipelining;

	if (tx->body == BODY_SENDING) {
		push_body(s);
		return;
	}
	if (s->needs_rset) {
		session_command(s, EXPECT_RSET, 0, "RSET");
		s->needs_rset = false;
		if (!pipelining)
			return;
	}
	if (!tx->mail_written) {
		envelope_write_mail(s);
		if (!pipelining)
			return;
	}
	while (!tx->mail_failed && tx->next_rcpt < tx->rcpt_count && (pipelining || s->expect_count == 0) &&
	       s->expect_count < REPLIES_MAX)
		envelope_write_rcpt(s);
	if (!asked_all(tx) || tx->body != BODY_NOT_BEGUN || tx->data_written)
		return;
	if (s->expect_count == 0 && tx->accepted == 0) {
		end_without_body(s);
		return;
	}
	if (s->expect_count > 0 && (!pipelining || tx->mail_failed))
		return;
	tx->chunked = s->offers.chunking;
	if (!tx->chunked) {
		if (s->expect_count == 0 || pipelining) {
			session_command(s, EXPECT_DATA, 0, "DATA");
			tx->data_written = true;
		}
	} else if (s->expect_count == 0 || may_send_ahead(s)) {
		begin_body(s);
	}
}

/* All that it may take, whatever each step may; from its end on until the lease ends. */
static void begin_time(struct session_private *s)
{
	uint64_t now_ms = clock_mono_ms();

	s->tx.last_dot_ms = job_last_dot_ms(s->tx.job, conf_of(s)->outbound_done_timeout);
	stream_set_total_timeout(s->stream, s->tx.last_dot_ms > now_ms ? s->tx.last_dot_ms - now_ms : 1);
}

void transaction_begin(struct session_private *s, struct job *j)
{
	struct transaction *tx = &s->tx;
	size_t max = s->offers.rcpt_max && s->offers.rcpt_max < TRANSACTION_RCPTS_MAX ? s->offers.rcpt_max
										      : TRANSACTION_RCPTS_MAX;
	struct arena arena = tx->arena;

	arena_reset(&arena);
	*tx = (struct transaction){.job = j, .arena = arena, .was_idle = s->was_idle};
	for (size_t i = 0; i < j->rcpt_count && tx->rcpt_count < max; i++)
		if (j->rcpts[i].state == RCPT_WAITING)
			tx->rcpts[tx->rcpt_count++] = (unsigned)i;
	if (is_hopeless(s)) {
		end(s, false);
		return;
	}
	if (needs_variant(s)) {
		wait_for_variant(s);
		return;
	}
	session_set_wait(s, conf_of(s)->outbound_command_timeout);
	begin_time(s);
	transaction_push(s);
}

/* ---- replies ---- */

static void on_mail(struct session_private *s)
{
	struct transaction *tx = &s->tx;

	if (s->reply.code / 100 == 2)
		return;
	tx->mail_failed = true;
	fates_of_reply(s);
}

static void on_rcpt(struct session_private *s, unsigned rcpt)
{
	struct transaction *tx = &s->tx;
	struct job_rcpt *r = &tx->job->rcpts[rcpt];
	struct fate fate;

	if (tx->mail_failed || has_fate(tx, r->id))
		return; /* the refusal of MAIL said it all */
	if (s->reply.code / 100 == 2) {
		r->state = RCPT_ACCEPTED;
		tx->accepted++;
		return;
	}
	/* RFC 5321 §4.5.3.1.10: too many at once, which some still call 552; the rest goes in a transaction of its own, as some were taken. A
	 * mailbox that is full (552 too) is refused there for good. */
	if ((s->reply.code == 452 || s->reply.code == 552) && tx->accepted > 0) {
		r->state = RCPT_WAITING;
		for (size_t i = 0; i < tx->rcpt_count; i++) {
			if (tx->rcpts[i] != rcpt)
				continue;
			memmove(&tx->rcpts[i], &tx->rcpts[i + 1], (tx->rcpt_count - i - 1) * sizeof tx->rcpts[0]);
			tx->rcpt_count--;
			if (tx->next_rcpt > i)
				tx->next_rcpt--;
			return;
		}
		return;
	}
	fate = fate_of_reply(s);
	put_fate(s, rcpt, &fate);
}

static void on_data(struct session_private *s)
{
	struct transaction *tx = &s->tx;

	if (s->reply.code / 100 == 3) {
		if (stream_input(s->stream).n)
			return; /* an answer to the message before it came: nobody gets it, and the connection ends */
		if (tx->accepted > 0)
			begin_body(s);
		else
			end_unwanted(s);
		return;
	}
	if (s->reply.code / 100 == 2) { /* DATA has no such reply */
		transaction_broken(s, "answered DATA with what is no answer to it");
		stream_close(s->stream);
		return;
	}
	fates_of_reply(s);
	s->needs_rset = !tx->mail_failed;
	end(s, false);
}

/* LMTP (RFC 2033 §4.2): one reply for each recipient that was accepted, in their order. */
static void on_lmtp_end(struct session_private *s)
{
	struct transaction *tx = &s->tx;
	const struct fate f = fate_of_reply(s);

	while (tx->lmtp_next < tx->rcpt_count && tx->job->rcpts[tx->rcpts[tx->lmtp_next]].state != RCPT_ACCEPTED)
		tx->lmtp_next++;
	if (tx->lmtp_next < tx->rcpt_count)
		put_fate(s, tx->rcpts[tx->lmtp_next++], &f);
}

static void on_end(struct session_private *s)
{
	struct transaction *tx = &s->tx;

	if (s->reply.code / 100 == 3) {
		transaction_broken(s, "answered the end of the message with what is no answer to it");
		stream_close(s->stream);
		return;
	}
	s->needs_rset |=
	    tx->chunked && s->reply.code / 100 != 2; /* RFC 3030 §2: what a failed BDAT leaves nobody knows */
	if (is_lmtp(s))
		on_lmtp_end(s);
	else if (tx->accepted > 0)
		fates_of_reply(s);
	if (s->expect_count > 0)
		return;
	if (tx->accepted > 0) {
		s->sent_messages++;
		destination_went_well(s->destination);
	} else {
		s->needs_rset = true;
	}
	end(s, false);
}

void transaction_reply(struct session_private *s, const struct waiting_reply *w)
{
	struct transaction *tx = &s->tx;

	if (!tx->job)
		return;
	if (w->what == EXPECT_RSET) {
		if (!tx->mail_written)
			transaction_push(s);
		return;
	}
	/* RFC 5321 §3.8: 421 may answer anything, and the connection ends with it. What was already refused stays refused. */
	if (s->reply.code == 421) {
		const struct fate later = fate_of_reply(s);

		if (is_worn(s))
			end(s, true);
		else
			end_sent_away(s, &later, &later);
		return;
	}
	switch (w->what) {
	case EXPECT_MAIL:
		on_mail(s);
		break;
	case EXPECT_RCPT:
		on_rcpt(s, w->rcpt);
		break;
	case EXPECT_DATA:
		on_data(s);
		return;
	case EXPECT_END:
		on_end(s);
		return;
	case EXPECT_GREETING:
	case EXPECT_EHLO:
	case EXPECT_HELO:
	case EXPECT_STARTTLS:
	case EXPECT_AUTH:
	case EXPECT_RSET:
	case EXPECT_QUIT:
		return;
	}
	if (tx->body == BODY_NOT_BEGUN && tx->job)
		transaction_push(s);
}
