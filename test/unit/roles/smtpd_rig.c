/* SPDX-License-Identifier: ISC
 * Real smtpd sessions with a stored and an authd that live in the test. */
#include "smtpd_rig.h"

#include "conf/conf.h"
#include "io/stream.h"
#include "ipc/msgs/auth_msgs.h"
#include "ipc/msgs/smtp_msgs.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURNS = 12 }; /* from the client to stored and back are six */

static bool starts(struct view v, const char *prefix)
{
	return view_starts_with(v, view_from_cstr(prefix));
}

static void refuse(struct rig *r, uint32_t id, uint16_t code, const char *enhanced, const char *text)
{
	struct smtp_refused m = {.code = code, .enhanced = view_from_cstr(enhanced), .text = view_from_cstr(text)};

	assert(smtp_send_refused(r->store, id, &m));
}

static void ok(struct rig *r, uint32_t id)
{
	assert(smtp_send_rcpt_ok(r->store, id, &(struct smtp_rcpt_ok){.local = true}));
}

static void hear_rcpt(struct rig *r, uint32_t id, const struct smtp_rcpt_check *m)
{
	buf_printf(&r->asked, "R:%.*s%s;", VIEW_FMT(m->address), m->trusted ? "!" : "");
	if (starts(m->address, "no"))
		refuse(r, id, 550, "5.1.1", "No such mailbox");
	else if (starts(m->address, "later"))
		refuse(r, id, 451, "4.2.1", "Not now");
	else if (starts(m->address, "ended"))
		refuse(r, id, 421, "4.7.0", "Ended");
	else if (starts(m->address, "slow"))
		r->slow_ids[r->slow_count++] = id;
	else if (!starts(m->address, "mute"))
		ok(r, id);
}

void rig_answer_slow(struct rig *r)
{
	while (r->slow_count)
		ok(r, r->slow_ids[--r->slow_count]);
	rig_turn(r);
}

static struct rig_message *find_message(struct rig *r, uint32_t id)
{
	for (size_t i = r->message_count; i > 0; i--)
		if (r->messages[i - 1].id == id)
			return &r->messages[i - 1];
	return NULL;
}

static void hear_begin(struct rig *r, uint32_t id, const struct smtp_begin *m)
{
	struct rig_message *message;

	if (r->message_count == RIG_KEPT) { /* the oldest make room */
		buf_fini(&r->messages[0].text);
		buf_fini(&r->messages[0].envelope);
		memmove(r->messages, r->messages + 1, (RIG_KEPT - 1) * sizeof r->messages[0]);
		r->message_count--;
	}
	message = &r->messages[r->message_count++];
	*message = (struct rig_message){.id = id, .size_bytes = m->size_bytes};
	buf_init(&message->text, 16 << 20);
	buf_init(&message->envelope, 1 << 20);
	buf_append_view(&message->envelope, m->sender);
	for (uint32_t i = 0; i < m->n_rcpts; i++)
		buf_printf(&message->envelope, "|%.*s", VIEW_FMT(m->rcpts[i].address));
	buf_printf(&message->envelope, "|%.*s", VIEW_FMT(m->protocol));
}

static void hear_refusals(struct rig *r, const struct smtp_refusals *m)
{
	assert(m->n_refusals || m->left_out);
	for (uint32_t i = 0; i < m->n_refusals; i++) {
		const struct smtp_refusal *x = &m->refusals[i];

		assert(x->session && x->age_ms < 3600000 && x->text.n && x->listener.n &&
		       (x->sender.n || x->recipient.n));
		if (x->account.n)
			buf_printf(&r->refused, "%.*s:", VIEW_FMT(x->account));
		buf_printf(&r->refused, "%.*s>%.*s %u %.*s %.*s;", VIEW_FMT(x->sender), VIEW_FMT(x->recipient), x->code,
			   VIEW_FMT(x->enhanced), VIEW_FMT(x->message_id));
		r->refused_count++;
	}
	r->left_out += m->left_out;
}

static void hear_end(struct rig *r, struct rig_message *m)
{
	struct view sender = buf_view(&m->envelope);

	m->ended = true;
	if (starts(sender, "refuse"))
		assert(smtp_send_refused(
		    r->store, m->id,
		    &(struct smtp_refused){550, VIEW_LIT("5.7.1"), VIEW_LIT("Not wanted"), VIEW_LIT("said@stored")}));
	else if (!starts(sender, "mute"))
		assert(smtp_send_kept(r->store, m->id, &(struct smtp_kept){.message_id = ++r->next_id}));
}

