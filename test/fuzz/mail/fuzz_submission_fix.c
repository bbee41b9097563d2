/* SPDX-License-Identifier: ISC
 * The fields that are added leave nothing missing, and change nothing else. */
#include "base/buf.h"
#include "mail/prefix.h"
#include "mail/submission_fix.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const unsigned added = SUBMISSION_NO_DATE | SUBMISSION_NO_MESSAGE_ID;
	const struct date date = {.utc_s = 0, .zone_known = true};
	struct view block = view_from(data, size);
	struct buf out = BUF_INIT(1 << 24);
	struct submission before, after;
	struct arena a;

	arena_init(&a, 1 << 20);
	if (submission_check(block, 100, &a, &before)) {
		submission_fix_format(&out, before.problems, &date, VIEW_LIT("x@y"));
		buf_append_view(&out, prefix_guard(block));
		buf_append_view(&out, block);
		assert(submission_check(buf_view(&out), 100, &a, &after));
		assert(after.problems == (before.problems & ~added) || (before.problems & SUBMISSION_JUNK) ||
		       prefix_guard(block).n);
		assert(after.address_count == before.address_count);
	}
	buf_fini(&out);
	arena_fini(&a);
	return 0;
}
