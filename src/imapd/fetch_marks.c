/* SPDX-License-Identifier: ISC
 * FETCH responses of nothing but flags, UIDs and modseqs: what clients ask of whole mailboxes. */
#include "imapd/fetch.h"

#include "imapd/selected.h"

#include <string.h>

enum {
	WANT_FLAGS = 1 << 0, /* `fields` of rows_want (msgs/mailbox.def) */
	WANT_MODSEQ = 1 << 1,
	WANT_MARKS = 1 << 13,
	LINE_BYTES =
	    160, /* of a response without its keywords: 20 digits each for two numbers, 10 for a third, and words */
};

uint32_t fetch_marks_fields(const struct fetch *f)
{
	const uint32_t items = IMAP_FETCH_UID | IMAP_FETCH_FLAGS | IMAP_FETCH_MODSEQ;

	if (f->marks_seen || f->args.sections || f->args.items & ~items ||
	    f->fields & (uint32_t) ~(WANT_FLAGS | WANT_MODSEQ))
		return f->fields;
	return f->fields | WANT_MARKS;
}

/* The last flags, as they are written: mostly the next message has the same. */
struct flags_text {
	bool valid;
	uint32_t flags;
	struct view keywords;
	struct buf text;
};

static struct view flags_text(struct flags_text *t, const struct mailbox_mark *m)
{
	if (t->valid && t->flags == m->flags && view_eq(t->keywords, m->keywords))
		return buf_view(&t->text);
	buf_reset(&t->text);
	selected_format_flags(&t->text, m->flags, m->keywords);
	*t = (struct flags_text){true, m->flags, m->keywords, t->text};
	return buf_view(&t->text);
}

static char *put_text(char *to, struct view text)
{
	memcpy(to, text.p, text.n);
	return to + text.n;
}

static char *put_number(char *to, uint64_t number)
{
	char digits[20]; /* 2^64 has 20 digits */
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	return put_text(to, view_from(digits + at, sizeof digits - at));
}

static char *put_items(char *to, uint32_t items, const struct mailbox_mark *m, struct view flags)
{
	if (items & IMAP_FETCH_UID) {
		to = put_number(put_text(to, VIEW_LIT("UID ")), m->uid);
		*to++ = ' ';
	}
	if (items & IMAP_FETCH_FLAGS) {
		to = put_text(to, flags);
		*to++ = ' ';
	}
	if (items & IMAP_FETCH_MODSEQ)
		to = put_text(put_number(put_text(to, VIEW_LIT("MODSEQ (")), m->modseq), VIEW_LIT(") "));
	return to - (to[-1] == ' '); /* after the last one stands what ends the response */
}

static void write_mark(struct session *s, struct fetch *f, const struct mailbox_mark *m, struct flags_text *t)
{
	struct selected *x = s->selected;
	uint32_t seq = seqmap_seq(&x->map, m->uid);
	struct view flags = VIEW_EMPTY;
	char *from, *to;

	if (!seq || (m->expunged && f->args.changedsince)) /* only that it went is new, and that is told in its time */
		return;
	if (f->args.items & IMAP_FETCH_FLAGS)
		flags = flags_text(t, m);
	if (f->args.items & IMAP_FETCH_MODSEQ && m->modseq > x->latest && !m->expunged)
		x->latest = m->modseq; /* what came before it is to be told */
	from = buf_reserve(session_out(s), LINE_BYTES + flags.n);
	if (!from)
		return;
	to = put_number(put_text(from, VIEW_LIT("* ")), s->uidonly ? m->uid : seq);
	to = put_text(to, s->uidonly ? VIEW_LIT(" UIDFETCH (") : VIEW_LIT(" FETCH ("));
	to = put_text(put_items(to, f->args.items, m, flags), VIEW_LIT(")\r\n"));
	buf_commit(session_out(s), (size_t)(to - from));
	f->written++;
}

void fetch_marks_write(struct session *s, struct fetch *f, const struct mailbox_marks *m)
{
	struct flags_text t = {.text = BUF_INIT(LINE_BYTES + 65536)};
	struct selected_meeting met = {.session = s};

	for (uint32_t i = 0; i < m->n_marks; i++)
		selected_meet(&met, m->marks[i].uid, m->marks[i].keywords);
	selected_say_met(&met);
	for (uint32_t i = 0; i < m->n_marks; i++)
		write_mark(s, f, &m->marks[i], &t);
	buf_fini(&t.text);
}
