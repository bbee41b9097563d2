/* SPDX-License-Identifier: ISC
 * A base subject has no more to be taken off; message ids come out of anything. */
#include "base/mem.h"
#include "mail/base_subject.h"
#include "mail/message_id.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view in = view_from(data, size);
	struct buf once = BUF_INIT(size), twice = BUF_INIT(size), id = BUF_INIT(100);

	(void)base_subject(in, &once);
	if (base_subject(buf_view(&once), &twice) || !view_eq(buf_view(&once), buf_view(&twice)))
		abort();
	while (message_id_next(&in, &id))
		if (id.n < 3 || view_find_char(buf_view(&id), '@') == id.n)
			abort();
	buf_fini(&once);
	buf_fini(&twice);
	buf_fini(&id);
	return 0;
}
