/* SPDX-License-Identifier: ISC
 * Taking canonical addresses apart and putting them together. */
#include "store/address_form.h"

#include "store/store.h"

#include <string.h>

bool address_form_split(struct view address, struct view *ret_local, struct view *ret_domain)
{
	size_t i = address.n;

	while (i > 0 && address.p[i - 1] != '@')
		i--;
	if (i == 0 || i == address.n)
		return false;
	*ret_local = view_sub(address, 0, i - 1);
	*ret_domain = view_sub(address, i, address.n);
	return true;
}

struct view address_form_join(struct arena *a, struct view local, struct view domain)
{
	size_t n = local.n + 1 + domain.n;
	char *p = arena_alloc(a, n);

	if (!p)
		return (struct view){NULL, 0};
	if (local.n > 0)
		memcpy(p, local.p, local.n);
	p[local.n] = '@';
	if (domain.n > 0)
		memcpy(p + local.n + 1, domain.p, domain.n);
	return (struct view){p, n};
}

static bool is_printable(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] < ' ' || v.p[i] == 0x7f)
			return false;
	return view_is_utf8(v);
}

bool address_form_domain_is_valid(struct view domain)
{
	for (size_t i = 0; i < domain.n; i++)
		if (domain.p[i] == ' ' || domain.p[i] == '@' || ascii_lower(domain.p[i]) != domain.p[i])
			return false;
	return domain.n > 0 && domain.n <= 255 && is_printable(domain);
}

bool address_form_is_valid(struct view address)
{
	struct view local, domain;

	if (address.n > STORE_ADDRESS_MAX || !is_printable(address))
		return false;
	return address_form_split(address, &local, &domain) && local.n > 0 && address_form_domain_is_valid(domain);
}
