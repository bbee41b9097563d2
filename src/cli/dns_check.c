/* SPDX-License-Identifier: ISC
 * Which of the records to publish are published, and right. */
#include "cli/dns.h"
#include "cli/dns_lookup.h"
#include "cli/show.h"
#include "mail/dns_record.h"

#include <string.h>

enum { TEXT_MAX = 262144, FOUND_MAX = 65536 };

/* The strings of a TXT record as one, without quotes: `"a" "b"` is `ab`. */
static void join(struct view v, struct buf *out)
{
	bool quoted = false;

	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '"')
			quoted = !quoted;
		else if (quoted && v.p[i] == '\\' && i + 1 < v.n)
			buf_append_char(out, v.p[++i]);
		else if (quoted)
			buf_append_char(out, v.p[i]);
	}
}

/* Several TXT records stand at one name, for various purposes: "v=spf1", "v=DKIM1;" … */
static struct view purpose_of(struct view text)
{
	size_t n = 0;

	while (n < text.n && text.p[n] != ';' && text.p[n] != ' ')
		n++;
	return view_sub(text, 0, n);
}

static bool is_same_purpose(uint16_t type, struct view want, struct view have)
{
	return type != DNS_TXT || view_eq_nocase(purpose_of(want), purpose_of(have));
}

struct comparison {
	uint16_t type;
	struct view want; /* TXT: joined */
	bool right;
	unsigned count; /* of the same purpose */
	struct buf others; /* of them, those that are not right */
};

static void compare(struct comparison *c, struct view data)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(TEXT_MAX);
	struct view have = data;

	if (c->type != DNS_TXT) {
		if (!dns_lookup_format(c->type, data, &text))
			return;
		have = buf_view(&text);
	}
	if (!is_same_purpose(c->type, c->want, have))
		return;
	c->count++;
	if (view_eq_nocase(c->want, have) && (c->type != DNS_TXT || view_eq(c->want, have))) {
		c->right = true;
		return;
	}
	if (c->others.n)
		buf_append_cstr(&c->others, " | ");
	show_clean(view_sub(have, 0, 1000), &c->others);
}

static bool set(json_t *record, const char *published, struct view found)
{
	(void)json_object_set_new(record, "published", json_string(published));
	if (found.n)
		(void)json_object_set_new(record, "found", show_json_text(found));
	return strcmp(published, "right") == 0;
}

/* Two texts of one purpose are an error, or none at all, to whoever reads them: RFC 7208 §4.5 (SPF), RFC 7489 §6.6.3 (DMARC), RFC 8461 §3.1 (MTA-STS),
 * RFC 8460 §3 (TLS-RPT), RFC 6376 §3.6.2.2 (DKIM). */
static const char *verdict_of(struct comparison *c)
{
	if (!c->right)
		return c->others.n ? "wrong" : "missing";
	if (c->type != DNS_TXT || c->count == 1)
		return "right";
	buf_append_cstr(&c->others, " | the right one: there must be no other beside it");
	return "wrong";
}

static bool check_one(json_t *record, struct store_client *s)
{
	const char *name = json_string_value(json_object_get(record, "name"));
	const char *value = json_string_value(json_object_get(record, "value"));
	_cleanup_(buf_fini) struct buf want = BUF_INIT(TEXT_MAX), error = BUF_INIT(2048);
	struct comparison c = {.others = BUF_INIT(FOUND_MAX)};
	const char *verdict;
	struct admin_msg m;
	bool right;

	if (!dns_type_find(view_from_cstr(json_string_value(json_object_get(record, "type"))), &c.type))
		return set(record, "unknown", VIEW_EMPTY);
	if (dns_lookup(s, view_from_cstr(name), c.type, &m, &error))
		return set(record, "unknown", buf_view(&error));
	if (c.type == DNS_TXT)
		join(view_from_cstr(value), &want);
	else
		buf_append_cstr(&want, value);
	c.want = buf_view(&want);
	for (uint32_t i = 0; i < m.dns_answer.n_records; i++)
		compare(&c, m.dns_answer.records[i].data);
	verdict = verdict_of(&c);
	right = strcmp(verdict, "right") == 0;
	(void)set(record, verdict, right ? VIEW_EMPTY : buf_view(&c.others));
	buf_fini(&c.others);
	return right;
}

int dns_check(json_t *records, struct store_client *s)
{
	json_t *record;
	bool all = true;
	size_t i;

	json_array_foreach(json_object_get(records, "records"), i, record)
	{
		all = check_one(record, s) && all;
	}
	return all ? 0 : CLI_OTHER;
}
