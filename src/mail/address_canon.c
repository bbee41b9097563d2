/* SPDX-License-Identifier: ISC
 * One spelling for equal addresses: domains as A-labels, local parts folded. */
#include "mail/address_canon.h"

#include <idn2.h>
#include <stdlib.h>
#include <utf8proc.h>

static bool canon_literal(struct view literal, struct buf *out)
{
	struct ip ip;
	bool is_ip;

	if (!address_literal_parse(literal, &is_ip, &ip))
		return false;
	if (is_ip)
		ip_format_literal(out, &ip);
	else
		buf_append_lower(out, literal);
	return true;
}

static bool canon_idn(struct view domain, struct buf *out)
{
	_cleanup_(free_ptr) char *utf8 = view_to_cstr(domain);
	uint8_t *ascii = NULL;
	struct view result;
	bool ok;

	if (!utf8 || idn2_lookup_u8((const uint8_t *)utf8, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return false;
	result = view_from_cstr((const char *)ascii);
	ok = address_domain_valid(result, 0);
	if (ok)
		buf_append_lower(out, result);
	idn2_free(ascii);
	return ok;
}

bool address_domain_canon(struct view domain, struct buf *out)
{
	size_t before = out->n;
	bool ok;

	if (domain.n && domain.p[0] == '[')
		ok = canon_literal(domain, out);
	else if (!address_domain_valid(domain, ADDRESS_UTF8))
		ok = false;
	else if (!view_is_ascii(domain))
		ok = canon_idn(domain, out);
	else
		buf_append_lower(out, domain), ok = true;
	if (ok && !out->overflow)
		return true;
	buf_truncate(out, before);
	return false;
}

void address_domain_display(struct view domain, struct buf *out)
{
	_cleanup_(free_ptr) char *ascii = view_to_cstr(domain);
	char *utf8 = NULL;

	if (domain.n <= ADDRESS_DOMAIN_MAX && ascii && idn2_to_unicode_8z8z(ascii, &utf8, 0) == IDN2_OK) {
		buf_append_cstr(out, utf8);
		idn2_free(utf8);
	} else {
		buf_append_view(out, domain);
	}
}

static bool has_control(struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c < 32 || c == 127 || (c == 0xc2 && (unsigned char)v.p[i + 1] < 0xa0)) /* v is UTF-8 */
			return true;
	}
	return false;
}

static bool fold(struct view local, struct buf *out)
{
	const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD;
	utf8proc_uint8_t *folded = NULL;
	utf8proc_ssize_t n;

	n = utf8proc_map((const utf8proc_uint8_t *)local.p, (utf8proc_ssize_t)local.n, &folded, options);
	if (n < 0)
		return false;
	buf_append(out, folded, (size_t)n);
	free(folded);
	return true;
}

bool address_local_canon(struct view local, struct buf *out)
{
	size_t before = out->n;
	bool ok;

	if (local.n > ADDRESS_MAILBOX_MAX || !view_is_utf8(local) || has_control(local))
		return false;
	ok = true;
	if (view_is_ascii(local))
		buf_append_lower(out, local);
	else
		ok = fold(local, out);
	if (ok && !out->overflow)
		return true;
	buf_truncate(out, before);
	return false;
}

bool address_canon(struct view local, struct view domain, struct buf *out)
{
	size_t before = out->n;

	if (!address_local_canon(local, out))
		return false;
	buf_append_char(out, '@');
	if (!address_domain_canon(domain, out)) {
		buf_truncate(out, before);
		return false;
	}
	return true;
}

bool address_split_detail(struct view local, char separator, struct view *ret_user, struct view *ret_detail)
{
	struct view user, detail;

	if (!view_cut(local, separator, &user, &detail) || user.n == 0)
		return false;
	*ret_user = user;
	*ret_detail = detail;
	return true;
}
