/* SPDX-License-Identifier: ISC
 * A chunk of a search index of any bytes is refused or read within its bounds, and what was read is written and read again as it was. The
 * first two bytes say how many documents there are. */
#include "store/trigram.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct doc_set *set, uint32_t trigram)
{
	static struct doc_set back;
	struct chunk_writer w = {0};
	struct chunk_reader r;

	chunk_add(&w, trigram, set);
	assert(!w.bytes.overflow);
	chunk_reader_init(&r, buf_view(&w.bytes), trigram);
	assert(chunk_next(&r) == PARSE_DONE && r.trigram == trigram && posting_read(r.posting, set->docs, &back));
	assert(memcmp(back.bits, set->bits, (set->docs + 63) / 64 * 8) == 0 && chunk_next(&r) == PARSE_MORE);
	buf_fini(&w.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct doc_set set;
	struct chunk_reader r;
	uint32_t docs, last = 0;

	if (size < 2)
		return 0;
	docs = (uint32_t)(data[0] << 8 | data[1]) % (TRIGRAM_DOCS_MAX + 1);
	chunk_reader_init(&r, view_from(data + 2, size - 2), 0);
	while (chunk_next(&r) == PARSE_DONE) {
		assert(r.trigram >= last && r.trigram <= TRIGRAM_WILD);
		last = r.trigram;
		if (!posting_read(r.posting, docs, &set))
			continue;
		assert(doc_set_count(&set) <= docs);
		check_again(&set, r.trigram);
	}
	return 0;
}
