/* SPDX-License-Identifier: ISC
 * The PROXY header: what is a header stays one whatever follows, every beginning of it asks for more, and nothing is
 * awaited beyond the maximum. */
#include "io/proxy.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view in = view_from(data, size);
	struct proxy_header h, again;
	size_t consumed = 0, n;
	enum parse r = proxy_parse(in, &consumed, &h);

	if (r == PARSE_MORE)
		assert(size < PROXY_HEADER_MAX);
	if (r != PARSE_DONE)
		return 0;
	assert(consumed > 0 && consumed <= size && consumed <= PROXY_HEADER_MAX);
	assert(proxy_parse(view_sub(in, 0, consumed), &n, &again) == PARSE_DONE && n == consumed);
	assert(again.has_address == h.has_address);
	for (size_t cut = 0; cut < consumed; cut++)
		assert(proxy_parse(view_sub(in, 0, cut), &n, &again) == PARSE_MORE);
	return 0;
}
