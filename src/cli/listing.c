/* SPDX-License-Identifier: ISC
 * Commands that list. */
#include "cli/listing.h"

#include "cli/option.h"
#include "cli/show.h"

void listing_add(struct listing *l, json_t *item)
{
	(void)json_array_append_new(l->all, item);
	l->n++;
}

void listing_line(struct listing *l)
{
	if (l->n++ == 0)
		(void)printf("%s\n", l->header);
}

int listing_run(struct cli *c, const char *header, const char *none, listing_pages_fn *pages)
{
	struct store_client s;
	struct listing l = {.c = c, .s = &s, .header = header, .none = none};
	int r = option_take_words(c, 0, 0, "it takes no words");

	if (r == 0)
		r = store_client_open(c, &s);
	if (r)
		return r;
	l.all = json_array();
	r = pages(&l);
	store_client_close(&s);
	if (r == 0 && c->json)
		return show_json(l.all);
	json_decref(l.all);
	if (r == 0 && l.n == 0)
		(void)printf("%s\n", none);
	return r;
}
