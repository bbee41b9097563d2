/* SPDX-License-Identifier: ISC
 * Any message gives an index, the same however it is cut, that survives encoding; BODY comes out of BODYSTRUCTURE. */
#include "mail/bodystructure.h"
#include "mail/header.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct mime_limits limits = {5, 20, 4096, 1 << 18};
	struct view message = view_from(data, size);
	struct mime_parser *p = mime_parser_new(&limits);
	struct buf whole = BUF_INIT(1 << 22), cut = BUF_INIT(1 << 22);
	size_t step = size ? data[size - 1] % 9 + 1 : 1;
	struct mime_index x;
	struct arena a;

	mime_index_encode(mime_index_parse(p, message), &whole);
	mime_parser_reset(p);
	for (size_t at = 0; at < size; at += step)
		mime_parser_feed(p, view_sub(message, at, step));
	mime_index_encode(mime_parser_finish(p), &cut);
	require(!whole.overflow && view_eq(buf_view(&whole), buf_view(&cut)));
	arena_init(&a, 1 << 20);
	require(mime_index_decode(buf_view(&whole), &a, &x));
	require(x.bytes == size);
	require(x.parts[0].header_bytes == header_length(message));
	buf_reset(&cut);
	mime_index_encode(&x, &cut);
	require(view_eq(buf_view(&whole), buf_view(&cut)));
	buf_reset(&cut);
	require(bodystructure_to_body(&cut, x.bodystructure));
	arena_fini(&a);
	buf_fini(&whole);
	buf_fini(&cut);
	mime_parser_free(&p);
	return 0;
}
