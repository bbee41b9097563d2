/* SPDX-License-Identifier: ISC
 * Whether a domain that somebody typed is one of ours. */
#include "cli/our_domain.h"

#include "mail/address_canon.h"

int our_domain_read(const char *typed, struct buf *ret)
{
	if (typed[0] == '[' || !address_domain_canon(view_from_cstr(typed), ret))
		return cli_fail(CLI_BAD_DATA, typed, "this is not a domain", NULL);
	return 0;
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
