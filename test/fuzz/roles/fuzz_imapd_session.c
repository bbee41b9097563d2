/* SPDX-License-Identifier: ISC
 * Whatever a client sends, and however it is cut: every response is a line that the grammar begins so, every literal is ended,
 * a command is answered once, and cut input gets the answers of whole input (but for NOTIFY). The first byte says how to cut. */
#include "imapd_rig.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 20000 };

static const char message[] =
    "From: Ann <ann@example.net>\r\nSubject: Two\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n"
    "One.\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: Inner\r\nX-A: 1\r\n\r\nIn.\r\n"
    "--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+VGhyZWUuPC9iPgA=\r\n"
    "--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nFo=75r=\r\n.\r\n"
    "--b\r\nContent-Transfer-Encoding: x-odd\r\n\r\nFive.\r\n"
    "--b--\r\n";

/* The bytes of one line and of the literals in it; 0: it does not end. */
static size_t response_bytes(struct view text)
{
	size_t n = 0;

	for (;;) {
		size_t line = view_find(view_sub(text, n, text.n), VIEW_LIT("\r\n"));
		struct view end = view_sub(text, n, line);
		size_t brace = end.n;

		if (n + line + 2 > text.n)
			return 0;
		n += line + 2;
		while (brace && end.p[brace - 1] != '{')
			brace--;
		if (end.n == 0 || end.p[end.n - 1] != '}' || brace == 0 || !ascii_is_digit(end.p[brace]))
			return n;
		n += strtoul(end.p + brace, NULL, 10);
	}
}

static void check_responses(struct view text)
{
	while (text.n) {
		size_t n = response_bytes(text);

		assert(n > 0 && text.p[0] != ' ' && text.p[0] != '\r');
		text = view_sub(text, n, text.n);
	}
}

static void hear(struct rig *r, size_t client, struct buf *heard)
{
	(void)wire_hear(&r->wire, client);
	buf_append_view(heard, buf_view(&r->wire.heard)); /* a literal8 may hold NUL */
}

static void run(struct view input, size_t step, struct buf *heard)
{
	struct rig r;
	size_t client;

	rig_open(&r, "max-command-errors = 30\nmax-message-size = 65536\nmax-auth-failures = 5\n");
	for (uint32_t i = 0; i < 4; i++)
		(void)box_store_deliver(&r.store, "INBOX", VIEW_LIT(message), i);
	box_store_expunge(&r.store, "INBOX", 2);
	client = rig_connect(&r, true);
	for (size_t at = 0; at < input.n; at += step) {
		wire_send(&r.wire, client, view_sub(input, at, step));
		hear(&r, client, heard);
	}
	hear(&r, client, heard);
	check_responses(buf_view(heard));
	rig_close(&r);
}

/* What NOTIFY tells comes between commands, wherever it is due by then. */
static bool has_notify(struct view input)
{
	for (size_t i = 0; i + 6 <= input.n; i++)
		if (view_eq_lit_nocase(view_sub(input, i, 6), "NOTIFY"))
			return true;
	return false;
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
	assert(has_notify(input) || view_eq(buf_view(&whole), buf_view(&pieces)));
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
