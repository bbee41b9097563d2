/* SPDX-License-Identifier: ISC
 * A response in one piece and byte by byte is the same, and within its limits; a URL that is taken says nothing but where to ask for what. */
#include "mail/http_response.h"

#include "mail/https_url.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum parse feed(struct http_response *r, struct view v, size_t step)
{
	enum parse p = PARSE_MORE;

	http_response_init(r, 256);
	for (size_t at = 0; at < v.n && p == PARSE_MORE; at += step)
		p = http_response_feed(r, view_sub(v, at, step));
	return p == PARSE_MORE ? http_response_end(r) : p;
}

/* Nothing that ends a line of the request, or a word of it. */
static void check_url(struct view text)
{
	struct https_url url;

	if (!https_url_parse(text, &url))
		return;
	assert(text.n <= HTTPS_URL_MAX && url.host.n > 0 && url.target.n > 0 && url.target.p[0] == '/');
	for (size_t i = 0; i < url.target.n; i++)
		assert(url.target.p[i] > ' ' && url.target.p[i] < 0x7f);
	for (size_t i = 0; i < url.host.n; i++)
		assert(ascii_is_alnum(url.host.p[i]) || (i && strchr("-._", url.host.p[i])) || url.host.p[i] == '_');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view v = view_from(data, size);
	struct http_response whole, split;
	enum parse p = feed(&whole, v, size + 1), q = feed(&split, v, 1);

	assert(p == q && whole.status == split.status && whole.too_big == split.too_big);
	if (p == PARSE_DONE) {
		assert(whole.status >= 200 && whole.status <= 599);
		assert(whole.body.n <= 256 && whole.overhead <= HTTP_HEADER_MAX &&
		       whole.content_type.n <= HTTP_TYPE_MAX);
		assert(view_eq(buf_view(&whole.body), buf_view(&split.body)));
	}
	http_response_fini(&whole);
	http_response_fini(&split);
	check_url(v);
	return 0;
}
