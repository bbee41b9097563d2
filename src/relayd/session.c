/* SPDX-License-Identifier: ISC
 * A connection as SMTP client: dials host after host, greets, starts TLS, logs in; then carries jobs (transaction.c) until it idles too long.
 *
 *   DIALING ─▶ HELLO ─▶ IDLE ⇄ SENDING ─▶ QUITTING ─▶ OVER
 *      ▲        │ refused, broken: the next host; none left: the destination cannot be reached
 *      └────────┘ */
#include "relayd/session_private.h"

#include "base/clock.h"
#include "base/random.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BAD_HOST_MS = 60000,
	QUIT_MS = 5000,
	LINE_MAX = 4096,
	DOMAINS_MAX = 32768,
	SMTP_PORT = 25,
};

static const struct stream_limits limits = {
    .in_max = 65536, .out_max = 4 * 1024 * 1024, .out_high = 256 * 1024, .out_low = 64 * 1024};

static const struct conf *conf_of(const struct session_private *s)
{
	return relayd_conf(s->relayd);
}

struct host *session_host(const struct session_private *s)
{
	return &s->hosts->at[s->host_at];
}

static const struct route *route_of(const struct session_private *s)
{
	return destination_route(s->destination);
}

void session_set_wait(struct session_private *s, uint64_t ms)
{
	s->wait_ms = ms;
	if (s->stream)
		stream_set_idle_timeout(s->stream, ms);
}

struct report_about session_about(const struct session_private *s)
{
	return (struct report_about){.mx = buf_view(&s->mx),
				     .ip = buf_view(&s->ip),
				     .tls = buf_view(&s->tls),
				     .route = route_of(s)->name,
				     .destination = destination_id(s->destination)};
}

/* ---- the end ---- */

void session_tell_ready(struct session_private *s)
{
	if (!s->told_ready)
		destination_session_ready(s->destination, s->was_ready);
	s->told_ready = true;
	room_session_settled(s->relayd, s->self);
}

static void session_free(struct session_private *s)
{
	struct destination *d = s->destination;
	struct session *self = s->self;

	dial_cancel(&s->dial);
	transaction_drop(s);
	smtp_reply_fini(&s->reply);
	buf_fini(&s->mx);
	buf_fini(&s->ip);
	buf_fini(&s->tls);
	buf_fini(&s->local);
	buf_fini(&s->last_error);
	buf_fini(&s->scratch);
	buf_fini(&s->domains);
	hosts_unref(&s->hosts);
	session_tell_ready(s);
	free(s);
	destination_session_over(d, self);
	free(self);
}

/* The stream's end brings the session's. */
void session_hang_up(struct session_private *s)
{
	s->state = SESSION_OVER;
	if (s->stream && stream_has_unsent(s->stream))
		stream_abort(s->stream);
	else if (s->stream)
		stream_close(s->stream);
}

static void quit(struct session_private *s)
{
	if (s->state == SESSION_IDLE)
		destination_session_busy(s->destination, s->self);
	s->state = SESSION_QUITTING;
	session_command(s, EXPECT_QUIT, 0, "QUIT");
	session_set_wait(s, QUIT_MS);
	stream_set_total_timeout(s->stream, 0);
}

/* ---- words ---- */

void session_expect(struct session_private *s, enum expect what, unsigned rcpt)
{
	if (s->expect_count < EXPECT_MAX)
		s->expects[(s->expect_first + s->expect_count++) % EXPECT_MAX] = (struct waiting_reply){what, rcpt};
}

void session_command(struct session_private *s, enum expect what, unsigned rcpt, const char *fmt, ...)
{
	struct buf *out = stream_out(s->stream);
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(out, fmt, ap);
	va_end(ap);
	buf_append_cstr(out, "\r\n");
	session_expect(s, what, rcpt);
	stream_flush(s->stream);
}

