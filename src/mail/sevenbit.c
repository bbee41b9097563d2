/* SPDX-License-Identifier: ISC
 * Messages for servers that take 7-bit only: first every part is looked at, then all is written. */
#include "mail/sevenbit.h"

#include "mail/mime_index.h"
#include "mail/sevenbit_encode.h"

#include <stdlib.h>

enum { WINDOW = 65536, HEADER_MAX = 1024 * 1024, TEXT_LINE_MAX = 998 };

/* What becomes of a part. */
enum fate {
	FATE_AS_IS, /* it and what is in it */
	FATE_INSIDE, /* what is in it changes, maybe; it is 7bit then */
	FATE_ENCODED,
};

struct plan {
	enum fate fate;
	enum sevenbit_coding coding;
	const char *label; /* its new Content-Transfer-Encoding; NULL: as it was */
	/* A multipart: how much of its text before the first and behind the last boundary stays. */
	uint64_t first_gap_off, last_gap_end;
};

/* What is in some bytes that a server without 8BITMIME may not get. */
struct faults {
	bool eightbit, nul, endless;
};

/* Of a part, found before anything is planned: who looked at each multipart's body for itself would read the message as often as it is deep. */
struct found {
	struct faults header, body;
};

struct work {
	const struct sevenbit *s;
	const struct mime_index *index;
	struct plan *plans; /* one a part */
	struct found *found; /* the same */
	enum sevenbit_verdict verdict;
	struct buf out;
	char last[2]; /* of the bytes put; proven: two */
};

static bool stop(struct work *w, enum sevenbit_verdict why)
{
	if (w->verdict == SEVENBIT_MADE)
		w->verdict = why;
	return false;
}

/* ---- reading ---- */

typedef bool window_fn(struct work *w, void *ctx, struct view bytes);

static bool each_window(struct work *w, uint64_t off, uint64_t end, window_fn *fn, void *ctx)
{
	while (off < end) {
		uint64_t left = end - off;
		struct view v;

		if (w->s->read(w->s->ctx, off, left < WINDOW ? (size_t)left : WINDOW, &v) < 0 || v.n == 0)
			return stop(w, SEVENBIT_FAILED);
		if (!fn(w, ctx, v))
			return false;
		off += v.n;
	}
	return true;
}

struct scan {
	uint64_t off; /* of the next byte */
	uint64_t bytes, eightbit, escaped; /* escaped: what quoted-printable would write as =XX */
	uint64_t line_off, last_line_off; /* of the line under way, and the one before it */
	uint64_t first_text_end; /* behind the first line that is not empty */
	bool nul, endless;
};

static bool scan_window(struct work *w, void *ctx, struct view v)
{
	struct scan *s = ctx;

	(void)w;
	for (size_t i = 0; i < v.n; i++, s->off++) {
		unsigned char c = (unsigned char)v.p[i];

		s->eightbit += c >= 0x80;
		s->nul |= c == 0;
		s->escaped += c >= 0x7f || c == '=' || (c < ' ' && c != '\r' && c != '\n' && c != '\t');
		if (c != '\n') {
			s->endless |= s->off - s->line_off >= TEXT_LINE_MAX + (c == '\r');
			continue;
		}
		if (!s->first_text_end && s->off - s->line_off > 1)
			s->first_text_end = s->off + 1;
		s->last_line_off = s->line_off;
		s->line_off = s->off + 1;
	}
	s->bytes += v.n;
	return true;
}

static bool scan(struct work *w, uint64_t off, uint64_t end, struct scan *ret)
{
	*ret = (struct scan){.off = off, .line_off = off, .last_line_off = off};
	return each_window(w, off, end, scan_window, ret);
}

static bool is_clean(const struct scan *s)
{
	return !s->eightbit && !s->nul && !s->endless;
}

static bool is_sevenbit(const struct faults *f)
{
	return !f->eightbit && !f->nul;
}

static void add_faults(struct faults *to, const struct faults *f)
{
	to->eightbit |= f->eightbit;
	to->nul |= f->nul;
	to->endless |= f->endless;
}

