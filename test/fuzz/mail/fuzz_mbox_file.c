/* SPDX-License-Identifier: ISC
 * Messages of an mbox lie in the file, in order, apart from each other; quoting can be taken back. */
#include "mail/mbox_file.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view whole = view_from(data, size);
	const char *behind = whole.p;
	struct mbox_message m;
	struct mbox_status status;
	struct mbox_file f;

	mbox_file_init(&f, whole);
	while (mbox_file_next(&f, &m) == PARSE_DONE) {
		struct buf quoted = BUF_INIT(4 * size + 16), back = BUF_INIT(4 * size + 16), bare = BUF_INIT(size + 16);

		assert(m.from_line.p >= behind && m.raw.p >= m.from_line.p + m.from_line.n);
		behind = m.raw.p + m.raw.n;
		assert(behind <= whole.p + whole.n);
		mbox_quote(&quoted, m.raw);
		mbox_unquote(&back, buf_view(&quoted));
		assert(!quoted.overflow && view_eq(buf_view(&back), m.raw));
		mbox_status_read(m.raw, &status);
		mbox_status_strip(&bare, m.raw, m.measured);
		assert(!bare.overflow && bare.n <= m.raw.n);
		buf_fini(&quoted);
		buf_fini(&back);
		buf_fini(&bare);
	}
	return 0;
}
