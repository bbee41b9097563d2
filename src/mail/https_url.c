/* SPDX-License-Identifier: ISC
 * URLs of the one scheme that we fetch. */
#include "mail/https_url.h"

enum { HOST_MAX = 253, LABEL_MAX = 63 };

static bool is_label(struct view v)
{
	if (v.n == 0 || v.n > LABEL_MAX || v.p[0] == '-' || v.p[v.n - 1] == '-')
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_is_alnum(v.p[i]) && v.p[i] != '-' && v.p[i] != '_')
			return false;
	return true;
}

/* A top level of digits alone would be an IPv4 address. */
static bool is_host(struct view v)
{
	struct view label, rest = v;
	uint64_t number;

	if (v.n > HOST_MAX || view_find_char(v, '.') == v.n)
		return false;
	while (view_cut(rest, '.', &label, &rest))
		if (!is_label(label))
			return false;
	return is_label(rest) && !view_to_u64(rest, UINT64_MAX, &number);
}

static bool is_target(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] <= 0x20 || v.p[i] >= 0x7f || v.p[i] == '"' || v.p[i] == '<' || v.p[i] == '>' ||
		    v.p[i] == '\\')
			return false;
	return true;
}

static bool read_authority(struct view authority, struct https_url *ret)
{
	struct view port;
	uint32_t number = 0;

	ret->host = authority;
	if (view_cut(authority, ':', &ret->host, &port) && (!view_to_u32(port, 65535, &number) || number == 0))
		return false;
	ret->port = (uint16_t)number;
	return is_host(ret->host);
}

bool https_url_parse(struct view text, struct https_url *ret)
{
	enum { SCHEME_BYTES = 8 };
	struct view rest = view_sub(text, SCHEME_BYTES, text.n), before, after;
	struct https_url url;
	size_t at = 0;

	if (text.n > HTTPS_URL_MAX || !view_starts_with_nocase(text, VIEW_LIT("https://")))
		return false;
	if (view_cut(rest, '#', &before, &after))
		rest = before;
	while (at < rest.n && rest.p[at] != '/' && rest.p[at] != '?')
		at++;
	url.target = view_sub(rest, at, rest.n);
	if (url.target.n == 0)
		url.target = VIEW_LIT("/");
	if (url.target.p[0] != '/' || !is_target(url.target) || !read_authority(view_sub(rest, 0, at), &url))
		return false;
	*ret = url;
	return true;
}