static bool find_faults(struct work *w, uint64_t off, uint64_t end, struct faults *to)
{
	struct scan s;

	if (!scan(w, off, end, &s))
		return false;
	add_faults(to, &(struct faults){s.eightbit > 0, s.nul, s.endless});
	return true;
}

static bool append_window(struct work *w, void *ctx, struct view v)
{
	struct buf *block = ctx;

	buf_append_view(block, v);
	return !block->overflow || stop(w, SEVENBIT_IMPOSSIBLE);
}

static bool read_header(struct work *w, const struct mime_part *p, struct buf *block)
{
	return each_window(w, p->header_off, p->header_off + p->header_bytes, append_window, block);
}

/* ---- looking ---- */

static const struct mime_part *part_of(const struct work *w, uint32_t at)
{
	return &w->index->parts[at];
}

static uint64_t end_of(const struct mime_part *p)
{
	return p->body_off + p->body_bytes;
}

static bool is_message(const struct work *w, const struct mime_part *p)
{
	return p->parent == MIME_NONE || part_of(w, p->parent)->kind == MIME_MESSAGE;
}

static bool is_encoded(const struct mime_part *p)
{
	return p->encoding == MIME_BASE64 || p->encoding == MIME_QUOTED_PRINTABLE;
}

/* What it holds itself; what its parts hold comes from them. */
static bool find_in_part(struct work *w, uint32_t at)
{
	const struct mime_part *p = part_of(w, at);
	struct found *f = &w->found[at];
	uint64_t off = p->body_off;

	for (uint32_t c = p->first_child; c != MIME_NONE; c = part_of(w, c)->next_sibling) {
		if (!find_faults(w, off, part_of(w, c)->header_off, &f->body))
			return false;
		off = end_of(part_of(w, c));
	}
	return find_faults(w, off, end_of(p), &f->body) &&
	       find_faults(w, p->header_off, p->header_off + p->header_bytes, &f->header);
}

/* Parents stand before their children. */
static bool find_all(struct work *w)
{
	for (uint32_t at = w->index->part_count; at-- > 0;) {
		const struct mime_part *p = part_of(w, at);

		if (!find_in_part(w, at))
			return false;
		if (p->parent == MIME_NONE)
			continue;
		add_faults(&w->found[p->parent].body, &w->found[at].header);
		add_faults(&w->found[p->parent].body, &w->found[at].body);
	}
	return true;
}

/* A header that every reader sees the same end of, with an empty line to put a field before. */
static bool can_be_labelled(struct work *w, const struct mime_part *p)
{
	_cleanup_(buf_fini) struct buf block = BUF_INIT(HEADER_MAX);
	struct header_field field;
	struct header h;

	if (!read_header(w, p, &block))
		return false;
	header_init(&h, buf_view(&block));
	while (header_next(&h, &field) == PARSE_DONE)
		;
	if (h.end != HEADER_END_BLANK || h.content != block.n || h.passed_over_bytes)
		return stop(w, SEVENBIT_IMPOSSIBLE);
	return true;
}

static bool label(struct work *w, uint32_t at, const char *text)
{
	if (!can_be_labelled(w, part_of(w, at)))
		return false;
	w->plans[at].label = text;
	return true;
}

static bool encode(struct work *w, uint32_t at, enum sevenbit_coding coding, const char *text)
{
	w->plans[at].fate = FATE_ENCODED;
	w->plans[at].coding = coding;
	return !text || label(w, at, text);
}

/* Text goes by the shorter way, anything else in base64. */
static bool encode_plain(struct work *w, uint32_t at, const struct scan *s)
{
	const struct mime_part *p = part_of(w, at);
	bool text = mime_part_is(p, "text", NULL) || mime_part_is(p, "message", NULL);

	if (text && s->bytes + 2 * s->escaped <= s->bytes / 3 * 4)
		return encode(w, at, SEVENBIT_QUOTED_PRINTABLE, "quoted-printable");
	return encode(w, at, SEVENBIT_BASE64, "base64");
}

/* RFC 2046 §5.2: no encoding for messages but for those of RFC 6532 and 6533. */
static bool may_be_encoded(const struct mime_part *p)
{
	return !mime_part_is(p, "message", NULL) || view_starts_with_nocase(p->subtype, VIEW_LIT("global"));
}

