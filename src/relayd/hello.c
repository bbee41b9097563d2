/* SPDX-License-Identifier: ISC
 * The beginning of a connection: greeting, EHLO, STARTTLS, AUTH; or the reason why this host is of no use. */
#include "base/clock.h"
#include "base/encode.h"
#include "relayd/session_private.h"

#include <stddef.h>
#include <stdlib.h>

enum { PLAIN_HOST_MS = 600000, PASSWORD_MAX = 1024 };

static const struct conf *conf_of(const struct session_private *s)
{
	return relayd_conf(s->relayd);
}

static const struct route *route_of(const struct session_private *s)
{
	return destination_route(s->destination);
}

static void say_ehlo(struct session_private *s)
{
	session_command(s, EXPECT_EHLO, 0, "%s %s", route_of(s)->lmtp ? "LHLO" : "EHLO", conf_of(s)->hostname);
	session_set_wait(s, conf_of(s)->outbound_command_timeout);
}

/* RFC 5321 §4.1.1.10: nobody hangs up without it; but who said 421 hangs up himself. */
static void say_goodbye(struct session_private *s)
{
	if (s->reply.code != 421)
		session_command(s, EXPECT_QUIT, 0, "QUIT");
	stream_close(s->stream);
}

static void remember_refusal(struct session_private *s, const char *what)
{
	const struct buf *text = &s->reply.text;

	if (s->reply.code / 100 < 4) {
		session_remember_error(s, 451, (struct dsn_status){4, 5, 0}, "%s %s", buf_cstr(&s->mx), what);
		return;
	}
	/* What it said; behind it, in the brackets of a comment (RFC 3464 §2.3.6), what that was about. */
	session_remember_error(s, s->reply.code, s->reply.enhanced, "%.*s%s(%s %s)",
			       (int)(text->n > 900 ? 900 : text->n), text->n ? text->p : "", text->n ? " " : "",
			       buf_cstr(&s->mx), what);
	s->last_said = true;
}

/* Refused or odd before any mail: on to the next host, with its words. */
static void refuse_host(struct session_private *s, const char *what)
{
	remember_refusal(s, what);
	say_goodbye(s);
}

static const struct dsn_status encryption_needed = {5, 7, 10}, requiretls_needed = {5, 7, 30};

/* TLS is asked of it, and it has none. */
static void refuse_plaintext(struct session_private *s, const char *what)
{
	session_is_unfit(s, encryption_needed);
	refuse_host(s, what);
}

bool hello_may_requiretls(const struct session_private *s)
{
	return s->offers.requiretls && stream_is_tls(s->stream) && s->verified != TLS_NOT_VERIFIED &&
	       s->policy.name_vouched;
}

/* RFC 8689 §4.2.1, its five steps; where a message asks for them. What goes over a UNIX socket is on no wire: that is the delivery of §4.4. */
static bool keeps_requiretls(const struct session_private *s)
{
	return destination_tls(s->destination) != MESSAGE_TLS_REQUIRED || route_of(s)->local || hello_may_requiretls(s);
}

/* The same: "the client MUST issue a QUIT" and go on to the next host. */
static void refuse_politely(struct session_private *s)
{
	session_is_unfit(s, stream_is_tls(s->stream) ? requiretls_needed : encryption_needed);
	session_remember_error(s, 550, requiretls_needed,
			       "%s cannot promise that the message stays under TLS (REQUIRETLS)", buf_cstr(&s->mx));
	say_goodbye(s);
}

static void take_offer(struct offers *o, struct view line)
{
	static const struct {
		const char *name;
		size_t at;
	} flags[] = {
	    {"PIPELINING", offsetof(struct offers, pipelining)},
	    {"CHUNKING", offsetof(struct offers, chunking)},
	    {"8BITMIME", offsetof(struct offers, eightbitmime)},
	    {"SMTPUTF8", offsetof(struct offers, smtputf8)},
	    {"DSN", offsetof(struct offers, dsn)},
	    {"STARTTLS", offsetof(struct offers, starttls)},
	    {"REQUIRETLS", offsetof(struct offers, requiretls)},
	    {"SIZE", offsetof(struct offers, size_given)},
	};
	struct view word = line, rest = VIEW_EMPTY, value;
	bool is_auth, is_limits;

	(void)view_cut(line, ' ', &word, &rest);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (view_eq_lit_nocase(word, flags[i].name))
			*(bool *)((char *)o + flags[i].at) = true;
	if (view_eq_lit_nocase(word, "SIZE"))
		(void)(view_to_u64(view_trim(rest), UINT64_MAX, &o->size_max));
	is_auth = view_eq_lit_nocase(word, "AUTH");
	is_limits = view_eq_lit_nocase(word, "LIMITS");
	while ((is_auth || is_limits) && rest.n) {
		uint32_t n;

		rest = view_trim(rest);
		if (!view_cut(rest, ' ', &word, &rest)) {
			word = rest;
			rest = VIEW_EMPTY;
		}
		o->auth_plain |= is_auth && view_eq_lit_nocase(word, "PLAIN");
		o->auth_login |= is_auth && view_eq_lit_nocase(word, "LOGIN");
		if (is_limits && view_starts_with_nocase(word, VIEW_LIT("RCPTMAX=")) &&
		    view_to_u32(view_sub(word, 8, word.n), UINT32_MAX, &n))
			o->rcpt_max = n;
		value = VIEW_LIT("MAILMAX=");
		if (is_limits && view_starts_with_nocase(word, value) &&
		    view_to_u32(view_sub(word, value.n, word.n), UINT32_MAX, &n))
			o->mail_max = n;
		value = VIEW_LIT("RCPTDOMAINMAX=");
		if (is_limits && view_starts_with_nocase(word, value) &&
		    view_to_u32(view_sub(word, value.n, word.n), UINT32_MAX, &n))
			o->domain_max = n;
	}
}

