/* SPDX-License-Identifier: ISC
 * What a front end says of a refusal, checked field by field. */
#include "stored/refusal_row.h"

#include "mail/dsn_status.h"
#include "mail/ip.h"

enum {
	AGE_MAX_MS = 600000,
	ADDRESS_MAX = 320,
	HELO_MAX = 128,
	TLS_MAX = 80,
	LISTENER_MAX = 32,
	WORDS_MAX = 300,
	MESSAGE_ID_MAX = 255,
};

/* At most `max` bytes, none of them half a character. */
static struct view cut(struct view text, size_t max)
{
	size_t n = text.n;

	if (n > max)
		for (n = max; n > 0 && ((unsigned char)text.p[n] & 0xc0) == 0x80; n--)
			;
	return view_sub(text, 0, n);
}

/* C0 and DEL, and of C1 (U+0080 to U+009F) both bytes. */
static bool is_control(struct view text, size_t i)
{
	unsigned char c = (unsigned char)text.p[i];
	unsigned char before = i > 0 ? (unsigned char)text.p[i - 1] : 0;
	unsigned char behind = i + 1 < text.n ? (unsigned char)text.p[i + 1] : 0;

	if (c < ' ' || c == 127)
		return true;
	return (c == 0xc2 && behind >= 0x80 && behind < 0xa0) || (before == 0xc2 && c >= 0x80 && c < 0xa0);
}

static struct view clean(struct view text, size_t max, struct arena *a)
{
	struct view v = cut(text, max);
	bool utf8 = view_is_utf8(v);
	char *p = arena_alloc(a, v.n + 1);

	if (!p)
		return (struct view){NULL, 0};
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '\n' || v.p[i] == '\t')
			p[i] = ' ';
		else if (is_control(v, i) || (!utf8 && (unsigned char)v.p[i] >= 0x80))
			p[i] = '?';
		else
			p[i] = v.p[i];
	}
	return view_from(p, v.n);
}

bool refusal_row(const struct smtp_refusal *m, int64_t now_ms, struct arena *a, struct refusal *ret)
{
	struct refusal r = {.times = 1, .session = m->session & INT64_MAX, .code = m->code};
	struct dsn_status status;
	struct ip ip;

	if (m->code < 400 || m->code > 599 || (m->sender.n == 0 && m->recipient.n == 0))
		return false;
	r.first_ms = r.last_ms = now_ms - (m->age_ms < AGE_MAX_MS ? m->age_ms : AGE_MAX_MS);
	r.status = dsn_status_parse(m->enhanced, &status) ? arena_copy(a, m->enhanced) : VIEW_EMPTY;
	r.client_ip = ip_parse(m->client_ip, &ip) ? arena_copy(a, m->client_ip) : VIEW_EMPTY;
	r.client_name = VIEW_EMPTY;
	r.words = clean(m->text, WORDS_MAX, a);
	r.sender = clean(m->sender, ADDRESS_MAX, a);
	r.recipient = clean(m->recipient, ADDRESS_MAX, a);
	r.account = clean(m->account, ADDRESS_MAX, a);
	r.helo = clean(m->helo, HELO_MAX, a);
	r.tls = clean(m->tls, TLS_MAX, a);
	r.listener = clean(m->listener, LISTENER_MAX, a);
	r.message_id = clean(m->message_id, MESSAGE_ID_MAX, a);
	if (!r.status.p || !r.client_ip.p || !r.words.p || !r.sender.p || !r.recipient.p || !r.account.p || !r.helo.p ||
	    !r.tls.p || !r.listener.p || !r.message_id.p)
		return false;
	*ret = r;
	return true;
}