static bool relabel(struct work *w, uint32_t at)
{
	enum mime_encoding e = part_of(w, at)->encoding;

	return e != MIME_8BIT && e != MIME_BINARY ? true : label(w, at, "7bit");
}

static bool plan_leaf(struct work *w, uint32_t at)
{
	const struct mime_part *p = part_of(w, at);
	struct scan s;

	if (!scan(w, p->body_off, end_of(p), &s))
		return false;
	w->plans[at].fate = FATE_AS_IS;
	if (is_clean(&s))
		return relabel(w, at);
	switch (p->encoding) {
	case MIME_7BIT:
	case MIME_8BIT:
	case MIME_BINARY:
		if (may_be_encoded(p))
			return encode_plain(w, at, &s);
		break;
	case MIME_QUOTED_PRINTABLE:
		return encode(w, at, SEVENBIT_REPAIR_QUOTED_PRINTABLE, NULL);
	case MIME_BASE64:
		return encode(w, at, SEVENBIT_REPAIR_BASE64, NULL);
	case MIME_UNKNOWN_ENCODING:
		break;
	}
	return s.eightbit || s.nul ? stop(w, SEVENBIT_IMPOSSIBLE) : true;
}

static bool plan_part(struct work *w, uint32_t at);

static bool plan_children(struct work *w, const struct mime_part *p)
{
	for (uint32_t c = p->first_child; c != MIME_NONE; c = part_of(w, c)->next_sibling)
		if (!plan_part(w, c))
			return false;
	return true;
}

/* Between two parts there is nothing but a boundary. */
static bool check_gaps(struct work *w, const struct mime_part *p)
{
	struct scan s;

	for (uint32_t c = p->first_child; part_of(w, c)->next_sibling != MIME_NONE; c = part_of(w, c)->next_sibling) {
		if (!scan(w, end_of(part_of(w, c)), part_of(w, part_of(w, c)->next_sibling)->header_off, &s))
			return false;
		if (s.eightbit || s.nul)
			return stop(w, SEVENBIT_IMPOSSIBLE);
	}
	return true;
}

/* Of text that nobody sees, the boundary's line stays. */
static bool plan_first_gap(struct work *w, const struct mime_part *p, struct plan *plan)
{
	uint64_t end = part_of(w, p->first_child)->header_off;
	struct scan s;

	plan->first_gap_off = p->body_off;
	if (!scan(w, p->body_off, end, &s))
		return false;
	if (is_clean(&s))
		return true;
	plan->first_gap_off = s.last_line_off;
	if (!scan(w, plan->first_gap_off, end, &s))
		return false;
	return !s.eightbit && !s.nul ? true : stop(w, SEVENBIT_IMPOSSIBLE);
}

static uint64_t last_child_end(const struct work *w, const struct mime_part *p)
{
	uint32_t c = p->first_child;

	while (part_of(w, c)->next_sibling != MIME_NONE)
		c = part_of(w, c)->next_sibling;
	return end_of(part_of(w, c));
}

static bool plan_last_gap(struct work *w, const struct mime_part *p, struct plan *plan)
{
	uint64_t off = last_child_end(w, p);
	struct scan s;

	plan->last_gap_end = end_of(p);
	if (!scan(w, off, plan->last_gap_end, &s))
		return false;
	if (is_clean(&s))
		return true;
	if (!s.first_text_end)
		return stop(w, SEVENBIT_IMPOSSIBLE);
	plan->last_gap_end = s.first_text_end;
	if (!scan(w, off, plan->last_gap_end, &s))
		return false;
	return !s.eightbit && !s.nul ? true : stop(w, SEVENBIT_IMPOSSIBLE);
}