static void hear_message(struct rig *r, uint32_t id, const struct smtp_msg *m)
{
	struct rig_message *message = find_message(r, id);

	assert(message && !message->ended && !message->aborted);
	if (m->type == SMTP_PIECE) {
		message->pieces++;
		buf_append_view(&message->text, m->piece.bytes);
		if (!r->no_credit && message->size_bytes == 0)
			assert(smtp_send_more(r->store, id, &(struct smtp_more){(uint32_t)m->piece.bytes.n}));
	} else if (m->type == SMTP_END) {
		hear_end(r, message);
	} else {
		message->aborted = true;
		r->aborts++;
	}
}

void rig_give_credit(struct rig *r, size_t message, uint32_t bytes)
{
	assert(smtp_send_more(r->store, r->messages[message].id, &(struct smtp_more){bytes}));
	rig_turn(r);
}

static void store_hears(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	const struct smtp_msg *m = msg;
	struct rig *r = ctx;

	(void)c;
	if (m->type == SMTP_RCPT_CHECK) {
		hear_rcpt(r, id, &m->rcpt_check);
	} else if (m->type == SMTP_SENDER_CHECK) {
		buf_printf(&r->asked, "S:%.*s;", VIEW_FMT(m->sender_check.sender));
		assert(view_eq_lit(m->sender_check.grant, "0123456789abcdef0123456789abcdef"));
		if (starts(m->sender_check.sender, "thief"))
			refuse(r, id, 553, "5.7.1", "Not your address");
		else
			assert(smtp_send_sender_ok(r->store, id, &(struct smtp_sender_ok){0}));
	} else if (m->type == SMTP_BEGIN) {
		hear_begin(r, id, &m->begin);
	} else if (m->type == SMTP_REFUSALS) {
		hear_refusals(r, &m->refusals);
	} else if (m->type == SMTP_GRANT_DROP) {
		r->dropped_grants++;
	} else {
		hear_message(r, id, m);
	}
}

static void channel_gone(void *ctx, struct channel *c)
{
	struct rig *r = ctx;

	fprintf(stderr, "channel closed: %s\n", channel_error(c));
	abort();
	(void)r;
}

static void deny(struct rig *r, uint32_t id, bool temporary)
{
	assert(auth_send_denied(r->auth, id, &(struct auth_denied){.temporary = temporary}));
}

static void grant(struct rig *r, uint32_t id, const char *final)
{
	struct auth_granted m = {VIEW_LIT("0123456789abcdef0123456789abcdef"), VIEW_LIT("me@example.org"),
				 view_from_cstr(final)};

	assert(auth_send_granted(r->auth, id, &m));
}

static void challenge(struct rig *r, uint32_t id, const char *text)
{
	assert(auth_send_challenge(r->auth, id, &(struct auth_challenge){7, view_from_cstr(text)}));
}

static void judge_response(struct rig *r, uint32_t id, struct view response)
{
	if (view_eq(response, VIEW_LIT("\0me\0secret")))
		grant(r, id, "");
	else if (view_eq_lit(response, "hi"))
		challenge(r, id, "nonce");
	else if (view_eq_lit(response, "proof"))
		grant(r, id, "v=ok");
	else if (!view_eq_lit(response, "mute"))
		deny(r, id, view_eq_lit(response, "busy"));
}

static void auth_hears(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	const struct auth_msg *m = msg;
	struct rig *r = ctx;

	(void)c;
	if (m->type == AUTH_CANCEL)
		r->cancelled++;
	else if (m->type == AUTH_STEP)
		judge_response(r, id, m->step.response);
	else if (m->start.has_initial)
		judge_response(r, id, m->start.initial);
	else
		challenge(r, id, "");
}

void rig_store_returns(struct rig *r)
{
	static const struct channel_handlers handlers = {store_hears, channel_gone, NULL};
	unsigned peer = r->smtpd->kind == SMTPD_MX ? SMTP_PEER_MX : SMTP_PEER_SUBMISSION;
	int fds[2];

	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	r->store = channel_new(r->base, fds[0], &smtp_proto, SMTP_PEER_STORE, peer, &handlers, r);
	assert(smtpd_set_store(r->smtpd, fds[1]) == 0);
	rig_turn(r);
}

void rig_auth_returns(struct rig *r)
{
	static const struct channel_handlers handlers = {auth_hears, channel_gone, NULL};
	int fds[2];

	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	r->auth = channel_new(r->base, fds[0], &auth_proto, AUTH_PEER_AUTH, AUTH_PEER_SUBMISSION, &handlers, r);
	assert(smtpd_set_auth(r->smtpd, fds[1]) == 0);
}

void rig_store_dies(struct rig *r)
{
	channel_free(&r->store);
	rig_turn(r);
}

