/* SPDX-License-Identifier: ISC
 * unitext: what was decoded encodes, and decodes to the same. */
#include "mail/unitext.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf plain = BUF_INIT(4096);

	if (unitext_decode(&plain, view_from(data, size))) {
		for (int ascii = 0; ascii < 2; ascii++) {
			struct buf coded = BUF_INIT(65536), again = BUF_INIT(4096);

			unitext_encode(&coded, buf_view(&plain), ascii);
			assert(unitext_decode(&again, buf_view(&coded)) && view_eq(buf_view(&again), buf_view(&plain)));
			assert(!ascii || view_is_ascii(buf_view(&coded)));
			buf_fini(&coded);
			buf_fini(&again);
		}
	}
	buf_fini(&plain);
	return 0;
}
