/* SPDX-License-Identifier: ISC
 * Whether the targets of an alias are there. */
#include "cli/alias_target.h"

#include "cli/show.h"
#include "mail/address.h"
#include "mail/address_canon.h"

enum { ASK_MS = 60000, ADDRESS_MAX = 4096 };

/* Like store_client_ask(), but what fails is said to nobody. */
static bool ask(struct store_client *s, bool encoded, uint16_t type, uint16_t want, struct admin_msg *ret)
{
	int r = encoded ? sync_channel_call(&s->channel, type, buf_view(&s->payload), NULL, 0, ASK_MS, ret) : -1;

	buf_reset(&s->payload);
	return r == 0 && ret->type == want;
}

/* A domain of ours that stands for no other. */
static bool is_ours(struct store_client *s, struct view domain)
{
	_cleanup_(buf_fini) struct buf after = BUF_INIT(ADDRESS_MAX);
	struct admin_msg m;

	do {
		if (!ask(s, admin_put_domain_list(&s->payload, &(struct admin_domain_list){buf_view(&after)}),
			 ADMIN_DOMAIN_LIST, ADMIN_DOMAINS, &m))
			return false;
		for (uint32_t i = 0; i < m.domains.n_domains; i++) {
			if (view_eq(m.domains.domains[i].domain, domain))
				return m.domains.domains[i].alias_of.n == 0;
			buf_reset(&after);
			buf_append_view(&after, m.domains.domains[i].domain);
		}
	} while (m.domains.more && m.domains.n_domains);
	return false;
}

static bool is_account(struct store_client *s, struct view address)
{
	struct admin_msg m;

	return ask(s, admin_put_account_show(&s->payload, &(struct admin_account_show){address}), ADMIN_ACCOUNT_SHOW,
		   ADMIN_ACCOUNT_IS, &m);
}

/* One of these: what the page behind an address without its last character begins with. */
static bool is_alias(struct store_client *s, struct view address)
{
	_cleanup_(buf_fini) struct buf after = BUF_INIT(ADDRESS_MAX);
	struct admin_msg m;

	buf_append_view(&after, view_sub(address, 0, address.n - 1));
	do {
		if (!ask(s, admin_put_alias_list(&s->payload, &(struct admin_alias_list){buf_view(&after)}),
			 ADMIN_ALIAS_LIST, ADMIN_ALIASES, &m))
			return false;
		for (uint32_t i = 0; i < m.aliases.n_aliases; i++) {
			int order = view_cmp(m.aliases.aliases[i].address, address);

			if (order >= 0)
				return order == 0;
			buf_reset(&after);
			buf_append_view(&after, m.aliases.aliases[i].address);
		}
	} while (m.aliases.more && m.aliases.n_aliases);
	return false;
}

static bool is_somebody(struct store_client *s, struct view local, struct view domain)
{
	_cleanup_(buf_fini) struct buf all = BUF_INIT(ADDRESS_MAX), plain = BUF_INIT(ADDRESS_MAX),
				       rest = BUF_INIT(ADDRESS_MAX);
	struct view without = view_sub(local, 0, view_find_char(local, '+'));

	buf_printf(&all, "%.*s@%.*s", VIEW_FMT(local), VIEW_FMT(domain));
	buf_printf(&plain, "%.*s@%.*s", VIEW_FMT(without), VIEW_FMT(domain));
	buf_printf(&rest, "@%.*s", VIEW_FMT(domain));
	return view_eq_lit(local, "postmaster") || view_eq_lit(local, "abuse") || is_account(s, buf_view(&all)) ||
	       is_account(s, buf_view(&plain)) || is_alias(s, buf_view(&all)) || is_alias(s, buf_view(&plain)) ||
	       is_alias(s, buf_view(&rest));
}

/* The key of an address; where its domain begins in it. */
static bool make_key(const char *typed, struct buf *key, size_t *ret_at)
{
	struct address address;
	struct arena a;
	bool ok;

	arena_init(&a, ADDRESS_MAX);
	ok = address_parse(view_from_cstr(typed), ADDRESS_UTF8, &a, &address) &&
	     address_canon(address.local, address.domain, key);
	arena_fini(&a);
	*ret_at = key->n;
	while (ok && *ret_at > 0 && key->p[*ret_at - 1] != '@')
		--*ret_at;
	return ok && *ret_at > 1;
}

static bool is_there(struct store_client *s, const char *alias, const char *target)
{
	_cleanup_(buf_fini) struct buf key = BUF_INIT(ADDRESS_MAX), own = BUF_INIT(ADDRESS_MAX);
	struct view local, domain;
	size_t at, own_at;

	if (!make_key(target, &key, &at))
		return true;
	local = view_sub(buf_view(&key), 0, at - 1);
	domain = view_sub(buf_view(&key), at, key.n);
	if (!is_ours(s, domain))
		return true;
	/* Itself is the account of that name. */
	if (make_key(alias, &own, &own_at) && view_eq(buf_view(&own), buf_view(&key)))
		return is_account(s, buf_view(&key));
	return is_somebody(s, local, domain);
}

void alias_targets_warn(struct store_client *s, const char *alias, char *const *targets, int n)
{
	for (int i = 0; i < n; i++)
		if (!is_there(s, alias, targets[i]))
			(void)cli_fail(CLI_OK, targets[i], "nobody here has this address, so mail to it is refused",
				       "make it with 'pombo account add' or 'pombo alias add'");
}