static void be_ready(struct session_private *s)
{
	s->was_ready = true;
	s->sent_messages = s->mails = s->domain_count = 0;
	buf_reset(&s->domains);
	s->needs_rset = false;
	session_host(s)->bad_until_ms = 0;
	session_tell_ready(s);
	session_next(s);
}

/* ---- AUTH, towards an operator's smart host only ---- */

static void put_base64(struct session_private *s, struct view bytes)
{
	encode_base64(&s->scratch, bytes);
}

static void auth(struct session_private *s)
{
	const struct route *r = route_of(s);
	_cleanup_(buf_fini) struct buf plain = BUF_INIT(PASSWORD_MAX);

	if (r->user.n == 0) {
		be_ready(s);
		return;
	}
	buf_reset(&s->scratch);
	if (!stream_is_tls(s->stream)) {
		refuse_host(s, "offers no TLS, and a password goes nowhere without");
	} else if (s->offers.auth_plain) {
		buf_append_char(&plain, '\0');
		buf_append_view(&plain, r->user);
		buf_append_char(&plain, '\0');
		buf_append_view(&plain, r->password);
		put_base64(s, buf_view(&plain));
		s->auth_step = 2;
		session_command(s, EXPECT_AUTH, 0, "AUTH PLAIN %s", buf_cstr(&s->scratch));
	} else if (s->offers.auth_login) {
		s->auth_step = 0;
		session_command(s, EXPECT_AUTH, 0, "AUTH LOGIN");
	} else {
		refuse_host(s, "offers no way of logging in that we know");
	}
}

static void on_auth(struct session_private *s)
{
	const struct route *r = route_of(s);

	if (s->reply.code == 334 && s->auth_step < 2) {
		buf_reset(&s->scratch);
		put_base64(s, s->auth_step == 0 ? r->user : r->password);
		s->auth_step++;
		session_command(s, EXPECT_AUTH, 0, "%s", buf_cstr(&s->scratch));
	} else if (s->reply.code / 100 == 2) {
		be_ready(s);
	} else {
		refuse_host(s, "refused our login");
	}
}

/* ---- TLS ---- */

void hello_start_tls(struct session_private *s)
{
	_cleanup_(free_ptr) char *name = view_to_cstr(s->policy.name);
	char *others[POLICY_OTHER_NAMES];
	struct tls_target target = {.name = name && *name ? name : NULL,
				    .other_names = (const char *const *)others,
				    .tlsa = s->policy.tlsa,
				    .tlsa_count = s->policy.tlsa_count};

	for (size_t i = 0; i < s->policy.other_name_count; i++)
		if ((others[target.other_name_count] = view_to_cstr(s->policy.other_names[i])))
			target.other_name_count++;
	s->tls_tried = s->in_tls = true;
	stream_set_total_timeout(s->stream, conf_of(s)->outbound_command_timeout);
	stream_start_tls_client(s->stream, s->relayd->tls, &target);
	for (size_t i = 0; i < target.other_name_count; i++)
		free(others[i]);
}

static void describe_tls(struct session_private *s, int verified, const char *why)
{
	buf_reset(&s->tls);
	buf_append_view(&s->tls, stream_tls_text(s->stream));
	buf_printf(&s->tls, " (%s%s%s)", policy_verified_text(&s->policy, verified), *why ? ": " : "", why);
}

void hello_tls_failed(struct session_private *s, const char *why)
{
	s->in_tls = false;
	session_remember_error(s, 451, (struct dsn_status){4, 7, 5}, "TLS with %s failed: %s", buf_cstr(&s->mx), why);
	tls_outcome_broken(s, why);
	/* RFC 7435: better in plaintext than not at all, where nobody asked for more. */
	if (policy_needs_tls(&s->policy) || route_of(s)->tls_first) {
		session_is_unfit(s, encryption_needed);
		return;
	}
	session_host(s)->plain_until_ms = clock_mono_ms() + PLAIN_HOST_MS;
	s->again_in_plaintext = true;
}

