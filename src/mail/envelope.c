/* SPDX-License-Identifier: ISC
 * The IMAP ENVELOPE text of a header block. */
#include "mail/envelope.h"

#include "mail/envelope_address.h"
#include "mail/imap_write.h"
#include "mail/mime_header.h"

#include <string.h>

/* In the order of ENVELOPE. */
enum slot { DATE, SUBJECT, FROM, SENDER, REPLY_TO, TO, CC, BCC, IN_REPLY_TO, MESSAGE_ID, SLOTS };

static const struct {
	const char *name;
	bool addresses;
} slots[SLOTS] = {
    [DATE] = {"Date", false},
    [SUBJECT] = {"Subject", false},
    [FROM] = {"From", true},
    [SENDER] = {"Sender", true},
    [REPLY_TO] = {"Reply-To", true},
    [TO] = {"To", true},
    [CC] = {"Cc", true},
    [BCC] = {"Bcc", true},
    [IN_REPLY_TO] = {"In-Reply-To", false},
    [MESSAGE_ID] = {"Message-ID", false},
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

	while (slot < SLOTS && !view_eq_lit_nocase(name, slots[slot].name))
		slot++;
	return slot;
}

bool envelope_uses_field(struct view name)
{
	return find_slot(name) != SLOTS;
}

static void collect(struct fields *fields, struct view header)
{
	struct mime_header h = mime_header_start(header);
	struct mime_header_field field;

	fields->count = 0;
	while (fields->count < FIELDS_MAX && mime_header_next(&h, &field)) {
		enum slot slot = find_slot(field.name);

		if (slot == SLOTS)
			continue;
		fields->at[fields->count].slot = slot;
		fields->at[fields->count++].value = field.value;
	}
}

/* Without the line ends that fold it. */
static void write_unfolded(struct buf *out, struct view value)
{
	struct arena a;

	arena_init(&a, value.n + 64);
	imap_write_string(out, mime_header_unfold(value, &a));
	arena_fini(&a);
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

/* address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")" */
static void write_address(struct buf *out, const struct envelope_address *addr)
{
	switch (addr->kind) {
	case ENVELOPE_ADDRESS:
		buf_append_char(out, '(');
		imap_write_nstring(out, addr->name);
		buf_append_char(out, ' ');
		imap_write_nstring(out, addr->route);
		buf_append_char(out, ' ');
		imap_write_string(out, addr->local);
		buf_append_char(out, ' ');
		/* NIL would make it a group */
		imap_write_string(out, addr->domain.p ? addr->domain : VIEW_EMPTY);
		buf_append_char(out, ')');
		break;
	case ENVELOPE_GROUP:
		buf_append_cstr(out, "(NIL NIL ");
		imap_write_string(out, addr->name);
		buf_append_cstr(out, " NIL)");
		break;
	case ENVELOPE_GROUP_END:
		buf_append_cstr(out, "(NIL NIL NIL NIL)");
		break;
	}
}

static void write_value(struct buf *out, struct view value, size_t end_at)
{
	static const struct envelope_address group_end = {.kind = ENVELOPE_GROUP_END};
	struct envelope_addresses it;
	struct envelope_address addr;

	envelope_addresses_init(&it, value);
	while (out->n < end_at && envelope_addresses_next(&it, &addr))
		write_address(out, &addr);
	if (it.in_group)
		write_address(out, &group_end);
	envelope_addresses_fini(&it);
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
