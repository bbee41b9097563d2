/* SPDX-License-Identifier: ISC
 * A stored index is not trusted: what decodes is sound, and encodes to the same bytes or shorter ones. */
#include "mail/bodystructure.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check(const struct mime_index *x)
{
	for (uint32_t i = 0; i < x->part_count; i++) {
		const struct mime_part *part = &x->parts[i], *parent = mime_index_part(x, part->parent);

		require(part->body_off == part->header_off + part->header_bytes);
		require(part->body_off + part->body_bytes <= x->bytes);
		require(!parent == (i == 0));
		if (!parent)
			continue;
		require(part->parent < i && part->depth == parent->depth + 1);
		require(part->header_off >= parent->body_off &&
			part->body_off + part->body_bytes <= parent->body_off + parent->body_bytes);
		require(part->next_sibling == MIME_NONE || part->next_sibling > i);
		require(part->first_child == MIME_NONE || part->first_child == i + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mime_index_head head;
	struct mime_index x;
	struct arena a;
	struct buf out = BUF_INIT(1 << 22);

	arena_init(&a, 1 << 20);
	if (mime_index_decode(view_from(data, size), &a, &x)) {
		require(mime_index_peek(view_from(data, size), &head));
		check(&x);
		mime_index_encode(&x, &out);
		require(!out.overflow && out.n <= size);
		buf_reset(&out);
		if (!bodystructure_to_body(&out, x.bodystructure))
			buf_reset(&out);
	}
	arena_fini(&a);
	buf_fini(&out);
	return 0;
}
