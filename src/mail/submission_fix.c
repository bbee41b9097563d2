/* SPDX-License-Identifier: ISC
 * What submission checks in a header, and the fields it adds. */
#include "mail/submission_fix.h"

#include "mail/header.h"

enum { RULE_COUNT = 4 };

/* A field that may stand once, and the problems it can have. 0: none. */
static const struct rule {
	const char *name;
	unsigned missing, several, bad;
	size_t most_addresses;
} rules[RULE_COUNT] = {
    {"Date", SUBMISSION_NO_DATE, SUBMISSION_SEVERAL_DATE, 0, 0},
    {"Message-ID", SUBMISSION_NO_MESSAGE_ID, SUBMISSION_SEVERAL_MESSAGE_ID, 0, 0},
    {"From", SUBMISSION_NO_FROM, SUBMISSION_SEVERAL_FROM, SUBMISSION_BAD_FROM, SIZE_MAX},
    {"Sender", 0, SUBMISSION_SEVERAL_SENDER, SUBMISSION_BAD_SENDER, 1},
};

struct collector {
	struct address_item *addresses;
	size_t count, max;
	struct arena *arena;
};

/* Adds the mailboxes of one field; `*ret_ok` says whether it is as it should be. */
static bool collect(struct collector *c, const struct rule *rule, struct view value, bool *ret_ok)
{
	struct address_item item;
	struct address_list l;
	size_t before = c->count;
	enum parse r;

	*ret_ok = true;
	/* every mailbox may have a group of its own around it */
	address_list_init(&l, value, c->max > SIZE_MAX / 3 ? SIZE_MAX : c->max * 3 + 3, c->arena);
	while ((r = address_list_next(&l, &item)) == PARSE_DONE) {
		*ret_ok = *ret_ok && !item.malformed;
		if (item.kind != ADDRESS_ITEM_MAILBOX)
			continue;
		if (c->count == c->max)
			return false;
		c->addresses[c->count++] = item;
	}
	*ret_ok = *ret_ok && c->count > before && c->count - before <= rule->most_addresses;
	return r == PARSE_MORE;
}

static const struct rule *find_rule(struct view name)
{
	for (size_t i = 0; i < RULE_COUNT; i++)
		if (view_eq_lit_nocase(name, rules[i].name))
			return &rules[i];
	return NULL;
}

/* One field; `seen` has a count for each rule. */
static bool look_at(struct collector *c, const struct header_field *field, size_t *seen, unsigned *problems)
{
	const struct rule *rule = find_rule(field->name);
	bool ok;

	if (!rule)
		return true;
	seen[rule - rules]++;
	if (!rule->bad)
		return true;
	if (!collect(c, rule, field->value, &ok))
		return false;
	if (!ok)
		*problems |= rule->bad;
	return true;
}

bool submission_check(struct view block, size_t max_addresses, struct arena *a, struct submission *ret)
{
	struct collector c = {.max = max_addresses, .arena = a};
	size_t seen[RULE_COUNT] = {0};
	struct header_field field;
	unsigned problems = 0;
	struct header h;

	c.addresses = arena_array(a, max_addresses, sizeof *c.addresses);
	if (!c.addresses)
		return false;
	header_init(&h, block);
	while (header_next(&h, &field) == PARSE_DONE)
		if (!look_at(&c, &field, seen, &problems))
			return false;
	if (h.passed_over_bytes)
		problems |= SUBMISSION_JUNK;
	for (size_t i = 0; i < RULE_COUNT; i++)
		problems |= seen[i] == 0 ? rules[i].missing : seen[i] > 1 ? rules[i].several : 0;
	*ret = (struct submission){.problems = problems, .addresses = c.addresses, .address_count = c.count};
	return true;
}

void submission_fix_format(struct buf *out, unsigned problems, const struct date *date, struct view message_id)
{
	if (problems & SUBMISSION_NO_DATE) {
		buf_append_cstr(out, "Date: ");
		date_format(out, date);
		buf_append_cstr(out, "\r\n");
	}
	if (problems & SUBMISSION_NO_MESSAGE_ID) {
		buf_append_cstr(out, "Message-ID: <");
		buf_append_view(out, message_id);
		buf_append_cstr(out, ">\r\n");
	}
}
