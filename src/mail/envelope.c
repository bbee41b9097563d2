/* SPDX-License-Identifier: ISC
 * The IMAP ENVELOPE text of a header block. */
#include "mail/envelope.h"

#include "mail/address_list.h"
#include "mail/header.h"
#include "mail/imap_write.h"

#include <string.h>

/* In the order of ENVELOPE. */
enum slot { DATE, SUBJECT, FROM, SENDER, REPLY_TO, TO, CC, BCC, IN_REPLY_TO, MESSAGE_ID, SLOTS };

#define NAME(s)                                                                                                        \
	{                                                                                                              \
		(s), sizeof(s) - 1                                                                                     \
	}

static const struct {
	struct view name;
	bool addresses;
} slots[SLOTS] = {
    [DATE] = {NAME("Date"), false},
    [SUBJECT] = {NAME("Subject"), false},
    [FROM] = {NAME("From"), true},
    [SENDER] = {NAME("Sender"), true},
    [REPLY_TO] = {NAME("Reply-To"), true},
    [TO] = {NAME("To"), true},
    [CC] = {NAME("Cc"), true},
    [BCC] = {NAME("Bcc"), true},
    [IN_REPLY_TO] = {NAME("In-Reply-To"), false},
    [MESSAGE_ID] = {NAME("Message-ID"), false},
};

enum { FIELDS_MAX = 64 }; /* of one header that are looked at */

struct fields {
	struct {
		enum slot slot;
		struct view value;
	} at[FIELDS_MAX];
	size_t count;
};

static enum slot find_slot(struct view name)
{
	enum slot slot = DATE;

	while (slot < SLOTS && !view_eq_nocase(name, slots[slot].name))
		slot++;
	return slot;
}

bool envelope_uses_field(struct view name)
{
	return find_slot(name) != SLOTS;
}

static void collect(struct fields *fields, struct view block)
{
	struct header_field field;
	struct header h;

	fields->count = 0;
	header_init(&h, block);
	while (fields->count < FIELDS_MAX && header_next(&h, &field) == PARSE_DONE) {
		enum slot slot = find_slot(field.name);

		if (slot == SLOTS)
			continue;
		fields->at[fields->count].slot = slot;
		fields->at[fields->count++].value = field.value;
	}
}

static void write_unfolded(struct buf *out, struct view value)
{
	struct buf unfolded;

	value = view_trim(value);
	if (view_find_char(value, '\n') == value.n) {
		imap_write_string(out, value);
		return;
	}
	buf_init(&unfolded, value.n);
	header_unfold(&unfolded, value);
	imap_write_string(out, buf_view(&unfolded));
	buf_fini(&unfolded);
}

static void write_text(struct buf *out, const struct fields *fields, enum slot slot)
{
	for (size_t i = 0; i < fields->count; i++) {
		if (fields->at[i].slot == slot) {
			write_unfolded(out, fields->at[i].value);
			return;
		}
	}
	buf_append_cstr(out, "NIL");
}

/* nstring, where an empty view is NIL */
static void write_optional(struct buf *out, struct view v)
{
	imap_write_nstring(out, v.n ? v : (struct view){NULL, 0});
}

/* address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")" */
static void write_mailbox(struct buf *out, const struct address_item *item)
{
	buf_append_char(out, '(');
	write_optional(out, item->display_name.n ? item->display_name : view_trim(item->comment));
	buf_append_char(out, ' ');
	write_optional(out, item->route);
	buf_append_char(out, ' ');
	/* what is missing is not NIL, which would make it a group */
	imap_write_string(out, item->local);
	buf_append_char(out, ' ');
	imap_write_string(out, item->domain);
	buf_append_char(out, ')');
}

static void write_item(struct buf *out, const struct address_item *item)
{
	switch (item->kind) {
	case ADDRESS_ITEM_MAILBOX:
		write_mailbox(out, item);
		break;
	case ADDRESS_ITEM_GROUP_START:
		buf_append_cstr(out, "(NIL NIL ");
		imap_write_string(out, item->display_name);
		buf_append_cstr(out, " NIL)");
		break;
	case ADDRESS_ITEM_GROUP_END:
		buf_append_cstr(out, "(NIL NIL NIL NIL)");
		break;
	}
}

static void write_value(struct buf *out, struct view value, size_t end_at)
{
	static const struct address_item group_end = {.kind = ADDRESS_ITEM_GROUP_END};
	struct address_list list;
	struct address_item item;
	struct arena a;

	arena_init(&a, value.n * 16 + 4096);
	address_list_init(&list, value, SIZE_MAX, &a);
	while (out->n < end_at && address_list_next(&list, &item) == PARSE_DONE) {
		write_item(out, &item);
		if (a.used)
			arena_reset(&a);
	}
	if (list.in_group)
		write_item(out, &group_end);
	arena_fini(&a);
}

/* "(" 1*address ")" / nil; false for nil */
static bool write_addresses(struct buf *out, const struct fields *fields, enum slot slot, size_t end_at)
{
	size_t start = out->n;

	buf_append_char(out, '(');
	for (size_t i = 0; i < fields->count; i++)
		if (fields->at[i].slot == slot)
			write_value(out, fields->at[i].value, end_at);
	if (out->n > start + 1) {
		buf_append_char(out, ')');
		return true;
	}
	buf_truncate(out, start);
	buf_append_cstr(out, "NIL");
	return false;
}

/* RFC 9051 §7.5.2: Sender and Reply-To that are absent or empty are From. */
static void repeat(struct buf *out, size_t from, size_t n)
{
	size_t nil = sizeof "NIL" - 1;
	char *p;

	buf_truncate(out, out->n - nil);
	p = buf_reserve(out, n);
	if (!p)
		return;
	memcpy(p, out->p + from, n);
	buf_commit(out, n);
}

void envelope_format(struct buf *out, struct view header, size_t max_bytes)
{
	struct fields fields;
	size_t from_at = 0, from_n = 0, start = out->n;
	size_t end_at = max_bytes < SIZE_MAX - start ? start + max_bytes : SIZE_MAX;

	collect(&fields, header);
	for (enum slot slot = DATE; slot < SLOTS; slot++) {
		size_t at;

		buf_append_char(out, slot == DATE ? '(' : ' ');
		at = out->n;
		if (!slots[slot].addresses)
			write_text(out, &fields, slot);
		else if (!write_addresses(out, &fields, slot, end_at) && (slot == SENDER || slot == REPLY_TO) &&
			 !out->overflow)
			repeat(out, from_at, from_n);
		if (slot == FROM) {
			from_at = at;
			from_n = out->n - at;
		}
	}
	buf_append_char(out, ')');
}
