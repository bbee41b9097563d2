/* SPDX-License-Identifier: ISC
 * The tree of mailbox names, and what LIST and LSUB answer from it. */
#include "imapd/folders.h"

#include "mail/imap_args.h"
#include "mail/imap_mailbox.h"

#include <stdlib.h>
#include <string.h>

void folders_init(struct folders *f, struct arena *arena)
{
	*f = (struct folders){.arena = arena};
}

void folders_fini(struct folders *f)
{
	free(f->at);
	f->at = NULL;
	f->n = f->cap = 0;
}

static void push(struct folders *f, struct view name, uint32_t attributes)
{
	if (f->n == f->cap) {
		f->cap = f->cap ? f->cap * 2 : 64;
		f->at = xrealloc(f->at, f->cap * sizeof *f->at);
	}
	f->at[f->n++] = (struct folder){.name = name, .attributes = attributes};
}

bool folders_add(struct folders *f, struct view name, uint32_t attributes)
{
	struct view copy = arena_copy(f->arena, name);

	if (!copy.p)
		return false;
	push(f, copy, attributes);
	return true;
}

/* "/" sorts before everything, so that what is below a name follows it at once. */
static int weight(char c)
{
	return c == '/' ? -1 : (unsigned char)c;
}

static int compare(const void *a, const void *b)
{
	struct view x = ((const struct folder *)a)->name, y = ((const struct folder *)b)->name;
	size_t i = 0;

	while (i < x.n && i < y.n && x.p[i] == y.p[i])
		i++;
	if (i < x.n && i < y.n)
		return weight(x.p[i]) < weight(y.p[i]) ? -1 : 1;
	return x.n == y.n ? 0 : i == x.n ? -1 : 1;
}

static bool is_below(struct view name, struct view parent)
{
	return name.n > parent.n && name.p[parent.n] == '/' && view_starts_with(name, parent);
}

/* For each level above a name that the name before it does not have. */
static void add_missing_parents(struct folders *f)
{
	uint32_t given = f->n;

	for (uint32_t i = 0; i < given; i++) {
		struct view name = f->at[i].name, before = i ? f->at[i - 1].name : VIEW_EMPTY;

		for (size_t n = 1; n < name.n; n++) {
			struct view parent = view_sub(name, 0, n);

			if (name.p[n] == '/' && !view_eq(before, parent) && !is_below(before, parent))
				push(f, parent, FOLDER_MISSING);
		}
	}
}

static void count_below(struct folders *f)
{
	for (uint32_t i = 0; i < f->n; i++) {
		struct folder *folder = &f->at[i];

		while (i + folder->below + 1 < f->n && is_below(f->at[i + folder->below + 1].name, folder->name))
			folder->below++;
	}
}

void folders_arrange(struct folders *f)
{
	if (f->n == 0)
		return;
	qsort(f->at, f->n, sizeof *f->at, compare);
	add_missing_parents(f);
	qsort(f->at, f->n, sizeof *f->at, compare);
	count_below(f);
}

static bool matches(const struct folder *folder, const struct folder_query *q)
{
	if (folder->match != FOLDER_MATCH_UNKNOWN)
		return folder->match == FOLDER_MATCHES;
	for (uint32_t i = 0; i < q->pattern_count; i++)
		if (imap_mailbox_match(q->patterns[i], folder->name))
			return true;
	return false;
}

void folders_match(struct folders *f, uint32_t i, const struct folder_query *q)
{
	f->at[i].match = matches(&f->at[i], q) ? FOLDER_MATCHES : FOLDER_MATCHES_NOT;
}

/* "Selection criteria" of RFC 5258 §3. */
static bool is_selected(const struct folder *folder, const struct folder_query *q)
{
	uint32_t has = folder->attributes;

	if ((q->select & IMAP_LIST_SPECIAL_USE) && !(has & FOLDER_SPECIAL_USE))
		return false;
	if (q->select & IMAP_LIST_SUBSCRIBED)
		return (has & FOLDER_SUBSCRIBED) != 0;
	return !(has & FOLDER_MISSING);
}

static bool has_selected_below(const struct folders *f, uint32_t i, const struct folder_query *q, bool unmatched)
{
	for (uint32_t j = i + 1; j <= i + f->at[i].below; j++)
		if (is_selected(&f->at[j], q) && !(unmatched && matches(&f->at[j], q)))
			return true;
	return false;
}

/* A name that is not selected shows when something selected is below it that does not show itself (RFC 5258 §3.3, and
 * RFC 3501 §6.3.8 and §6.3.9 of "%"). */