void session_remember_error(struct session_private *s, unsigned code, struct dsn_status status, const char *fmt, ...)
{
	va_list ap;

	buf_reset(&s->last_error);
	va_start(ap, fmt);
	buf_vprintf(&s->last_error, fmt, ap);
	va_end(ap);
	s->last_code = code;
	s->last_status = status;
	s->last_said = false;
}

void session_is_unfit(struct session_private *s, struct dsn_status status)
{
	if (destination_tls(s->destination) != MESSAGE_TLS_REQUIRED)
		return;
	s->unfit_hosts++;
	s->unfit_status = status;
}

/* ---- host after host ---- */

static void dial(struct session_private *s);

static bool may_be_next(const struct session_private *s, size_t i, bool bad_too, uint64_t now_ms)
{
	const struct host *h = &s->hosts->at[i];

	return !(s->tried >> i & 1) && (bad_too || h->bad_until_ms <= now_ms) &&
	       h->preference < s->hosts->own_preference;
}

/* The best that was not tried: those that were bad lately after the others. Of equals one at random, for each connection anew (RFC 5321 §5.1:
 * the load is spread), however long the DNS' answer holds. */
static bool next_host(struct session_private *s)
{
	uint64_t now_ms = clock_mono_ms();
	uint32_t equals = 0, r = 0;

	for (int pass = 0; pass < 2 && equals == 0; pass++) {
		for (size_t i = 0; i < s->hosts->count && i < 64; i++) {
			if (!may_be_next(s, i, pass == 1, now_ms))
				continue;
			if (equals && s->hosts->at[i].preference != session_host(s)->preference)
				break; /* they stand in order */
			if (++equals > 1)
				random_bytes(&r, sizeof r);
			if (equals == 1 || r % equals == 0)
				s->host_at = i;
		}
	}
	if (equals == 0)
		return false;
	s->tried |= 1ULL << s->host_at;
	return true;
}

static void give_up(struct session_private *s)
{
	struct fate f = {.outcome = FATE_DEFERRED,
			 .said = s->last_said,
			 .code = (uint16_t)s->last_code,
			 .enhanced = s->last_status,
			 .text = buf_view(&s->last_error)};
	struct report_about about = session_about(s);

	if (s->unfit_hosts && s->unfit_hosts == s->failed_hosts && !s->hosts->incomplete) {
		f.outcome = FATE_FAILED;
		f.code = 550;
		f.enhanced = s->unfit_status;
		f.said = false;
	} else if (s->mailless_hosts && s->mailless_hosts == s->failed_hosts && !s->hosts->incomplete &&
		   route_of(s)->host.n == 0) {
		f.outcome = FATE_FAILED; /* trying again would be of no use */
	} else {
		if (f.enhanced.class == 5)
			f.enhanced.class = 4;
		if (!f.said && (f.code >= 500 || f.code < 400))
			f.code = 451;
	}
	s->state = SESSION_OVER;
	session_tell_ready(s);
	destination_unreachable(s->destination, &about, &f);
	session_free(s);
}

/* This host is no good; `s->last_error` says why. */
static void try_next_host(struct session_private *s)
{
	destination_went_wrong(s->destination);
	if (s->again_in_plaintext) {
		s->again_in_plaintext = false;
		dial(s);
		return;
	}
	s->failed_hosts++;
	session_host(s)->bad_until_ms = clock_mono_ms() + BAD_HOST_MS;
	if (next_host(s))
		dial(s);
	else
		give_up(s);
}

static void set_names(struct session_private *s, const struct ip *address)
{
	buf_reset(&s->mx);
	buf_reset(&s->ip);
	buf_reset(&s->tls);
	buf_append_view(&s->mx, session_host(s)->name);
	if (route_of(s)->local) {
		buf_append_view(&s->ip, route_of(s)->host);
		return;
	}
	ip_format(&s->ip, address);
	buf_printf(&s->ip, ":%u", route_of(s)->port);
	if (session_host(s)->name.n == 0)
		ip_format_literal(&s->mx, address);
}