void rig_open(struct rig *r, enum smtpd_kind kind, const char *config)
{
	struct buf text = BUF_INIT(65536), error = BUF_INIT(1024);

	memset(r, 0, sizeof *r);
	log_set(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	r->base = event_base_new();
	buf_init(&r->heard, 16 << 20);
	buf_init(&r->asked, 1 << 20);
	buf_init(&r->refused, 1 << 20);
	buf_printf(&text, "hostname = mx.example.org\n%s", config);
	if (conf_parse(buf_view(&text), "test", &r->conf, &error) < 0) {
		fprintf(stderr, "%s\n", buf_cstr(&error));
		abort();
	}
	assert(smtpd_new(r->base, kind, 0, r->conf, &r->smtpd, &error) == 0);
	buf_fini(&text);
	buf_fini(&error);
	rig_store_returns(r);
	if (kind == SMTPD_SUBMISSION)
		rig_auth_returns(r);
	rig_turn(r);
}

void rig_close(struct rig *r)
{
	for (size_t i = 0; i < r->client_count; i++)
		rig_hang_up(r, i);
	rig_turn(r);
	if (r->store)
		channel_free(&r->store);
	if (r->auth)
		channel_free(&r->auth);
	smtpd_free(&r->smtpd);
	(void)event_base_loop(r->base, EVLOOP_NONBLOCK); /* streams free themselves */
	for (size_t i = 0; i < r->message_count; i++) {
		buf_fini(&r->messages[i].text);
		buf_fini(&r->messages[i].envelope);
	}
	buf_fini(&r->heard);
	buf_fini(&r->asked);
	buf_fini(&r->refused);
	conf_free(&r->conf);
	event_base_free(r->base);
}

void rig_turn(struct rig *r)
{
	for (int i = 0; i < TURNS; i++)
		(void)event_base_loop(r->base, EVLOOP_NONBLOCK);
}

static void tcp_pair(int fds[2])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof a;
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	assert(bind(l, (struct sockaddr *)&a, n) == 0 && listen(l, 1) == 0);
	assert(getsockname(l, (struct sockaddr *)&a, &n) == 0);
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert(connect(fds[0], (struct sockaddr *)&a, n) == 0);
	assert(setsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
	fds[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	assert(fds[1] >= 0);
	(void)close(l);
}

size_t rig_connect_to(struct rig *r, const char *service, bool loopback)
{
	static const struct stream_limits limits = {65536, 262144, 65536, 16384};
	static const struct stream_handlers none;
	int fds[2];

	assert(r->client_count < RIG_CLIENTS);
	if (loopback)
		tcp_pair(fds);
	else
		assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	assert(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
	r->clients[r->client_count] = fds[0];
	smtpd_accept(r->smtpd, stream_new(r->base, fds[1], &limits, &none, NULL), service, false);
	return r->client_count++;
}

size_t rig_connect(struct rig *r)
{
	size_t client = rig_connect_to(r, r->smtpd->kind == SMTPD_MX ? "smtp" : "submission", true);
	const char *greeting = rig_hear(r, client);

	assert(strcmp(greeting, "220 mx.example.org ESMTP pombo\r\n") == 0);
	return client;
}

size_t rig_send_some(struct rig *r, size_t client, struct view bytes)
{
	ssize_t n = send(r->clients[client], bytes.p, bytes.n, MSG_NOSIGNAL);

	rig_turn(r);
	return n > 0 ? (size_t)n : 0;
}

void rig_send(struct rig *r, size_t client, struct view bytes)
{
	while (bytes.n) {
		ssize_t n = send(r->clients[client], bytes.p, bytes.n, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return;
		bytes = view_sub(bytes, n < 0 ? 0 : (size_t)n, bytes.n);
		if (bytes.n && n < 0) {
			size_t before = r->smtpd->bytes_held;

			rig_turn(r);
			if (before == r->smtpd->bytes_held && r->no_credit)
				return; /* nobody reads: as the test wants it */
		}
	}
}

/* One read of what is there; false at the end. */
static bool read_some(struct rig *r, size_t client, bool keep)
{
	char bytes[4096];
	ssize_t n = recv(r->clients[client], bytes, sizeof bytes, 0);

	if (n > 0 && keep)
		buf_append(&r->heard, bytes, (size_t)n);
	return n > 0;
}

const char *rig_hear(struct rig *r, size_t client)
{
	buf_reset(&r->heard);
	do
		rig_turn(r);
	while (read_some(r, client, true));
	return buf_cstr(&r->heard);
}

const char *rig_say(struct rig *r, size_t client, const char *text)
{
	rig_send(r, client, view_from_cstr(text));
	return rig_hear(r, client);
}

bool rig_is_closed(struct rig *r, size_t client)
{
	char c;
	ssize_t n;

	rig_turn(r);
	while (read_some(r, client, false))
		;
	n = recv(r->clients[client], &c, 1, 0);
	return n == 0 || (n < 0 && errno == ECONNRESET);
}

void rig_hang_up(struct rig *r, size_t client)
{
	if (r->clients[client] >= 0)
		(void)close(r->clients[client]);
	r->clients[client] = -1;
	rig_turn(r);
}
