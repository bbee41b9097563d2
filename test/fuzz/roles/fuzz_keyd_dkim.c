/* SPDX-License-Identifier: ISC
 * What keyd takes for the input of a DKIM signature has one From field among whole fields, and the signature field last, with nothing behind
 * its b=. */
#include "keyd/dkim.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view in = view_from(data, size);

	if (!dkim_input_is(in, VIEW_LIT("example.test"), VIEW_LIT("s1"), "rsa-sha256"))
		return 0;
	assert(view_ends_with_nocase(in, VIEW_LIT("; b=")));
	assert(view_starts_with(in, VIEW_LIT("from:")) || view_find(in, VIEW_LIT("\nfrom:")) < in.n);
	assert(view_find(in, VIEW_LIT("d=example.test; s=s1;")) < in.n);
	assert(view_find(in, VIEW_LIT("\r\n\r\n")) == in.n);
	return 0;
}