void hello_on_tls(void *ctx, const char *error)
{
	struct session_private *s = ctx;
	const char *why;
	int verified;

	if (s->state == SESSION_OVER)
		return;
	if (error) {
		hello_tls_failed(s, error);
		return; /* the stream closes next */
	}
	s->in_tls = false;
	stream_set_total_timeout(s->stream, 0);
	verified = stream_tls_verified(s->stream, &why);
	s->verified = verified;
	describe_tls(s, verified, why);
	tls_outcome_established(s, verified, why);
	if (!policy_is_met(&s->policy, verified)) {
		session_remember_error(s, 451, (struct dsn_status){4, 7, 5},
				       "the certificate of %s cannot be trusted: %s", buf_cstr(&s->mx), why);
		session_is_unfit(s, requiretls_needed);
		if (route_of(s)->tls_first)
			stream_close(s->stream); /* it has not even greeted */
		else
			say_goodbye(s);
		return;
	}
	if (!route_of(s)->tls_first)
		say_ehlo(s); /* RFC 3207 §4.2: what was offered before counts no more */
}

/* What it calls itself counts when nothing else is to come: before TLS somebody in between may have said it (RFC 3207 §4.2). */
static bool is_named_as_we(const struct session_private *s, struct view name)
{
	return view_eq_lit_nocase(name, conf_of(s)->hostname) && !route_of(s)->lmtp &&
	       (stream_is_tls(s->stream) || !policy_needs_tls(&s->policy));
}

static void on_ehlo(struct session_private *s)
{
	struct view rest = buf_view(&s->reply.text), line = VIEW_EMPTY, name = VIEW_EMPTY, more;
	bool plain = session_host(s)->plain_until_ms > clock_mono_ms() && !policy_needs_tls(&s->policy);

	s->offers = (struct offers){0};
	s->esmtp = true;
	if (smtp_reply_line(&rest, &line) && !view_cut(line, ' ', &name, &more))
		name = line;
	while (smtp_reply_line(&rest, &line))
		take_offer(&s->offers, line);
	if (!s->tls_tried && s->offers.starttls && policy_wants_tls(&s->policy) && !plain) {
		session_command(s, EXPECT_STARTTLS, 0, "STARTTLS");
	} else if (is_named_as_we(s, name)) {
		if (session_found_ourselves(s))
			stream_close(s->stream); /* the next host comes with its end */
		else
			session_hang_up(s);
	} else {
		if (!stream_is_tls(s->stream))
			tls_outcome_not_offered(s);
		if (!stream_is_tls(s->stream) && policy_needs_tls(&s->policy))
			refuse_plaintext(s, "offers no TLS, which is asked of it");
		else if (!keeps_requiretls(s))
			refuse_politely(s);
		else
			auth(s);
	}
}

static void on_starttls(struct session_private *s)
{
	if (s->reply.code / 100 == 2) {
		if (stream_input(s->stream).n) {
			remember_refusal(s, "said something in plaintext after STARTTLS");
			stream_close(s->stream); /* it waits for TLS, not for QUIT */
		} else {
			hello_start_tls(s);
		}
		return;
	}
	if (s->reply.code == 421) { /* RFC 5321 §3.8: the connection ends with it */
		refuse_host(s, "takes no more commands");
		return;
	}
	tls_outcome_not_offered(s);
	if (policy_needs_tls(&s->policy)) {
		refuse_plaintext(s, "refused STARTTLS, which is asked of it");
	} else {
		s->tls_tried = true;
		auth(s);
	}
}

/* ---- replies ---- */

void hello_reply(struct session_private *s, enum expect what)
{
	bool ok = s->reply.code / 100 == 2;

	switch (what) {
	case EXPECT_GREETING:
		if (ok) {
			say_ehlo(s);
			return;
		}
		/* Before TLS anybody on the way can say so: where TLS is asked of the host it is not believed. */
		s->mailless_hosts +=
		    s->reply.code == 521 && (stream_is_tls(s->stream) || !policy_needs_tls(&s->policy));
		refuse_host(s, "does not take our mail");
		return;
	case EXPECT_EHLO:
		if (ok)
			on_ehlo(s);
		else if (s->reply.code / 100 == 5 && !route_of(s)->lmtp && !s->esmtp)
			session_command(s, EXPECT_HELO, 0, "HELO %s", conf_of(s)->hostname);
		else
			refuse_host(s, "refused EHLO");
		return;
	case EXPECT_HELO:
		if (!ok)
			refuse_host(s, "refused HELO");
		else if (!stream_is_tls(s->stream) && policy_needs_tls(&s->policy))
			refuse_plaintext(s, "offers no TLS, which is asked of it");
		else if (!keeps_requiretls(s))
			refuse_politely(s);
		else
			auth(s);
		return;
	case EXPECT_STARTTLS:
		on_starttls(s);
		return;
	case EXPECT_AUTH:
		on_auth(s);
		return;
	case EXPECT_RSET:
	case EXPECT_MAIL:
	case EXPECT_RCPT:
	case EXPECT_DATA:
	case EXPECT_END:
		transaction_reply(s, &(struct waiting_reply){what, 0});
		return;
	case EXPECT_QUIT:
		session_hang_up(s);
		return;
	}
}
