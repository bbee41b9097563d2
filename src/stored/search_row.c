/* SPDX-License-Identifier: ISC
 * Whether a message matches: yes, no, or not to be told without reading more of it. */
#include "stored/search.h"

#include "mail/date.h"
#include "mail/header.h"
#include "mail/mime_index.h"
#include "mail/objectid.h"
#include "mail/thread_id.h"
#include "store/search_write.h"

#include <stdlib.h>

enum { DAY_S = 86400 };

/* In UTC; before 1970 too. */
static int64_t day_of(int64_t wall_s)
{
	return wall_s / DAY_S - (wall_s % DAY_S < 0);
}

static enum search_verdict verdict(bool yes)
{
	return yes ? SEARCH_YES : SEARCH_NO;
}

static bool has_keyword(struct view keywords, struct view wanted)
{
	struct view word, rest = keywords;

	while (view_cut(rest, ' ', &word, &rest))
		if (view_eq_nocase(word, wanted))
			return true;
	return view_eq_nocase(rest, wanted);
}

static bool is_message(const struct box_row *row, struct view emailid)
{
	uint64_t id;

	return objectid_parse(emailid, OBJECTID_MESSAGE, &id) && id == row->message_id;
}

static enum search_verdict thread(const struct search *s, struct view threadid)
{
	struct buf name = BUF_INIT(64);
	bool same;

	if (!s->is_full)
		return SEARCH_OPEN;
	thread_id_format(&name, s->row->header, s->row->message_id);
	same = view_eq(buf_view(&name), threadid);
	buf_fini(&name);
	return same ? SEARCH_YES : SEARCH_NO;
}

/* ---- by digests ---- */

static bool record(struct search *s, enum digest_column column, struct view *ret)
{
	return s->row->uid < s->indexed &&
	       search_record(s->r, s->account, column, s->mailbox, s->row->uid, &s->columns[column], ret);
}

static bool subject_values(struct search *s, struct digest_values *ret)
{
	struct view v;

	return record(s, DIGEST_SUBJECT, &v) && digest_read_subject(v, ret);
}

static bool address_values(struct search *s, enum digest_address which, struct digest_values *ret)
{
	struct digest_values all[DIGEST_ADDRESS_FIELDS];
	struct view v;

	if (!record(s, DIGEST_ADDRESSES, &v) || !digest_read_addresses(v, all))
		return false;
	*ret = all[which];
	return true;
}

/* False: no digest tells of this field. */
static bool field_values(struct search *s, struct view name, struct digest_values *ret)
{
	static const char *const addresses[DIGEST_ADDRESS_FIELDS] = {"From", "To", "Cc", "Bcc"};

	if (view_eq_lit_nocase(name, "Subject"))
		return subject_values(s, ret);
	for (enum digest_address i = DIGEST_FROM; i < DIGEST_ADDRESS_FIELDS; i++)
		if (view_eq_lit_nocase(name, addresses[i]))
			return address_values(s, i, ret);
	return false;
}

/* ---- by candidates ---- */

/* Messages come in an order that is nearly that of their ids: the place is next to the last one. */
static bool is_candidate(struct search_term *t, uint64_t id)
{
	size_t low = t->cursor, high = t->candidates.count;
	const uint64_t *ids = t->candidates.ids;

	if (low > 0 && ids[low - 1] >= id)
		low = 0;
	if (low < high && ids[low] >= id)
		high = low;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ids[mid] < id)
			low = mid + 1;
		else
			high = mid;
	}
	t->cursor = low;
	return low < t->candidates.count && ids[low] == id;
}

static bool is_ruled_out(const struct search *s, struct search_term *t)
{
	return t->narrowed && s->row->uid < s->indexed && !is_candidate(t, s->row->message_id);
}

/* ---- by the message itself ---- */

static void scan_row(struct search *s)
{
	enum store_outcome outcome;
	struct mime_index index;
	struct search_scan *scan;
	struct arena a;

	s->scanned = true;
	for (size_t i = 0; i < s->key_count; i++)
		s->keys[i].hit = false;
	arena_init(&a, 4 * 1024 * 1024);
	if (mime_index_decode(s->row->index, &a, &index)) {
		scan = search_scan_new(&index, s->keys, s->key_count);
		outcome = search_feed(s->r, s->account, s->mailbox, s->row, scan);
		if (outcome != STORE_OK)
			s->trouble = outcome;
		search_scan_finish(scan);
		search_scan_free(&scan);
	}
	arena_fini(&a);
}

static enum search_verdict text(struct search *s, const struct imap_search *node)
{
	struct search_term *t = search_term_of(s, node);

	if (t->key->folded.n == 0)
		return SEARCH_YES;
	if (is_ruled_out(s, t))
		return SEARCH_NO;
	if (!s->is_full)
		return SEARCH_OPEN;
	if (!s->scanned)
		scan_row(s);
	return verdict(t->key->hit);
}

static enum search_verdict header(struct search *s, const struct imap_search *node)
{
	struct search_term *t = search_term_of(s, node);
	struct view key = t->key->folded;
	struct digest_values values;

