/* SPDX-License-Identifier: ISC
 * Whatever is typed as subject, names, text and file: the message is well-formed, and nothing of it becomes a header field. Input:
 * lines of sender, recipients, subject, file name; the rest is the text and the file. */
#include "cli/compose.h"
#include "mail/header.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS = 9, LINE_MAX_BYTES = 998 };

/* CRLF, no line over what RFC 5322 §2.1.1 has; 7 bits behind the header. */
static void check(struct view v)
{
	size_t header = header_length(v), column = 0;

	for (size_t i = 0; i < v.n; i++) {
		assert(v.p[i] != '\0' && (v.p[i] != '\r' || (i + 1 < v.n && v.p[i + 1] == '\n')));
		assert(i < header || (unsigned char)v.p[i] < 0x80);
		if (v.p[i] == '\n') {
			assert(i > 0 && v.p[i - 1] == '\r' && column <= LINE_MAX_BYTES + 1);
			column = 0;
		} else {
			column++;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view parts[4] = {VIEW_EMPTY, VIEW_EMPTY, VIEW_EMPTY, VIEW_EMPTY}, rest = view_from(data, size), bad;
	struct addressees from, to, cc;
	struct buf out = BUF_INIT(1 << 24);

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (!view_cut(rest, '\n', &parts[i], &rest))
			rest = VIEW_EMPTY;
	addressees_init(&from);
	addressees_init(&to);
	addressees_init(&cc);
	if (addressees_add(&from, parts[0], VIEW_LIT("d.example"), &bad) == ADDRESSEE_FINE && from.n &&
	    addressees_add(&to, parts[1], VIEW_LIT("d.example"), &bad) == ADDRESSEE_FINE) {
		const struct compose_file file = {parts[3], "application/octet-stream", rest};
		const struct compose m = {.from = from.items,
					  .to = &to,
					  .cc = &cc,
					  .subject = parts[2],
					  .text = rest,
					  .files = &file,
					  .file_count = parts[3].n > 0,
					  .date = {.zone_known = true},
					  .unique = VIEW_LIT("0123456789")};

		if (compose_format(&out, &m) == COMPOSE_DONE) {
			struct header_field field;
			struct header h;
			size_t n = 0;

			check(buf_view(&out));
			header_init(&h, buf_view(&out));
			while (header_next(&h, &field) == PARSE_DONE)
				n++;
			assert(h.end == HEADER_END_BLANK && n <= FIELDS);
		}
	}
	addressees_fini(&from);
	addressees_fini(&to);
	addressees_fini(&cc);
	buf_fini(&out);
	return 0;
}
