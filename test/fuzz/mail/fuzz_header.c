/* SPDX-License-Identifier: ISC
 * Fields and what is passed over make up the header without a gap; where junk ends it, it ends where the first junk is. */
#include "mail/header.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view in = view_from(data, size);
	struct buf out = BUF_INIT(1 << 24);
	struct header_field field;
	size_t covered = 0;
	struct header h, u;

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
	assert(h.end != HEADER_END_JUNK && h.content == header_length(in) && h.junk == header_junk(in));
	header_init_until_junk(&u, in);
	while (header_next(&u, &field) == PARSE_DONE)
		assert((size_t)(field.whole.p - in.p) + field.whole.n <= h.junk);
	assert(u.end == (h.junk == SIZE_MAX ? h.end : HEADER_END_JUNK));
	assert(u.content == (h.junk == SIZE_MAX ? h.content : h.junk));
	buf_fini(&out);
	return 0;
}
