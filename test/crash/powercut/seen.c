/* SPDX-License-Identifier: ISC
 * Reading the mailboxes back. */
#include "seen.h"

#include "store/mailbox_read.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_MAX = 8 * 1024 * 1024, ROWS = 200, PIECE = 1024 * 1024, WHOLE_MAX = 4 * 1024 * 1024 };

struct seen {
	const struct ledger *ledger;
	struct buf whole, wanted;
	struct {
		uint32_t count, uid;
	} copies[MESSAGES_MAX][ACCOUNTS];
};

struct seen *seen_new(const struct ledger *l)
{
	struct seen *s = xcalloc(1, sizeof *s);

	s->ledger = l;
	buf_init(&s->whole, WHOLE_MAX);
	buf_init(&s->wanted, WHOLE_MAX);
	return s;
}

void seen_free(struct seen **s)
{
	buf_fini(&(*s)->whole);
	buf_fini(&(*s)->wanted);
	free(*s);
	*s = NULL;
}

uint32_t seen_count(const struct seen *s, uint32_t number, uint32_t account)
{
	return s->copies[number][account].count;
}

uint32_t seen_uid(const struct seen *s, uint32_t number, uint32_t account)
{
	return s->copies[number][account].uid;
}

uint32_t seen_copies(const struct seen *s, uint32_t number)
{
	uint32_t all = 0;

	for (uint32_t i = 0; i < ACCOUNTS; i++)
		all += seen_count(s, number, i);
	return all;
}

static bool is_as_sent(struct seen *s, uint32_t number, uint32_t account)
{
	const struct message *m = &s->ledger->messages[number];

	buf_reset(&s->wanted);
	message_prefix(m, account, &s->wanted);
	message_header(number, &s->wanted);
	message_content(number, m->content_bytes, &s->wanted);
	return view_eq(buf_view(&s->whole), buf_view(&s->wanted));
}

struct place {
	struct store_reader *r;
	uint32_t account, box;
	uint64_t mailbox;
};

static bool read_one(struct seen *s, const struct place *at, const struct box_row *row, struct buf *why)
{
	uint64_t account = s->ledger->accounts[at->account], size = 0;
	uint32_t number = message_number(row->header);
	enum store_outcome outcome;

	if (number >= s->ledger->message_count) {
		buf_printf(why, "a%u has UID %u, which nobody sent", at->account, row->uid);
		return false;
	}
	buf_reset(&s->whole);
	do {
		outcome = box_bytes(at->r, account, at->mailbox, row->uid, s->whole.n, PIECE, &s->whole, &size);
	} while (outcome == STORE_OK && s->whole.n < size);
	if (outcome != STORE_OK)
		buf_printf(why, "message %u of a%u cannot be read: %s", number, at->account, store_reader_error(at->r));
	else if (!is_as_sent(s, number, at->account) || s->ledger->messages[number].box != at->box)
		buf_printf(why, "message %u of a%u is not as it was sent", number, at->account);
	s->copies[number][at->account].count++;
	s->copies[number][at->account].uid = row->uid;
	return why->n == 0;
}

static bool read_box(struct seen *s, const struct place *at, uint32_t exists, struct arena *a, struct buf *why)
{
	struct uid_range all = {1, UINT32_MAX};
	struct rows_query q = {.account = s->ledger->accounts[at->account],
			       .mailbox = at->mailbox,
			       .ranges = &all,
			       .range_count = 1,
			       .uid_from = 1,
			       .fields = ROW_HEADER,
			       .max_rows = ROWS,
			       .max_bytes = ARENA_MAX / 2};
	struct box_rows rows = {.next = 1};
	uint32_t found = 0;

	for (; rows.next != 0; q.uid_from = rows.next) {
		arena_reset(a);
		if (box_rows(at->r, &q, a, &rows) != STORE_OK) {
			buf_printf(why, "a%u: %s cannot be listed: %s", at->account, ledger_box_name(at->box),
				   store_reader_error(at->r));
			return false;
		}
		for (size_t i = 0; i < rows.count; i++, found++)
			if (!read_one(s, at, &rows.rows[i], why))
				return false;
	}
	if (found != exists)
		buf_printf(why, "a%u: %s counts %u but holds %u", at->account, ledger_box_name(at->box), exists, found);
	return found == exists;
}

static bool open_box(struct store_reader *r, uint64_t account, uint32_t box, struct arena *a, struct box_status *ret)
{
	return box_open(r, account, view_from_cstr(ledger_box_name(box)), a, ret) == STORE_OK;
}

uint64_t seen_mailbox(struct store_reader *r, uint64_t account, uint32_t box)
{
	struct box_status status = {0};
	struct arena a;

	arena_init(&a, ARENA_MAX);
	if (!open_box(r, account, box, &a, &status))
		status.mailbox = 0;
	arena_fini(&a);
	return status.mailbox;
}

bool seen_read(struct seen *s, struct store_reader *r, struct buf *why)
{
	struct arena a;
	bool ok = true;

	memset(s->copies, 0, sizeof s->copies);
	arena_init(&a, ARENA_MAX);
	for (uint32_t i = 0; i < ACCOUNTS * BOXES && ok; i++) {
		struct place at = {r, i / BOXES, i % BOXES, 0};
		struct box_status status;

		arena_reset(&a);
		ok = open_box(r, s->ledger->accounts[at.account], at.box, &a, &status);
		if (!ok)
			buf_printf(why, "a%u has no %s: %s", at.account, ledger_box_name(at.box),
				   store_reader_error(r));
		at.mailbox = status.mailbox;
		ok = ok && read_box(s, &at, status.exists, &a, why);
	}
	arena_fini(&a);
	return ok;
}
