/* SPDX-License-Identifier: ISC
 * Any bytes become a message as the store takes it: CRLF lines, no NUL; the same however they come; twice is once. The first byte says where to
 * cut. */
#include "cli/import.h"

#include "mail/smtp_data.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t convert(struct view in, size_t step, struct buf *out)
{
	struct import_text t;
	uint64_t changed;

	import_text_init(&t, in);
	for (size_t at = 0; at < in.n; at += step)
		import_text_add(&t, view_sub(in, at, step));
	import_text_end(&t);
	assert(t.text.error == 0);
	buf_append_view(out, buf_view(&t.text.head));
	changed = t.bare_cr + t.nul;
	import_text_fini(&t);
	return changed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT(1 << 20), pieces = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20);
	struct smtp_strict strict;
	struct view in;

	if (size < 1 || size > 20000)
		return 0;
	in = view_from(data + 1, size - 1);
	assert(convert(in, size, &whole) == convert(in, data[0] % 9 + 1U, &pieces));
	assert(view_eq(buf_view(&whole), buf_view(&pieces)));
	smtp_strict_init(&strict, 0);
	assert(smtp_strict_check(&strict, buf_view(&whole)) == SMTP_DATA_OK &&
	       smtp_strict_end(&strict) == SMTP_DATA_OK);
	assert(convert(buf_view(&whole), size, &again) == 0 && view_eq(buf_view(&whole), buf_view(&again)));
	(void)import_header_date(in, 0);
	buf_fini(&whole);
	buf_fini(&pieces);
	buf_fini(&again);
	return 0;
}
