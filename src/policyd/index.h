/* SPDX-License-Identifier: ISC */
#ifndef POMBO_POLICYD_INDEX_H
#define POMBO_POLICYD_INDEX_H

#include "base/buf.h"
#include "base/mem.h"

/* The encoded MIME index of a message, within what a frame holds: where the full one is too big, one that looks less deep
 * and at fewer parts stands in. */
enum { INDEX_MAX = 524288 };

struct mime_parser;
struct indexer;

struct indexer *indexer_new(void);
void indexer_free(struct indexer **x);

/* Feeds the message to the parser, from its start, each time it is called; 0 or negative errno. */
typedef int index_source_fn(void *ctx, struct mime_parser *p);

/* 0, or what `source` said. The view lives until the next call. */
must_check int indexer_run(struct indexer *x, index_source_fn *source, void *ctx, struct view *ret_encoded);

#endif
