/* SPDX-License-Identifier: ISC
 * Commands that list. */
#include "cli/listing.h"

#include "cli/option.h"
#include "cli/show.h"

int listing_run(struct cli *c, const char *header, listing_pages_fn *pages)
{
	struct store_client s;
	json_t *all;
	int r = option_take_words(c, 0, 0, "it takes no words");

	if (r == 0)
		r = store_client_open(c, &s);
	if (r)
		return r;
	all = json_array();
	if (!c->json)
		(void)printf("%s\n", header);
	r = pages(c, &s, all);
	store_client_close(&s);
	if (r == 0 && c->json)
		return show_json(all);
	json_decref(all);
	return r;
}
