/* SPDX-License-Identifier: ISC
 * A search program made ready: parsed, its texts folded, the index asked for messages that may hold them. */
#include "stored/search.h"

#include "mail/imap_parse.h"

#include <stdlib.h>

static const struct imap_reader_limits reader_limits = {
    .line_bytes = 800 * 1024,
    .command_bytes = 4 * 1024 * 1024,
    .literal_bytes = 0,
    .skip_bytes = 0,
    .args = 16384,
    .depth = IMAP_SEARCH_DEPTH_MAX + 8,
};

enum {
	PROGRAM_MAX = 790 * 1024,
	TEXTS_MAX = 256, /* BODY and TEXT: each costs a nanosecond a byte of mail */
};

static bool is_text(const struct imap_search *node)
{
	return node->kind == IMAP_SEARCH_BODY || node->kind == IMAP_SEARCH_TEXT;
}

static bool is_term(const struct imap_search *node)
{
	return is_text(node) || node->kind == IMAP_SEARCH_HEADER;
}

/* What deciding the key takes: `*cheap` if it can be decided by it, else `*full`. */
static void fields_for(const struct imap_search *node, uint32_t *cheap, uint32_t *full)
{
	switch (node->kind) {
	case IMAP_SEARCH_FLAG:
	case IMAP_SEARCH_KEYWORD:
		*cheap |= ROW_FLAGS;
		break;
	case IMAP_SEARCH_BEFORE:
	case IMAP_SEARCH_ON:
	case IMAP_SEARCH_SINCE:
	case IMAP_SEARCH_OLDER:
	case IMAP_SEARCH_YOUNGER:
		*cheap |= ROW_INTERNALDATE;
		break;
	case IMAP_SEARCH_SAVEDBEFORE:
	case IMAP_SEARCH_SAVEDON:
	case IMAP_SEARCH_SAVEDSINCE:
		*cheap |= ROW_SAVEDATE;
		break;
	case IMAP_SEARCH_EMAILID:
		*cheap |= ROW_MESSAGE_ID;
		break;
	case IMAP_SEARCH_THREADID:
		*cheap |= ROW_MESSAGE_ID;
		*full |= ROW_HEADER;
		break;
	case IMAP_SEARCH_SENTBEFORE:
	case IMAP_SEARCH_SENTON:
	case IMAP_SEARCH_SENTSINCE:
		*cheap |= ROW_INTERNALDATE;
		*full |= ROW_HEADER;
		break;
	case IMAP_SEARCH_HEADER:
		*cheap |= ROW_MESSAGE_ID;
		*full |= ROW_HEADER;
		break;
	case IMAP_SEARCH_BODY:
	case IMAP_SEARCH_TEXT:
		*cheap |= ROW_MESSAGE_ID;
		*full |= ROW_HEADER | ROW_INDEX | ROW_MESSAGE | ROW_SIZE;
		break;
	case IMAP_SEARCH_LARGER:
	case IMAP_SEARCH_SMALLER:
		*cheap |= ROW_SIZE;
		break;
	case IMAP_SEARCH_MODSEQ:
		*cheap |= ROW_MODSEQ;
		break;
	case IMAP_SEARCH_ALL:
	case IMAP_SEARCH_AND:
	case IMAP_SEARCH_OR:
	case IMAP_SEARCH_NOT:
	case IMAP_SEARCH_NUMBERS:
	case IMAP_SEARCH_UID:
		break;
	}
	for (const struct imap_search *child = node->first; child; child = child->next)
		fields_for(child, cheap, full);
}

static void count(const struct imap_search *node, size_t *terms, size_t *texts)
{
	*terms += is_term(node);
	*texts += is_text(node);
	for (const struct imap_search *child = node->first; child; child = child->next)
		count(child, terms, texts);
}

