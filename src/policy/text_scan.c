/* SPDX-License-Identifier: ISC
 * What the bytes of a message are like. */
#include "policy/text_scan.h"

enum { LINE_MAX_BYTES = 998 + 1 /* its CR counts until the LF is seen */ };

static void add_to_line(struct text_scan *s, uint64_t n)
{
	s->line_bytes += n;
	if (s->line_bytes > LINE_MAX_BYTES)
		s->has_long_line = true;
}

void text_scan_feed(struct text_scan *s, struct view bytes)
{
	if (!s->is_eightbit)
		s->is_eightbit = !view_is_ascii(bytes);
	while (bytes.n && !s->has_long_line) {
		size_t n = view_find_char(bytes, '\n');

		add_to_line(s, n);
		if (n == bytes.n)
			break;
		s->line_bytes = 0;
		bytes = view_sub(bytes, n + 1, bytes.n);
	}
}
