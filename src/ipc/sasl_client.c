/* SPDX-License-Identifier: ISC
 * Relays one client's SASL exchange to authd. */
#include "ipc/sasl_client.h"

#include "base/encode.h"
#include "ipc/msgs/auth_msgs.h"

#include <stdlib.h>
#include <string.h>

enum { RESPONSE_MAX = 12288, DEADLINE_MS = 30000, GRANT_MAX = 32, ADDRESS_MAX = 320 };

struct sasl_client {
	struct channel *const *auth;
	struct stream *stream;
	bool plaintext_allowed;
	sasl_client_fn *fn;
	void *ctx;
	uint32_t call; /* id of the call that is under way, or 0 */
	uint64_t exchange; /* open at authd, or 0 */
	bool granted; /* success data was sent; an empty line from the client ends it (RFC 4422 §3.6) */
	struct buf grant;
	struct buf address;
	struct buf text;
};

struct sasl_client *sasl_client_new(struct channel *const *auth, struct stream *stream, bool plaintext_allowed,
				    sasl_client_fn *fn, void *ctx)
{
	struct sasl_client *c = xcalloc(1, sizeof *c);

	c->auth = auth;
	c->stream = stream;
	c->plaintext_allowed = plaintext_allowed;
	c->fn = fn;
	c->ctx = ctx;
	buf_init(&c->grant, GRANT_MAX);
	buf_init(&c->address, ADDRESS_MAX);
	buf_init(&c->text, SASL_LINE_MAX + 4);
	return c;
}

void sasl_client_free(struct sasl_client **cp)
{
	struct sasl_client *c = *cp;

	if (!c)
		return;
	if (*c->auth && c->call)
		channel_call_cancel(*c->auth, c->call);
	/* Else it would go on, slowed down it may be, after the connection that counts it is gone. */
	if (*c->auth && (c->exchange || c->call))
		(void)auth_send_cancel(*c->auth, c->exchange ? 0 : c->call,
				       &(struct auth_cancel){.exchange = c->exchange});
	buf_fini(&c->grant);
	buf_fini(&c->address);
	if (c->text.p)
		explicit_bzero(c->text.p, c->text.cap);
	buf_fini(&c->text);
	free(c);
	*cp = NULL;
}

static struct sasl_outcome granted(const struct sasl_client *c)
{
	return (struct sasl_outcome){SASL_GRANTED, VIEW_EMPTY, buf_view(&c->grant), buf_view(&c->address)};
}

struct sasl_outcome sasl_client_granted(const struct sasl_client *c)
{
	return granted(c);
}

static enum sasl_verdict challenge_text(struct sasl_client *c, struct view data)
{
	buf_reset(&c->text);
	encode_base64(&c->text, data);
	return c->text.overflow ? SASL_TEMPORARY : SASL_CONTINUE;
}

static enum sasl_verdict on_granted(struct sasl_client *c, const struct auth_granted *m)
{
	c->exchange = 0;
	buf_append_view(&c->grant, m->grant);
	buf_append_view(&c->address, m->address);
	if (m->final.n == 0)
		return SASL_GRANTED;
	c->granted = true;
	return challenge_text(c, m->final);
}

static enum sasl_verdict on_denied(struct sasl_client *c, const struct auth_denied *m)
{
	c->exchange = 0;
	if (m->tls_needed)
		return SASL_TLS_NEEDED;
	if (m->unknown_mechanism)
		return SASL_NO_MECHANISM;
	if (m->temporary)
		return SASL_TEMPORARY;
	return m->malformed ? SASL_MALFORMED : SASL_WRONG;
}

static enum sasl_verdict judge(struct sasl_client *c, const struct auth_msg *m)
{
	if (!m) {
		c->exchange = 0;
		return SASL_TEMPORARY;
	}
	if (m->type == AUTH_CHALLENGE) {
		c->exchange = m->challenge.exchange;
		return challenge_text(c, m->challenge.challenge);
	}
	if (m->type == AUTH_GRANTED)
		return on_granted(c, &m->granted);
	if (m->type == AUTH_DENIED)
		return on_denied(c, &m->denied);
	return SASL_TEMPORARY;
}

static void on_answer(void *ctx, const struct auth_msg *m)
{
	struct sasl_client *c = ctx;
	struct sasl_outcome outcome;

	c->call = 0;
	outcome = granted(c);
	outcome.verdict = judge(c, m);
	if (outcome.verdict == SASL_GRANTED)
		outcome = granted(c);
	else
		outcome.text = buf_view(&c->text);
	c->fn(c->ctx, &outcome);
}

