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

/* The program has to be well-formed, as mailbox.def says. */
static void with_program(struct box_store *b, struct view text, void (*use)(void *ctx, const struct imap_search *root),
			 void *ctx)
{
	struct imap_reader reader;
	struct imap_search_program program;
	struct arena arena;
	const char *error = "";
	size_t used;
	enum imap_read read;
	bool parsed;

	buf_reset(&b->program);
	buf_append_view(&b->program, text);
	buf_reset(&b->search_text);
	buf_printf(&b->search_text, "a SEARCH %.*s\r\n", VIEW_FMT(text));
	imap_reader_init(&reader, &imap_reader_limits_default);
	arena_init(&arena, 1 << 20);
	read = imap_reader_next(&reader, buf_view(&b->search_text), &used);
	parsed = read == IMAP_READ_COMMAND && imap_search_parse(reader.command.args, &arena, &program, &error);
	if (!parsed)
		fprintf(stderr, "search program: %.*s: %s\n", VIEW_FMT(text), error);
	assert(parsed);
	use(ctx, program.root);
	imap_reader_fini(&reader);
	arena_fini(&arena);
}

struct question {
	struct box_store *b;
	uint32_t id;
	const struct box *box;
	const struct mailbox_search *search;
	const struct mailbox_sort *sort;
	const struct mailbox_thread *thread;
};

static void answer_search(void *ctx, const struct imap_search *root)
{
	struct question *q = ctx;

	send_matches(q->b, q->id, q->box, q->search, root);
}

void box_search(struct box_store *b, uint32_t id, const struct box *box, const struct mailbox_search *m)
{
	with_program(b, m->program, answer_search, &(struct question){b, id, box, .search = m});
}

static bool is_found(const struct box_message *m, const struct mailbox_range *ranges, uint32_t n, bool expunged,
		     const struct imap_search *root)
{
	return (expunged || !m->expunged) && box_in_ranges(ranges, n, m->uid) && key_matches(root, m);
}

/* By whatever was asked for: the last comes first. */
static void answer_sort(void *ctx, const struct imap_search *root)
{
	struct question *q = ctx;
	const struct mailbox_sort *m = q->sort;
	struct mailbox_number *uids = xcalloc(q->box->n + 1, sizeof *uids);
	struct mailbox_sorted sorted = {.uids = uids, .highestmodseq = q->box->modseq};

	for (uint32_t i = q->box->n; i > 0; i--)
		if (is_found(&q->box->messages[i - 1], m->ranges, m->n_ranges, m->expunged, root))
			uids[sorted.n_uids++].number = q->box->messages[i - 1].uid;
	(void)mailbox_send_sorted(q->b->channel, q->id, &sorted);
	free(uids);
}

void box_sort(struct box_store *b, uint32_t id, const struct box *box, const struct mailbox_sort *m)
{
	with_program(b, m->program, answer_sort, &(struct question){b, id, box, .sort = m});
}

/* Each message is a thread. */
static void answer_thread(void *ctx, const struct imap_search *root)
{
	struct question *q = ctx;
	const struct mailbox_thread *m = q->thread;
	struct mailbox_number *tokens = xcalloc(3 * (size_t)q->box->n + 1, sizeof *tokens);
	struct mailbox_threads threads = {.tokens = tokens, .highestmodseq = q->box->modseq};

	for (uint32_t i = 0; i < q->box->n; i++) {
		if (!is_found(&q->box->messages[i], m->ranges, m->n_ranges, m->expunged, root))
			continue;
		tokens[threads.n_tokens++].number = 0;
		tokens[threads.n_tokens++].number = q->box->messages[i].uid;
		tokens[threads.n_tokens++].number = UINT32_MAX;
	}
	(void)mailbox_send_threads(q->b->channel, q->id, &threads);
	free(tokens);
}

void box_thread(struct box_store *b, uint32_t id, const struct box *box, const struct mailbox_thread *m)
{
	with_program(b, m->program, answer_thread, &(struct question){b, id, box, .thread = m});
}
