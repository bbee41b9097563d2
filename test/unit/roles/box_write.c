/* SPDX-License-Identifier: ISC
 * What the stored of the test does when it is asked to change mailboxes. */
#include "box_parts.h"

#include "mail/imap_flags.h"

#include <assert.h>
#include <stdlib.h>

bool box_has_keyword(struct view keywords, struct view word)
{
	struct view one;

	while (view_cut(keywords, ' ', &one, &keywords))
		if (view_eq_nocase(one, word))
			return true;
	return false;
}

static bool set_keywords(struct box_message *m, const struct mailbox_flags *w)
{
	struct buf result = BUF_INIT(BOX_KEYWORDS_BYTES);
	struct view rest = buf_view(&m->keywords), one;
	bool changed;

	while (w->mode != 0 && view_cut(rest, ' ', &one, &rest)) {
		bool named = false;

		for (uint32_t i = 0; i < w->n_keywords; i++)
			named = named || view_eq_nocase(w->keywords[i].word, one);
		if (w->mode == 1 || !named)
			buf_printf(&result, "%.*s ", VIEW_FMT(one));
	}
	for (uint32_t i = 0; w->mode != 2 && i < w->n_keywords; i++)
		if (!box_has_keyword(buf_view(&result), w->keywords[i].word))
			buf_printf(&result, "%.*s ", VIEW_FMT(w->keywords[i].word));
	changed = !view_eq(buf_view(&result), buf_view(&m->keywords));
	buf_fini(&m->keywords);
	m->keywords = result;
	return changed;
}

static bool set_flags(struct box_message *m, const struct mailbox_flags *w)
{
	uint32_t flags = w->mode == 0 ? w->flags : w->mode == 1 ? m->flags | w->flags : m->flags & ~w->flags;
	bool changed = flags != m->flags;

	m->flags = flags;
	return set_keywords(m, w) || changed;
}

/* The ranges of one frame. */
static struct mailbox_range *take(const struct box_ranges *r, uint32_t at, uint32_t max, uint32_t *ret_n)
{
	*ret_n = at >= r->n ? 0 : r->n - at < max ? r->n - at : max;
	return *ret_n ? r->at + at : NULL;
}

void box_write_flags(struct box_store *b, uint32_t id, struct box *box, const struct mailbox_flags *w)
{
	struct mailbox_flags_done answer = {.before = box->modseq};
	struct box_ranges modified = {0};
	bool any = false;

	b->flags_asked++;
	for (uint32_t i = 0; i < box->n; i++) {
		struct box_message *m = &box->messages[i];

		if (m->expunged || !box_in_ranges(w->ranges, w->n_ranges, m->uid))
			continue;
		if (m->modseq > w->unchanged_since) {
			box_ranges_add(&modified, m->uid);
		} else if (set_flags(m, w)) {
			m->modseq = box->modseq + 1;
			any = true;
		}
	}
	if (any)
		(void)box_begin_write(b, box);
	answer.commit = b->commit;
	answer.highestmodseq = box->modseq;
	if (any)
		box_notify(b, box);
	for (uint32_t at = 0; at == 0 || at < modified.n; at += b->answer_ranges) {
		answer.modified = take(&modified, at, b->answer_ranges, &answer.n_modified);
		answer.more = at + answer.n_modified < modified.n;
		(void)mailbox_send_flags_done(b->channel, id, &answer);
	}
	free(modified.at);
}

void box_write_expunge(struct box_store *b, uint32_t id, struct box *box, const struct mailbox_expunge *w)
{
	struct mailbox_expunged answer = {0};

	for (uint32_t i = 0; i < box->n; i++) {
		struct box_message *m = &box->messages[i];

		if (m->expunged || !box_in_ranges(w->ranges, w->n_ranges, m->uid) ||
		    !(w->all || (m->flags & IMAP_DELETED)))
			continue;
		m->expunged = true;
		m->modseq = box->modseq + 1;
		answer.count++;
	}
	if (answer.count) {
		(void)box_begin_write(b, box);
		box_notify(b, box);
	}
	answer.commit = b->commit;
	answer.highestmodseq = box->modseq;
	(void)mailbox_send_expunged(b->channel, id, &answer);
}

