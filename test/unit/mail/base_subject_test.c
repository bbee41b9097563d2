/* SPDX-License-Identifier: ISC */
#include "mail/base_subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *subject, *base;
	bool is_reply;
} cases[] = {
    {"", "", false},
    {"hello", "hello", false},
    {"  a\t b\r\n c  ", "a b c", false},
    {"Re: hello", "hello", true},
    {"re:re: RE:  Fwd: fw : FWD [x]: hello", "hello", true},
    {"Re[2]: hello", "hello", true},
    {"Re [2]  : hello", "hello", true},
    {"Re[[2]: hello", "Re[[2]: hello", false},
    {"hello (fwd)", "hello", true},
    {"hello (FWD)  (fwd) ", "hello", true},
    {"[list] hello", "hello", false},
    {"[list] Re: [list] hello", "hello", true},
    {"[a] [b]  hello", "hello", false},
    {"[a] [b]", "[b]", false},
    {"[list]", "[list]", false},
    {"Re: [list]", "[list]", true},
    {"[fwd: hello]", "hello", true},
    {"[Fwd: Re: [list] hello (fwd) ]", "hello", true},
    {"[Fwd: [Fwd: hello]]", "hello", true},
    {"[fwd: hello] x", "x", false}, /* a blob */
    {"[fwd: [a] b", "[fwd: [a] b", false},
    {"Re:", "", true},
    {"(fwd)", "", true},
    {"Real estate", "Real estate", false},
    {"Request: x", "Request: x", false},
    {"[a[b] c", "[a[b] c", false},
    {"Re: \xc3\x84rger", "\xc3\x84rger", true},
};

static void rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf out = BUF_INIT(1000);

		assert_int_equal(base_subject(view_from_cstr(cases[i].subject), &out), cases[i].is_reply);
		assert_string_equal(buf_cstr(&out), cases[i].base);
		buf_fini(&out);
	}
}

/* What takes more than linear time takes hours here. */
static void long_ones(void **state)
{
	static const char *const parts[] = {"[a]", "[fwd:", "Re: ", "[", "(fwd)", "re [x]", "re  "};

	(void)state;
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		struct buf in = BUF_INIT(4000000), out = BUF_INIT(4000000);

		while (in.n < 1000000)
			buf_append_cstr(&in, parts[i]);
		(void)base_subject(buf_view(&in), &out);
		assert_false(out.overflow);
		buf_fini(&in);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rules), cmocka_unit_test(long_ones)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
