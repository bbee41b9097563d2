/* SPDX-License-Identifier: ISC
 * A notice about any recipients, replies and messages is one message: CRLF lines, three parts of the right types, the original byte for byte,
 * the fields it says of each recipient and no others. The first bytes choose, the rest is texts parted by NUL. */
#include "mail/dsn.h"
#include "mail/header.h"
#include "mail/mime_index.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECIPIENTS_MAX = 4 };

static struct view take(struct view *rest)
{
	struct view left, right;

	if (view_cut(*rest, '\0', &left, &right)) {
		*rest = right;
		return left;
	}
	left = *rest;
	*rest = VIEW_EMPTY;
	return left;
}

/* As the store has it: each LF has its CR, no other CR; `end` behind it. */
static struct view as_stored(struct view text, const char *end, struct buf *out)
{
	size_t start = out->n;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\n')
			buf_append_cstr(out, "\r\n");
		else if (text.p[i] != '\r')
			buf_append_char(out, text.p[i]);
	}
	buf_append_cstr(out, end);
	return view_sub(buf_view(out), start, out->n - start);
}

static void check_lines(struct view text)
{
	for (size_t i = 0; i < text.n; i++) {
		assert(text.p[i] != '\0');
		assert(text.p[i] != '\n' || (i > 0 && text.p[i - 1] == '\r'));
		assert(text.p[i] != '\r' || (i + 1 < text.n && text.p[i + 1] == '\n'));
	}
}

static size_t count_fields(struct view block, const char *name)
{
	struct header_field f;
	struct header h;
	size_t n = 0;

	header_init(&h, block);
	while (header_next(&h, &f) == PARSE_DONE)
		n += view_eq_lit_nocase(f.name, name);
	return n;
}

/* The groups of fields of a delivery status, parted by empty lines (RFC 3464 §2.1). */
static void check_status(struct view status, const struct dsn *d)
{
	static const char *const once[] = {"Final-Recipient", "Action", "Status"};
	struct view empty = VIEW_LIT("\r\n\r\n");
	size_t at = view_find(status, empty);

	assert(count_fields(view_sub(status, 0, at), "Reporting-MTA") == 1);
	for (size_t r = 0; r < d->count; r++) {
		struct view group;

		status = view_sub(status, at < status.n ? at + empty.n : at, status.n);
		at = view_find(status, empty);
		group = view_sub(status, 0, at);
		for (size_t i = 0; i < ARRAY_LEN(once); i++)
			assert(count_fields(group, once[i]) == 1);
		assert(count_fields(group, "Remote-MTA") ==
		       (d->recipients[r].mta.n && d->recipients[r].code && d->recipients[r].reply.n));
		assert(count_fields(group, "Diagnostic-Code") == (d->recipients[r].reply.n > 0));
		assert(count_fields(group, "Original-Recipient") == (d->recipients[r].orcpt.n > 0));
	}
	assert(at == status.n);
}

static struct view body_of(struct view whole, const struct mime_part *part)
{
	return view_sub(whole, part->body_off, part->body_bytes);
}

static void check(struct view whole, const struct dsn *d)
{
	static const char *const once[] = {"Date",       "From",           "To",           "Subject",
					   "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"};
	struct mime_parser *parser = mime_parser_new(&mime_limits_default);
	const struct mime_index *x = mime_index_parse(parser, whole);
	const struct mime_part *part = mime_index_part(x, x->parts[0].first_child);
	struct view original, header = d->header;

	if (!d->whole_message && view_ends_with_nocase(header, VIEW_LIT("\r\n\r\n")))
		header.n -= 2; /* the empty line belongs to whole messages only */
	check_lines(whole);
	for (size_t i = 0; i < ARRAY_LEN(once); i++)
		assert(count_fields(view_sub(whole, 0, x->parts[0].header_bytes), once[i]) == 1);
	assert(mime_part_is(&x->parts[0], "multipart", "report") && part && mime_part_is(part, "text", "plain"));
	part = mime_index_part(x, part->next_sibling);
	assert(part && mime_part_is(part, "message", d->utf8 ? "global-delivery-status" : "delivery-status"));
	check_status(body_of(whole, part), d);
	part = mime_index_part(x, part->next_sibling);
	assert(part && part->next_sibling == MIME_NONE);
	original = body_of(whole, part);
	assert(view_eq(view_sub(original, 0, header.n), header));
	assert(original.n == header.n + (d->whole_message ? d->content.n : 0));
	mime_parser_free(&parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf texts = BUF_INIT(1 << 22), out = BUF_INIT(1 << 24);
	struct dsn_recipient recipients[RECIPIENTS_MAX] = {{.address = VIEW_EMPTY}};
	struct dsn d = {.hostname = VIEW_LIT("mx.example.test"),
			.id = VIEW_LIT("0abc"),
			.notice_id = VIEW_LIT("0abd"),
			.boundary = VIEW_LIT("=_0abd_1234567890_=")};
	struct view rest;

	if (size < 8 || size > 100000)
		return 0;
	rest = view_from(data + 8, size - 8);
	buf_append_char(&texts, ' '); /* room once, so that views into it stay */
	assert(buf_reserve(&texts, 2 * size + 100));
	d.utf8 = data[0] & 1;
	d.whole_message = data[0] & 2;
	d.give_up_s = data[0] & 4 ? 1700000000 : 0;
	d.zone_min = data[1];
	d.count = 1 + data[2] % RECIPIENTS_MAX;
	d.recipients = recipients;
	d.to = take(&rest);
	d.envid = take(&rest);
	for (size_t i = 0; i < d.count; i++)
		recipients[i] = (struct dsn_recipient){.address = take(&rest),
						       .orcpt = take(&rest),
						       .mta = take(&rest),
						       .reply = take(&rest),
						       .action = (data[3 + i] >> 1) % (DSN_EXPANDED + 1),
						       .code = data[3 + i] & 1 ? 550 : 0,
						       .status = data[3 + i] & 128 ? VIEW_LIT("5.1.1") : VIEW_EMPTY};
	d.header = as_stored(take(&rest), "\r\n\r\n", &texts);
	d.content = as_stored(take(&rest), "", &texts);
	if (view_find(buf_view(&texts), d.boundary) == texts.n) {
		dsn_format(&out, &d);
		if (!out.overflow)
			check(buf_view(&out), &d);
	}
	buf_fini(&texts);
	buf_fini(&out);
	return 0;
}
