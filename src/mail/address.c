/* SPDX-License-Identifier: ISC
 * Envelope addresses: parsing RFC 5321 mailboxes and writing them. */
#include "mail/address.h"

#include <string.h>

/* RFC 5322 §3.2.3 atext, with RFC 6531's UTF8-non-ascii (well-formedness is checked apart). */
static bool is_atext(char c)
{
	return ascii_is_alnum(c) || (unsigned char)c >= 0x80 || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool is_graphic_or_space(char c)
{
	return c >= 32 && c <= 126;
}

/* Dot-string = Atom *("." Atom) */
bool address_local_is_dot_string(struct view local)
{
	bool dot = true; /* an atom is due */

	for (size_t i = 0; i < local.n; i++) {
		if (local.p[i] == '.' ? dot : !is_atext(local.p[i]))
			return false;
		dot = local.p[i] == '.';
	}
	return !dot;
}

/* The bytes of a Dot-string at the start of `text`, up to the first that cannot be in one. */
static size_t dot_string_length(struct view text)
{
	size_t n = 0;

	while (n < text.n && (is_atext(text.p[n]) || text.p[n] == '.'))
		n++;
	return n;
}

/* Quoted-string = DQUOTE *QcontentSMTP DQUOTE; its length with both quotes, or 0. */
static size_t quoted_string_length(struct view text)
{
	for (size_t i = 1; i < text.n; i++) {
		char c = text.p[i];

		if (c == '"')
			return i + 1;
		if (c == '\\' && (++i == text.n || !is_graphic_or_space(text.p[i])))
			return 0;
		if (c != '\\' && !is_graphic_or_space(c) && (unsigned char)c < 0x80)
			return 0;
	}
	return 0;
}

/* The content of a quoted string (without its quotes) with every quoted-pair resolved. */
static bool unquote(struct view content, struct arena *a, struct view *ret)
{
	char *p = arena_alloc(a, content.n);
	size_t n = 0;

	if (!p)
		return false;
	for (size_t i = 0; i < content.n; i++) {
		if (content.p[i] == '\\')
			i++;
		p[n++] = content.p[i];
	}
	*ret = view_from(p, n);
	return true;
}

/* Local-part = Dot-string / Quoted-string; `*ret_used` bytes of `text`. */
static bool parse_local(struct view text, struct arena *a, struct address *ret, size_t *ret_used)
{
	size_t n;

	if (text.n == 0 || text.p[0] != '"') {
		n = dot_string_length(text);
		ret->local = view_sub(text, 0, n);
		*ret_used = n;
		return address_local_is_dot_string(ret->local);
	}
	n = quoted_string_length(text);
	if (n <= 2)
		return false;
	ret->quoted = true;
	*ret_used = n;
	return unquote(view_sub(text, 1, n - 2), a, &ret->local);
}

/* sub-domain = Let-dig [Ldh-str] / U-label; the 63 octets are those of the A-label, which address_canon makes */
static bool label_valid(struct view label, unsigned flags)
{
	if (label.n == 0 || (label.n > 63 && view_is_ascii(label)) || label.p[0] == '-' || label.p[label.n - 1] == '-')
		return false;
	for (size_t i = 0; i < label.n; i++) {
		bool high = (unsigned char)label.p[i] >= 0x80;

		if (high ? !(flags & ADDRESS_UTF8) : !ascii_is_alnum(label.p[i]) && label.p[i] != '-')
			return false;
	}
	return true;
}

bool address_domain_valid(struct view domain, unsigned flags)
{
	struct view label, rest = domain;

	if (domain.n == 0 || domain.n > ADDRESS_DOMAIN_MAX || !view_is_utf8(domain))
		return false;
	while (view_cut(rest, '.', &label, &rest))
		if (!label_valid(label, flags))
			return false;
	return label_valid(rest, flags);
}

/* General-address-literal = Standardized-tag ":" 1*dcontent; dcontent = %d33-90 / %d94-126 */
static bool general_literal_valid(struct view content)
{
	struct view tag, text;

	if (!view_cut(content, ':', &tag, &text) || text.n == 0 || tag.n == 0 || !ascii_is_alnum(tag.p[tag.n - 1]))
		return false;
	for (size_t i = 0; i < tag.n; i++)
		if (!ascii_is_alnum(tag.p[i]) && tag.p[i] != '-')
			return false;
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < 33 || text.p[i] > 126 || (text.p[i] > 90 && text.p[i] < 94))
			return false;
	return true;
}

bool address_literal_parse(struct view literal, bool *ret_is_ip, struct ip *ret_ip)
{
	struct view content;

	if (literal.n < 3 || literal.n > ADDRESS_DOMAIN_MAX || literal.p[0] != '[' || literal.p[literal.n - 1] != ']')
		return false;
	content = view_sub(literal, 1, literal.n - 2);
	if (view_starts_with_nocase(content, VIEW_LIT("IPv6:"))) {
		if (!ip_parse_v6(view_sub(content, 5, content.n), ret_ip))
			return false;
		*ret_is_ip = true;
		return true;
	}
	if (ip_parse_v4(content, ret_ip)) {
		*ret_is_ip = true;
		return true;
	}
	if (!general_literal_valid(content))
		return false;
	*ret_is_ip = false;
	return true;
}

bool address_parse(struct view text, unsigned flags, struct arena *a, struct address *ret)
{
	struct address address = {.is_utf8 = !view_is_ascii(text)};
	struct ip ip;
	bool is_ip;
	size_t at;

	if (text.n > ADDRESS_MAILBOX_MAX)
		return false;
	if (address.is_utf8 && (!(flags & ADDRESS_UTF8) || !view_is_utf8(text)))
		return false;
	if (!parse_local(text, a, &address, &at))
		return false;
	if (address.local.n > ADDRESS_LOCAL_MAX && !(flags & ADDRESS_LONG_LOCAL))
		return false;
	if (at == text.n || text.p[at] != '@')
		return false;
	address.domain = view_sub(text, at + 1, text.n);
	address.is_literal = address.domain.n && address.domain.p[0] == '[';
	if (address.is_literal ? !address_literal_parse(address.domain, &is_ip, &ip)
			       : !address_domain_valid(address.domain, flags))
		return false;
	*ret = address;
	return true;
}

void address_format_local(struct buf *out, struct view local)
{
	if (address_local_is_dot_string(local)) {
		buf_append_view(out, local);
		return;
	}
	buf_append_char(out, '"');
	for (size_t i = 0; i < local.n; i++) {
		if (local.p[i] == '"' || local.p[i] == '\\')
			buf_append_char(out, '\\');
		buf_append_char(out, local.p[i]);
	}
	buf_append_char(out, '"');
}

void address_format(struct buf *out, struct view local, struct view domain)
{
	address_format_local(out, local);
	buf_append_char(out, '@');
	buf_append_view(out, domain);
}
