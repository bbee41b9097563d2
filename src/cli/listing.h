/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_LISTING_H
#define POMBO_CLI_LISTING_H

#include "cli/store_client.h"

#include <jansson.h>

/* A command that lists: items as lines under a header, or as one JSON array. */
struct listing {
	const struct cli *c;
	struct store_client *s;
	const char *header;
	const char *none; /* said when there are no items */
	json_t *all; /* where c->json */
	size_t n;
};

/* Asks for all pages; for each item: listing_add() where c->json, else listing_line() and the line. 0 or an exit status, the error
 * printed. */
typedef int listing_pages_fn(struct listing *l);

/* The whole of a command that lists and takes no words of its own: options, the way to stored, header or JSON. */
must_check int listing_run(struct cli *c, const char *header, const char *none, listing_pages_fn *pages);
void listing_add(struct listing *l, json_t *item);
/* A line follows: the first has the header before it. */
void listing_line(struct listing *l);

#endif
