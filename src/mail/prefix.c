/* SPDX-License-Identifier: ISC
 * What stands before a stored message, and what keeps it apart from the message. */
#include "mail/prefix.h"

#include "mail/header.h"

static void append_path(struct buf *out, const char *name, struct view address, const char *end)
{
	buf_append_cstr(out, name);
	for (size_t i = 0; i < address.n; i++) {
		char c = address.p[i];

		buf_append_char(out, (unsigned char)c < 32 || c == 127 ? '?' : c);
	}
	buf_append_cstr(out, end);
}

void prefix_format(struct buf *out, const struct prefix *p)
{
	if (p->delivered_to.n) {
		append_path(out, "Return-Path: <", p->sender, ">\r\n");
		append_path(out, "Delivered-To: ", p->delivered_to, "\r\n");
	}
	received_format(out, p->received);
}

struct view prefix_guard(struct view head)
{
	if (head.n && (head.p[0] == ' ' || head.p[0] == '\t'))
		return VIEW_LIT("X-Unnamed-Field:\r\n");
	return header_length(head) == 0 ? VIEW_LIT("\r\n") : VIEW_EMPTY;
}