static bool is_shown(const struct folders *f, uint32_t i, const struct folder_query *q)
{
	const uint32_t wants_parents = IMAP_LIST_RECURSIVEMATCH;

	if (!matches(&f->at[i], q))
		return false;
	if (is_selected(&f->at[i], q))
		return true;
	if (q->select && !q->lsub && !(q->select & wants_parents))
		return false;
	return has_selected_below(f, i, q, true);
}

static bool has_children(const struct folders *f, uint32_t i)
{
	for (uint32_t j = i + 1; j <= i + f->at[i].below; j++)
		if (!(f->at[j].attributes & FOLDER_MISSING))
			return true;
	return false;
}

static void put_word(struct buf *out, const char *word)
{
	if (out->n && out->p[out->n - 1] != '(')
		buf_append_char(out, ' ');
	buf_append_cstr(out, word);
}

static void put_existence(const struct folder *folder, const struct folder_query *q, struct buf *out)
{
	bool missing = (folder->attributes & FOLDER_MISSING) != 0;

	if (q->lsub) {
		if (!(folder->attributes & FOLDER_SUBSCRIBED))
			put_word(out, "\\Noselect");
		return;
	}
	if (missing && q->extended)
		put_word(out, "\\NonExistent");
	if (missing || (folder->attributes & FOLDER_NOSELECT))
		put_word(out, "\\Noselect");
}

static void put_attributes(const struct folder *folder, bool children, const struct folder_query *q, struct buf *out)
{
	static const struct {
		uint32_t bit;
		const char *word;
	} uses[] = {
	    {FOLDER_DRAFTS, "\\Drafts"}, {FOLDER_SENT, "\\Sent"},       {FOLDER_JUNK, "\\Junk"},
	    {FOLDER_TRASH, "\\Trash"},   {FOLDER_ARCHIVE, "\\Archive"}, {FOLDER_FLAGGED, "\\Flagged"},
	    {FOLDER_ALL, "\\All"},
	};

	put_existence(folder, q, out);
	put_word(out, children ? "\\HasChildren" : "\\HasNoChildren");
	if (((q->select & IMAP_LIST_SUBSCRIBED) || (q->returns & IMAP_LIST_RETURN_SUBSCRIBED)) && !q->lsub &&
	    (folder->attributes & FOLDER_SUBSCRIBED))
		put_word(out, "\\Subscribed");
	for (size_t u = 0; u < ARRAY_LEN(uses); u++)
		if (folder->attributes & uses[u].bit)
			put_word(out, uses[u].word);
}

/* RFC 5258 §3.5 */
static void put_childinfo(const struct folders *f, uint32_t i, const struct folder_query *q, struct buf *out)
{
	if (!(q->select & IMAP_LIST_RECURSIVEMATCH) || !has_selected_below(f, i, q, false))
		return;
	buf_append_cstr(out, " (\"CHILDINFO\" (");
	if (q->select & IMAP_LIST_SUBSCRIBED)
		put_word(out, "\"SUBSCRIBED\"");
	if (q->select & IMAP_LIST_SPECIAL_USE)
		put_word(out, "\"SPECIAL-USE\"");
	buf_append_cstr(out, "))");
}

bool folders_answer(const struct folders *f, uint32_t i, const struct folder_query *q, struct buf *out)
{
	if (!is_shown(f, i, q))
		return false;
	buf_append_cstr(out, q->lsub ? "* LSUB (" : "* LIST (");
	put_attributes(&f->at[i], has_children(f, i), q, out);
	buf_append_cstr(out, ") \"/\" ");
	imap_mailbox_format(out, f->at[i].name, q->utf8);
	put_childinfo(f, i, q, out);
	buf_append_cstr(out, "\r\n");
	return true;
}

void folders_tell(struct buf *out, struct view name, uint32_t attributes, bool children, struct view old_name,
		  bool utf8)
{
	const struct folder folder = {.name = name, .attributes = attributes};
	const struct folder_query q = {.extended = true, .returns = IMAP_LIST_RETURN_SUBSCRIBED};

	buf_append_cstr(out, "* LIST (");
	put_attributes(&folder, children, &q, out);
	buf_append_cstr(out, ") \"/\" ");
	imap_mailbox_format(out, name, utf8);
	if (old_name.n) {
		buf_append_cstr(out, " (\"OLDNAME\" (");
		imap_mailbox_format(out, old_name, utf8);
		buf_append_cstr(out, "))");
	}
	buf_append_cstr(out, "\r\n");
}
