/* SPDX-License-Identifier: ISC
 * What names in a Maildir say, and the small files beside the mail. */
#include "mail/maildir.h"

#include "mail/imap_mailbox.h"

/* ---- files ---- */

static size_t find_flags(struct view name)
{
	for (size_t i = 0; i + 2 < name.n; i++)
		if ((name.p[i] == ':' || name.p[i] == ';' || name.p[i] == '!') && name.p[i + 1] == '2' &&
		    name.p[i + 2] == ',')
			return i;
	return name.n;
}

void maildir_name_parse(struct view name, struct maildir_name *ret)
{
	size_t at = find_flags(name);

	*ret = (struct maildir_name){.unique = view_sub(name, 0, at)};
	for (size_t i = at + 3; i < name.n; i++) {
		char c = name.p[i];

		ret->seen |= c == 'S';
		ret->answered |= c == 'R';
		ret->flagged |= c == 'F';
		ret->deleted |= c == 'T';
		ret->draft |= c == 'D';
		ret->passed |= c == 'P';
		if (c >= 'a' && c <= 'z')
			ret->letters |= 1U << (c - 'a');
	}
}

void maildir_flags_format(struct buf *out, const struct maildir_name *n)
{
	const struct {
		bool on;
		char letter;
	} flags[] = {{n->draft, 'D'},    {n->flagged, 'F'}, {n->passed, 'P'},
		     {n->answered, 'R'}, {n->seen, 'S'},    {n->deleted, 'T'}};

	buf_append_cstr(out, ":2,");
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (flags[i].on)
			buf_append_char(out, flags[i].letter);
	for (unsigned i = 0; i < MAILDIR_KEYWORDS_MAX; i++)
		if (n->letters & 1U << i)
			buf_append_char(out, (char)('a' + (int)i));
}

/* ---- folders ---- */

bool maildir_folder_parse(struct view name, struct buf *out)
{
	struct buf wire = BUF_INIT(4096);
	bool ok;

	if (name.n < 2 || name.p[0] != '.' || name.p[1] == '.')
		return false;
	for (size_t i = 1; i < name.n; i++)
		buf_append_char(&wire, name.p[i] == '.' ? '/' : name.p[i]);
	ok = imap_mailbox_parse(buf_view(&wire), false, out);
	if (!ok) { /* "R&D": not modified UTF-7 after all */
		buf_reset(out);
		ok = imap_mailbox_parse(buf_view(&wire), true, out);
	}
	buf_fini(&wire);
	return ok && !out->overflow;
}

bool maildir_folder_format(struct view folder, struct buf *out)
{
	struct buf wire = BUF_INIT(4096);
	bool ok = imap_mailbox_to_utf7(folder, &wire) && wire.n < 250;

	buf_append_char(out, '.');
	for (size_t i = 0; ok && i < wire.n; i++) {
		ok = wire.p[i] != '.';
		buf_append_char(out, wire.p[i] == '/' ? '.' : wire.p[i]);
	}
	buf_fini(&wire);
	return ok;
}

/* ---- dovecot-keywords ---- */

static struct view next_line(struct view *file)
{
	struct view line;

	if (!view_cut(*file, '\n', &line, file)) {
		line = *file;
		*file = VIEW_EMPTY;
	}
	return line.n > 0 && line.p[line.n - 1] == '\r' ? view_sub(line, 0, line.n - 1) : line;
}

bool maildir_keyword_next(struct view *file, uint32_t *ret_letter, struct view *ret_word)
{
	while (file->n > 0) {
		struct view number, word, line = next_line(file);

		if (view_cut(line, ' ', &number, &word) && view_to_u32(number, MAILDIR_KEYWORDS_MAX - 1, ret_letter) &&
		    word.n > 0) {
			*ret_word = word;
			return true;
		}
	}
	return false;
}

/* ---- dovecot-uidlist ---- */

static bool next_word(struct view *line, struct view *ret)
{
	if (line->n == 0)
		return false;
	if (!view_cut(*line, ' ', ret, line)) {
		*ret = *line;
		*line = VIEW_EMPTY;
	}
	return true;
}

bool maildir_uidlist_init(struct maildir_uidlist *l, struct view file)
{
	struct view line, word;

	*l = (struct maildir_uidlist){.rest = file};
	line = next_line(&l->rest);
	if (!next_word(&line, &word) || !view_to_u32(word, 9, &l->version) || (l->version != 1 && l->version != 3))
		return false;
	for (unsigned i = 0; next_word(&line, &word); i++) {
		if (l->version == 1 && i < 2)
			(void)!view_to_u32(word, UINT32_MAX, i == 0 ? &l->uidvalidity : &l->uidnext);
		else if (word.n > 1 && word.p[0] == 'V')
			(void)!view_to_u32(view_sub(word, 1, word.n), UINT32_MAX, &l->uidvalidity);
		else if (word.n > 1 && word.p[0] == 'N')
			(void)!view_to_u32(view_sub(word, 1, word.n), UINT32_MAX, &l->uidnext);
	}
	return true;
}

static bool read_entry(struct view line, struct maildir_uid *ret)
{
	struct view word;
	struct maildir_name name;

	*ret = (struct maildir_uid){0};
	if (!next_word(&line, &word) || !view_to_u32(word, UINT32_MAX, &ret->uid) || ret->uid == 0)
		return false;
	/* What is left of the line: extensions, then ":name"; in version 1 the name alone. */
	while (line.n > 0 && line.p[0] != ':') {
		struct view before = line;

		if (!next_word(&line, &word))
			return false;
		if (line.n == 0) { /* the last word: the name of version 1 */
			line = before;
			break;
		}
		if (word.n > 1 && word.p[0] == 'P')
			ret->uidl = view_sub(word, 1, word.n);
	}
	if (line.n > 0 && line.p[0] == ':')
		line = view_sub(line, 1, line.n);
	maildir_name_parse(line, &name);
	ret->name = name.unique;
	return ret->name.n > 0;
}

bool maildir_uidlist_next(struct maildir_uidlist *l, struct maildir_uid *ret)
{
	while (l->rest.n > 0)
		if (read_entry(next_line(&l->rest), ret))
			return true;
	return false;
}
