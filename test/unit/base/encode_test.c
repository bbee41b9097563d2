/* SPDX-License-Identifier: ISC */
#include "base/encode.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void base64_vectors(void **state)
{
	/* RFC 4648 §10 */
	static const char *const pairs[][2] = {{"", ""},
					       {"f", "Zg=="},
					       {"fo", "Zm8="},
					       {"foo", "Zm9v"},
					       {"foob", "Zm9vYg=="},
					       {"fooba", "Zm9vYmE="},
					       {"foobar", "Zm9vYmFy"}};
	struct buf b = BUF_INIT(100);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		buf_reset(&b);
		encode_base64(&b, view_from_cstr(pairs[i][0]));
		assert_string_equal(buf_cstr(&b), pairs[i][1]);
		buf_reset(&b);
		assert_true(decode_base64(&b, view_from_cstr(pairs[i][1])));
		assert_string_equal(buf_cstr(&b), pairs[i][0]);
	}
	buf_fini(&b);
}

static void base64_refuses_what_is_not(void **state)
{
	static const char *const bad[] = {
	    "Zg", "Zg=", "Z===", "====", "Zh==", "Zm9=", "Zm 9", "Zm\r\n", "Zg==Zg==", "=Zg="};
	struct buf b = BUF_INIT(100);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(decode_base64(&b, view_from_cstr(bad[i])));
	buf_fini(&b);
}

static void hex_goes_both_ways(void **state)
{
	struct buf b = BUF_INIT(100), c = BUF_INIT(100);

	(void)state;
	encode_hex(&b, view_from("\x00\xffz", 3));
	assert_string_equal(buf_cstr(&b), "00ff7a");
	assert_true(decode_hex(&c, buf_view(&b)));
	assert_memory_equal(c.p, "\x00\xffz", 3);
	assert_false(decode_hex(&c, VIEW_LIT("0")));
	assert_false(decode_hex(&c, VIEW_LIT("0g")));
	buf_fini(&b);
	buf_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(base64_vectors),
	    cmocka_unit_test(base64_refuses_what_is_not),
	    cmocka_unit_test(hex_goes_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
