/* SPDX-License-Identifier: ISC
 * Messages as programs hand them to sendmail, made fit to be handed in. */
#include "cli/raw_message.h"

#include "cli/compose.h"
#include "mail/header.h"

void raw_message_lines(struct buf *out, struct view text, bool dot_ends)
{
	while (text.n) {
		size_t n = 0, end;

		while (n < text.n && text.p[n] != '\r' && text.p[n] != '\n')
			n++;
		end = n;
		if (end < text.n)
			end += text.p[end] == '\r' && end + 1 < text.n && text.p[end + 1] == '\n' ? 2 : 1;
		if (dot_ends && n == 1 && text.p[0] == '.')
			return;
		buf_append(out, text.p, n);
		buf_append_cstr(out, "\r\n");
		text = view_sub(text, end, text.n);
	}
}

static bool is_one_of(struct view name, const char *const *names)
{
	for (; *names; names++)
		if (view_eq_lit_nocase(name, *names))
			return true;
	return false;
}

static bool is_resent(struct view message)
{
	struct header_field field;
	struct header h;

	header_init_until_junk(&h, message);
	while (header_next(&h, &field) == PARSE_DONE)
		if (view_starts_with_nocase(field.name, VIEW_LIT("Resent-")))
			return true;
	return false;
}

enum addressee_verdict raw_message_recipients(struct view message, struct view default_domain, struct addressees *list,
					      struct view *ret_bad)
{
	static const char *const plain[] = {"To", "Cc", "Bcc", NULL};
	static const char *const resent[] = {"Resent-To", "Resent-Cc", "Resent-Bcc", NULL};
	const char *const *names = is_resent(message) ? resent : plain;
	struct header_field field;
	struct header h;

	header_init_until_junk(&h, message);
	while (header_next(&h, &field) == PARSE_DONE) {
		enum addressee_verdict v = ADDRESSEE_FINE;

		if (is_one_of(field.name, names))
			v = addressees_add(list, field.value, default_domain, ret_bad);
		if (v != ADDRESSEE_FINE)
			return v;
	}
	return ADDRESSEE_FINE;
}

bool raw_message_author(struct view message, struct view default_domain, struct addressees *list)
{
	struct header_field field;
	struct view bad;
	struct header h;

	header_init_until_junk(&h, message);
	while (header_next(&h, &field) == PARSE_DONE)
		if (view_eq_lit_nocase(field.name, "From"))
			return addressees_add(list, field.value, default_domain, &bad) == ADDRESSEE_FINE && list->n > 0;
	return false;
}

/* A field with addresses as it stands, or with their domains where some have none. */
static void put_address_field(struct buf *out, const struct header_field *field, struct view default_domain)
{
	_cleanup_(free_ptr) char *name = view_to_cstr(field->name);
	_cleanup_(addressees_fini) struct addressees list;
	struct view bad;

	addressees_init(&list);
	if (addressees_add(&list, field->value, default_domain, &bad) == ADDRESSEE_FINE && list.completed && name)
		compose_put_addressees(out, name, list.items, list.n);
	else
		buf_append_view(out, field->whole);
}

void raw_message_rewrite(struct buf *out, struct view message, struct view default_domain, const struct addressee *from)
{
	static const char *const addresses[] = {"From", "Sender", "Reply-To", "To", "Cc", NULL};
	static const char *const dropped[] = {"Bcc", "Resent-Bcc", "Return-Path", NULL};
	struct header_field field;
	bool has_from = false;
	struct header h;

	header_init_until_junk(&h, message);
	while (header_next(&h, &field) == PARSE_DONE) {
		has_from = has_from || view_eq_lit_nocase(field.name, "From");
		if (is_one_of(field.name, addresses))
			put_address_field(out, &field, default_domain);
		else if (!is_one_of(field.name, dropped))
			buf_append_view(out, field.whole);
	}
	if (!has_from)
		compose_put_addressees(out, "From", from, 1);
	buf_append_cstr(out, "\r\n");
	buf_append_view(out, view_sub(message, h.content, message.n));
}
