/* SPDX-License-Identifier: ISC
 * Whatever a program hands to sendmail becomes a message with a header, an author and no Bcc, and stays what it is from then on. */
#include "cli/raw_message.h"
#include "mail/header.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_lines(struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		assert(v.p[i] != '\r' || (i + 1 < v.n && v.p[i + 1] == '\n'));
		assert(v.p[i] != '\n' || (i > 0 && v.p[i - 1] == '\r'));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct addressee me = {VIEW_LIT("Me"), VIEW_LIT("me@d.example")};
	struct buf lines = BUF_INIT(1 << 24), once = BUF_INIT(1 << 25), twice = BUF_INIT(1 << 25);
	struct addressees list;
	struct view bad;

	addressees_init(&list);
	raw_message_lines(&lines, view_from(data, size), size & 1);
	raw_message_rewrite(&once, buf_view(&lines), VIEW_LIT("d.example"), &me);
	check_lines(buf_view(&once));
	assert(header_count(buf_view(&once), "From") >= 1);
	assert(header_count(buf_view(&once), "Bcc") == 0);
	raw_message_rewrite(&twice, buf_view(&once), VIEW_LIT("d.example"), &me);
	assert(view_eq(buf_view(&once), buf_view(&twice)));
	if (raw_message_recipients(buf_view(&lines), VIEW_LIT("d.example"), &list, &bad) == ADDRESSEE_FINE)
		for (size_t i = 0; i < list.n; i++)
			assert(view_find_char(list.items[i].address, '@') < list.items[i].address.n);
	addressees_fini(&list);
	buf_fini(&lines);
	buf_fini(&once);
	buf_fini(&twice);
	return 0;
}
