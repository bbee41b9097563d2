/* SPDX-License-Identifier: ISC
 * Whatever others said and wrote, the summary is one message of ours: CRLF lines that are not too long, each field once, UTF-8. The first bytes
 * choose, the rest is texts parted by NUL. */
#include "mail/summary.h"

#include "mail/header.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES = 3, CHOICES = 2 * LINES };

static struct view take(struct view *rest)
{
	struct view left, right;

	if (!view_cut(*rest, '\0', &left, &right)) {
		left = *rest;
		right = VIEW_EMPTY;
	}
	*rest = right;
	return left;
}

static void check(struct view text)
{
	static const char *const once[] = {"Date",         "From",         "To",
					   "Subject",      "Message-ID",   "Auto-Submitted",
					   "MIME-Version", "Content-Type", "Content-Transfer-Encoding"};
	struct view line, rest = text;
	struct header_field f;
	struct header h;

	assert(view_is_utf8(text) && !view_has_nul(text));
	while (view_cut(rest, '\n', &line, &rest))
		assert(line.n > 0 && line.n < 2000 && view_find_char(line, '\r') == line.n - 1);
	assert(rest.n == 0);
	for (size_t i = 0; i < ARRAY_LEN(once); i++)
		assert(header_count(text, once[i]) == 1);
	assert(header_count(text, "In-Reply-To") <= 1 && header_count(text, "References") <= 1);
	header_init(&h, text);
	for (size_t n = 0; header_next(&h, &f) == PARSE_DONE;)
		assert(++n <= ARRAY_LEN(once) + 2);
	assert(h.end == HEADER_END_BLANK && h.passed_over_bytes == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view rest = view_from(data + CHOICES, size < CHOICES ? 0 : size - CHOICES);
	struct summary_line lines[LINES] = {0};
	struct summary s = {.hostname = VIEW_LIT("mx.example.test"),
			    .to = VIEW_LIT("alice@example.test"),
			    .id = VIEW_LIT("03q2v9x8k0001"),
			    .summary_id = VIEW_LIT("03q2v9x8k0002"),
			    .lines = lines,
			    .count = LINES};
	struct buf out = BUF_INIT(1 << 22);

	if (size < CHOICES || size > 20000)
		return 0;
	for (size_t i = 0; i < LINES; i++) {
		lines[i] = (struct summary_line){.fate = (enum summary_fate)(data[2 * i] % (SUMMARY_DELIVERED + 1)),
						 .behind = data[2 * i + 1] & 1,
						 .mailboxes = data[2 * i + 1] >> 1};
		lines[i].address = take(&rest);
		lines[i].mta = take(&rest);
		lines[i].tls = take(&rest);
		lines[i].words = take(&rest);
	}
	s.count = data[0] >> 4 < LINES ? data[0] >> 4 : LINES;
	s.left_out = data[1] >> 6;
	s.header = rest;
	summary_format(&out, &s);
	assert(!out.overflow);
	check(buf_view(&out));
	buf_fini(&out);
	return 0;
}
