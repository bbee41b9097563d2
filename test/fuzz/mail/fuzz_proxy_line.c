/* SPDX-License-Identifier: ISC
 * One more byte never takes an answer back, and a header is never longer than it may be. */
#include "mail/proxy_line.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t consumed = 0, first = 0;
	enum parse last = PARSE_MORE;
	struct proxy_line line;

	for (size_t n = 0; n <= size && n < 600; n++) {
		enum parse r = proxy_line_parse(view_from(data, n), &consumed, &line);

		assert(last == PARSE_MORE || last == r);
		if (r == PARSE_DONE && last == PARSE_MORE)
			assert((first = consumed) == n && n <= PROXY_LINE_MAX);
		assert(r != PARSE_DONE || consumed == first);
		last = r;
	}
	assert(last != PARSE_MORE || size < PROXY_LINE_MAX);
	return 0;
}
