/* SPDX-License-Identifier: ISC
 * How the stored of the test searches: flags, keywords, UIDs, sizes and the raw text. */
#include "box_parts.h"

#include "mail/imap_parse.h"
#include "mail/imap_search.h"
#include "mail/objectid.h"
#include "mail/thread_id.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static bool in_set(const struct imap_set *set, uint32_t uid)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (uid >= set->spans[i].first && uid <= set->spans[i].last)
			return true;
	return false;
}

static bool finds(struct view text, struct view needle)
{
	for (size_t i = 0; i + needle.n <= text.n; i++)
		if (view_eq_nocase(view_sub(text, i, needle.n), needle))
			return true;
	return false;
}

static bool is_in_thread(const struct box_message *m, struct view threadid)
{
	struct buf name = BUF_INIT(64);
	bool same;

	thread_id_format(&name, view_sub(buf_view(&m->bytes), 0, m->header_bytes), m->id);
	same = view_eq(buf_view(&name), threadid);
	buf_fini(&name);
	return same;
}

static bool key_matches(const struct imap_search *k, const struct box_message *m)
{
	struct view text = buf_view(&m->bytes);
	uint64_t id;

	switch ((int)k->kind) {
	case IMAP_SEARCH_ALL:
		return true;
	case IMAP_SEARCH_AND:
		for (const struct imap_search *at = k->first; at; at = at->next)
			if (!key_matches(at, m))
				return false;
		return true;
	case IMAP_SEARCH_OR:
		return key_matches(k->first, m) || key_matches(k->first->next, m);
	case IMAP_SEARCH_NOT:
		return !key_matches(k->first, m);
	case IMAP_SEARCH_UID:
		return in_set(&k->set, m->uid);
	case IMAP_SEARCH_FLAG:
		return (m->flags & k->number) != 0;
	case IMAP_SEARCH_KEYWORD:
		return box_has_keyword(buf_view(&m->keywords), k->text);
	case IMAP_SEARCH_LARGER:
		return text.n > k->number;
	case IMAP_SEARCH_SMALLER:
		return text.n < k->number;
	case IMAP_SEARCH_MODSEQ:
		return m->modseq >= k->number;
	case IMAP_SEARCH_EMAILID:
		return objectid_parse(k->text, OBJECTID_MESSAGE, &id) && id == m->id;
	case IMAP_SEARCH_THREADID:
		return is_in_thread(m, k->text);
	case IMAP_SEARCH_SAVEDBEFORE:
		return BOX_SAVEDATE_S / 86400 < k->days;
	case IMAP_SEARCH_SAVEDON:
		return BOX_SAVEDATE_S / 86400 == k->days;
	case IMAP_SEARCH_SAVEDSINCE:
		return BOX_SAVEDATE_S / 86400 >= k->days;
	case IMAP_SEARCH_HEADER:
		return finds(view_sub(text, 0, m->header_bytes), k->text);
	case IMAP_SEARCH_BODY:
	case IMAP_SEARCH_TEXT:
		return finds(text, k->text);
	default:
		return false; /* dates: not known here */
	}
}

static void send_matches(struct box_store *b, uint32_t id, const struct box *box, const struct mailbox_search *m,
			 const struct imap_search *root)
{
	struct box_ranges found = {0};
	struct mailbox_matches answer = {0};

	for (uint32_t i = 0; i < box->n; i++) {
		const struct box_message *message = &box->messages[i];

		if (message->expunged || !box_in_ranges(m->ranges, m->n_ranges, message->uid) ||
		    !key_matches(root, message))
			continue;
		box_ranges_add(&found, message->uid);
		if (message->modseq > answer.highestmodseq)
			answer.highestmodseq = message->modseq;
	}
	for (uint32_t at = 0; at == 0 || at < found.n; at += b->page_ranges) {
		answer.ranges = found.n ? found.at + at : NULL;
		answer.n_ranges = found.n - at < b->page_ranges ? found.n - at : b->page_ranges;
		answer.more = at + answer.n_ranges < found.n;
		(void)mailbox_send_matches(b->channel, id, &answer);
	}
	free(found.at);
}

/* The program has to be what a client might have sent. */
void box_search(struct box_store *b, uint32_t id, const struct box *box, const struct mailbox_search *m)
{
	struct imap_reader reader;
	struct imap_search_program program;
	struct arena arena;
	const char *error = "";
	size_t used;
	enum imap_read read;
	bool parsed;

	buf_reset(&b->program);
	buf_append_view(&b->program, m->program);
	buf_reset(&b->search_text);
	buf_printf(&b->search_text, "a SEARCH %.*s\r\n", VIEW_FMT(m->program));
	imap_reader_init(&reader, &imap_reader_limits_default);
	arena_init(&arena, 1 << 20);
	read = imap_reader_next(&reader, buf_view(&b->search_text), &used);
	parsed = read == IMAP_READ_COMMAND && imap_search_parse(reader.command.args, &arena, &program, &error);
	if (!parsed)
		fprintf(stderr, "search program: %.*s: %s\n", VIEW_FMT(m->program), error);
	assert(parsed);
	send_matches(b, id, box, m, program.root);
	imap_reader_fini(&reader);
	arena_fini(&arena);
}