/* Connected to ourselves (RFC 5321 §6.3): both ends have one address, and the port is ours. */
static bool is_ourselves(const struct session_private *s, int fd)
{
	struct sockaddr_storage here = {0}, there = {0};
	socklen_t here_n = sizeof here, there_n = sizeof there;

	if (route_of(s)->port != SMTP_PORT + conf_of(s)->port_offset || route_of(s)->lmtp)
		return false;
	if (getsockname(fd, (struct sockaddr *)&here, &here_n) < 0 ||
	    getpeername(fd, (struct sockaddr *)&there, &there_n) < 0 || here.ss_family != there.ss_family)
		return false;
	if (here.ss_family == AF_INET)
		return memcmp(&((struct sockaddr_in *)&here)->sin_addr, &((struct sockaddr_in *)&there)->sin_addr, 4) ==
		       0;
	return memcmp(&((struct sockaddr_in6 *)&here)->sin6_addr, &((struct sockaddr_in6 *)&there)->sin6_addr, 16) == 0;
}

/* Our address, as the other side sees it unless it is translated on the way. */
static void note_local(struct session_private *s, int fd)
{
	struct sockaddr_storage here = {0};
	socklen_t n = sizeof here;
	char text[INET6_ADDRSTRLEN];
	const void *bytes = &((struct sockaddr_in6 *)&here)->sin6_addr;

	if (getsockname(fd, (struct sockaddr *)&here, &n) < 0)
		return;
	if (here.ss_family == AF_INET)
		bytes = &((struct sockaddr_in *)&here)->sin_addr;
	if (inet_ntop(here.ss_family, bytes, text, sizeof text))
		buf_append_cstr(&s->local, text);
}

/* What went wrong, so that whoever reads it knows what to look at. */
static void remember_dial_error(struct session_private *s, int error)
{
	static const struct {
		int error;
		const char *text;
	} local[] = {
	    {ENOENT, "no such file; is the server running?"},
	    {ECONNREFUSED, "nobody listens there; is the server running?"},
	    {EACCES, "permission denied: the user that pombo runs as may not connect to it"},
	    {EAGAIN, "more connections wait there than it takes"},
	    {ESTALE, "the settings of its route have just changed"},
	};
	bool is_local = route_of(s)->local;
	const char *text = strerror(error);

	for (size_t i = 0; is_local && i < ARRAY_LEN(local); i++)
		if (local[i].error == error)
			text = local[i].text;
	if (error == EADDRNOTAVAIL && route_of(s)->source_count)
		text = "this machine has not the address that it is to come from (outbound-source, or source of the "
		       "route)";
	session_remember_error(s, 451, (struct dsn_status){4, 4, 1}, "cannot connect to %s: %s",
			       buf_cstr(is_local ? &s->ip : &s->mx), text);
}

static const struct stream_handlers handlers;

bool session_found_ourselves(struct session_private *s)
{
	static const struct fate f = {
	    .outcome = FATE_FAILED, .code = 554, .enhanced = {5, 4, 6}, .text = {"mail loops back to this server", 30}};
	struct report_about about = session_about(s);
	uint16_t own = session_host(s)->preference;

	if (own < s->hosts->own_preference)
		s->hosts->own_preference = own;
	for (size_t i = 0; i < s->hosts->count; i++) {
		if (s->hosts->at[i].preference >= own)
			continue;
		/* We are its backup: the better ones are waited for. */
		if (s->last_error.n == 0)
			session_remember_error(
			    s, 451, (struct dsn_status){4, 4, 1},
			    "this server is a backup, and the better servers of %.*s cannot be reached",
			    VIEW_FMT(destination_name(s->destination)));
		return true;
	}
	destination_unreachable(s->destination, &about, &f);
	return false;
}

