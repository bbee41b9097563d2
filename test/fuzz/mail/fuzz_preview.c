/* SPDX-License-Identifier: ISC
 * Any message has a preview of so many characters at most, in one line of UTF-8. */
#include "mail/preview.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mime_parser *p = mime_parser_new(&mime_limits_default);
	const struct mime_index *x = mime_index_parse(p, view_from(data, size));
	const struct mime_part *part = NULL;

	while ((part = preview_part(x, part))) {
		struct buf out = BUF_INIT(PREVIEW_BYTES);
		size_t chars = 0;

		preview_format(part, view_sub(view_from(data, size), part->body_off, part->body_bytes), &out);
		assert(!out.overflow && view_is_utf8(buf_view(&out)));
		for (size_t i = 0; i < out.n; i++) {
			assert((unsigned char)out.p[i] >= ' ');
			chars += ((unsigned char)out.p[i] & 0xc0) != 0x80;
		}
		assert(chars <= PREVIEW_CHARS);
		buf_fini(&out);
	}
	mime_parser_free(&p);
	return 0;
}
