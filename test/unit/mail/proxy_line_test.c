/* SPDX-License-Identifier: ISC */
#include "mail/proxy_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x00\x19"
#define V6_1 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define V6_2 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN

/* Shows one byte more at a time: it must be MORE until the answer, and that the same to the end. */
static void expect(struct view in, const char *want)
{
	struct buf out = BUF_INIT(4096);
	struct proxy_line line;
	size_t consumed = 0, n = 0;
	enum parse r;

	do {
		r = proxy_line_parse(view_sub(in, 0, n), &consumed, &line);
	} while (r == PARSE_MORE && n++ < in.n);
	if (r != PARSE_MORE)
		assert_int_equal(proxy_line_parse(in, &consumed, &line), r);
	if (r == PARSE_DONE) {
		assert_int_equal(consumed, n);
		if (line.has_addresses) {
			ip_format(&out, &line.source);
			buf_printf(&out, " %u ", line.source_port);
			ip_format(&out, &line.destination);
			buf_printf(&out, " %u", line.destination_port);
		} else {
			buf_append_cstr(&out, "own");
		}
		buf_printf(&out, " +%zu", in.n - consumed);
	} else {
		buf_append_cstr(&out, r == PARSE_BAD ? "bad" : "more");
	}
	if (strcmp(buf_cstr(&out), want) != 0)
		fail_msg("%.*s\n got: %s\nwant: %s", VIEW_FMT(in), buf_cstr(&out), want);
	buf_fini(&out);
}

static void version_1(void **state)
{
	(void)state;
	expect(VIEW_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\nEHLO"), "192.0.2.1 56324 198.51.100.2 25 +4");
	expect(VIEW_LIT("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
	       "255.255.255.255 65535 255.255.255.255 65535 +0");
	expect(VIEW_LIT("PROXY TCP6 2001:db8::1 2001:db8::2 0 25\r\n"), "2001:db8::1 0 2001:db8::2 25 +0");
	expect(VIEW_LIT("PROXY UNKNOWN\r\n"), "own +0");
	expect(VIEW_LIT("PROXY UNKNOWN what ever\r\nx"), "own +1");
	expect(VIEW_LIT(""), "more");
	expect(VIEW_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r"), "more");
	expect(VIEW_LIT("EHLO"), "bad");
	expect(VIEW_LIT("PROXX"), "bad");
	expect(VIEW_LIT("PROXY\tTCP4"), "bad");
	expect(VIEW_LIT("PROXY \r\n"), "bad");
	expect(VIEW_LIT("PROXY \n"), "bad");
	expect(VIEW_LIT("PROXY TCP4\r\n"), "bad");
	expect(VIEW_LIT("PROXY UNKNOWNS\r\n"), "bad");
	expect(VIEW_LIT("PROXY tcp4 192.0.2.1 198.51.100.2 56324 25\r\n"), "bad");
	expect(VIEW_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\n"), "bad");
	expect(VIEW_LIT("PROXY TCP4 192.0.2.1\r198.51.100.2 56324 25\r\n"), "bad");
	expect(VIEW_LIT("PROXY TCP4  192.0.2.1 198.51.100.2 56324 25\r\n"), "bad");
	expect(VIEW_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 56324 25 \r\n"), "bad");
	expect(VIEW_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n"), "bad");
	expect(VIEW_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 056324 25\r\n"), "bad");
	expect(VIEW_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 65536 25\r\n"), "bad");
	expect(VIEW_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 -1 25\r\n"), "bad");
	expect(VIEW_LIT("PROXY TCP4 192.0.2.01 198.51.100.2 1 25\r\n"), "bad");
	expect(VIEW_LIT("PROXY TCP4 2001:db8::1 2001:db8::2 1 25\r\n"), "bad");
	expect(VIEW_LIT("PROXY TCP6 192.0.2.1 198.51.100.2 1 25\r\n"), "bad");
	expect(VIEW_LIT("PROXY UNKNOWN " FIFTY FIFTY), "bad");
}

static void version_2(void **state)
{
	(void)state;
	expect(VIEW_LIT(SIGNATURE "\x21\x11\0\x0c" V4 "EHLO"), "192.0.2.1 56324 198.51.100.2 25 +4");
	expect(VIEW_LIT(SIGNATURE "\x21\x21\0\x24" V6_1 V6_2 "\xdc\x04\x00\x19"),
	       "2001:db8::1 56324 2001:db8::2 25 +0");
	/* TLVs behind the addresses */
	expect(VIEW_LIT(SIGNATURE "\x21\x11\0\x10" V4 "\x04\0\x01x!"), "192.0.2.1 56324 198.51.100.2 25 +1");
	/* LOCAL, whatever it carries; no family; other families and protocols */
	expect(VIEW_LIT(SIGNATURE "\x20\x00\0\0"), "own +0");
	expect(VIEW_LIT(SIGNATURE "\x20\x7f\0\x02xy"), "own +0");
	expect(VIEW_LIT(SIGNATURE "\x21\x00\0\x02xy"), "own +0");
	expect(VIEW_LIT(SIGNATURE "\x21\x12\0\x0c" V4), "own +0");
	expect(VIEW_LIT(SIGNATURE "\x21\x31\0\xd8" FIFTY FIFTY FIFTY FIFTY TEN "012345"), "own +0");
	expect(VIEW_LIT(SIGNATURE), "more");
	expect(VIEW_LIT(SIGNATURE "\x21\x11\0\x0c" FIFTY), "48.49.50.51 14393 52.53.54.55 12337 +38");
	expect(VIEW_LIT(SIGNATURE "\x21\x11\0\x0c" TEN), "more");
	expect(VIEW_LIT("\r\n\r\nX"), "bad");
	expect(VIEW_LIT(SIGNATURE "\x11\x11\0\x0c" V4), "bad");
	expect(VIEW_LIT(SIGNATURE "\x22\x11\0\x0c" V4), "bad");
	expect(VIEW_LIT(SIGNATURE "\x21\x13\0\x0c" V4), "bad");
	expect(VIEW_LIT(SIGNATURE "\x21\x41\0\x0c" V4), "bad");
	expect(VIEW_LIT(SIGNATURE "\x21\x10\0\x0c" V4), "bad");
	expect(VIEW_LIT(SIGNATURE "\x21\x11\0\x0b" V4), "bad");
	expect(VIEW_LIT(SIGNATURE "\x21\x21\0\x0c" V4), "bad");
	expect(VIEW_LIT(SIGNATURE "\x21\x11\x02\x09"), "bad"); /* 16 + 521 */
	expect(VIEW_LIT(SIGNATURE "\x21\x11\x02\x08"), "more");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(version_1), cmocka_unit_test(version_2)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
