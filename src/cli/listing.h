/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_LISTING_H
#define POMBO_CLI_LISTING_H

#include "cli/store_client.h"

#include <jansson.h>

/* Asks for all pages; prints each item, or appends it to `all` where c->json. 0 or an exit status, the error printed. */
typedef int listing_pages_fn(const struct cli *c, struct store_client *s, json_t *all);

/* The whole of a command that lists and takes no words of its own: options, the way to stored, `header` or JSON. */
must_check int listing_run(struct cli *c, const char *header, listing_pages_fn *pages);

#endif
