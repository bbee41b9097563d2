/* SPDX-License-Identifier: ISC
 * Passwords for routes and the smart host, a line each. */
#include "conf/relay_password.h"

struct entry {
	struct view host, user, password;
};

static struct view next_word(struct view *rest)
{
	struct view v = view_trim(*rest);
	size_t n = 0;

	while (n < v.n && v.p[n] != ' ' && v.p[n] != '\t')
		n++;
	*rest = view_trim(view_sub(v, n, v.n));
	return view_sub(v, 0, n);
}

/* The next line, without its end. False: there is none. */
static bool next_line(struct view *rest, struct view *ret)
{
	if (rest->n == 0)
		return false;
	if (!view_cut(*rest, '\n', ret, rest)) {
		*ret = *rest;
		*rest = VIEW_EMPTY;
	}
	return true;
}

static bool read_entry(struct view line, struct entry *ret)
{
	ret->host = next_word(&line);
	ret->user = next_word(&line);
	ret->password = view_trim(line);
	return ret->user.n && ret->host.p[0] != '#';
}

bool relay_password_find(struct view text, struct view host, struct view *user, struct view *ret_password)
{
	struct view line;
	struct entry e;

	while (next_line(&text, &line)) {
		if (!read_entry(line, &e) || !view_eq_nocase(e.host, host) || (user->n && !view_eq(e.user, *user)))
			continue;
		*user = e.user;
		*ret_password = e.password;
		return true;
	}
	return false;
}

static bool can_stand(struct view password)
{
	for (size_t i = 0; i < password.n; i++)
		if ((unsigned char)password.p[i] < ' ' || password.p[i] == 0x7f)
			return false;
	return password.n && view_trim(password).n == password.n;
}

bool relay_password_put(struct view text, struct view host, struct view user, struct view password, struct buf *out)
{
	struct view line;
	struct entry e;

	if (!can_stand(password))
		return false;
	while (next_line(&text, &line)) {
		if (read_entry(line, &e) && view_eq_nocase(e.host, host) && view_eq(e.user, user))
			continue;
		buf_append_view(out, line);
		buf_append_char(out, '\n');
	}
	buf_printf(out, "%.*s %.*s ", VIEW_FMT(host), VIEW_FMT(user));
	buf_append_view(out, password);
	buf_append_char(out, '\n');
	return !out->overflow;
}
