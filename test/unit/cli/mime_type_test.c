/* SPDX-License-Identifier: ISC */
#include "cli/mime_type.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void guesses(void **state)
{
	static const struct {
		const char *name;
		struct view bytes;
		const char *want;
	} cases[] = {
	    {"report.pdf", VIEW_LIT("%PDF-1.4"), "application/pdf"},
	    {"REPORT.PDF", VIEW_LIT("x"), "application/pdf"},
	    {"a.tar.gz", VIEW_LIT("\x1f\x8b"), "application/gzip"},
	    {"notes.txt", VIEW_LIT("hello\n"), "text/plain"},
	    {"page.html", VIEW_LIT("<p>"), "text/html"},
	    {"latin1.txt", VIEW_LIT("caf\xe9\n"), "application/octet-stream"}, /* charset=utf-8 would be wrong */
	    {"notes.txt", VIEW_LIT("a\0b"), "application/octet-stream"},
	    {"noending", VIEW_LIT("caf\xc3\xa9\n"), "text/plain"},
	    {"noending",
	     VIEW_LIT("\x7f"
		      "ELF"),
	     "application/octet-stream"},
	    {".gz", VIEW_LIT("just a name\n"), "text/plain"},
	    {"empty", VIEW_LIT(""), "text/plain"},
	    {"mail.eml", VIEW_LIT("Subject: x\n"), "message/rfc822"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(mime_type_guess(view_from_cstr(cases[i].name), cases[i].bytes), cases[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(guesses)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
