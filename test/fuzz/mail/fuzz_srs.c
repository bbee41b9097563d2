/* SPDX-License-Identifier: ISC
 * Whatever is rewritten comes back as it was, or, of a chain, as what the first forwarder gave out; whatever is read does no harm. */
#include "mail/srs.h"

#include "mail/address.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct srs_key key = srs_key_from(VIEW_LIT("0123456789abcdef0123456789abcdef"));
	struct view local, domain, made, back;
	struct address address, again;
	struct arena a;

	arena_init(&a, 1 << 16);
	if (view_cut(view_from(data, size), '\n', &local, &domain)) {
		struct buf text = BUF_INIT(1024);

		if (srs_reverse(&key, local, 1795500000, &a, &back) == SRS_GOOD)
			assert(back.n > 0);
		address_format(&text, local, domain);
		if (address_parse(buf_view(&text), ADDRESS_UTF8 | ADDRESS_LONG_LOCAL, &a, &address) &&
		    srs_forward(&key, address.local, address.domain, VIEW_LIT("b.example"), 1795500000, &a, &made)) {
			assert(address_parse(made, ADDRESS_UTF8 | ADDRESS_LONG_LOCAL, &a, &again));
			assert(srs_reverse(&key, again.local, 1795500000, &a, &back) == SRS_GOOD);
			assert(view_starts_with_nocase(again.local, VIEW_LIT("SRS1")) ||
			       view_eq(back, buf_view(&text)));
		}
		buf_fini(&text);
	}
	arena_fini(&a);
	return 0;
}
