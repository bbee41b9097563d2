/* SPDX-License-Identifier: ISC
 * Fields and what is passed over make up the header without a gap; scanning in pieces finds the same end. */
#include "mail/header.h"
#include "mail/header_scan.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t scan(struct view in, size_t step)
{
	struct header_scan s;

	header_scan_init(&s, SIZE_MAX);
	for (size_t at = 0; at < in.n; at += step)
		if (header_scan_next(&s, view_sub(in, at, step)) == PARSE_DONE)
			return s.content;
	header_scan_end(&s);
	return s.content;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view in = view_from(data, size);
	struct buf out = BUF_INIT(1 << 24);
	struct header_field field;
	size_t covered = 0;
	struct header h;

	header_init(&h, in);
	while (header_next(&h, &field) == PARSE_DONE) {
		assert(field.name.n && field.value.p >= field.name.p + field.name.n + 1);
		assert(field.value.p + field.value.n <= field.whole.p + field.whole.n);
		covered += field.whole.n;
		buf_reset(&out);
		header_unfold(&out, field.value);
		assert(out.n <= field.value.n && view_find_char(buf_view(&out), '\n') == out.n);
	}
	assert(h.content <= size && covered + h.passed_over_bytes <= h.content);
	assert(h.content - covered - h.passed_over_bytes <= (h.end == HEADER_END_BLANK ? 2 : 0));
	assert(scan(in, 1) == h.content && scan(in, size ? size : 1) == h.content);
	buf_fini(&out);
	return 0;
}
