/* SPDX-License-Identifier: ISC
 * The one message of PLAIN. */
#include "authd/plain.h"

enum { USER_MAX = 512 };

bool plain_parse(struct view message, struct plain *ret)
{
	struct plain p;
	struct view rest;

	if (!view_cut(message, '\0', &p.authzid, &rest) || !view_cut(rest, '\0', &p.user, &p.password) ||
	    p.user.n == 0 || p.user.n > USER_MAX || p.authzid.n > USER_MAX || view_has_nul(p.password) ||
	    !view_is_utf8(message))
		return false;
	*ret = p;
	return true;
}
