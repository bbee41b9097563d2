/* SPDX-License-Identifier: ISC
 * Identifiers of mailboxes and messages as clients see them. */
#include "mail/objectid.h"

enum { OBJECTID_BYTES_MAX = 255 };

void objectid_format(struct buf *out, enum objectid_kind kind, uint64_t number)
{
	buf_append_char(out, (char)kind);
	buf_append_u64(out, number);
}

bool objectid_parse(struct view text, enum objectid_kind kind, uint64_t *ret)
{
	struct view digits = view_sub(text, 1, text.n);

	if (text.n < 2 || text.p[0] != (char)kind || (digits.n > 1 && digits.p[0] == '0'))
		return false;
	return view_to_u64(digits, UINT64_MAX, ret);
}

bool objectid_is_valid(struct view text)
{
	for (size_t i = 0; i < text.n; i++)
		if (!ascii_is_alnum(text.p[i]) && text.p[i] != '_' && text.p[i] != '-')
			return false;
	return text.n > 0 && text.n <= OBJECTID_BYTES_MAX;
}
