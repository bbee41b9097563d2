/* SPDX-License-Identifier: ISC
 * The encoded MIME index of a message, within the size of a frame. */
#include "policyd/index.h"

#include "mail/mime_index.h"

#include <assert.h>
#include <stdlib.h>

enum { TRIES = 3, KEEP_BYTES = 65536 };

/* Tried in order; the last always fits: one part, whose envelope and parameters come from 16 KiB of header. */
static const struct mime_limits limits[TRIES] = {
    {.depth = 100, .parts = 10000, .kept_header_bytes = 262144, .index_bytes = 8 << 20},
    {.depth = 20, .parts = 1000, .kept_header_bytes = 32768, .index_bytes = 1 << 20},
    {.depth = 0, .parts = 1, .kept_header_bytes = 16384, .index_bytes = 1 << 20},
};

struct indexer {
	struct mime_parser *parsers[TRIES]; /* made when first needed */
	struct buf encoded;
};

struct indexer *indexer_new(void)
{
	struct indexer *x = xcalloc(1, sizeof *x);

	buf_init(&x->encoded, INDEX_MAX);
	return x;
}

void indexer_free(struct indexer **xp)
{
	struct indexer *x = *xp;

	*xp = NULL;
	if (!x)
		return;
	for (size_t i = 0; i < TRIES; i++)
		if (x->parsers[i])
			mime_parser_free(&x->parsers[i]);
	buf_fini(&x->encoded);
	free(x);
}

int indexer_run(struct indexer *x, index_source_fn *source, void *ctx, struct view *ret_encoded)
{
	if (x->encoded.cap > KEEP_BYTES)
		buf_fini(&x->encoded);
	for (size_t i = 0; i < TRIES; i++) {
		int r;

		if (!x->parsers[i])
			x->parsers[i] = mime_parser_new(&limits[i]);
		buf_reset(&x->encoded);
		mime_parser_reset(x->parsers[i]);
		r = source(ctx, x->parsers[i]);
		if (r < 0)
			return r;
		mime_index_encode(mime_parser_finish(x->parsers[i]), &x->encoded);
		if (!x->encoded.overflow)
			break;
	}
	assert(!x->encoded.overflow);
	*ret_encoded = buf_view(&x->encoded);
	return 0;
}