static void connected(void *ctx, int fd, const struct ip *address, int error)
{
	struct session_private *s = ctx;

	s->dial = NULL;
	set_names(s, address);
	if (fd < 0) {
		if (s->policy.level != POLICY_NEVER)
			remember_dial_error(s, error);
		try_next_host(s);
		return;
	}
	if (is_ourselves(s, fd)) {
		(void)close(fd);
		if (session_found_ourselves(s)) {
			try_next_host(s);
		} else {
			s->state = SESSION_OVER;
			session_free(s);
		}
		return;
	}
	s->state = SESSION_HELLO;
	s->heard_ms = clock_mono_ms();
	s->connected = true;
	if (address) {
		s->peer = *address;
		note_local(s, fd);
	} else {
		buf_append_cstr(&s->tls, "over a UNIX socket");
	}
	buf_reset(&s->last_error);
	s->offers = (struct offers){0};
	s->expect_first = s->expect_count = 0;
	s->tls_tried = s->esmtp = s->in_tls = false;
	s->auth_step = 0;
	s->reply_began_ms = 0;
	smtp_reply_reset(&s->reply);
	s->stream = stream_new(s->relayd->base, fd, &limits, &handlers, s);
	session_set_wait(s, conf_of(s)->outbound_greeting_timeout);
	session_expect(s, EXPECT_GREETING, 0);
	if (route_of(s)->tls_first) {
		hello_start_tls(s);
	}
}

static void dial(struct session_private *s)
{
	const struct host *h = session_host(s);
	struct dial_spec spec = {.addresses = h->addresses,
				 .count = h->address_count,
				 .port = route_of(s)->port,
				 .timeout_ms = (uint32_t)conf_of(s)->outbound_connect_timeout};

	s->policy =
	    policy_of(route_of(s), destination_name(s->destination), s->hosts, h, destination_tls(s->destination));
	s->state = SESSION_DIALING;
	s->connected = false;
	s->verified = TLS_NOT_VERIFIED;
	buf_reset(&s->local);
	if (s->policy.level == POLICY_NEVER) {
		set_names(s, &h->addresses[0]);
		session_remember_error(s, 451, (struct dsn_status){4, 7, 5}, "not sent to %s: %s", buf_cstr(&s->mx),
				       s->policy.why);
		tls_outcome_never(s);
		if (s->policy.source == TLS_FROM_SENDER)
			session_is_unfit(s, (struct dsn_status){5, 7, 30});
		spec.count = 0;
	}
	if (route_of(s)->local) {
		s->dial = dial_new_local(s->relayd->role, route_of(s)->name, route_of(s)->host, connected, s);
		return;
	}
	spec.sources = route_of(s)->sources;
	spec.source_count = route_of(s)->source_count;
	s->dial = dial_new(s->relayd->base, &spec, connected, s);
}

/* ---- replies ---- */

static void take_reply(struct session_private *s)
{
	struct waiting_reply w = s->expects[s->expect_first];

	s->expect_first = (s->expect_first + 1) % EXPECT_MAX;
	s->expect_count--;
	if (w.what >= EXPECT_RSET && w.what <= EXPECT_END)
		transaction_reply(s, &w);
	else
		hello_reply(s, w.what);
	smtp_reply_reset(&s->reply);
}

/* It said what is no reply, or spoke when nobody asked. */
static void odd(struct session_private *s, const char *why)
{
	if (s->state == SESSION_SENDING)
		transaction_broken(s, why);
	else if (s->state == SESSION_HELLO)
		session_remember_error(s, 451, (struct dsn_status){4, 5, 0}, "%s %s", buf_cstr(&s->mx), why);
	if (s->state == SESSION_IDLE)
		destination_session_busy(s->destination, s->self);
	if (s->state != SESSION_HELLO)
		s->state = SESSION_OVER;
	stream_close(s->stream);
}

