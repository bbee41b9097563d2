/* SPDX-License-Identifier: ISC
 * New accounts and new passwords: what `pombo init` and `pombo account` share. */
#include "cli/account.h"

int account_secret_get(enum password_from from, struct account_secret *ret)
{
	int r;

	*ret = (struct account_secret){.password = PASSWORD_BUF};
	r = password_get(from, NULL, &ret->password);
	if (r)
		return r;
	return verifier_make(buf_view(&ret->password), &ret->verifier) < 0
		   ? cli_fail(
			 CLI_BAD_DATA, "this cannot be a password",
			 "it is no text in UTF-8, or holds characters that none may hold (such as control characters)",
			 "choose another")
		   : 0;
}

void account_secret_wipe(struct account_secret *s)
{
	password_wipe(&s->password);
	verifier_wipe(&s->verifier);
}

int account_add(struct store_client *s, const struct account_new *account, FILE *out)
{
	const struct verifier *v = &account->secret->verifier;
	const struct admin_account_add m = {
	    .address = view_from_cstr(account->address),
	    .argon2 = view_from_cstr(v->argon2),
	    .scram_salt = view_from(v->scram_salt, sizeof v->scram_salt),
	    .scram_iterations = v->scram_iterations,
	    .scram_stored_key = view_from(v->scram_stored_key, sizeof v->scram_stored_key),
	    .scram_server_key = view_from(v->scram_server_key, sizeof v->scram_server_key),
	    .has_quota = account->has_quota,
	    .quota_bytes = account->quota_bytes,
	    .quota_messages = account->quota_messages,
	};

	return store_client_do(s, admin_put_account_add(&s->payload, &m), ADMIN_ACCOUNT_ADD, account->address, out);
}
