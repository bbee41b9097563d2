/* SPDX-License-Identifier: ISC */
#include "mail/unitext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void decodes(void **state)
{
	static const struct {
		const char *in, *out; /* NULL: it is no such address */
	} cases[] = {
	    {"a@b.example", "a@b.example"},
	    {"\\x{FC}@b.example", "\xc3\xbc@b.example"},
	    {"\\x{fc}@b.example", "\xc3\xbc@b.example"},
	    {"\xc3\xbc@b.example", "\xc3\xbc@b.example"},
	    {"\\x{4E2D}\\x{1F4EC}\\x{10FFFF}", "\xe4\xb8\xad\xf0\x9f\x93\xac\xf4\x8f\xbf\xbf"},
	    {"a\\x{2B}b\\x{3D}c\\x{5C}d\\x{20}e", "a+b=c\\d e"},
	    {"a+b=c", "a+b=c"},
	    {"\\x{41}", NULL},
	    {"\\x{0D}", NULL},
	    {"\\x{7F}", NULL},
	    {"\\x{D800}", NULL},
	    {"\\x{110000}", NULL},
	    {"\\x{0000FC0}", NULL},
	    {"\\x{F}", NULL},
	    {"\\x{FC", NULL},
	    {"\\x{}", NULL},
	    {"\\xFC", NULL},
	    {"a b", NULL},
	    {"a\x7f", NULL},
	    {"\xff", NULL},
	    {"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out = BUF_INIT(200);
		bool ok = unitext_decode(&out, view_from_cstr(cases[i].in));

		if (ok != (cases[i].out != NULL))
			fail_msg("%s: %d", cases[i].in, ok);
		if (ok)
			assert_string_equal(buf_cstr(&out), cases[i].out);
		buf_fini(&out);
	}
}

/* Every character but controls comes back, in either form; the ASCII form is ASCII and needs no xtext. */
static void round_trip(void **state)
{
	(void)state;
	for (unsigned c = ' '; c < 0x110000; c += c < 0x900 ? 1 : 251) {
		struct buf text = BUF_INIT(10), plain = BUF_INIT(10), coded = BUF_INIT(40);
		char in[16];

		if ((c >= 127 && c < 160) || (c >= 0xd800 && c < 0xe000))
			continue;
		(void)snprintf(in, sizeof in, "\\x{%02X}", c);
		if (c < 128)
			buf_append_char(&text, (char)c);
		else
			assert_true(unitext_decode(&text, view_from_cstr(in)));
		for (int ascii = 0; ascii < 2; ascii++) {
			buf_reset(&coded);
			buf_reset(&plain);
			unitext_encode(&coded, buf_view(&text), ascii);
			assert_true(!ascii || view_is_ascii(buf_view(&coded)));
			assert_true(view_find_char(buf_view(&coded), '+') == coded.n);
			assert_true(view_find_char(buf_view(&coded), '=') == coded.n);
			assert_true(view_find_char(buf_view(&coded), ' ') == coded.n);
			assert_true(unitext_decode(&plain, buf_view(&coded)));
			assert_true(view_eq(buf_view(&plain), buf_view(&text)));
		}
		buf_fini(&text);
		buf_fini(&plain);
		buf_fini(&coded);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(decodes), cmocka_unit_test(round_trip)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
