/* SPDX-License-Identifier: ISC
 * The canonical body is the same however it is cut, has no blank at a line's end, no empty line at its end, and is its own canonical form; a
 * field's canonical form is one line. Input: the first byte says where to cut. */
#include "mail/dkim_canon.h"
#include "mail/dkim_sign.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(void *ctx, struct view bytes)
{
	assert(bytes.n <= DKIM_BODY_PIECE_MAX);
	buf_append_view(ctx, bytes);
}

static void canon(struct view in, size_t cut, struct buf *out)
{
	static struct dkim_body b;

	dkim_body_init(&b, put, out);
	dkim_body_feed(&b, view_sub(in, 0, cut));
	dkim_body_feed(&b, view_sub(in, cut, in.n));
	dkim_body_finish(&b);
}

static void check_lines(struct view v)
{
	assert(v.n == 0 || view_ends_with_nocase(v, VIEW_LIT("\r\n")));
	assert(!view_ends_with_nocase(v, VIEW_LIT("\r\n\r\n")) && !view_eq_lit(v, "\r\n"));
	assert(view_find(v, VIEW_LIT(" \r\n")) == v.n && view_find_char(v, '\t') == v.n &&
	       view_find(v, VIEW_LIT("  ")) == v.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf once = BUF_INIT(1 << 24), again = BUF_INIT(1 << 24), names = BUF_INIT(DKIM_NAMES_MAX),
		   input = BUF_INIT(DKIM_INPUT_MAX);
	struct view in = view_from(data + 1, size ? size - 1 : 0), line;

	if (size == 0)
		return 0;
	canon(in, 0, &once);
	check_lines(buf_view(&once));
	canon(in, data[0] * in.n / 255, &again);
	assert(view_eq(buf_view(&once), buf_view(&again)));
	buf_reset(&again);
	canon(buf_view(&once), 0, &again);
	assert(view_eq(buf_view(&once), buf_view(&again)));
	if (dkim_sign_fields(VIEW_EMPTY, in, &names, &input)) {
		struct view rest = buf_view(&input);

		while (view_cut(rest, '\n', &line, &rest))
			assert(line.n > 2 && view_find_char(line, ':') < line.n && line.p[line.n - 1] == '\r');
		assert(rest.n == 0);
	}
	buf_reset(&names);
	(void)!dkim_sign_domain(in, &names);
	(void)!dkim_record_is(in, DKIM_RSA_SHA256, VIEW_LIT("x"));
	buf_fini(&once);
	buf_fini(&again);
	buf_fini(&names);
	buf_fini(&input);
	return 0;
}
