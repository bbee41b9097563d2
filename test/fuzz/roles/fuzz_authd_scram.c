/* SPDX-License-Identifier: ISC
 * SCRAM messages of a client: the first line is the first one, the rest the final one. Without the keys nothing is ever right; what
 * is taken from the first message fits its bounds. */
#include "authd/scram.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char key[SCRAM_KEY_BYTES + 1] = "keys that nobody can know, nobody";
	static const struct scram_channel channels[] = {
	    {false, {"", 0}, {"", 0}, {"", 0}},
	    {true, {"exporter", 8}, {"unique", 6}, {"end point", 9}},
	    {false, {"exporter", 8}, {"", 0}, {"", 0}},
	};
	struct view in = view_from(data, size), first = in, final = VIEW_EMPTY;

	(void)view_cut(in, '\n', &first, &final);
	for (size_t i = 0; i < ARRAY_LEN(channels); i++) {
		struct scram s;
		struct buf out = BUF_INIT(2 * SCRAM_MESSAGE_MAX), last = BUF_INIT(100);

		scram_init(&s);
		if (scram_first(&s, first, &channels[i]) == SCRAM_OK) {
			assert(s.user.n > 0 && s.nonce.n > 0 && s.binding.n >= 3 && !view_has_nul(buf_view(&s.user)));
			scram_challenge(&s, VIEW_LIT("salt"), 4096, view_from(key, SCRAM_KEY_BYTES),
					view_from(key, SCRAM_KEY_BYTES), VIEW_LIT("server"), &out);
			assert(out.n > 0 && !out.overflow && !s.nonce.overflow);
			assert(scram_final(&s, final, &last) != SCRAM_OK && last.n == 0);
		}
		scram_fini(&s);
		buf_fini(&out);
		buf_fini(&last);
	}
	return 0;
}
