/* SPDX-License-Identifier: ISC
 * Unpacking what a peer sent: however it is cut and however little room there is, the same comes out; and what is packed here is read
 * back. */
#include "io/deflate.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { OUT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* False: it was bad. */
static bool unpack(struct view in, size_t at_once, size_t room, struct buf *out)
{
	struct deflate *d = deflate_new();
	char plain[4096];
	bool bad = false;

	for (size_t at = 0; at < in.n && !bad && out->n < OUT_MAX; at += at_once) {
		deflate_feed(d, view_sub(in, at, at_once));
		while (deflate_has_more(d) && !bad && out->n < OUT_MAX)
			buf_append(out, plain, deflate_read(d, plain, room, &bad));
	}
	deflate_free(&d);
	return !bad;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view in = view_from(data, size < 65536 ? size : 65536);
	struct buf whole = BUF_INIT(OUT_MAX + 4096), cut = BUF_INIT(OUT_MAX + 4096), packed = BUF_INIT(1 << 18);
	struct deflate *d = deflate_new();
	bool good = unpack(in, 65536, 4096, &whole);

	if (whole.n < 65536) {
		assert(unpack(in, 3, 5, &cut) == good);
		assert(view_eq(buf_view(&whole), buf_view(&cut)));
	}
	deflate_write(d, in, true, &packed);
	buf_reset(&cut);
	assert(unpack(buf_view(&packed), 1000, 4096, &cut) && view_eq(buf_view(&cut), in));
	deflate_free(&d);
	buf_fini(&whole);
	buf_fini(&cut);
	buf_fini(&packed);
	return 0;
}
