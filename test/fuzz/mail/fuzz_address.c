/* SPDX-License-Identifier: ISC
 * What is parsed can be written and parsed back to the same; canonical forms are fixed points. */
#include "mail/address_canon.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef bool canon_fn(struct view in, struct buf *out);

static void fixed_point(canon_fn *canon, struct view in)
{
	struct buf once = BUF_INIT(4096), twice = BUF_INIT(4096);

	if (canon(in, &once) && (once.n <= ADDRESS_MAILBOX_MAX)) {
		assert(canon(buf_view(&once), &twice));
		assert(view_eq(buf_view(&once), buf_view(&twice)));
	}
	buf_fini(&once);
	buf_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct address address, again;
	struct buf out = BUF_INIT(4096);
	struct arena a;

	arena_init(&a, 4096);
	fixed_point(address_local_canon, view_from(data, size));
	fixed_point(address_domain_canon, view_from(data, size));
	if (address_parse(view_from(data, size), ADDRESS_UTF8, &a, &address)) {
		address_format(&out, address.local, address.domain);
		assert(out.n <= size);
		assert(address_parse(buf_view(&out), ADDRESS_UTF8, &a, &again));
		assert(view_eq(address.local, again.local) && view_eq(address.domain, again.domain));
		buf_reset(&out);
		address_domain_display(address.domain, &out);
		buf_reset(&out);
		if (address_canon(address.local, address.domain, &out))
			assert(view_is_utf8(buf_view(&out)));
		else
			assert(out.n == 0);
	}
	buf_fini(&out);
	arena_fini(&a);
	return 0;
}
