/* SPDX-License-Identifier: ISC
 * Whatever the references say, every message is put out once, in lists that close. */
#include "mail/thread.h"

#include <stdlib.h>

enum { MESSAGES = 64, BYTES = 6 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check(const uint32_t *tokens, size_t n, uint32_t count)
{
	bool seen[MESSAGES + 1] = {false};
	uint32_t numbers = 0;
	size_t open = 0;

	for (size_t i = 0; i < n; i++) {
		if (tokens[i] == THREAD_OPEN) {
			open++;
		} else if (tokens[i] == THREAD_CLOSE) {
			require(open-- > 0 && tokens[i - 1] != THREAD_OPEN);
		} else {
			require(open > 0 && tokens[i] <= count && !seen[tokens[i]]);
			seen[tokens[i]] = true;
			numbers++;
		}
	}
	require(open == 0 && numbers == count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct thread_message messages[MESSAGES];
	uint64_t refs[MESSAGES][3];
	uint32_t n = 0;

	for (; n < MESSAGES && (n + 1) * (size_t)BYTES <= size; n++) {
		const uint8_t *b = data + n * (size_t)BYTES;

		messages[n] =
		    (struct thread_message){n + 1, b[0] & 1, b[0] >> 4, b[1] & 31, b[2] & 7, refs[n], b[2] >> 6};
		for (unsigned k = 0; k < 3; k++)
			refs[n][k] = (b[3 + k] & 31) + 1U;
	}
	for (int algorithm = THREAD_REFERENCES; algorithm <= THREAD_ORDEREDSUBJECT; algorithm++) {
		size_t count;
		uint32_t *tokens = thread_build((enum thread_algorithm)algorithm, messages, n, &count);

		require(tokens != NULL);
		check(tokens, count, n);
		free(tokens);
	}
	return 0;
}
