/* SPDX-License-Identifier: ISC
 * PREVIEW: the beginning of a message's text. */
#include "imapd/fetch.h"

#include "mail/imap_write.h"
#include "mail/preview.h"

static void put(struct session *s, struct fetch *f, struct view text)
{
	buf_append_cstr(fetch_item(s, f), "PREVIEW ");
	if (session_utf8_names(s)) /* as names may be, so may quoted strings (RFC 9051 §9) */
		imap_write_string_utf8(session_out(s), text);
	else
		imap_write_string(session_out(s), text);
}

static struct imap_range front_of(const struct mailbox_row *row, const struct mime_part *part)
{
	uint64_t bytes = part->body_bytes < PREVIEW_SOURCE_MAX ? part->body_bytes : PREVIEW_SOURCE_MAX;

	return (struct imap_range){row->prefix_bytes + part->body_off, bytes};
}

/* The first part that reads anything. False: `*ret_missing` has to be fetched. */
static bool preview(struct fetch *f, const struct mailbox_row *row, struct buf *text,
		    const struct mime_part **ret_missing)
{
	const struct mime_part *part = NULL;
	struct view front;

	*ret_missing = NULL;
	while (text->n == 0 && (part = preview_part(&f->row.index, part))) {
		if (!fetch_bytes_at_hand(row, front_of(row, part), &front)) {
			*ret_missing = part;
			return false;
		}
		preview_format(part, front, text);
	}
	return true;
}

void fetch_preview_begin(struct session *s, struct fetch *f, const struct mailbox_row *row)
{
	struct buf text = BUF_INIT(PREVIEW_BYTES);
	const struct mime_part *missing;

	if (!fetch_index(f, row) || preview(f, row, &text, &missing)) {
		put(s, f, buf_view(&text));
	} else if (f->args.lazy_preview) {
		buf_append_cstr(fetch_item(s, f), "PREVIEW NIL");
	} else {
		f->row.part = missing;
		fetch_ask_pieces(f, front_of(row, missing), FETCH_GATHERED);
	}
	buf_fini(&text);
}

void fetch_preview_end(struct session *s, struct fetch *f)
{
	struct buf text = BUF_INIT(PREVIEW_BYTES);

	preview_format(f->row.part, buf_view(&f->row.header), &text);
	put(s, f, buf_view(&text));
	buf_fini(&text);
}