static bool plan_multipart(struct work *w, uint32_t at)
{
	const struct mime_part *p = part_of(w, at);
	struct plan *plan = &w->plans[at];
	const struct faults *f = &w->found[at].body;

	/* RFC 1847 §2.1: what is signed must have been 7-bit from the start; then it stays. */
	if (mime_part_is(p, "multipart", "signed") || mime_part_is(p, "multipart", "encrypted")) {
		plan->fate = FATE_AS_IS;
		return is_sevenbit(f) || stop(w, SEVENBIT_SIGNED);
	}
	if (is_sevenbit(f) && !f->endless && p->encoding == MIME_7BIT) {
		plan->fate = FATE_AS_IS;
		return true;
	}
	if (p->first_child == MIME_NONE || is_encoded(p)) {
		plan->fate = FATE_AS_IS;
		return is_sevenbit(f) || stop(w, SEVENBIT_IMPOSSIBLE);
	}
	plan->fate = FATE_INSIDE;
	return plan_first_gap(w, p, plan) && check_gaps(w, p) && plan_last_gap(w, p, plan) && relabel(w, at) &&
	       plan_children(w, p);
}

static bool plan_message(struct work *w, uint32_t at)
{
	const struct mime_part *p = part_of(w, at);

	if (is_encoded(p) || p->encoding == MIME_UNKNOWN_ENCODING || p->first_child == MIME_NONE)
		return plan_leaf(w, at);
	if (!is_sevenbit(&w->found[at].body) && mime_part_is(p, "message", "global"))
		return encode(w, at, SEVENBIT_BASE64, "base64");
	w->plans[at].fate = FATE_INSIDE;
	return relabel(w, at) && plan_children(w, p);
}

static bool plan_part(struct work *w, uint32_t at)
{
	if (!is_sevenbit(&w->found[at].header))
		return stop(w, SEVENBIT_IMPOSSIBLE);
	switch (part_of(w, at)->kind) {
	case MIME_LEAF:
		return plan_leaf(w, at);
	case MIME_MULTIPART:
		return plan_multipart(w, at);
	case MIME_MESSAGE:
		return plan_message(w, at);
	}
	abort();
}

/* ---- writing ---- */

static bool flush(struct work *w)
{
	struct view v = buf_view(&w->out);

	if (v.n >= 2) {
		w->last[0] = v.p[v.n - 2];
		w->last[1] = v.p[v.n - 1];
	} else if (v.n == 1) {
		w->last[0] = w->last[1];
		w->last[1] = v.p[0];
	}
	if (w->out.overflow || (v.n && w->s->put(w->s->ctx, v) < 0))
		return stop(w, SEVENBIT_FAILED);
	buf_reset(&w->out);
	return true;
}

static bool copy_window(struct work *w, void *ctx, struct view v)
{
	(void)ctx;
	buf_append_view(&w->out, v);
	return flush(w);
}

static bool copy(struct work *w, uint64_t off, uint64_t end)
{
	return each_window(w, off, end, copy_window, NULL);
}

static void put_label(struct work *w, const struct mime_part *p, struct view block, const char *text)
{
	if (is_message(w, p) && header_count(block, "MIME-Version") == 0)
		buf_append_cstr(&w->out, "MIME-Version: 1.0\r\n");
	buf_printf(&w->out, "Content-Transfer-Encoding: %s\r\n", text);
}

/* The label stands where the former one stood, else behind Content-Type, else last. */
static bool write_header(struct work *w, uint32_t at)
{
	const struct mime_part *p = part_of(w, at);
	const char *text = w->plans[at].label;
	_cleanup_(buf_fini) struct buf block = BUF_INIT(HEADER_MAX);
	struct header_field f;
	struct view all;
	const char *from;
	struct header h;
	bool had_one, put = !text;

	if (!text && (at > 0 || !w->s->drops))
		return copy(w, p->header_off, p->header_off + p->header_bytes);
	if (!read_header(w, p, &block))
		return false;
	all = buf_view(&block);
	from = all.p;
	had_one = header_count(all, "Content-Transfer-Encoding") > 0;
	header_init(&h, all);
	while (header_next(&h, &f) == PARSE_DONE) {
		bool is_label = text && view_eq_lit_nocase(f.name, "Content-Transfer-Encoding");
		bool type = !had_one && view_eq_lit_nocase(f.name, "Content-Type");
		const char *end = f.whole.p + f.whole.n;

		if (is_label || (at == 0 && w->s->drops && w->s->drops(w->s->ctx, &f))) {
			buf_append(&w->out, from, (size_t)(f.whole.p - from));
			from = end;
		}
		if (!put && (is_label || type)) {
			buf_append(&w->out, from, (size_t)(end - from));
			from = end;
			put_label(w, p, all, text);
			put = true;
		}
	}
	if (!put) {
		const char *blank = all.p + all.n - (all.n > 1 && all.p[all.n - 2] == '\r' ? 2 : 1);

		buf_append(&w->out, from, (size_t)(blank - from));
		from = blank;
		put_label(w, p, all, text);
	}
	buf_append(&w->out, from, (size_t)(all.p + all.n - from));
	return flush(w);
}

