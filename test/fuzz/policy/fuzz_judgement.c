/* SPDX-License-Identifier: ISC
 * Whatever a message starts with: the verdict is one, what is said about the header fits the channel, and a submission that is
 * taken is complete afterwards. The first byte is the purpose. */
#include "mail/header.h"
#include "mail/submission_fix.h"
#include "policy/judgement.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_completed(const struct judgement *j, struct view head, struct arena *a)
{
	struct buf whole = BUF_INIT(1 << 20);
	struct submission s;

	buf_append_view(&whole, j->header_add);
	buf_append_view(&whole, head);
	assert(submission_check(buf_view(&whole), JUDGEMENT_ADDRESSES_MAX, a, &s));
	assert(s.problems == 0);
	assert(header_length(buf_view(&whole)) == j->header_add.n + j->header_bytes);
	buf_fini(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct judgement_input in = {.sender = VIEW_LIT("me@example.org"),
				     .hostname = VIEW_LIT("mx.example.org"),
				     .wall_s = 1700000000,
				     .max_hops = 5,
				     .max_header_bytes = 4096};
	struct judgement j;
	struct arena a;

	if (size == 0)
		return 0;
	in.purpose = (enum judgement_purpose)(data[0] % 4);
	in.head = view_from(data + 1, size - 1);
	arena_init(&a, JUDGEMENT_ARENA_BYTES);
	judgement_make(&in, &a, &j);
	assert(j.refusal.code == 0 || (verdict_valid(&j.refusal) && j.refusal.code >= 500));
	if (j.refusal.code == 0) {
		assert(j.header_bytes <= in.head.n && j.header_bytes <= in.max_header_bytes);
		assert(j.subject.n <= JUDGEMENT_TEXT_MAX && j.message_id.n <= JUDGEMENT_TEXT_MAX);
		assert(j.header_add.n <= 4096 && j.separator.n <= 64 && j.from_count <= JUDGEMENT_ADDRESSES_MAX);
		for (size_t i = 0; i < j.from_count; i++)
			assert(j.from[i].n > 0 && j.from[i].n <= JUDGEMENT_ADDRESS_MAX);
		if (in.purpose == JUDGEMENT_SUBMISSION)
			check_completed(&j, in.head, &a);
		else
			assert(j.header_add.n == 0 || (view_eq_lit(j.header_add, "\r\n") && j.header_bytes == 0));
	}
	arena_fini(&a);
	return 0;
}
