/* SPDX-License-Identifier: ISC
 * Whatever variant is made holds no 8-bit byte, has the same parts, and they decode to the same. */
#include "mail/mime_decode.h"
#include "mail/sevenbit.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct trial {
	struct view in;
	struct buf out;
	size_t window;
};

static int read_some(void *ctx, uint64_t off, size_t max, struct view *ret)
{
	const struct trial *t = ctx;

	*ret = view_sub(t->in, (size_t)off, max < t->window ? max : t->window);
	return 0;
}

static int put_some(void *ctx, struct view bytes)
{
	struct trial *t = ctx;

	buf_append_view(&t->out, bytes);
	return 0;
}

static void decode(struct view message, const struct mime_part *p, struct buf *out)
{
	struct mime_decoder d;

	mime_decoder_init(&d, p->encoding);
	mime_decoder_feed(&d, view_sub(message, (size_t)p->body_off, (size_t)p->body_bytes), out);
	mime_decoder_finish(&d, out);
	mime_decoder_fini(&d);
}

static void compare_leaves(struct view a, const struct mime_part *pa, struct view b, const struct mime_part *pb)
{
	struct buf da = BUF_INIT(1 << 24), db = BUF_INIT(1 << 24);

	decode(a, pa, &da);
	decode(b, pb, &db);
	/* A message gets a line end at its end where it has none. */
	if (pb->body_off + pb->body_bytes == b.n && db.n > da.n)
		buf_truncate(&db, da.n);
	assert(view_eq(buf_view(&da), buf_view(&db)));
	buf_fini(&da);
	buf_fini(&db);
}

static bool is_global(const struct mime_index *x)
{
	for (uint32_t i = 0; i < x->part_count; i++)
		if (x->parts[i].kind == MIME_MESSAGE)
			if (mime_part_is(&x->parts[i], "message", "global") || x->parts[i].encoding > MIME_BINARY)
				return true;
	return false;
}

static void compare(struct view in, struct view out)
{
	struct mime_parser *pa = mime_parser_new(&mime_limits_default), *pb = mime_parser_new(&mime_limits_default);
	const struct mime_index *a = mime_index_parse(pa, in), *b = mime_index_parse(pb, out);

	if (!is_global(a)) {
		assert(a->part_count == b->part_count);
		for (uint32_t i = 0; i < a->part_count; i++) {
			assert(a->parts[i].kind == b->parts[i].kind && a->parts[i].parent == b->parts[i].parent);
			if (a->parts[i].kind == MIME_LEAF)
				compare_leaves(in, &a->parts[i], out, &b->parts[i]);
		}
	}
	mime_parser_free(&pa);
	mime_parser_free(&pb);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trial t = {.in = view_from(data, size), .window = size ? data[0] % 64 + 1 : 1};
	const struct sevenbit s = {.read = read_some, .bytes = size, .put = put_some, .ctx = &t};
	enum sevenbit_verdict verdict;

	buf_init(&t.out, 1 << 24);
	verdict = sevenbit_make(&s);
	assert(verdict != SEVENBIT_FAILED);
	if (verdict == SEVENBIT_MADE) {
		assert(view_is_ascii(buf_view(&t.out)) && !view_has_nul(buf_view(&t.out)));
		assert(t.out.n >= 2 && t.out.p[t.out.n - 1] == '\n');
		compare(t.in, buf_view(&t.out));
	} else {
		assert(t.out.n == 0);
	}
	buf_fini(&t.out);
	return 0;
}
