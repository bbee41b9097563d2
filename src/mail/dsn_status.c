/* SPDX-License-Identifier: ISC
 * Enhanced status codes and the verdicts that carry them. */
#include "mail/dsn_status.h"

#include <assert.h>

enum { REPLY_LINE_MAX = 512 }; /* RFC 5321 §4.5.3.1.5, CRLF included */

/* RFC 3463 §3, RFC 5248 and the registry it made. */
static const struct {
	uint16_t subject, detail;
	const char *meaning;
} meanings[] = {
    {0, 0, "other or undefined status"},
    {1, 0, "address trouble"},
    {1, 1, "no such mailbox"},
    {1, 2, "no such destination system"},
    {1, 3, "destination address is malformed"},
    {1, 4, "destination address is ambiguous"},
    {1, 5, "destination address is valid"},
    {1, 6, "destination mailbox has moved"},
    {1, 7, "sender address is malformed"},
    {1, 8, "sender system does not exist"},
    {1, 9, "relayed to a system that does not report back"},
    {1, 10, "recipient domain takes no mail (null MX)"},
    {2, 0, "mailbox trouble"},
    {2, 1, "mailbox is disabled"},
    {2, 2, "mailbox is full"},
    {2, 3, "message is over the mailbox's limit"},
    {2, 4, "mailing list cannot be expanded"},
    {3, 0, "mail system trouble"},
    {3, 1, "mail system is full"},
    {3, 2, "system takes no mail now"},
    {3, 3, "system lacks a feature that is needed"},
    {3, 4, "message is too big for the system"},
    {3, 5, "system is misconfigured"},
    {3, 6, "requested priority was changed"},
    {4, 0, "network or routing trouble"},
    {4, 1, "no answer from the host"},
    {4, 2, "connection broke"},
    {4, 3, "directory server failed"},
    {4, 4, "no route to the host"},
    {4, 5, "mail system is congested"},
    {4, 6, "routing loop"},
    {4, 7, "delivery time ran out"},
    {5, 0, "protocol trouble"},
    {5, 1, "command is not valid here"},
    {5, 2, "syntax error"},
    {5, 3, "too many recipients"},
    {5, 4, "command arguments are not valid"},
    {5, 5, "protocol version is wrong"},
    {5, 6, "authentication exchange line is too long"},
    {6, 0, "content trouble"},
    {6, 1, "media is not supported"},
    {6, 2, "conversion is needed and prohibited"},
    {6, 3, "conversion is needed and not supported"},
    {6, 4, "conversion lost something"},
    {6, 5, "conversion failed"},
    {6, 6, "message content is not available"},
    {6, 7, "address needs UTF-8 that is not allowed here"},
    {6, 8, "reply needs UTF-8 that the client cannot read"},
    {6, 9, "message header needs UTF-8 that cannot be passed on"},
    {7, 0, "security trouble"},
    {7, 1, "not authorized; message is refused"},
    {7, 2, "not allowed to post to the list"},
    {7, 3, "security conversion is needed and not possible"},
    {7, 4, "security feature is not supported"},
    {7, 5, "cryptographic failure"},
    {7, 6, "cryptographic algorithm is not supported"},
    {7, 7, "message integrity failure"},
    {7, 8, "authentication credentials are not valid"},
    {7, 9, "authentication mechanism is too weak"},
    {7, 10, "encryption is needed"},
    {7, 11, "encryption is required for this mechanism"},
    {7, 12, "password must be changed"},
    {7, 13, "account is disabled"},
    {7, 14, "trust relationship is required"},
    {7, 15, "priority is too low"},
    {7, 16, "message is too big for its priority"},
    {7, 17, "mailbox owner has changed"},
    {7, 18, "domain owner has changed"},
    {7, 19, "owner change cannot be checked"},
    {7, 20, "no passing DKIM signature"},
    {7, 21, "no acceptable DKIM signature"},
    {7, 22, "no DKIM signature by the author's domain"},
    {7, 23, "SPF check failed"},
    {7, 24, "SPF check could not be done"},
    {7, 25, "reverse DNS check failed"},
    {7, 26, "several authentication checks failed"},
    {7, 27, "sender domain takes no mail (null MX)"},
    {7, 28, "mail flood"},
    {7, 29, "ARC check failed"},
    {7, 30, "REQUIRETLS is needed and not possible"},
};

