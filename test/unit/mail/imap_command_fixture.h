/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_IMAP_COMMAND_FIXTURE_H
#define POMBO_TEST_IMAP_COMMAND_FIXTURE_H

#include "mail/imap_parse.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Reads "arguments" as those of one command, literals kept; valid until imap_reader_fini(). */
static inline const struct imap_arg *read_args(struct imap_reader *r, const char *arguments)
{
	struct buf line = BUF_INIT(1 << 20);
	enum imap_read what;
	struct view in;
	size_t used;

	imap_reader_init(r, &imap_reader_limits_default);
	buf_printf(&line, "a X %s\r\n", arguments);
	in = buf_view(&line);
	while ((what = imap_reader_next(r, in, &used)) == IMAP_READ_LITERAL) {
		in = view_sub(in, used, in.n);
		assert_true(imap_reader_keep(r));
	}
	assert_int_equal(what, IMAP_READ_COMMAND);
	buf_fini(&line);
	return r->command.args;
}

#endif