/* UID sets as written become sets that can be asked. The tree is ours: imap_search_parse() made it in our arena. */
static void resolve_sets(const struct imap_search *node)
{
	if (node->kind == IMAP_SEARCH_UID)
		imap_set_resolve((struct imap_set *)&node->set, UINT32_MAX);
	for (const struct imap_search *child = node->first; child; child = child->next)
		resolve_sets(child);
}

static bool make_terms(struct search *s, const struct imap_search *node)
{
	if (is_term(node)) {
		enum search_where where = node->kind == IMAP_SEARCH_BODY ? SEARCH_IN_BODY : SEARCH_IN_TEXT;
		struct search_term *t = &s->terms[s->term_count++];

		t->node = node;
		t->key = is_text(node) ? &s->keys[s->key_count++] : arena_alloc(s->arena, sizeof *t->key);
		if (!t->key || !search_key_init(t->key, node->text, where, s->arena))
			return false;
	}
	for (const struct imap_search *child = node->first; child; child = child->next)
		if (!make_terms(s, child))
			return false;
	return true;
}

static int compare_terms(const void *a, const void *b)
{
	const struct search_term *x = a, *y = b;

	return x->node < y->node ? -1 : x->node > y->node;
}

struct search_term *search_term_of(const struct search *s, const struct imap_search *node)
{
	const struct search_term wanted = {.node = node};

	return bsearch(&wanted, s->terms, s->term_count, sizeof wanted, compare_terms);
}

enum store_outcome search_parse(struct search *s)
{
	struct buf text = BUF_INIT(PROGRAM_MAX);
	struct imap_search_program program;
	size_t terms = 0, texts = 0, used;
	const char *error;
	bool ok;

	buf_append_cstr(&text, "s SEARCH ");
	buf_append_view(&text, s->program);
	buf_append_cstr(&text, "\r\n");
	imap_reader_init(&s->reader, &reader_limits);
	s->begun = true;
	ok = !text.overflow && imap_reader_next(&s->reader, buf_view(&text), &used) == IMAP_READ_COMMAND &&
	     imap_search_parse(s->reader.command.args, s->arena, &program, &error);
	buf_fini(&text);
	if (!ok)
		return STORE_BAD_REQUEST;
	s->root = program.root;
	resolve_sets(s->root);
	count(s->root, &terms, &texts);
	if (texts > TEXTS_MAX)
		return STORE_LIMIT;
	s->terms = arena_array(s->arena, terms, sizeof *s->terms);
	s->keys = arena_array(s->arena, texts, sizeof *s->keys);
	if (!s->terms || !s->keys || !make_terms(s, s->root))
		return STORE_BAD_REQUEST;
	if (s->term_count)
		qsort(s->terms, s->term_count, sizeof *s->terms, compare_terms);
	fields_for(s->root, &s->cheap, &s->full);
	s->full |= s->cheap;
	return STORE_OK;
}

/* Fields of the sender's header block, never of our prefix in front of it: the prefix is not in the index. */
static bool is_indexed_field(struct view name)
{
	static const char *const names[] = {"Message-ID",   "In-Reply-To", "References", "Reply-To",     "Sender",
					    "List-Id",      "List-Post",   "User-Agent", "X-Mailer",     "Organization",
					    "Content-Type", "X-Priority",  "Importance", "Mime-Version", "Keywords"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (view_eq_lit_nocase(name, names[i]))
			return true;
	return false;
}

void search_narrow(struct search *s)
{
	enum { TERMS_MAX = 16 }; /* of one program: each takes memory */
	size_t n = 0;

	s->indexed = s->full != s->cheap ? search_indexed(s->r, s->account, s->mailbox) : 0;
	for (size_t i = 0; s->indexed && i < s->term_count && n < TERMS_MAX; i++) {
		struct search_term *t = &s->terms[i];

		if (t->key->folded.n < 3 || (!is_text(t->node) && !is_indexed_field(t->node->name)))
			continue;
		t->narrowed = search_candidates(s->r, s->account, t->key->folded, s->arena, &t->candidates);
		n++;
	}
}
