/* SPDX-License-Identifier: ISC
 * What PLAIN's parser takes apart goes together again to the same bytes. */
#include "authd/plain.h"

#include "base/buf.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf again = BUF_INIT(1 << 24);
	struct plain p;

	if (plain_parse(view_from(data, size), &p)) {
		assert(p.user.n > 0 && p.user.n <= 512 && p.authzid.n <= 512);
		assert(!view_has_nul(p.user) && !view_has_nul(p.password));
		buf_append_view(&again, p.authzid);
		buf_append_char(&again, '\0');
		buf_append_view(&again, p.user);
		buf_append_char(&again, '\0');
		buf_append_view(&again, p.password);
		assert(view_eq(buf_view(&again), view_from(data, size)));
	}
	buf_fini(&again);
	return 0;
}
