/* SPDX-License-Identifier: ISC
 * The IMAP reader gives the same commands however the stream is cut. */
#include "mail/imap_parse.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void show(const struct imap_arg *arg, struct buf *out)
{
	for (; arg; arg = arg->next) {
		buf_printf(out, "%d%d%d%d:", (int)arg->kind, arg->glued, arg->binary, arg->streamed);
		buf_append_view(out, arg->text);
		if (arg->kind == IMAP_LIST)
			show(arg->first, out);
		buf_append_char(out, ';');
	}
}

/* True: go on. */
static bool answer(struct imap_reader *r, enum imap_read what, struct buf *out)
{
	if (what == IMAP_READ_LITERAL) {
		if (r->literal.bytes % 3 == 1)
			imap_reader_stream(r);
		else if (!imap_reader_keep(r))
			imap_reader_refuse(r);
		else
			return true;
		buf_append_cstr(out, "literal");
		if (!r->literal_arg->streamed)
			imap_reader_reset(r);
		return true;
	}
	if (what == IMAP_READ_DATA) {
		buf_append_view(out, r->data);
		return true;
	}
	if (what == IMAP_READ_COMMAND || what == IMAP_READ_BAD) {
		buf_append_view(out, r->command.tag);
		buf_append_view(out, r->command.name);
		if (what == IMAP_READ_COMMAND)
			show(r->command.args, out);
		imap_reader_reset(r);
		return true;
	}
	return false;
}

static void read_all(struct view in, size_t step, struct buf *out)
{
	static const struct imap_reader_limits limits = {400, 1 << 20, 50, 300, 50, 5};
	struct imap_reader r;
	size_t at = 0, have = 0;

	imap_reader_init(&r, &limits);
	for (;;) {
		size_t used = 0;
		enum imap_read what = imap_reader_next(&r, view_sub(in, at, have - at), &used);

		at += used;
		if (answer(&r, what, out))
			continue;
		if (what == IMAP_READ_CLOSE || have == in.n)
			break;
		have = in.n - have < step ? in.n : have + step;
	}
	imap_reader_fini(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view in = view_from(data, size);
	struct buf whole = BUF_INIT(1 << 22), cut = BUF_INIT(1 << 22);

	read_all(in, size + 1, &whole);
	read_all(in, size ? data[0] % 7 + 1 : 1, &cut);
	if (!view_eq(buf_view(&whole), buf_view(&cut)))
		abort();
	buf_fini(&whole);
	buf_fini(&cut);
	return 0;
}
