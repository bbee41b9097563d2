/* SPDX-License-Identifier: ISC
 * Whether a domain that somebody typed is one of ours. */
#include "cli/our_domain.h"

#include "mail/address.h"
#include "mail/address_canon.h"

enum { KEY_MAX = 4096 };

int our_domain_read(const char *typed, struct buf *ret)
{
	if (typed[0] == '[' || !address_domain_canon(view_from_cstr(typed), ret))
		return cli_fail(CLI_BAD_DATA, typed, "this is not a domain", "write one such as example.org");
	return 0;
}

int our_domain_check_address(const char *typed, bool catch_all)
{
	_cleanup_(buf_fini) struct buf key = BUF_INIT(KEY_MAX);
	struct arena a;
	struct address address;
	bool ok;

	if (catch_all && typed[0] == '@')
		return our_domain_read(typed + 1, &key);
	arena_init(&a, KEY_MAX);
	ok = address_parse(view_from_cstr(typed), ADDRESS_UTF8, &a, &address) && !address.is_literal &&
	     address_canon(address.local, address.domain, &key);
	arena_fini(&a);
	return ok ? 0 : cli_fail(CLI_BAD_DATA, typed, "this is not an address", "write user@example.org");
}

/* Domains are few: the list is looked through. */
int our_domain_find(struct store_client *s, struct view domain, const char *typed)
{
	_cleanup_(buf_fini) struct buf after = BUF_INIT(400);
	struct admin_msg answer;

	do {
		int r = store_client_ask(
		    s, admin_put_domain_list(&s->payload, &(struct admin_domain_list){buf_view(&after)}),
		    ADMIN_DOMAIN_LIST, typed, ADMIN_DOMAINS, &answer);

		if (r)
			return r;
		for (uint32_t i = 0; i < answer.domains.n_domains; i++) {
			if (view_eq(answer.domains.domains[i].domain, domain))
				return 0;
			buf_reset(&after);
			buf_append_view(&after, answer.domains.domains[i].domain);
		}
	} while (answer.domains.more && answer.domains.n_domains);
	return cli_fail(CLI_NO_SUCH, typed, "this is not one of our domains",
			"see 'pombo domain list', or add it with 'pombo domain add'");
}
