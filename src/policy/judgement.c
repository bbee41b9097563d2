/* SPDX-License-Identifier: ISC
 * What becomes of a message as a whole, decided from its header. */
#include "policy/judgement.h"

#include "base/id.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/prefix.h"
#include "mail/rfc2047.h"
#include "mail/submission_fix.h"

enum { HEADER_ADD_MAX = 4096, SUBJECT_RAW_MAX = 65536 };

static const struct verdict out_of_room = VERDICT(552, 5, 3, 4, "The message's header is too big");

/* RFC 5322 §3.6, RFC 6409 §8. The first that applies is said. */
static const struct {
	unsigned problem;
	struct verdict refusal;
} submission_refusals[] = {
    {SUBMISSION_JUNK, VERDICT(550, 5, 6, 0, "A line of the header is no header field")},
    {SUBMISSION_NO_FROM, VERDICT(550, 5, 6, 0, "The From field is missing")},
    {SUBMISSION_SEVERAL_FROM, VERDICT(550, 5, 6, 0, "There are several From fields")},
    {SUBMISSION_BAD_FROM, VERDICT(550, 5, 6, 0, "The From field is not valid")},
    {SUBMISSION_SEVERAL_SENDER, VERDICT(550, 5, 6, 0, "There are several Sender fields")},
    {SUBMISSION_BAD_SENDER, VERDICT(550, 5, 6, 0, "The Sender field is not valid")},
    {SUBMISSION_SEVERAL_DATE, VERDICT(550, 5, 6, 0, "There are several Date fields")},
    {SUBMISSION_SEVERAL_MESSAGE_ID, VERDICT(550, 5, 6, 0, "There are several Message-ID fields")},
};

static struct verdict refuse_submission(struct view block, const struct submission *s)
{
	struct header_field sender;

	for (size_t i = 0; i < ARRAY_LEN(submission_refusals); i++)
		if (s->problems & submission_refusals[i].problem)
			return submission_refusals[i].refusal;
	if (s->problems & SUBMISSION_REFUSE)
		return VERDICT(550, 5, 6, 0, "The message's header is not valid");
	if (s->address_count > 1 && !header_find(block, "Sender", &sender))
		return VERDICT(550, 5, 6, 0, "Several authors need a Sender field");
	return (struct verdict){0};
}

/* What was appended to `text`, cut to `max` bytes between two characters, in the arena. */
static struct view cut(const struct buf *text, size_t max, struct arena *a)
{
	struct view v = buf_view(text);
	size_t n = v.n < max ? v.n : max;

	while (n > 0 && n < v.n && ((unsigned char)v.p[n] & 0xc0) == 0x80)
		n--;
	v = arena_copy(a, view_sub(v, 0, n));
	return v.p ? v : VIEW_EMPTY;
}

static struct view subject(struct view block, struct arena *a)
{
	struct buf text = BUF_INIT(SUBJECT_RAW_MAX);
	struct header_field field;
	struct view result = VIEW_EMPTY;

	if (header_find(block, "Subject", &field)) {
		rfc2047_decode(view_sub(field.value, 0, SUBJECT_RAW_MAX / 4), &text);
		result = cut(&text, JUDGEMENT_TEXT_MAX, a);
	}
	buf_fini(&text);
	return result;
}

static struct view message_id(struct view block, struct arena *a)
{
	struct buf text = BUF_INIT(SUBJECT_RAW_MAX);
	struct header_field field;
	struct view result = VIEW_EMPTY;

	if (header_find(block, "Message-ID", &field)) {
		header_unfold(&text, field.value);
		result = cut(&text, JUDGEMENT_TEXT_MAX, a);
	}
	buf_fini(&text);
	return result;
}

static int64_t date(struct view block, int64_t wall_s)
{
	struct header_field field;
	struct date date;

	return header_find(block, "Date", &field) && date_parse(field.value, &date) ? date.utc_s : wall_s;
}

/* The addresses as stored knows them; false when one is no address of a sane size. */
static bool list_from(const struct submission *s, struct arena *a, struct judgement *ret)
{
	struct buf text = BUF_INIT(JUDGEMENT_ADDRESS_MAX);
	struct view *list = arena_array(a, s->address_count, sizeof *list);
	bool whole = list != NULL;
	size_t n = 0;

	for (size_t i = 0; list && i < s->address_count; i++) {
		const struct address_item *item = &s->addresses[i];

		buf_reset(&text);
		if (!item->malformed)
			address_format(&text, item->local, item->domain);
		list[n] = arena_copy(a, buf_view(&text));
		if (item->malformed || text.overflow || !list[n].p)
			whole = false;
		else
			n++;
	}
	buf_fini(&text);
	ret->from = list;
	ret->from_count = n;
	return whole;
}