/* What it said without being asked stands behind: a reason to hang up, as a rule. */
static void spoke_unasked(struct session_private *s)
{
	_cleanup_(buf_fini) struct buf why = BUF_INIT(FATE_TEXT_MAX);
	struct smtp_reply said;
	size_t n = 0;

	smtp_reply_init(&said);
	buf_append_cstr(&why, "spoke before it was asked");
	if (smtp_reply_next(&said, stream_input(s->stream), &n) == PARSE_DONE)
		buf_printf(&why, ": %u %.*s", said.code, (int)(said.text.n > 300 ? 300 : said.text.n),
			   said.text.n ? said.text.p : "");
	smtp_reply_fini(&said);
	odd(s, buf_cstr(&why));
}

static void on_timeout(void *ctx);

/* One who lets a reply come byte by byte is no better than one who says nothing: he would have the connection for as long as he likes. */
static void reply_goes_on(struct session_private *s)
{
	if (s->reply_began_ms == 0)
		s->reply_began_ms = s->heard_ms;
	if (s->heard_ms - s->reply_began_ms <= s->wait_ms)
		return;
	on_timeout(s);
	if (!stream_is_closing(s->stream))
		stream_abort(s->stream);
}

static void on_input(void *ctx)
{
	struct session_private *s = ctx;
	size_t asked = s->expect_count; /* what came now cannot answer what is said from here on */

	s->heard_ms = clock_mono_ms();
	while (s->state != SESSION_OVER && !stream_is_closing(s->stream)) {
		struct view in = stream_input(s->stream);
		size_t n = 0;
		enum parse p;

		if (in.n == 0)
			return;
		if (asked == 0) {
			spoke_unasked(s);
			return;
		}
		p = smtp_reply_next(&s->reply, in, &n);
		stream_consume(s->stream, n);
		if (p == PARSE_MORE) {
			reply_goes_on(s);
			return;
		}
		s->reply_began_ms = 0;
		if (p == PARSE_BAD) {
			odd(s, "sent what is no SMTP reply");
			return;
		}
		asked--;
		take_reply(s);
	}
}

static void on_drain(void *ctx)
{
	struct session_private *s = ctx;

	s->heard_ms = clock_mono_ms();
	if (s->state == SESSION_SENDING)
		transaction_push(s);
}

static void on_timeout(void *ctx)
{
	struct session_private *s = ctx;

	if (s->state == SESSION_IDLE) {
		quit(s);
		stream_close(s->stream);
	} else if (s->state == SESSION_SENDING) {
		transaction_too_late(s);
		stream_abort(s->stream);
	} else if (s->state == SESSION_HELLO) {
		session_remember_error(s, 451, (struct dsn_status){4, 4, 2}, "%s did not answer in time",
				       buf_cstr(&s->mx));
		s->reply.lines = 0;
	}
}

static void on_closed(void *ctx, enum stream_end end)
{
	struct session_private *s = ctx;
	bool in_hello = s->state == SESSION_HELLO;

	if (s->state == SESSION_SENDING)
		transaction_broken(s, "closed the connection");
	s->stream = NULL;
	if (!in_hello) {
		s->state = SESSION_OVER;
		session_free(s);
		return;
	}
	if (s->in_tls)
		hello_tls_failed(s,
				 end == STREAM_TIMEOUT ? "the handshake did not end in time" : "the connection ended");
	else if (end != STREAM_CLOSED_BY_US && end != STREAM_TIMEOUT && !s->again_in_plaintext && s->reply.lines == 0 &&
		 s->last_error.n == 0)
		session_remember_error(s, 451, (struct dsn_status){4, 4, 2}, "%s closed the connection",
				       buf_cstr(&s->mx));
	try_next_host(s);
}

static const struct stream_handlers handlers = {.on_input = on_input,
						.on_drain = on_drain,
						.on_tls = hello_on_tls,
						.on_closed = on_closed,
						.on_timeout = on_timeout};

/* ---- job after job ---- */

static bool may_send_more(const struct session_private *s)
{
	if (s->sent_messages >= conf_of(s)->max_messages_per_outbound_connection)
		return false;
	return s->offers.mail_max == 0 || s->mails < s->offers.mail_max;
}

