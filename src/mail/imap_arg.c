/* SPDX-License-Identifier: ISC
 * What one argument of an IMAP command may be read as (RFC 9051 §9). */
#include "mail/imap_arg.h"

/* atom-specials = "(" / ")" / "{" / SP / CTL / list-wildcards / quoted-specials / resp-specials */
bool imap_is_atom_char(char c)
{
	static const char specials[] = "(){ %*\"\\]";
	unsigned char u = (unsigned char)c;

	return u > 0x20 && u < 0x7f && view_find_char(VIEW_LIT(specials), c) == sizeof specials - 1;
}

/* ASTRING-CHAR = ATOM-CHAR / resp-specials */
bool imap_is_astring_char(char c)
{
	return c == ']' || imap_is_atom_char(c);
}

static bool all(struct view v, bool (*is)(char))
{
	for (size_t i = 0; i < v.n; i++)
		if (!is(v.p[i]))
			return false;
	return v.n > 0;
}

bool imap_arg_is(const struct imap_arg *arg, const char *atom)
{
	return arg && arg->kind == IMAP_ATOM && view_eq_lit_nocase(arg->text, atom);
}

bool imap_arg_is_nil(const struct imap_arg *arg)
{
	return imap_arg_is(arg, "NIL");
}

bool imap_arg_list(const struct imap_arg *arg, const struct imap_arg **ret_first)
{
	if (!arg || arg->kind != IMAP_LIST)
		return false;
	*ret_first = arg->first;
	return true;
}

bool imap_arg_atom(const struct imap_arg *arg, struct view *ret)
{
	if (!arg || arg->kind != IMAP_ATOM || arg->glued || !all(arg->text, imap_is_atom_char))
		return false;
	*ret = arg->text;
	return true;
}

bool imap_arg_astring(const struct imap_arg *arg, struct view *ret)
{
	if (!arg || arg->kind != IMAP_ATOM)
		return imap_arg_string(arg, ret);
	if (arg->glued || !all(arg->text, imap_is_astring_char))
		return false;
	*ret = arg->text;
	return true;
}

bool imap_arg_string(const struct imap_arg *arg, struct view *ret)
{
	if (!arg || (arg->kind != IMAP_QUOTED && arg->kind != IMAP_LITERAL) || arg->streamed || arg->binary)
		return false;
	*ret = arg->text;
	return true;
}

bool imap_arg_nstring(const struct imap_arg *arg, struct view *ret)
{
	if (!imap_arg_is_nil(arg))
		return imap_arg_string(arg, ret);
	*ret = (struct view){NULL, 0};
	return true;
}

bool imap_arg_number(const struct imap_arg *arg, uint64_t max, uint64_t *ret)
{
	return arg && arg->kind == IMAP_ATOM && !arg->glued && view_to_u64(arg->text, max, ret);
}