/* 1*3DIGIT without a leading zero */
static bool parse_part(struct view text, uint16_t *ret)
{
	uint32_t value;

	if (text.n > 3 || (text.n > 1 && text.p[0] == '0') || !view_to_u32(text, 999, &value))
		return false;
	*ret = (uint16_t)value;
	return true;
}

bool dsn_status_parse(struct view text, struct dsn_status *ret)
{
	struct view class, subject, detail;
	struct dsn_status status;

	if (!view_cut(text, '.', &class, &detail) || !view_cut(detail, '.', &subject, &detail))
		return false;
	if (class.n != 1 || (class.p[0] != '2' && class.p[0] != '4' && class.p[0] != '5'))
		return false;
	status.class = (uint8_t)(class.p[0] - '0');
	if (!parse_part(subject, &status.subject) || !parse_part(detail, &status.detail))
		return false;
	*ret = status;
	return true;
}

bool dsn_status_split(struct view text, struct dsn_status *ret, struct view *ret_rest)
{
	size_t n = view_find_char(text, ' ');

	if (!dsn_status_parse(view_sub(text, 0, n), ret))
		return false;
	while (n < text.n && text.p[n] == ' ')
		n++;
	*ret_rest = view_sub(text, n, text.n);
	return true;
}

void dsn_status_format(struct buf *out, struct dsn_status status)
{
	if (!status.class)
		return;
	buf_append_u64(out, status.class);
	buf_append_char(out, '.');
	buf_append_u64(out, status.subject);
	buf_append_char(out, '.');
	buf_append_u64(out, status.detail);
}

bool dsn_status_eq(struct dsn_status a, struct dsn_status b)
{
	return a.class == b.class && a.subject == b.subject && a.detail == b.detail;
}

struct dsn_status dsn_status_of_code(unsigned code)
{
	unsigned class = code / 100;

	return (struct dsn_status){.class = class == 2 || class == 4 || class == 5 ? (uint8_t) class : 0};
}

const char *dsn_status_meaning(struct dsn_status status)
{
	for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
		if (meanings[i].subject == status.subject && meanings[i].detail == status.detail)
			return meanings[i].meaning;
	return NULL;
}

static bool is_control(char c)
{
	return (unsigned char)c < 32 || c == 127;
}

bool verdict_valid(const struct verdict *v)
{
	if (v->code < 200 || v->code > 599 || (unsigned)v->class != v->code / 100u)
		return false;
	if (v->enhanced.class && (v->enhanced.class != (unsigned)v->class || v->class == VERDICT_GO_ON ||
				  v->enhanced.subject > 999 || v->enhanced.detail > 999))
		return false;
	for (size_t i = 0; i < v->text.n; i++)
		if (is_control(v->text.p[i]) && v->text.p[i] != '\n')
			return false;
	return v->text.n == 0 || v->text.p[v->text.n - 1] != '\n';
}

/* As much of `text` as fits a line of `room` octets: up to its "\n", else up to a space, else whole characters. */
static size_t line_length(struct view text, size_t room)
{
	size_t n = view_find_char(text, '\n');

	if (n <= room)
		return n;
	for (n = room; n > room / 2; n--)
		if (text.p[n] == ' ')
			return n;
	for (n = room; n > 1 && ((unsigned char)text.p[n] & 0xc0) == 0x80; n--)
		;
	return n;
}

static void append_clean(struct buf *out, struct view text, bool utf8)
{
	utf8 = utf8 && view_is_utf8(text);
	for (size_t i = 0; i < text.n; i++) {
		bool bad = is_control(text.p[i]) || (!utf8 && (unsigned char)text.p[i] >= 0x80);

		buf_append_char(out, bad ? '?' : text.p[i]);
	}
}

void verdict_format_reply(struct buf *out, const struct verdict *v, bool utf8)
{
	struct view rest = v->text;
	bool last;

	assert(v->code >= 200 && v->code <= 599);
	do {
		size_t start = out->n, dash, n;

		buf_append_u64(out, v->code);
		dash = out->n;
		buf_append_char(out, ' ');
		dsn_status_format(out, v->enhanced);
		if (v->enhanced.class && rest.n)
			buf_append_char(out, ' ');
		n = line_length(rest, REPLY_LINE_MAX - 2 - (out->n - start));
		append_clean(out, view_sub(rest, 0, n), utf8);
		last = n == rest.n;
		if (!last && (rest.p[n] == '\n' || rest.p[n] == ' '))
			n++;
		rest = view_sub(rest, n, rest.n);
		if (!last && !out->overflow)
			out->p[dash] = '-';
		buf_append_cstr(out, "\r\n");
	} while (!last);
}