/* RFC 9422 §4.3: so many domains in a session. False: this one would be one too many. */
static bool takes_domain(struct session_private *s, struct view domain)
{
	struct view rest = s->domains.n ? buf_view(&s->domains) : VIEW_EMPTY, line;

	if (s->offers.domain_max == 0)
		return true;
	while (view_cut(rest, '\n', &line, &rest))
		if (view_eq_nocase(line, domain))
			return true;
	if (s->domain_count >= s->offers.domain_max)
		return false;
	s->domain_count++;
	buf_append_view(&s->domains, domain);
	buf_append_char(&s->domains, '\n');
	return !s->domains.overflow;
}

void session_next(struct session_private *s)
{
	struct job *j;

	if (!may_send_more(s)) {
		quit(s);
		return;
	}
	j = destination_next(s->destination);
	if (j && !takes_domain(s, j->domain)) {
		destination_return(s->destination, j);
		quit(s);
		return;
	}
	if (j) {
		s->state = SESSION_SENDING;
		s->heard_ms = clock_mono_ms();
		transaction_begin(s, j);
		return;
	}
	s->state = SESSION_IDLE;
	stream_set_total_timeout(s->stream, 0);
	destination_session_idle(s->destination, s->self);
	session_set_wait(s, conf_of(s)->outbound_reuse_time ? conf_of(s)->outbound_reuse_time : 1);
}

void session_go(struct session *self)
{
	self->p->was_idle = true;
	session_next(self->p);
	self->p->was_idle = false;
}

bool session_is_ready(const struct session *self)
{
	return self->p->was_ready && self->p->state == SESSION_SENDING;
}

bool session_is_silent(const struct session *self, uint64_t now_ms)
{
	const struct session_private *s = self->p;

	return (s->state == SESSION_HELLO || s->state == SESSION_SENDING) && now_ms >= s->heard_ms + SESSION_SILENT_MS;
}

void session_pass_over(struct session *self, uint64_t now_ms)
{
	if (self->p->state == SESSION_HELLO && !self->p->was_ready)
		session_host(self->p)->bad_until_ms = now_ms + BAD_HOST_MS;
}

void session_break_off(struct session *self)
{
	struct session_private *s = self->p;

	if (s->state != SESSION_SENDING || !s->tx.job || transaction_is_past_dot(s))
		return;
	store_job_give_back(s->relayd, &s->tx.job);
	session_hang_up(s);
}

void session_give_way(struct session *self)
{
	struct session_private *s = self->p;

	set_names(s, &session_host(s)->addresses[0]);
	session_remember_error(s, 451, (struct dsn_status){4, 4, 1}, "%s did not answer soon, and other mail waited",
			       buf_cstr(&s->mx));
	s->tried = UINT64_MAX;
	s->in_tls = s->again_in_plaintext = false;
	if (s->stream) {
		stream_close(s->stream);
	} else {
		dial_cancel(&s->dial);
		try_next_host(s);
	}
}

struct session *session_new(struct destination *d, struct hosts *hosts)
{
	struct session *self = xcalloc(1, sizeof *self);
	struct session_private *s = xcalloc(1, sizeof *s);

	self->p = s;
	s->self = self;
	s->relayd = destination_relayd(d);
	s->destination = d;
	s->hosts = hosts_ref(hosts);
	smtp_reply_init(&s->reply);
	buf_init(&s->mx, 512);
	buf_init(&s->ip, 128);
	buf_init(&s->tls, 400);
	buf_init(&s->local, 64);
	buf_init(&s->last_error, FATE_TEXT_MAX * 2);
	buf_init(&s->scratch, LINE_MAX);
	buf_init(&s->domains, DOMAINS_MAX);
	arena_init(&s->tx.arena, 512 * 1024);
	return self;
}

void session_start(struct session *self)
{
	struct session_private *s = self->p;

	(void)next_host(s); /* there is one: hosts are never empty */
	dial(s);
}
