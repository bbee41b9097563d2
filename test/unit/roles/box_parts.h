/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_BOX_PARTS_H
#define POMBO_TEST_BOX_PARTS_H

#include "box_store.h"

/* What the files of the test's stored share: the model (box_store.c), its writes (box_write.c), its search (box_search.c). */
struct box_ranges {
	struct mailbox_range *at;
	uint32_t n;
};

void box_ranges_add(struct box_ranges *r, uint32_t uid);
bool box_in_ranges(const struct mailbox_range *ranges, uint32_t n, uint32_t uid);
struct box *box_find_name(struct box_store *b, struct view name);
struct box *box_find_id(struct box_store *b, uint64_t id);
struct box_message *box_add_message(struct box_store *b, struct box *box, struct view bytes, uint32_t flags);
bool box_has_keyword(struct view keywords, struct view word);
/* The modseq of the write. */
uint64_t box_begin_write(struct box_store *b, struct box *box);
void box_notify(struct box_store *b, const struct box *box);
void box_notify_account(struct box_store *b);
void box_fail(struct box_store *b, uint32_t id, uint8_t code);

void box_write_flags(struct box_store *b, uint32_t id, struct box *box, const struct mailbox_flags *w);
void box_write_expunge(struct box_store *b, uint32_t id, struct box *box, const struct mailbox_expunge *w);
void box_write_copy(struct box_store *b, uint32_t id, struct box *box, const struct mailbox_copy *w);
void box_append(struct box_store *b, uint32_t id, const struct mailbox_append *m);
void box_append_piece(struct box_store *b, uint32_t id, const struct mailbox_data *m);
void box_append_next(struct box_store *b, uint32_t id, const struct mailbox_append_next *m);
void box_append_forget(struct box_store *b);
void box_append_end(struct box_store *b, uint32_t id);
void box_annotations(struct box_store *b, uint32_t id, const struct mailbox_annotations_want *m);
void box_annotate(struct box_store *b, uint32_t id, const struct mailbox_annotate *m);
void box_annotations_forget(struct box_store *b);
void box_search(struct box_store *b, uint32_t id, const struct box *box, const struct mailbox_search *m);
void box_sort(struct box_store *b, uint32_t id, const struct box *box, const struct mailbox_sort *m);
void box_thread(struct box_store *b, uint32_t id, const struct box *box, const struct mailbox_thread *m);

#endif
