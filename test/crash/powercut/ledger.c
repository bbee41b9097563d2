/* SPDX-License-Identifier: ISC
 * The messages of the test: what is in them follows from their number. */
#include "ledger.h"

#include "disk.h"

#include <stdlib.h>
#include <sys/mman.h>

struct ledger *ledger_new(void)
{
	struct ledger *l =
	    mmap(NULL, sizeof *l, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (l == MAP_FAILED)
		abort();
	l->made = NO_OP;
	return l;
}

const char *ledger_box_name(uint32_t box)
{
	return box == 0 ? "INBOX" : "Sent";
}

void message_prefix(const struct message *m, uint32_t account, struct buf *out)
{
	if (m->box == 0)
		buf_printf(out, "Delivered-To: a%u@example.test\r\n", account);
}

void message_header(uint32_t number, struct buf *out)
{
	buf_printf(out, "Subject: %u\r\nFrom: x@example.test\r\n\r\n", number);
}

void message_content(uint32_t number, uint32_t bytes, struct buf *out)
{
	struct dice d = {number * 7919ULL + 1};
	char *p = buf_reserve(out, bytes);

	if (!p)
		abort();
	for (uint32_t i = 0; i < bytes; i += 8) {
		uint64_t r = dice_u64(&d);

		for (uint32_t k = i; k < i + 8 && k < bytes; k++, r >>= 8)
			p[k] = (char)('0' + (r & 63));
	}
	buf_commit(out, bytes);
}

uint32_t message_number(struct view header)
{
	size_t at = view_find(header, VIEW_LIT("Subject: "));
	struct view rest = view_sub(header, at + 9, header.n), digits, after;
	uint32_t number;

	if (at == header.n || !view_cut(rest, '\r', &digits, &after) || !view_to_u32(digits, MESSAGES_MAX, &number))
		return NO_OP;
	return number;
}
