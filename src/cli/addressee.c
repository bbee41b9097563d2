/* SPDX-License-Identifier: ISC
 * Addresses as people type them, and as header fields hold them. */
#include "cli/addressee.h"

#include "mail/address_canon.h"
#include "mail/address_list.h"
#include "mail/rfc2047.h"

#include <stdlib.h>

enum { ARENA_BYTES_MAX = 16 * 1024 * 1024, NAME_BYTES_MAX = 4096, ADDRESS_BYTES_MAX = 1024 };

void addressees_init(struct addressees *list)
{
	*list = (struct addressees){NULL, 0, 0, {0}};
	arena_init(&list->arena, ARENA_BYTES_MAX);
}

void addressees_fini(struct addressees *list)
{
	free(list->items);
	arena_fini(&list->arena);
	list->items = NULL;
	list->n = 0;
}

/* "postmaster" alone comes out as malformed, with a local part only. */
static bool is_bare(const struct address_item *item, struct view source)
{
	return item->malformed && item->local.n && item->domain.n == 0 && item->route.n == 0 &&
	       view_find_char(source, '@') == source.n;
}

/* `out` gets the address in the form of the envelope; `source` is where the item was read from. */
static bool put_address(const struct address_item *item, struct view source, struct view default_domain,
			struct arena *a, struct buf *out)
{
	_cleanup_(buf_fini) struct buf domain = BUF_INIT(ADDRESS_DOMAIN_MAX);
	struct address parsed;

	if (is_bare(item, source)) {
		if (default_domain.n == 0)
			return false;
		buf_append_view(&domain, default_domain);
	} else if (item->malformed || !address_domain_canon(item->domain, &domain)) {
		return false;
	}
	address_format(out, item->local, buf_view(&domain));
	return !out->overflow && address_parse(buf_view(out), ADDRESS_UTF8 | ADDRESS_LONG_LOCAL, a, &parsed);
}

static bool is_there(const struct addressees *list, struct view address)
{
	for (size_t i = 0; i < list->n; i++)
		if (view_eq(list->items[i].address, address))
			return true;
	return false;
}

/* Decoded, on one line. */
static struct view show_name(struct view raw, struct arena *a)
{
	_cleanup_(buf_fini) struct buf name = BUF_INIT(NAME_BYTES_MAX);

	rfc2047_decode(raw, &name);
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f)
			name.p[i] = ' ';
	return arena_copy(a, view_trim(buf_view(&name)));
}

static enum addressee_verdict add_one(struct addressees *list, const struct address_item *item, struct view source,
				      struct view default_domain)
{
	_cleanup_(buf_fini) struct buf address = BUF_INIT(ADDRESS_BYTES_MAX);
	struct addressee new;

	if (!put_address(item, source, default_domain, &list->arena, &address))
		return ADDRESSEE_BAD;
	if (is_there(list, buf_view(&address)))
		return ADDRESSEE_FINE;
	if (list->n == ADDRESSEES_MAX)
		return ADDRESSEE_TOO_MANY;
	new.address = arena_copy(&list->arena, buf_view(&address));
	/* "root (Cron Daemon)": an old place for names */
	new.name = show_name(item->display_name.n ? item->display_name : item->comment, &list->arena);
	if (!new.address.p || !new.name.p)
		return ADDRESSEE_TOO_MANY;
	list->items = xrealloc(list->items, (list->n + 1) * sizeof *list->items);
	list->items[list->n++] = new;
	list->completed += is_bare(item, source);
	return ADDRESSEE_FINE;
}

enum addressee_verdict addressees_add(struct addressees *list, struct view text, struct view default_domain,
				      struct view *ret_bad)
{
	struct address_list reader;
	struct address_item item;
	size_t from = 0;
	enum parse p;

	address_list_init(&reader, text, 4 * ADDRESSEES_MAX, &list->arena);
	while ((p = address_list_next(&reader, &item)) == PARSE_DONE) {
		struct view source = view_sub(text, from, reader.at - from);
		enum addressee_verdict v = ADDRESSEE_FINE;

		from = reader.at;
		if (item.kind == ADDRESS_ITEM_MAILBOX)
			v = add_one(list, &item, source, default_domain);
		*ret_bad = source;
		if (v != ADDRESSEE_FINE)
			return v;
	}
	if (p != PARSE_BAD)
		return ADDRESSEE_FINE;
	*ret_bad = view_sub(text, from, 200);
	return ADDRESSEE_TOO_MANY;
}
