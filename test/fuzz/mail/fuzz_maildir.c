/* SPDX-License-Identifier: ISC
 * Names and small files of a Maildir: flags written are flags read, folders too. */
#include "mail/maildir.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void names(struct view in)
{
	struct buf name = BUF_INIT(in.n + 64), folder = BUF_INIT(4096), again = BUF_INIT(4096), back = BUF_INIT(4096);
	struct maildir_name n, m;

	maildir_name_parse(in, &n);
	buf_append_view(&name, n.unique);
	maildir_flags_format(&name, &n);
	maildir_name_parse(buf_view(&name), &m);
	assert(view_eq(n.unique, m.unique) && n.letters == m.letters && n.seen == m.seen && n.draft == m.draft &&
	       n.deleted == m.deleted && n.passed == m.passed && n.flagged == m.flagged && n.answered == m.answered);
	if (maildir_folder_parse(in, &folder) && maildir_folder_format(buf_view(&folder), &again)) {
		assert(maildir_folder_parse(buf_view(&again), &back));
		assert(view_eq(buf_view(&folder), buf_view(&back)));
	}
	buf_fini(&name);
	buf_fini(&folder);
	buf_fini(&again);
	buf_fini(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view in = view_from(data, size), rest = in, word;
	struct maildir_uidlist l;
	struct maildir_uid u;
	uint32_t letter;

	names(in);
	while (maildir_keyword_next(&rest, &letter, &word))
		assert(letter < MAILDIR_KEYWORDS_MAX && word.n > 0);
	if (maildir_uidlist_init(&l, in))
		while (maildir_uidlist_next(&l, &u))
			assert(u.uid > 0 && u.name.n > 0);
	return 0;
}
