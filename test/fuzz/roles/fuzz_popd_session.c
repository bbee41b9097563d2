/* SPDX-License-Identifier: ISC
 * Whatever a client sends, and however it is cut: replies are CRLF lines, and cut input gets the replies of whole input. The first
 * byte says how to cut. */
#include "rig.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 20000 };

static void check_lines(struct view text)
{
	assert(text.n == 0 || text.p[0] == '+' || text.p[0] == '-');
	while (text.n) {
		size_t n = view_find_char(text, '\n');

		assert(n < text.n && n > 0 && text.p[n - 1] == '\r');
		text = view_sub(text, n + 1, text.n);
	}
}

static void run(struct view input, size_t step, struct buf *heard)
{
	static const char message[] = "Subject: Hi\r\n\r\n.dot\r\n..\r\n.\r\nlast";
	struct rig r;
	size_t client;

	rig_open(&r, "max-command-errors = 30\nmax-auth-failures = 5\n");
	for (uint32_t i = 0; i < 5; i++)
		(void)box_store_deliver(&r.store, "INBOX", VIEW_LIT(message), 0);
	box_store_expunge(&r.store, "INBOX", 2);
	client = rig_connect(&r, true);
	for (size_t at = 0; at < input.n; at += step) {
		wire_send(&r.wire, client, view_sub(input, at, step));
		buf_append_cstr(heard, wire_hear(&r.wire, client));
	}
	buf_append_cstr(heard, wire_hear(&r.wire, client));
	check_lines(buf_view(heard));
	rig_close(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT(1 << 26), pieces = BUF_INIT(1 << 26);
	struct view input;
	size_t step;

	if (size == 0)
		return 0;
	input = view_from(data + 1, size - 1 < INPUT_MAX ? size - 1 : INPUT_MAX);
	step = 1 + input.n / 64 + (data[0] >> 1) % 16;
	run(input, input.n ? input.n : 1, &whole);
	run(input, step, &pieces);
	assert(view_eq(buf_view(&whole), buf_view(&pieces)));
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
