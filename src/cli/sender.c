/* SPDX-License-Identifier: ISC
 * Who sends a message, where nobody says. */
#include "cli/sender.h"

#include "cli/cli.h"

#include <pwd.h>
#include <unistd.h>

int sender_fail(enum addressee_verdict verdict, struct view bad)
{
	_cleanup_(free_ptr) char *text = NULL;

	if (verdict == ADDRESSEE_FINE)
		return 0;
	if (verdict == ADDRESSEE_TOO_MANY)
		return cli_fail(CLI_BAD_DATA, "too many recipients", "at most 1000 fit one message", "send several");
	text = view_to_cstr(view_trim(view_sub(bad, 0, 500)));
	return cli_fail(CLI_BAD_DATA, text ? text : "?", "this is not an address", "write user@example.org");
}

/* The full name in a user's entry: what stands before the first comma; "&" in it is the login name, which few know and nobody uses. */
static struct view full_name(const struct passwd *user)
{
	struct view name = view_from_cstr(user->pw_gecos ? user->pw_gecos : ""), rest;

	(void)view_cut(name, ',', &name, &rest);
	return view_is_utf8(name) ? name : VIEW_EMPTY;
}

int sender_of_process(const char *name, struct view domain, struct addressees *list)
{
	const struct passwd *user = getpwuid(getuid());
	struct view bad;
	int r;

	if (!user || domain.n == 0)
		return cli_fail(CLI_USAGE, "no sender", user ? "this server has no domain" : "your user id has no name",
				"say who it is from with -f");
	r = sender_fail(addressees_add(list, view_from_cstr(user->pw_name), domain, &bad), bad);
	if (r == 0)
		list->items[0].name = name ? view_from_cstr(name) : full_name(user);
	return r;
}
