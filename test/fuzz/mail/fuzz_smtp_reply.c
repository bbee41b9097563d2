/* SPDX-License-Identifier: ISC
 * Replies of another server are the same however the stream is cut; what is kept of them is clean and bounded. */
#include "mail/smtp_reply.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct smtp_reply *r, struct buf *out)
{
	struct view rest = buf_view(&r->text), line;
	size_t lines = 0;

	assert(r->code >= 200 && r->code <= 599 && (r->code / 100 == 3 || r->enhanced.class == r->code / 100));
	assert(r->lines >= 1 && r->lines <= SMTP_REPLY_LINES_MAX && !r->text.overflow);
	for (size_t i = 0; i < r->text.n; i++) {
		lines += r->text.p[i] == '\n';
		assert(r->text.p[i] == '\n' || ((unsigned char)r->text.p[i] >= ' ' && r->text.p[i] != 127));
	}
	assert(lines + 1 == r->lines);
	while (smtp_reply_line(&rest, &line))
		assert(view_find_char(line, '\n') == line.n && lines-- + 1 > 0);
	buf_printf(out, "%u %u.%u.%u ", r->code, r->enhanced.class, r->enhanced.subject, r->enhanced.detail);
	buf_append_view(out, buf_view(&r->text));
	buf_append_char(out, '\n');
}

static void read_all(struct view in, size_t step, struct buf *out)
{
	struct smtp_reply r;
	size_t at = 0, have = 0;

	smtp_reply_init(&r);
	for (;;) {
		size_t used;
		enum parse p = smtp_reply_next(&r, view_sub(in, at, have - at), &used);

		assert(used <= have - at && (p != PARSE_DONE || used > 0));
		at += used;
		if (p == PARSE_DONE) {
			check(&r, out);
			smtp_reply_reset(&r);
			continue;
		}
		if (p == PARSE_BAD) {
			buf_append_cstr(out, "bad");
			break;
		}
		if (have == in.n)
			break;
		have = in.n - have < step ? in.n : have + step;
	}
	smtp_reply_fini(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view in = view_from(data, size);
	struct buf whole = BUF_INIT(1 << 24), cut = BUF_INIT(1 << 24);

	read_all(in, size + 1, &whole);
	read_all(in, size ? data[0] % 9 + 1 : 1, &cut);
	assert(view_eq(buf_view(&whole), buf_view(&cut)));
	buf_fini(&whole);
	buf_fini(&cut);
	return 0;
}
