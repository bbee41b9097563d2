/* SPDX-License-Identifier: ISC
 * Every list comes to an end in bounded memory, and an item that is well-formed reads back from its plain form. */
#include "mail/address.h"
#include "mail/address_list.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const struct address_item *item, struct arena *a)
{
	struct buf text = BUF_INIT(1 << 20);
	struct address_item second;
	struct address_list l;

	address_format(&text, item->local, item->domain);
	address_list_init(&l, buf_view(&text), 2, a);
	assert(address_list_next(&l, &second) == PARSE_DONE && !second.malformed);
	assert(view_eq(second.local, item->local) && view_eq(second.domain, item->domain));
	assert(address_list_next(&l, &second) == PARSE_MORE);
	buf_fini(&text);
}

/* Line ends inside quotes are folds, and a literal may hold what looks like a comment: neither reads back. */
static bool reads_back(const struct address_item *item)
{
	return item->kind == ADDRESS_ITEM_MAILBOX && !item->malformed && item->domain.p[0] != '[' &&
	       view_find_char(item->local, '\r') == item->local.n && view_find_char(item->local, '\n') == item->local.n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct address_item item;
	struct address_list l;
	size_t items = 0;
	struct arena a;
	enum parse r;

	arena_init(&a, 1 << 20);
	address_list_init(&l, view_from(data, size), SIZE_MAX, &a);
	while ((r = address_list_next(&l, &item)) == PARSE_DONE) {
		assert(++items <= size + 1);
		assert(item.display_name.n <= size && item.local.n + item.domain.n <= size);
		assert(item.malformed || item.kind != ADDRESS_ITEM_MAILBOX || (item.local.n && item.domain.n));
		if (reads_back(&item))
			again(&item, &a);
	}
	assert(r == PARSE_BAD || l.at == size);

	arena_fini(&a);
	return 0;
}