/* The right side of a new Message-ID: the sender's domain, where it can stand there, else our name. */
static struct view own_domain(const struct judgement_input *in, struct arena *a)
{
	struct address address;

	if (address_parse(in->sender, 0, a, &address) && !address.is_literal)
		return address.domain;
	return in->hostname;
}

static void complete(const struct judgement_input *in, unsigned problems, struct arena *a, struct judgement *ret)
{
	struct date now = {.utc_s = in->wall_s, .zone_known = true};
	struct buf id = BUF_INIT(512), lines = BUF_INIT(HEADER_ADD_MAX);
	char text[ID_TEXT_BYTES + 1];
	struct view copy;

	id_format(in->message_id, text);
	buf_printf(&id, "%s@", text);
	buf_append_view(&id, own_domain(in, a));
	submission_fix_format(&lines, problems, &now, buf_view(&id));
	ret->header_add = arena_copy(a, buf_view(&lines));
	if (problems & SUBMISSION_NO_MESSAGE_ID) {
		struct view bracketed[] = {VIEW_LIT("<"), buf_view(&id), VIEW_LIT(">")};

		buf_reset(&lines);
		for (size_t i = 0; i < ARRAY_LEN(bracketed); i++)
			buf_append_view(&lines, bracketed[i]);
		copy = arena_copy(a, buf_view(&lines));
		ret->message_id = copy.p ? copy : VIEW_EMPTY;
	}
	if (!ret->header_add.p || lines.overflow || id.overflow)
		ret->refusal = out_of_room;
	buf_fini(&id);
	buf_fini(&lines);
}

static void look_at_authors(const struct judgement_input *in, struct view block, struct arena *a, struct judgement *ret)
{
	bool is_submission = in->purpose == JUDGEMENT_SUBMISSION;
	struct submission s = {.problems = 0};
	/* All of the head: what ends the header is looked at too. */
	bool whole = submission_check(in->head, JUDGEMENT_ADDRESSES_MAX, a, &s);

	whole = list_from(&s, a, ret) && whole;
	if (!is_submission)
		return;
	ret->refusal = refuse_submission(block, &s);
	if (!ret->refusal.code && !whole)
		ret->refusal = VERDICT(550, 5, 6, 0, "There are too many, or too long, addresses in From and Sender");
	if (!ret->refusal.code)
		complete(in, s.problems, a, ret);
}

/* Where the header ends. What a server hands in and starts with a line of text never had a header: an empty line goes in
 * front. A header that would be too big only because of lines that are no fields ends before them, so that a message
 * that has lost its empty line can be kept. */
static size_t end_of_header(const struct judgement_input *in, struct judgement *ret)
{
	size_t bytes = header_length(in->head), junk = header_junk(in->head);

	if (junk == 0 && in->purpose != JUDGEMENT_INDEX) {
		ret->header_add = VIEW_LIT("\r\n");
		return 0;
	}
	return bytes > in->max_header_bytes && junk != SIZE_MAX ? junk : bytes;
}

void judgement_make(const struct judgement_input *in, struct arena *a, struct judgement *ret)
{
	struct view block;

	*ret = (struct judgement){
	    .header_add = VIEW_EMPTY,
	    .separator = VIEW_EMPTY,
	    .message_id = VIEW_EMPTY,
	    .subject = VIEW_EMPTY,
	    .date_s = in->wall_s,
	};
	ret->header_bytes = end_of_header(in, ret);
	block = view_sub(in->head, 0, ret->header_bytes);
	if (ret->header_bytes > in->max_header_bytes) {
		ret->refusal = out_of_room;
		return;
	}
	/* RFC 5321 §6.3 */
	if (in->purpose != JUDGEMENT_INDEX && received_count(block) > in->max_hops) {
		ret->refusal = VERDICT(554, 5, 4, 6, "The message has passed too many servers; this looks like a loop");
		return;
	}
	ret->separator = prefix_guard(in->head);
	ret->subject = subject(block, a);
	ret->message_id = message_id(block, a);
	ret->date_s = date(block, in->wall_s);
	if (in->purpose != JUDGEMENT_INDEX)
		look_at_authors(in, block, a, ret);
}