static bool encode_window(struct work *w, void *ctx, struct view v)
{
	sevenbit_encoder_feed(ctx, v, &w->out);
	return flush(w);
}

static bool write_encoded(struct work *w, uint32_t at)
{
	const struct mime_part *p = part_of(w, at);
	struct sevenbit_encoder e;

	sevenbit_encoder_init(&e, w->plans[at].coding);
	if (!each_window(w, p->body_off, end_of(p), encode_window, &e))
		return false;
	sevenbit_encoder_finish(&e, &w->out);
	return flush(w);
}

static bool write_part(struct work *w, uint32_t at);

static bool write_multipart(struct work *w, uint32_t at)
{
	const struct mime_part *p = part_of(w, at);
	const struct plan *plan = &w->plans[at];
	uint64_t off = plan->first_gap_off;

	for (uint32_t c = p->first_child; c != MIME_NONE; c = part_of(w, c)->next_sibling) {
		if (!copy(w, off, part_of(w, c)->header_off) || !write_part(w, c))
			return false;
		off = end_of(part_of(w, c));
	}
	return copy(w, off, plan->last_gap_end);
}

static bool write_inside(struct work *w, uint32_t at)
{
	const struct mime_part *p = part_of(w, at);

	if (p->kind == MIME_MULTIPART)
		return write_multipart(w, at);
	return write_part(w, p->first_child) && copy(w, end_of(part_of(w, p->first_child)), end_of(p));
}

static bool write_part(struct work *w, uint32_t at)
{
	const struct mime_part *p = part_of(w, at);

	if (!write_header(w, at))
		return false;
	switch (w->plans[at].fate) {
	case FATE_AS_IS:
		return copy(w, p->body_off, end_of(p));
	case FATE_INSIDE:
		return write_inside(w, at);
	case FATE_ENCODED:
		return write_encoded(w, at);
	}
	abort();
}

/* SMTP ends a message with a line end. */
static bool end_line(struct work *w)
{
	if (w->last[0] == '\r' && w->last[1] == '\n')
		return true;
	buf_append_cstr(&w->out, "\r\n");
	return flush(w);
}

/* ---- all ---- */

static bool parse_window(struct work *w, void *ctx, struct view v)
{
	(void)w;
	mime_parser_feed(ctx, v);
	return true;
}

static bool run(struct work *w, struct mime_parser *parser)
{
	mime_parser_reset(parser);
	if (!each_window(w, 0, w->s->bytes, parse_window, parser))
		return false;
	w->index = mime_parser_finish(parser);
	if (w->index->limited || w->index->loose_boundary)
		return stop(w, SEVENBIT_IMPOSSIBLE);
	w->plans = xcalloc(w->index->part_count, sizeof *w->plans);
	w->found = xcalloc(w->index->part_count, sizeof *w->found);
	return find_all(w) && plan_part(w, 0) && write_part(w, 0) && end_line(w);
}

enum sevenbit_verdict sevenbit_make(const struct sevenbit *s)
{
	struct mime_parser *parser = mime_parser_new(&mime_limits_default);
	struct work w = {.s = s, .verdict = SEVENBIT_MADE};

	buf_init(&w.out, 8 * WINDOW + HEADER_MAX + 4096);
	(void)run(&w, parser);
	free(w.plans);
	free(w.found);
	buf_fini(&w.out);
	mime_parser_free(&parser);
	return w.verdict;
}
