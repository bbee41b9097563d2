/* SPDX-License-Identifier: ISC
 * A search of one mailbox: pages of rows, decided first by what is cheap, then by what must be read. Other sessions get their turn
 * between two pages. */
#include "stored/search.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum {
	FULL_ROWS = 500,
	FULL_BYTES = 1024 * 1024,
	CHEAP_BYTES = 4 * 1024 * 1024,
	INLINE_MAX = 128 * 1024,
	PAGE_ARENA_MAX = 8 * 1024 * 1024,
	TURN_MS = 20, /* of deciding: what is left of a page then is read anew */
};

void search_init(struct search *s, struct arena *a, uint64_t account, uint64_t mailbox, struct view program,
		 const struct uid_range *ranges, size_t range_count, bool with_expunged)
{
	*s = (struct search){.account = account, .mailbox = mailbox, .arena = a, .program = program};
	s->now_s = clock_wall_s();
	s->query = (struct rows_query){
	    .account = account,
	    .mailbox = mailbox,
	    .ranges = ranges,
	    .range_count = range_count,
	    .with_expunged = with_expunged,
	    .inline_max = INLINE_MAX,
	    .max_rows = SEARCH_ROWS_MAX,
	    .max_bytes = CHEAP_BYTES,
	};
	for (size_t i = 0; i < DIGEST_COLUMNS; i++)
		search_records_init(&s->columns[i]);
	s->uids = xcalloc(SEARCH_ROWS_MAX, sizeof *s->uids);
	s->verdicts = xcalloc(SEARCH_ROWS_MAX, sizeof *s->verdicts);
	s->open = xcalloc(SEARCH_ROWS_MAX, sizeof *s->open);
}

void search_fini(struct search *s)
{
	if (s->begun)
		imap_reader_fini(&s->reader);
	for (size_t i = 0; i < DIGEST_COLUMNS; i++)
		search_records_fini(&s->columns[i]);
	free(s->uids);
	free(s->verdicts);
	free(s->open);
}

size_t search_found(const struct search *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->found_count; i++)
		n += s->found[i].last - s->found[i].first + 1;
	return n;
}

static bool add_found(struct search *s, uint32_t uid)
{
	struct uid_range *last = s->found_count ? &s->found[s->found_count - 1] : NULL;
	struct uid_range *more;

	if (last && last->last + 1 == uid) {
		last->last = uid;
		return true;
	}
	if (s->found_count == s->found_cap) {
		s->found_cap = s->found_cap ? s->found_cap * 2 : 64;
		more = arena_array(s->arena, s->found_cap, sizeof *more);
		if (!more)
			return false;
		if (s->found_count)
			memcpy(more, s->found, s->found_count * sizeof *more);
		s->found = more;
	}
	s->found[s->found_count++] = (struct uid_range){uid, uid};
	return true;
}

static void add_open(struct search *s, uint32_t uid)
{
	struct uid_range *last = s->open_count ? &s->open[s->open_count - 1] : NULL;

	if (last && last->last + 1 == uid)
		last->last = uid;
	else
		s->open[s->open_count++] = (struct uid_range){uid, uid};
}

/* Everything of the page is decided. */
static enum store_outcome end_page(struct search *s)
{
	for (size_t i = 0; i < s->page_count; i++)
		if (s->verdicts[i] == SEARCH_YES && !add_found(s, s->uids[i]))
			return STORE_LIMIT;
	s->page_count = s->open_count = 0;
	s->open_from = 0;
	return STORE_OK;
}

/* Row `i` is left to the next turn: a program may have thousands of keys. */
static bool is_late(size_t i, uint64_t began_ms)
{
	return i > 0 && clock_mono_ms() - began_ms >= TURN_MS;
}

/* The next rows, by what is cheap. */
static enum store_outcome look(struct search *s)
{
	const uint64_t began_ms = clock_mono_ms();
	enum store_outcome outcome;
	struct box_rows rows;
	struct arena a;

	arena_init(&a, PAGE_ARENA_MAX);
	s->query.fields = s->cheap;
	outcome = box_rows(s->r, &s->query, &a, &rows);
	s->is_full = s->cheap == s->full;
	for (size_t i = 0; outcome == STORE_OK && i < rows.count; i++) {
		if (is_late(i, began_ms)) {
			rows.next = rows.rows[i].uid;
			rows.count = i;
			break;
		}
		s->row = &rows.rows[i];
		s->uids[i] = s->row->uid;
		s->verdicts[i] = (uint8_t)search_decide(s);
		if (s->verdicts[i] == SEARCH_OPEN)
			add_open(s, s->row->uid);
	}
	if (outcome == STORE_OK) {
		s->page_count = rows.count;
		s->highestmodseq = rows.highestmodseq;
		s->query.uid_from = rows.next;
		s->open_from = s->open_count ? 1 : 0;
	}
	arena_fini(&a);
	return outcome;
}

static void settle(struct search *s, uint32_t uid, enum search_verdict verdict)
{
	size_t low = 0, high = s->page_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->uids[mid] < uid)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < s->page_count && s->uids[low] == uid)
		s->verdicts[low] = (uint8_t)verdict;
}

/* Some of what is open, by all there is. What is gone meanwhile stays open, which is no match. */
static enum store_outcome read_open(struct search *s)
{
	const uint64_t began_ms = clock_mono_ms();
	struct rows_query q = s->query;
	enum store_outcome outcome;
	struct box_rows rows;
	struct arena a;

	q.ranges = s->open;
	q.range_count = s->open_count;
	q.uid_from = s->open_from;
	q.fields = s->full;
	q.max_rows = FULL_ROWS;
	q.max_bytes = FULL_BYTES;
	arena_init(&a, PAGE_ARENA_MAX);
	outcome = box_rows(s->r, &q, &a, &rows);
	s->is_full = true;
	for (size_t i = 0; outcome == STORE_OK && i < rows.count; i++) {
		if (is_late(i, began_ms)) {
			rows.next = rows.rows[i].uid;
			break;
		}
		s->row = &rows.rows[i];
		settle(s, s->row->uid, search_decide(s));
	}
	if (outcome == STORE_OK)
		s->open_from = rows.next;
	arena_fini(&a);
	return outcome;
}

enum store_outcome search_step(struct search *s, struct store_reader *r, bool *ret_again)
{
	enum store_outcome outcome;

	s->r = r;
	s->trouble = STORE_OK;
	if (!s->begun) {
		outcome = search_parse(s);
		if (outcome != STORE_OK)
			return outcome;
		search_narrow(s);
	}
	outcome = s->open_from ? read_open(s) : look(s);
	if (outcome == STORE_OK && s->trouble != STORE_NO_MESSAGE)
		outcome = s->trouble;
	if (outcome == STORE_OK && s->open_from == 0)
		outcome = end_page(s);
	*ret_again = outcome == STORE_OK && (s->open_from || s->query.uid_from);
	return outcome;
}
