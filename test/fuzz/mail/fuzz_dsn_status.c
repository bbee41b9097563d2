/* SPDX-License-Identifier: ISC
 * parse∘format is the identity; a reply stays a reply whatever its text is: lines of at most 512 octets, one last. */
#include "mail/dsn_status.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view text = view_from(data, size), line, rest;
	struct verdict v = VERDICT(550, 5, 7, 1, "");
	struct buf out = BUF_INIT(1 << 24);
	struct dsn_status status;

	if (dsn_status_parse(text, &status)) {
		dsn_status_format(&out, status);
		assert(view_eq(buf_view(&out), text));
		buf_reset(&out);
	}
	v.text = text;
	verdict_format_reply(&out, &v, size % 2);
	rest = buf_view(&out);
	while (view_cut(rest, '\n', &line, &rest)) {
		assert(line.n < 512 && line.p[line.n - 1] == '\r' && view_find_char(line, '\r') == line.n - 1);
		assert(view_starts_with(line, rest.n ? VIEW_LIT("550-5.7.1") : VIEW_LIT("550 5.7.1")));
	}
	assert(rest.n == 0);
	buf_fini(&out);
	return 0;
}