static enum sasl_verdict called(struct sasl_client *c, bool sent)
{
	if (!sent)
		return SASL_TEMPORARY;
	c->call = channel_call_id(*c->auth);
	return SASL_PENDING;
}

struct bindings {
	struct buf exporter, unique, end_point;
};

/* Only SCRAM has a use for them. */
static void bindings(const struct stream *s, struct view mechanism, struct bindings *b)
{
	if (!stream_is_tls(s) || !view_starts_with_nocase(mechanism, VIEW_LIT("SCRAM-")))
		return;
	if (!stream_tls_exporter(s, &b->exporter))
		buf_reset(&b->exporter);
	if (!stream_tls_unique(s, &b->unique))
		buf_reset(&b->unique);
	if (!stream_tls_server_end_point(s, &b->end_point))
		buf_reset(&b->end_point);
}

static enum sasl_verdict start(struct sasl_client *c, struct view mechanism, bool has_initial, struct view initial)
{
	struct bindings b = {BUF_INIT(64), BUF_INIT(64), BUF_INIT(128)};
	struct auth_start m = {
	    .mechanism = mechanism,
	    .client_ip = view_from_cstr(stream_peer(c->stream)->ip),
	    .tls = stream_is_tls(c->stream),
	    .plaintext_allowed = c->plaintext_allowed,
	    .has_initial = has_initial,
	    .initial = initial,
	};
	enum sasl_verdict v;

	bindings(c->stream, mechanism, &b);
	m.tls_exporter = buf_view(&b.exporter);
	m.tls_unique = buf_view(&b.unique);
	m.tls_server_end_point = buf_view(&b.end_point);
	v = called(c, *c->auth && auth_call_start(*c->auth, &m, DEADLINE_MS, on_answer, c));
	buf_fini(&b.exporter);
	buf_fini(&b.unique);
	buf_fini(&b.end_point);
	return v;
}

static void wipe(struct buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->cap);
	buf_fini(b);
}

enum sasl_verdict sasl_client_start(struct sasl_client *c, struct view mechanism, struct view initial)
{
	struct buf raw = BUF_INIT(RESPONSE_MAX);
	enum sasl_verdict v = SASL_MALFORMED;

	if (mechanism.n == 0 || mechanism.n > 20) /* RFC 4422 §3.1 */
		return SASL_NO_MECHANISM;
	if (!initial.p || view_eq_lit(initial, "=") || decode_base64(&raw, initial))
		v = start(c, mechanism, initial.p != NULL, buf_view(&raw));
	wipe(&raw);
	return v;
}

enum sasl_verdict sasl_client_line(struct sasl_client *c, struct view line)
{
	struct buf raw = BUF_INIT(RESPONSE_MAX);
	enum sasl_verdict v = SASL_MALFORMED;

	if (view_eq_lit(line, "*"))
		return SASL_CANCELLED;
	if (c->granted)
		return line.n == 0 || view_eq_lit(line, "=") ? SASL_GRANTED : SASL_MALFORMED;
	if (decode_base64(&raw, line)) {
		struct auth_step m = {.exchange = c->exchange, .response = buf_view(&raw)};

		v = called(c, *c->auth && auth_call_step(*c->auth, &m, DEADLINE_MS, on_answer, c));
	}
	wipe(&raw);
	return v;
}

enum sasl_verdict sasl_client_login(struct sasl_client *c, struct view user, struct view password)
{
	struct auth_login m = {
	    .client_ip = view_from_cstr(stream_peer(c->stream)->ip),
	    .tls = stream_is_tls(c->stream),
	    .plaintext_allowed = c->plaintext_allowed,
	    .user = user,
	    .password = password,
	};

	if (user.n > 512 || password.n > 1024)
		return SASL_WRONG;
	return called(c, *c->auth && auth_call_login(*c->auth, &m, DEADLINE_MS, on_answer, c));
}

void sasl_client_mechanisms(struct buf *out, const char *prefix, bool tls, bool plaintext_allowed)
{
	static const struct {
		const char *name;
		bool bound; /* needs a TLS channel */
	} mechanisms[] = {
	    {"PLAIN", false},
	    {"LOGIN", false},
	    {"SCRAM-SHA-256", false},
	    {"SCRAM-SHA-256-PLUS", true},
	};
	const char *space = "";

	for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++) {
		if (mechanisms[i].bound ? !tls : !tls && !plaintext_allowed)
			continue;
		buf_printf(out, "%s%s%s", space, prefix, mechanisms[i].name);
		space = " ";
	}
}
