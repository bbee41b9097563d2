/* SPDX-License-Identifier: ISC
 * STORE and UID STORE. What changed is told by what follows every command (sync.h). A silent write is not told, unless something
 * of others came in between: then only the flags as they are now can be trusted. */
#include "imapd/commands.h"
#include "imapd/selected.h"
#include "mail/imap_args.h"

#include <stdlib.h>

enum { SPANS_MAX = 8192 }; /* of one request */

struct store {
	struct imap_store args;
	struct mailbox_word *keywords;
	struct mailbox_range *spans;
	uint32_t n_spans, span_at;
	struct mailbox_range *modified; /* RFC 7162: passed over */
	uint32_t n_modified;
};

static void forget(struct command *c)
{
	struct store *store = c->state;

	free(store->modified);
}

static enum step ask(struct session *s, struct command *c, struct store *store)
{
	uint32_t left = store->n_spans - store->span_at, n = left < SPANS_MAX ? left : SPANS_MAX;
	struct mailbox_flags m = {
	    .session = s->conn.store_id,
	    .mailbox = s->selected->mailbox,
	    .ranges = store->spans + store->span_at,
	    .n_ranges = n,
	    .mode = (uint8_t)store->args.how,
	    .flags = store->args.flags.system,
	    .keywords = store->keywords,
	    .n_keywords = store->args.flags.keyword_count,
	    .unchanged_since = store->args.unchangedsince ? store->args.unchangedsince_modseq : UINT64_MAX,
	};

	store->span_at += n;
	return command_await_answer(c,
				    mailbox_call_flags(session_store(s), &m, STORE_DEADLINE_MS, command_on_answer, s));
}

static void keep_modified(struct store *store, const struct mailbox_flags_done *m)
{
	if (m->n_modified == 0)
		return;
	store->modified = xrealloc(store->modified, (store->n_modified + m->n_modified) * sizeof *store->modified);
	for (uint32_t i = 0; i < m->n_modified; i++)
		store->modified[store->n_modified++] = m->modified[i];
}

/* RFC 7162 §3.1.3: "[MODIFIED 7,9]", in the numbers of the command. */
static void format_modified(const struct session *s, struct command *c, const struct store *store)
{
	struct imap_set_writer w;

	buf_append_cstr(&c->text, "[MODIFIED ");
	imap_set_writer_init(&w, &c->text);
	for (uint32_t i = 0; i < store->n_modified; i++) {
		struct seqmap_span seqs;

		if (c->spec->flags & COMMAND_UID)
			imap_set_writer_add_span(&w, store->modified[i].first, store->modified[i].last);
		else if (seqmap_find(&s->selected->map, store->modified[i].first, store->modified[i].last, &seqs))
			imap_set_writer_add_span(&w, seqs.first, seqs.last);
	}
	imap_set_writer_end(&w);
	buf_append_cstr(&c->text, "] Conditional STORE did not do all");
}

static enum step answered(struct session *s, struct command *c, struct store *store)
{
	const struct mailbox_flags_done *m;

	if (!c->answer || c->answer->type != MAILBOX_FLAGS_DONE)
		return command_failed(c, "[NONEXISTENT]");
	m = &c->answer->flags_done;
	keep_modified(store, m);
	if (m->more)
		return command_await(c, AWAIT_ANSWER);
	selected_wrote(s->selected, m->before, m->highestmodseq, store->args.silent && !s->condstore);
	if (store->span_at < store->n_spans)
		return ask(s, c, store);
	if (store->n_modified)
		format_modified(s, c, store);
	return STEP_DONE;
}

static bool take_keywords(struct command *c, struct store *store)
{
	const struct imap_flags *flags = &store->args.flags;

	store->keywords = arena_array(&c->arena, flags->keyword_count + 1, sizeof *store->keywords);
	if (!store->keywords)
		return false;
	for (uint32_t i = 0; i < flags->keyword_count; i++)
		store->keywords[i].word = flags->keywords[i];
	return true;
}

static enum step begin(struct session *s, struct command *c)
{
	struct store *store = command_state(c, sizeof *store);
	struct imap_set set;

	c->forget = forget;
	if (!command_set_arg(c, c->args, &set))
		return command_bad(c, "Not a set of messages");
	if (!imap_args_store(c->args->next, &c->arena, &store->args) || !take_keywords(c, store))
		return command_bad(c, "Not what STORE takes");
	if (store->args.flags.over_limit)
		return command_no(c, "[LIMIT]", "Too many keywords, or one is too long");
	if (!selected_resolve(s->selected, &set, (c->spec->flags & COMMAND_UID) != 0, &c->arena, &store->spans,
			      &store->n_spans))
		return command_bad(c, "There is no such message");
	if (s->selected->read_only)
		return command_no(c, "[READ-ONLY]", "The mailbox was opened for reading only");
	if (store->args.unchangedsince)
		session_enable_condstore(s);
	return store->n_spans ? ask(s, c, store) : STEP_DONE;
}

static enum step store_command(struct session *s, struct command *c)
{
	return c->state ? answered(s, c, c->state) : begin(s, c);
}

const struct command_spec cmd_store_table[] = {
    {"STORE", store_command, SESSION_SELECTED, COMMAND_NO_EXPUNGE | COMMAND_NUMBERS | COMMAND_SHOWS},
    {"UID STORE", store_command, SESSION_SELECTED, COMMAND_UID | COMMAND_SHOWS},
    {NULL, NULL, 0, 0},
};
