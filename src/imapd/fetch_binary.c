/* SPDX-License-Identifier: ISC
 * BINARY and BINARY.SIZE: parts with their transfer encoding undone. A literal says its size in front, so what is not at hand is
 * read twice. */
#include "imapd/fetch.h"

#include "mail/imap_write.h"

#include <string.h>

static bool is_size(const struct fetch *f)
{
	return f->row.section->what == IMAP_FETCH_BINARY_SIZE;
}

static bool is_identity(enum mime_encoding encoding)
{
	return encoding == MIME_7BIT || encoding == MIME_8BIT || encoding == MIME_BINARY;
}

static void put_name(struct session *s, struct fetch *f)
{
	imap_fetch_format_name(fetch_item(s, f), f->row.section);
	buf_append_char(session_out(s), ' ');
}

static void put_size(struct session *s, struct fetch *f, uint64_t bytes)
{
	put_name(s, f);
	buf_append_u64(session_out(s), bytes);
}

/* RFC 3516 §4.3: the tagged response is NO. */
static void put_unknown(struct session *s, struct fetch *f)
{
	f->unknown_cte = true;
	put_name(s, f);
	buf_append_cstr(session_out(s), is_size(f) ? "0" : "NIL");
}

/* A literal8 only for what no other can carry. */
static void put_literal(struct session *s, bool has_nul, uint64_t bytes)
{
	if (has_nul)
		imap_write_literal8(session_out(s), bytes);
	else
		imap_write_literal(session_out(s), bytes);
}

static void put_decoded(struct session *s, struct fetch *f, enum mime_encoding encoding, struct view bytes)
{
	struct buf decoded = BUF_INIT(bytes.n + 2048);
	struct mime_decoder d;
	struct imap_range clip;
	struct view window;

	mime_decoder_init(&d, encoding);
	mime_decoder_feed(&d, bytes, &decoded);
	mime_decoder_finish(&d, &decoded);
	mime_decoder_fini(&d);
	clip = imap_section_clip(&f->row.section->section, (struct imap_range){0, decoded.n});
	window = view_sub(buf_view(&decoded), clip.off, clip.bytes);
	if (is_size(f)) {
		put_size(s, f, decoded.n);
	} else {
		put_name(s, f);
		put_literal(s, view_has_nul(window), window.n);
		buf_append_view(session_out(s), window);
	}
	buf_fini(&decoded);
}

static void begin_pass(struct fetch *f, enum fetch_pieces pieces)
{
	struct fetch_decoding *d = &f->row.decoding;

	mime_decoder_init(&d->decoder, f->row.part->encoding);
	d->bytes = 0;
	fetch_ask_pieces(f, d->source, pieces);
}

bool fetch_binary_begin(struct session *s, struct fetch *f, const struct mailbox_row *row, struct imap_range range,
			const struct mime_part *part)
{
	const struct imap_section *section = &f->row.section->section;
	bool whole = section->path_len == 0 || part->kind != MIME_LEAF;
	struct view bytes;

	if (whole || is_identity(part->encoding)) {
		if (is_size(f))
			put_size(s, f, range.bytes);
		return is_size(f);
	}
	if (part->encoding == MIME_UNKNOWN_ENCODING) {
		put_unknown(s, f);
		return true;
	}
	if (fetch_bytes_at_hand(row, range, &bytes)) {
		put_decoded(s, f, part->encoding, bytes);
		return true;
	}
	f->row.part = part;
	f->row.decoding = (struct fetch_decoding){.source = range};
	/* The end of the window is not known yet: as far as it may go. */
	f->row.decoding.window = imap_section_clip(section, (struct imap_range){0, UINT64_MAX});
	begin_pass(f, FETCH_COUNTED);
	return true;
}

/* What of `decoded`, which begins at d->bytes, lies in the window. */
static struct view in_window(const struct fetch_decoding *d, struct view decoded)
{
	uint64_t from = d->window.off > d->bytes ? d->window.off - d->bytes : 0, to = d->window.off + d->window.bytes;

	if (from >= decoded.n || to <= d->bytes)
		return VIEW_EMPTY;
	return view_sub(decoded, (size_t)from,
			(size_t)(to - d->bytes < decoded.n ? to - d->bytes - from : decoded.n - from));
}

static void take_decoded(struct session *s, struct fetch *f, struct buf *decoded)
{
	struct fetch_decoding *d = &f->row.decoding;
	struct view window = in_window(d, buf_view(decoded));

	if (f->row.pieces == FETCH_COUNTED)
		d->has_nul = d->has_nul || view_has_nul(window);
	else
		buf_append_view(session_out(s), window);
	d->bytes += decoded->n;
	buf_fini(decoded);
}

void fetch_binary_feed(struct session *s, struct fetch *f, struct view bytes)
{
	struct buf decoded = BUF_INIT(bytes.n + 2048);

	mime_decoder_feed(&f->row.decoding.decoder, bytes, &decoded);
	take_decoded(s, f, &decoded);
}

void fetch_binary_end(struct session *s, struct fetch *f)
{
	struct fetch_decoding *d = &f->row.decoding;
	struct buf decoded = BUF_INIT(2048);

	mime_decoder_finish(&d->decoder, &decoded);
	mime_decoder_fini(&d->decoder);
	take_decoded(s, f, &decoded);
	if (f->row.pieces == FETCH_DECODED)
		return;
	if (is_size(f)) {
		put_size(s, f, d->bytes);
		return;
	}
	d->window = imap_section_clip(&f->row.section->section, (struct imap_range){0, d->bytes});
	put_name(s, f);
	put_literal(s, d->has_nul, d->window.bytes);
	if (d->window.bytes)
		begin_pass(f, FETCH_DECODED);
}