	if (s->is_full)
		return verdict(search_match_header(s->row->header, node->name, t->key));
	if (is_ruled_out(s, t))
		return SEARCH_NO;
	if (!field_values(s, node->name, &values) || values.cut || view_find_char(key, '\n') < key.n)
		return SEARCH_OPEN;
	return verdict(values.present && (key.n == 0 || view_find(values.folded, key) < values.folded.n));
}

/* ---- dates ---- */

/* Days on the clock the Date field was written by (RFC 9051 §6.4.4: disregarding time and zone); without one, the arrival. */
static bool sent_day(struct search *s, int64_t *ret)
{
	struct digest_date digest;
	struct header_field field;
	struct date date;
	struct view v;

	*ret = day_of(s->row->internaldate_s);
	if (s->is_full) {
		if (header_find(s->row->header, "Date", &field) && date_parse(field.value, &date))
			*ret = date_local_day(&date);
		return true;
	}
	if (!record(s, DIGEST_DATE, &v) || !digest_read_date(v, &digest))
		return false;
	if (digest.known)
		*ret = date_local_day(&digest.date);
	return true;
}

static enum search_verdict sent(struct search *s, const struct imap_search *node)
{
	int64_t day;

	if (!sent_day(s, &day))
		return SEARCH_OPEN;
	return verdict(node->kind == IMAP_SEARCH_SENTBEFORE ? day < node->days
		       : node->kind == IMAP_SEARCH_SENTON   ? day == node->days
							    : day >= node->days);
}

/* ---- the tree; its depth is bounded by IMAP_SEARCH_DEPTH_MAX ---- */

static enum search_verdict decide(struct search *s, const struct imap_search *node);

static enum search_verdict all(struct search *s, const struct imap_search *node)
{
	enum search_verdict result = SEARCH_YES;

	for (const struct imap_search *child = node->first; child; child = child->next) {
		enum search_verdict v = decide(s, child);

		if (v == SEARCH_NO)
			return SEARCH_NO;
		if (v == SEARCH_OPEN)
			result = SEARCH_OPEN;
	}
	return result;
}

static enum search_verdict any(struct search *s, const struct imap_search *node)
{
	enum search_verdict result = SEARCH_NO;

	for (const struct imap_search *child = node->first; child; child = child->next) {
		enum search_verdict v = decide(s, child);

		if (v == SEARCH_YES)
			return SEARCH_YES;
		if (v == SEARCH_OPEN)
			result = SEARCH_OPEN;
	}
	return result;
}

static enum search_verdict not(struct search * s, const struct imap_search *node) {
	enum search_verdict v = any(s, node);

	return v == SEARCH_OPEN ? SEARCH_OPEN : verdict(v == SEARCH_NO);
}

static enum search_verdict decide(struct search *s, const struct imap_search *node)
{
	const struct box_row *row = s->row;
	int64_t day = day_of(row->internaldate_s);

	switch (node->kind) {
	case IMAP_SEARCH_ALL:
		return SEARCH_YES;
	case IMAP_SEARCH_AND:
		return all(s, node);
	case IMAP_SEARCH_OR:
		return any(s, node);
	case IMAP_SEARCH_NOT:
		return not(s, node);
	case IMAP_SEARCH_NUMBERS:
		return SEARCH_NO; /* imapd turned them into UIDs */
	case IMAP_SEARCH_UID:
		return verdict(imap_set_has(&node->set, row->uid));
	case IMAP_SEARCH_FLAG:
		return verdict((row->flags & node->number) != 0);
	case IMAP_SEARCH_KEYWORD:
		return verdict(has_keyword(row->keywords, node->text));
	case IMAP_SEARCH_BEFORE:
		return verdict(day < node->days);
	case IMAP_SEARCH_ON:
		return verdict(day == node->days);
	case IMAP_SEARCH_SINCE:
		return verdict(day >= node->days);
	case IMAP_SEARCH_SENTBEFORE:
	case IMAP_SEARCH_SENTON:
	case IMAP_SEARCH_SENTSINCE:
		return sent(s, node);
	case IMAP_SEARCH_SAVEDBEFORE:
		return verdict(day_of(row->savedate_s) < node->days);
	case IMAP_SEARCH_SAVEDON:
		return verdict(day_of(row->savedate_s) == node->days);
	case IMAP_SEARCH_SAVEDSINCE:
		return verdict(day_of(row->savedate_s) >= node->days);
	case IMAP_SEARCH_EMAILID:
		return verdict(is_message(row, node->text));
	case IMAP_SEARCH_THREADID:
		return thread(s, node->text);
	case IMAP_SEARCH_OLDER:
		return verdict(s->now_s - row->internaldate_s >= (int64_t)node->number);
	case IMAP_SEARCH_YOUNGER:
		return verdict(s->now_s - row->internaldate_s <= (int64_t)node->number);
	case IMAP_SEARCH_LARGER:
		return verdict(row->size_bytes > node->number);
	case IMAP_SEARCH_SMALLER:
		return verdict(row->size_bytes < node->number);
	case IMAP_SEARCH_MODSEQ:
		return verdict(row->modseq >= node->number);
	case IMAP_SEARCH_HEADER:
		return header(s, node);
	case IMAP_SEARCH_BODY:
	case IMAP_SEARCH_TEXT:
		return text(s, node);
	}
	abort();
}

enum search_verdict search_decide(struct search *s)
{
	s->scanned = false;
	return decide(s, s->root);
}
