/* SPDX-License-Identifier: ISC
 * A response in one piece and byte by byte is the same, and within its limits. */
#include "mail/http_response.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum parse feed(struct http_response *r, struct view v, size_t step)
{
	enum parse p = PARSE_MORE;

	http_response_init(r, 256);
	for (size_t at = 0; at < v.n && p == PARSE_MORE; at += step)
		p = http_response_feed(r, view_sub(v, at, step));
	return p == PARSE_MORE ? http_response_end(r) : p;
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
	return 0;
}
