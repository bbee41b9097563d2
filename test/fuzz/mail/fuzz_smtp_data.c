/* SPDX-License-Identifier: ISC
 * Decoding in pieces gives what a byte-by-byte reading of the rules gives; stuffed text decodes to itself. */
#include "base/buf.h"
#include "mail/smtp_data.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* True when the message ended; `*ret_used` bytes of `in` then belong to it. */
static bool decode(struct view in, size_t step, struct buf *out, enum smtp_data_error *ret_error, size_t *ret_used)
{
	struct smtp_data d;
	size_t from = 0, to = 0;
	enum parse r;

	smtp_data_init(&d, 100);
	do {
		struct view run;
		size_t consumed;

		if (from == to)
			to = to + step > in.n ? in.n : to + step;
		r = smtp_data_next(&d, view_sub(in, from, to - from), &consumed, &run);
		from += consumed;
		buf_append_view(out, run);
	} while (r != PARSE_DONE && from < in.n);
	*ret_error = d.error;
	*ret_used = from;
	return r == PARSE_DONE;
}

static void round_trip(struct view text)
{
	struct buf wire = BUF_INIT(1 << 22), back = BUF_INIT(1 << 22);
	enum smtp_data_error error;
	struct smtp_strict strict;
	struct smtp_stuff s;
	size_t used;

	smtp_strict_init(&strict, 100);
	if (smtp_strict_check(&strict, text) || smtp_strict_end(&strict) || (text.n && text.p[text.n - 1] != '\n'))
		return;
	smtp_stuff_init(&s);
	for (struct view in = text; in.n;)
		buf_append_view(&wire, smtp_stuff_next(&s, &in));
	buf_append_view(&wire, smtp_stuff_end(&s));
	assert(decode(buf_view(&wire), 7, &back, &error, &used) && !error && used == wire.n);
	assert(view_eq(buf_view(&back), text));
	buf_fini(&wire);
	buf_fini(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view in = view_from(data, size);
	struct buf whole = BUF_INIT(1 << 22), pieces = BUF_INIT(1 << 22);
	size_t used[2], end = view_find(in, VIEW_LIT("\r\n.\r\n"));
	enum smtp_data_error errors[2];
	bool done[2];

	done[0] = decode(in, size ? size : 1, &whole, &errors[0], &used[0]);
	done[1] = decode(in, 1, &pieces, &errors[1], &used[1]);
	assert(done[0] == done[1] && !errors[0] == !errors[1] && used[0] == used[1]);
	assert(done[0] == (end < size || view_starts_with(in, VIEW_LIT(".\r\n"))));
	assert(!done[0] || used[0] == (view_starts_with(in, VIEW_LIT(".\r\n")) ? 3 : end + 5));
	if (!errors[0])
		assert(view_eq(buf_view(&whole), buf_view(&pieces)) && !view_has_nul(buf_view(&whole)));
	round_trip(in);
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
