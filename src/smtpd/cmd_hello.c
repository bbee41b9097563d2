/* SPDX-License-Identifier: ISC
 * EHLO and HELO (RFC 5321 §4.1.1.1), and what EHLO offers. */
#include "smtpd/command.h"

#include "io/stream.h"
#include "smtpd/auth.h"

#include <stdlib.h>

enum { LIMIT_DIGITS_MAX = 999999 }; /* RFC 9422 §4: at most six digits */

static void offer_size(const struct session *s, struct buf *out)
{
	buf_append_cstr(out, "SIZE ");
	buf_append_u64(out, s->settings->max_message_bytes);
}

static void offer_starttls(const struct session *s, struct buf *out)
{
	if (!session_is_tls(s) && s->smtpd->tls)
		buf_append_cstr(out, "STARTTLS");
}

/* RFC 8689 §2: under TLS only. */
static void offer_requiretls(const struct session *s, struct buf *out)
{
	if (session_is_tls(s))
		buf_append_cstr(out, "REQUIRETLS");
}

static void offer_auth(const struct session *s, struct buf *out)
{
	if (!session_may_login(s) || auth_is_done(s))
		return;
	buf_append_cstr(out, "AUTH ");
	sasl_client_mechanisms(out, "", session_is_tls(s), true);
}

static void offer_limit(struct buf *out, const char *name, uint32_t value)
{
	buf_append_cstr(out, name);
	buf_append_u64(out, value < LIMIT_DIGITS_MAX ? value : LIMIT_DIGITS_MAX);
}

static void offer_limits(const struct session *s, struct buf *out)
{
	buf_append_cstr(out, "LIMITS");
	offer_limit(out, " MAILMAX=", s->settings->max_messages);
	offer_limit(out, " RCPTMAX=", s->settings->max_recipients);
}

/* Each appends its keyword and parameters, or nothing where it is not offered. */
static const struct {
	const char *keyword; /* with `format` NULL: all there is */
	void (*format)(const struct session *s, struct buf *out);
} extensions[] = {
    {NULL, offer_size}, /* RFC 1870 */
    {NULL, offer_starttls}, /* RFC 3207 */
    {NULL, offer_auth}, /* RFC 4954 */
    {NULL, offer_requiretls}, /* RFC 8689 */
    {NULL, offer_limits}, /* RFC 9422 */
    {"PIPELINING", NULL}, /* RFC 2920 */
    {"8BITMIME", NULL}, /* RFC 6152 */
    {"SMTPUTF8", NULL}, /* RFC 6531 */
    {"ENHANCEDSTATUSCODES", NULL}, /* RFC 2034 */
    {"DSN", NULL}, /* RFC 3461 */
    {"CHUNKING", NULL}, /* RFC 3030; the last one is never left out */
};

static void offer(const struct session *s, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(extensions); i++) {
		size_t before = out->n;

		buf_append_cstr(out, i + 1 < ARRAY_LEN(extensions) ? "250-" : "250 ");
		if (extensions[i].keyword)
			buf_append_cstr(out, extensions[i].keyword);
		else
			extensions[i].format(s, out);
		if (out->n == before + sizeof "250-" - 1)
			buf_truncate(out, before);
		else
			buf_append_cstr(out, "\r\n");
	}
}

static void set_helo(struct session *s, struct view name)
{
	free((void *)s->helo.p);
	s->helo = view_from(xmemdup(name.p, name.n), name.n);
}

enum step cmd_ehlo(struct session *s, const struct smtp_command *c)
{
	struct buf *out = stream_out(s->stream);

	session_reset(s);
	set_helo(s, c->hello.name);
	s->esmtp = true;
	buf_append_cstr(out, "250-");
	buf_append_cstr(out, s->settings->hostname);
	buf_append_cstr(out, "\r\n");
	offer(s, out);
	return STEP_DONE;
}

enum step cmd_helo(struct session *s, const struct smtp_command *c)
{
	struct buf *out = stream_out(s->stream);

	session_reset(s);
	set_helo(s, c->hello.name);
	s->esmtp = false;
	buf_append_cstr(out, "250 ");
	buf_append_cstr(out, s->settings->hostname);
	buf_append_cstr(out, "\r\n");
	return STEP_DONE;
}
