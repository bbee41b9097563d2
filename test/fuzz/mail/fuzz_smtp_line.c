/* SPDX-License-Identifier: ISC
 * Splitting in pieces gives the same lines as splitting at once, and no line holds CR, LF or NUL. */
#include "base/buf.h"
#include "mail/smtp_line.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(struct view text, size_t step, struct buf *out)
{
	struct smtp_line s;
	size_t from = 0, to = 0;

	smtp_line_init(&s, 64);
	for (;;) {
		struct view line;
		size_t consumed;
		enum parse r = smtp_line_next(&s, view_sub(text, from, to - from), &consumed, &line);

		assert(consumed <= to - from);
		from += consumed;
		if (r == PARSE_DONE) {
			assert(line.n + 2 <= 64 && view_find_char(line, '\r') == line.n &&
			       view_find_char(line, '\n') == line.n && !view_has_nul(line));
			buf_append_view(out, line);
			buf_append_char(out, '\n');
		} else if (r == PARSE_BAD) {
			buf_append_char(out, (char)s.error);
		} else if (to == text.n) {
			break;
		} else {
			to = to + step > text.n ? text.n : to + step;
		}
	}
	assert(text.n - from < 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view text = view_from(data, size);
	struct buf whole = BUF_INIT(1 << 24), pieces = BUF_INIT(1 << 24);

	run(text, size ? size : 1, &whole);
	run(text, 1, &pieces);
	assert(view_eq(buf_view(&whole), buf_view(&pieces)));
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
