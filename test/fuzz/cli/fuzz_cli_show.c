/* SPDX-License-Identifier: ISC
 * What anybody's text becomes on a terminal: UTF-8 without control characters, and nothing that turns the direction of writing. */
#include "cli/read.h"
#include "cli/show.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct view text, bool lines)
{
	assert(view_is_utf8(text));
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i], next = i + 1 < text.n ? (unsigned char)text.p[i + 1] : 0;

		assert((c >= ' ' && c != 0x7f) || (lines && c == '\n'));
		assert(c != 0xc2 || next >= 0xa0);
	}
	for (unsigned c = 0xaa; c <= 0xae; c++)
		assert(view_find(text, view_from((const char[]){(char)0xe2, (char)0x80, (char)c}, 3)) == text.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf shown = BUF_INIT(1 << 22), html = BUF_INIT(1 << 22);
	struct view in = view_from(data, size);
	json_t *text;

	if (size > 20000)
		return 0;
	show_clean(in, &shown);
	check(buf_view(&shown), false);
	buf_reset(&shown);
	show_lines(in, &shown);
	check(buf_view(&shown), true);
	html_text(in, &html);
	assert(!html.overflow);
	buf_reset(&shown);
	show_lines(buf_view(&html), &shown);
	check(buf_view(&shown), true);
	assert(show_sender(in).n <= in.n);
	text = show_json_text(in);
	assert(json_is_string(text));
	json_decref(text);
	buf_fini(&shown);
	buf_fini(&html);
	return 0;
}
