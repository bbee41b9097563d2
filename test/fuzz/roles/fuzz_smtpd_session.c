/* SPDX-License-Identifier: ISC
 * Whatever a client sends, and however it is cut: the replies are well-formed, cut input gets the replies of whole input, and
 * what stored is handed is strict CRLF text. The first byte chooses the kind of smtpd and how to cut. */
#include "smtpd_rig.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 20000 };

/* Lines of a code, "-" or " ", text, CRLF; nothing else. */
static void check_replies(struct view text)
{
	struct view line;

	while (text.n) {
		size_t n = view_find(text, VIEW_LIT("\r\n"));

		assert(n < text.n && n >= 4 && n <= 510);
		line = view_sub(text, 0, n);
		assert(line.p[0] >= '2' && line.p[0] <= '5' && ascii_is_digit(line.p[1]) && ascii_is_digit(line.p[2]));
		assert(line.p[3] == ' ' || line.p[3] == '-');
		for (size_t i = 0; i < line.n; i++)
			assert((unsigned char)line.p[i] >= 32);
		text = view_sub(text, n + 2, text.n);
	}
}

static void check_messages(const struct rig *r)
{
	for (size_t i = 0; i < r->message_count; i++) {
		struct view text = buf_view(&r->messages[i].text);
		size_t cr = 0, lf = 0, crlf = 0;

		if (!r->messages[i].ended)
			continue;
		for (size_t at = 0; at < text.n; at++) {
			cr += text.p[at] == '\r';
			lf += text.p[at] == '\n';
			crlf += text.p[at] == '\n' && at > 0 && text.p[at - 1] == '\r';
			assert(text.p[at] != '\0');
		}
		assert(cr == lf && lf == crlf);
		assert(r->messages[i].envelope.n);
	}
}

static void run(struct view input, bool submission, size_t step, struct buf *heard)
{
	struct rig r;
	size_t client;

	rig_open(&r, submission ? SMTPD_SUBMISSION : SMTPD_MX,
		 "max-smtp-line = 512\nmax-smtp-errors = 30\nmax-message-size = 4096\nmax-recipients = 5\n"
		 "allow-plaintext-auth-on-loopback = yes\n");
	client = rig_connect_to(&r, submission ? "submission" : "smtp", submission);
	for (size_t at = 0; at < input.n; at += step) {
		rig_send(&r, client, view_sub(input, at, step));
		buf_append_cstr(heard, rig_hear(&r, client));
	}
	while (r.slow_count)
		rig_answer_slow(&r);
	buf_append_cstr(heard, rig_hear(&r, client));
	check_replies(buf_view(heard));
	check_messages(&r);
	rig_hang_up(&r, client);
	rig_store_dies(&r); /* a session waits for its answer though the client went */
	assert(r.smtpd->session_count == 0 && r.smtpd->bytes_held == 0 && r.smtpd->stalled_count == 0);
	rig_close(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT(1 << 24), pieces = BUF_INIT(1 << 24);
	struct view input;
	size_t step;

	if (size == 0)
		return 0;
	input = view_from(data + 1, size - 1 < INPUT_MAX ? size - 1 : INPUT_MAX);
	step = 1 + input.n / 64 + (data[0] >> 1) % 16;
	run(input, data[0] & 1, input.n ? input.n : 1, &whole);
	run(input, data[0] & 1, step, &pieces);
	assert(view_eq(buf_view(&whole), buf_view(&pieces)));
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
