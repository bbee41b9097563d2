/* SPDX-License-Identifier: ISC
 * Our Received field. */
#include "mail/received.h"

#include "mail/header.h"
#include "mail/ip.h"

#include <string.h>

enum {
	COLUMNS_MAX = 78,
	TAB_COLUMNS = 8,
	WORD_MAX = 1024, /* what is longer is left empty; names are at most 255, addresses 320 */
};

const char *received_protocol(bool ehlo, bool tls, bool auth, bool utf8)
{
	static const char *const names[2][2][2] = {
	    {{"ESMTP", "ESMTPA"}, {"ESMTPS", "ESMTPSA"}},
	    {{"UTF8SMTP", "UTF8SMTPA"}, {"UTF8SMTPS", "UTF8SMTPSA"}},
	};

	if (!ehlo && !auth && !utf8)
		return "SMTP"; /* there is no name for HELO over TLS */
	return names[utf8][tls][auth];
}

/* Writes words, with a fold where the next would pass the last column. */
struct folder {
	struct buf *out;
	size_t column;
};

static void fold_unless_fits(struct folder *f, size_t bytes)
{
	if (f->column + 1 + bytes > COLUMNS_MAX && f->column > TAB_COLUMNS) {
		buf_append_cstr(f->out, "\r\n\t");
		f->column = TAB_COLUMNS;
	} else {
		buf_append_char(f->out, ' ');
		f->column++;
	}
}

static void put_word(struct folder *f, struct view word)
{
	fold_unless_fits(f, word.n);
	buf_append_view(f->out, word);
	f->column += word.n;
}

/* Two words, on one line if a line can hold them. */
static void put_pair(struct folder *f, struct view first, struct view second)
{
	if (first.n + 1 + second.n <= COLUMNS_MAX - TAB_COLUMNS) {
		fold_unless_fits(f, first.n + 1 + second.n);
		buf_append_view(f->out, first);
		buf_append_char(f->out, ' ');
		buf_append_view(f->out, second);
		f->column += first.n + 1 + second.n;
	} else {
		put_word(f, first);
		put_word(f, second);
	}
}

/* What may stand in a host name, an address literal or a cipher's name. */
static bool is_plain(char c)
{
	return ascii_is_alnum(c) || (c && strchr(".-_:[]", c));
}

static void append_name(struct buf *word, struct view name)
{
	for (size_t i = 0; i < name.n; i++)
		buf_append_char(word, is_plain(name.p[i]) ? name.p[i] : '?');
}

static void append_path(struct buf *word, struct view address)
{
	for (size_t i = 0; i < address.n; i++) {
		char c = address.p[i];

		buf_append_char(word, (unsigned char)c < 32 || c == 127 ? '?' : c);
	}
}

/* A keyword and what it names. */
static void put_named(struct folder *f, const char *keyword, struct view name, const char *end)
{
	struct buf word = BUF_INIT(WORD_MAX);

	append_name(&word, name);
	buf_append_cstr(&word, end);
	put_pair(f, view_from_cstr(keyword), buf_view(&word));
	buf_fini(&word);
}

/* "(first second)", the first maybe missing; `second` is clean. */
static void put_comment(struct folder *f, struct view first, struct view second)
{
	struct buf one = BUF_INIT(WORD_MAX), two = BUF_INIT(WORD_MAX);

	buf_append_char(first.n ? &one : &two, '(');
	append_name(&one, first);
	buf_append_view(&two, second);
	buf_append_char(&two, ')');
	if (first.n)
		put_pair(f, buf_view(&one), buf_view(&two));
	else
		put_word(f, buf_view(&two));
	buf_fini(&one);
	buf_fini(&two);
}

/* From-domain = "FROM" FWS Extended-Domain; TCP-info = address-literal / ( Domain FWS address-literal ) */
static void put_from(struct folder *f, const struct received *r)
{
	struct buf literal = BUF_INIT(WORD_MAX);
	struct ip ip;

	put_named(f, "from", r->helo, "");
	if (!ip_parse(r->client_ip, &ip))
		return;
	ip_format_literal(&literal, &ip);
	put_comment(f, r->client_name, buf_view(&literal));
	buf_fini(&literal);
}

/* With = CFWS "WITH" FWS Protocol, and what TLS was used in a comment */
static void put_with(struct folder *f, const struct received *r)
{
	struct view version = VIEW_EMPTY, cipher = r->tls;
	struct buf clean = BUF_INIT(WORD_MAX);

	put_named(f, "with", r->protocol, "");
	if (!r->tls.n)
		return;
	(void)view_cut(r->tls, ' ', &version, &cipher);
	append_name(&clean, cipher);
	put_comment(f, version, buf_view(&clean));
	buf_fini(&clean);
}

/* For = CFWS "FOR" FWS ( Path / Mailbox ): exactly one, or none */
static bool for_allowed(const struct received *r)
{
	if (r->for_address.n == 0)
		return false;
	return view_is_ascii(r->for_address) || view_starts_with(r->protocol, VIEW_LIT("UTF8"));
}

static void put_for(struct folder *f, const struct received *r)
{
	struct buf path = BUF_INIT(WORD_MAX);

	buf_append_char(&path, '<');
	append_path(&path, r->for_address);
	buf_append_cstr(&path, ">;");
	put_pair(f, VIEW_LIT("for"), buf_view(&path));
	buf_fini(&path);
}

void received_format(struct buf *out, const struct received *r)
{
	struct folder f = {.out = out, .column = strlen("Received:")};
	struct buf date = BUF_INIT(WORD_MAX);

	buf_append_cstr(out, "Received:");
	if (r->helo.n)
		put_from(&f, r);
	put_named(&f, "by", r->by, "");
	if (r->protocol.n)
		put_with(&f, r);
	put_named(&f, "id", r->id, for_allowed(r) ? "" : ";");
	if (for_allowed(r))
		put_for(&f, r);
	date_format(&date, &r->date);
	put_word(&f, buf_view(&date));
	buf_append_cstr(out, "\r\n");
	buf_fini(&date);
}

size_t received_count(struct view block)
{
	return header_count(block, "Received");
}