void box_write_copy(struct box_store *b, uint32_t id, struct box *box, const struct mailbox_copy *w)
{
	struct box *target = box_find_name(b, w->target);
	struct box_ranges sources = {0}, targets = {0};
	struct mailbox_copied answer = {0};
	uint32_t n = box->n;

	if (!target) {
		box_fail(b, id, 1);
		return;
	}
	(void)box_begin_write(b, target);
	if (w->move && target != box)
		(void)box_begin_write(b, box);
	for (uint32_t i = 0; i < n; i++) {
		struct box_message *m = &box->messages[i], *made;

		if (m->expunged || !box_in_ranges(w->ranges, w->n_ranges, m->uid))
			continue;
		made = box_add_message(b, target, buf_view(&m->bytes), m->flags);
		m = &box->messages[i]; /* box may be target */
		made->date_s = m->date_s;
		made->id = m->id;
		buf_append_view(&made->keywords, buf_view(&m->keywords));
		box_ranges_add(&sources, m->uid);
		box_ranges_add(&targets, made->uid);
		if (w->move) {
			m->expunged = true;
			m->modseq = box->modseq;
		}
	}
	answer = (struct mailbox_copied){.commit = b->commit, .target_uidvalidity = target->uidvalidity};
	box_notify(b, target);
	if (w->move && target != box)
		box_notify(b, box);
	for (uint32_t at = 0; at == 0 || at < sources.n || at < targets.n; at += b->answer_ranges) {
		answer.sources = take(&sources, at, b->answer_ranges, &answer.n_sources);
		answer.targets = take(&targets, at, b->answer_ranges, &answer.n_targets);
		answer.more = at + b->answer_ranges < sources.n || at + b->answer_ranges < targets.n;
		(void)mailbox_send_copied(b->channel, id, &answer);
	}
	free(sources.at);
	free(targets.at);
}

/* ---- append ---- */

static void begin_message(struct box_append *a, uint32_t flags, const struct mailbox_word *keywords, uint32_t n,
			  bool has_date, int64_t date_s)
{
	buf_reset(&a->bytes);
	buf_reset(&a->keywords);
	for (uint32_t i = 0; i < n; i++)
		buf_printf(&a->keywords, "%.*s ", VIEW_FMT(keywords[i].word));
	a->flags = flags;
	a->has_date = has_date;
	a->date_s = date_s;
}

void box_append(struct box_store *b, uint32_t id, const struct mailbox_append *m)
{
	struct box_append *a = &b->append;

	if (!box_find_name(b, m->name)) {
		box_fail(b, id, 1);
		return;
	}
	buf_reset(&a->name);
	buf_append_view(&a->name, m->name);
	begin_message(a, m->flags, m->keywords, m->n_keywords, m->has_date, m->internaldate_s);
	a->id = id;
	a->session = m->session;
	a->replace_mailbox = m->replace_mailbox;
	a->replace_uid = m->replace_uid;
}

void box_append_next(struct box_store *b, uint32_t id, const struct mailbox_append_next *m)
{
	struct box_append *a = &b->append;

	if (id != a->id)
		return;
	assert(b->before_count < BOX_APPENDS);
	b->before[b->before_count++] = *a;
	buf_init(&a->bytes, 64 << 20);
	buf_init(&a->keywords, BOX_KEYWORDS_BYTES);
	begin_message(a, m->flags, m->keywords, m->n_keywords, m->has_date, m->internaldate_s);
}

void box_append_piece(struct box_store *b, uint32_t id, const struct mailbox_data *m)
{
	if (id != b->append.id)
		return;
	buf_append_view(&b->append.bytes, m->bytes);
	if (!b->no_credit)
		(void)mailbox_send_more(b->channel, id, &(struct mailbox_more){(uint32_t)m->bytes.n});
}

static uint32_t add_appended(struct box_store *b, struct box *box, const struct box_append *a)
{
	struct box_message *m = box_add_message(b, box, buf_view(&a->bytes), a->flags);

	buf_append_view(&m->keywords, buf_view(&a->keywords));
	if (a->has_date)
		m->date_s = a->date_s;
	return m->uid;
}

void box_append_forget(struct box_store *b)
{
	b->append.id = 0;
	while (b->before_count) {
		struct box_append *a = &b->before[--b->before_count];

		buf_fini(&a->bytes);
		buf_fini(&a->keywords);
	}
}

static void replace(struct box_store *b, struct box *target)
{
	struct box *box = box_find_id(b, b->append.replace_mailbox);
	struct box_message *m = box_find(box, b->append.replace_uid);

	if (box != target)
		(void)box_begin_write(b, box);
	m->expunged = true;
	m->modseq = box->modseq;
	box_notify(b, box);
}

void box_append_end(struct box_store *b, uint32_t id)
{
	struct box_append *a = &b->append;
	struct box *box = box_find_name(b, buf_view(&a->name));
	struct mailbox_appended answer = {0};

	if (id != a->id)
		return;
	answer.uidvalidity = box->uidvalidity;
	answer.uid = box->uidnext;
	if (b->fail_code) {
		box_fail(b, id, (uint8_t)(b->fail_code - 1));
		b->fail_code = 0;
		box_append_forget(b);
		return;
	}
	(void)box_begin_write(b, box);
	for (size_t i = 0; i < b->before_count; i++)
		(void)add_appended(b, box, &b->before[i]);
	(void)add_appended(b, box, a);
	if (a->replace_uid)
		replace(b, box);
	answer.commit = b->commit;
	answer.count = (uint32_t)b->before_count + 1;
	box_append_forget(b);
	box_notify(b, box);
	(void)mailbox_send_appended(b->channel, id, &answer);
}
