/* SPDX-License-Identifier: ISC
 * Annotations in the stored of the test; two to a page. */
#include "box_parts.h"

#include <assert.h>

enum { PAGE = 2 };

static struct box_annotation *find(struct box_store *b, struct view box, struct view entry)
{
	for (size_t i = 0; i < b->annotation_count; i++)
		if (view_eq(buf_view(&b->annotations[i].box), box) &&
		    view_eq(buf_view(&b->annotations[i].entry), entry))
			return &b->annotations[i];
	return NULL;
}

static struct box_annotation *next(struct box_store *b, struct view box, struct view after)
{
	struct box_annotation *least = NULL;

	for (size_t i = 0; i < b->annotation_count; i++) {
		struct box_annotation *a = &b->annotations[i];

		if (view_eq(buf_view(&a->box), box) && view_cmp(buf_view(&a->entry), after) > 0 &&
		    (!least || view_cmp(buf_view(&a->entry), buf_view(&least->entry)) < 0))
			least = a;
	}
	return least;
}

void box_annotations(struct box_store *b, uint32_t id, const struct mailbox_annotations_want *m)
{
	struct mailbox_annotation page[PAGE];
	struct mailbox_annotations answer = {.annotations = page};
	const struct box *box = box_find_name(b, m->name);
	struct view after = m->entry_after;
	struct box_annotation *a;

	if (m->name.n && !box) {
		box_fail(b, id, 1);
		return;
	}
	while (answer.n_annotations < PAGE && (a = next(b, m->name, after))) {
		after = buf_view(&a->entry);
		page[answer.n_annotations++] = (struct mailbox_annotation){after, buf_view(&a->value)};
	}
	answer.more = next(b, m->name, after) != NULL;
	answer.special_use = box ? box->attributes & 0xfe : 0;
	(void)mailbox_send_annotations(b->channel, id, &answer);
}

static void drop(struct box_store *b, struct box_annotation *a)
{
	buf_fini(&a->box);
	buf_fini(&a->entry);
	buf_fini(&a->value);
	*a = b->annotations[--b->annotation_count];
}

static void set(struct box_store *b, struct view box, const struct mailbox_annotation_change *c)
{
	struct box_annotation *a = find(b, box, c->entry);

	if (a)
		drop(b, a);
	if (c->remove)
		return;
	assert(b->annotation_count < BOX_ANNOTATIONS);
	a = &b->annotations[b->annotation_count++];
	*a = (struct box_annotation){BUF_INIT(2048), BUF_INIT(2048), BUF_INIT(1 << 17)};
	buf_append_view(&a->box, box);
	buf_append_view(&a->entry, c->entry);
	buf_append_view(&a->value, c->value);
}

static void tell_others(struct box_store *b, const struct mailbox_annotate *m)
{
	struct mailbox_entry entries[8];
	struct mailbox_annotated told = {.name = m->name, .entries = entries};

	for (uint32_t i = 0; i < m->n_changes && i < ARRAY_LEN(entries); i++)
		entries[told.n_entries++].entry = m->changes[i].entry;
	for (size_t i = 0; i < b->session_count; i++) {
		told.session = b->sessions[i].id;
		if (told.session && told.session != m->session && b->sessions[i].hears_annotations && told.n_entries)
			(void)mailbox_send_annotated(b->channel, 0, &told);
	}
	box_notify_account(b);
}

void box_annotate(struct box_store *b, uint32_t id, const struct mailbox_annotate *m)
{
	struct box *box = box_find_name(b, m->name);

	if (m->name.n && !box) {
		box_fail(b, id, 1);
		return;
	}
	for (uint32_t i = 0; i < m->n_changes; i++)
		set(b, m->name, &m->changes[i]);
	for (size_t i = 0; m->sets_special_use && i < b->n; i++)
		b->boxes[i].attributes &= ~m->special_use;
	if (m->sets_special_use)
		box->attributes = (box->attributes & ~0xfeu) | m->special_use;
	b->commit++;
	(void)mailbox_send_done(b->channel, id, &(struct mailbox_done){b->commit});
	tell_others(b, m);
}

void box_annotations_forget(struct box_store *b)
{
	while (b->annotation_count)
		drop(b, &b->annotations[0]);
}
