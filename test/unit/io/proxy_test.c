/* SPDX-License-Identifier: ISC */
#include "io/proxy.h"

#include "base/buf.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SIG "\r\n\r\n\0\r\nQUIT\n"

/* "IP PORT rest", "- rest" without an address, "bad", "more". Every shorter input must be "more". */
static void parsed(struct view in, struct buf *out)
{
	struct proxy_header h;
	size_t consumed = 0;
	char ip[INET6_ADDRSTRLEN];

	switch (proxy_parse(in, &consumed, &h)) {
	case PARSE_BAD:
		buf_append_cstr(out, "bad");
		return;
	case PARSE_MORE:
		buf_append_cstr(out, "more");
		return;
	case PARSE_DONE:
		break;
	}
	for (size_t cut = 0; cut < consumed; cut++) {
		size_t n;
		struct proxy_header ignored;

		assert_int_equal(proxy_parse(view_sub(in, 0, cut), &n, &ignored), PARSE_MORE);
	}
	if (!h.has_address)
		buf_append_cstr(out, "-");
	else if (h.client.any.sa_family == AF_INET)
		buf_printf(out, "%s %u", inet_ntop(AF_INET, &h.client.v4.sin_addr, ip, sizeof ip),
			   ntohs(h.client.v4.sin_port));
	else
		buf_printf(out, "%s %u", inet_ntop(AF_INET6, &h.client.v6.sin6_addr, ip, sizeof ip),
			   ntohs(h.client.v6.sin6_port));
	in = view_sub(in, consumed, in.n);
	buf_printf(out, " %.*s", VIEW_FMT(in));
}

static void headers(void **state)
{
	static const struct {
		struct view in;
		const char *out;
	} cases[] = {
	    {VIEW_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 4711 25\r\nEHLO x\r\n"), "192.0.2.1 4711 EHLO x\r\n"},
	    {VIEW_LIT("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), "255.255.255.255 65535 "},
	    {VIEW_LIT("PROXY TCP6 2001:db8::1 2001:db8::2 0 25\r\n"), "2001:db8::1 0 "},
	    {VIEW_LIT("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		      "65535 65535\r\n"),
	     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "},
	    {VIEW_LIT("PROXY UNKNOWN\r\nx"), "- x"},
	    {VIEW_LIT("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"), "- "},
	    {VIEW_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 4711 25\r"), "more"},
	    {VIEW_LIT(""), "more"},
	    {VIEW_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 4711 25\n"), "more"},
	    {VIEW_LIT("PROXY TCP4 2001:db8::1 198.51.100.2 4711 25\r\n"), "bad"},
	    {VIEW_LIT("PROXY TCP6 192.0.2.1 2001:db8::1 4711 25\r\n"), "bad"},
	    {VIEW_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 04711 25\r\n"), "bad"},
	    {VIEW_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 65536 25\r\n"), "bad"},
	    {VIEW_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 -1 25\r\n"), "bad"},
	    {VIEW_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 4711\r\n"), "bad"},
	    {VIEW_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 4711 25 \r\n"), "bad"},
	    {VIEW_LIT("PROXY TCP4  192.0.2.1 198.51.100.2 4711 25\r\n"), "bad"},
	    {VIEW_LIT("PROXY TCP4 192.0.2.1\0 198.51.100.2 4711 25\r\n"), "bad"},
	    {VIEW_LIT("PROXY tcp4 192.0.2.1 198.51.100.2 4711 25\r\n"), "bad"},
	    {VIEW_LIT("PROXY \r\n"), "bad"},
	    {VIEW_LIT("PROXY\tTCP4"), "bad"},
	    {VIEW_LIT("EHLO x\r\n"), "bad"},
	    {VIEW_LIT("PROXY UNKNOWN "
		      "x0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890\r"),
	     "bad"}, /* 107 bytes and no end */
	    {VIEW_LIT("PROXY UNKNOWN "
		      "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678\r"
		      "\nx"),
	     "- x"},
	    {VIEW_LIT(SIG "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x67\x00\x19"
			  "EHLO"),
	     "192.0.2.1 4711 EHLO"},
	    {VIEW_LIT(SIG "\x21\x11\x00\x0e\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x67\x00\x19\x04\x00"
			  "x"),
	     "192.0.2.1 4711 x"}, /* TLV */
	    {VIEW_LIT(
		 SIG
		 "\x21\x21\x00\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
		 "\x12\x67\x00\x19"
		 "y"),
	     "2001:db8::1 4711 y"},
	    {VIEW_LIT(SIG "\x20\x00\x00\x00z"), "- z"}, /* LOCAL */
	    {VIEW_LIT(SIG "\x20\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x67\x00\x19"), "- "},
	    {VIEW_LIT(SIG "\x21\x00\x00\x00z"), "- z"},
	    {VIEW_LIT(SIG "\x21\x11\x00\x0b\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x67\x00\x19"),
	     "bad"}, /* too short for IPv4 */
	    {VIEW_LIT(SIG "\x21\x21\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x67\x00\x19"), "bad"},
	    {VIEW_LIT(SIG "\x21\x12\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x67\x00\x19"), "bad"}, /* UDP */
	    {VIEW_LIT(SIG "\x11\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x67\x00\x19"), "bad"}, /* version 1 */
	    {VIEW_LIT(SIG "\x22\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x67\x00\x19"),
	     "bad"}, /* no such command */
	    {VIEW_LIT(SIG "\x21\x11\xff\xff"), "bad"}, /* absurd length */
	    {VIEW_LIT("\r\n\r\n\0\r\nQUIT\r"), "bad"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out = BUF_INIT(1000);

		parsed(cases[i].in, &out);
		assert_string_equal(buf_cstr(&out), cases[i].out);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
