/* SPDX-License-Identifier: ISC */
#include "mail/http_response.h"
#include "mail/https_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { BODY_MAX = 64 };

static const struct {
	const char *text;
	enum parse answer; /* when the server closes behind it */
	uint16_t status;
	const char *type, *body;
} cases[] = {
    {"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n\r\nhello", PARSE_DONE, 200,
     "text/plain; charset=utf-8", "hello"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more", PARSE_DONE, 200, "", "hello"},
    {"HTTP/1.0 200\n\nall to the end", PARSE_DONE, 200, "", "all to the end"},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\ncontent-length:0\r\n\r\n", PARSE_DONE, 404, "", ""},
    {"HTTP/1.1 103 Early Hints\r\nLink: x\r\nContent-Length: 9\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", PARSE_DONE, 204,
     "", ""},
    {"HTTP/1.1 301 Moved\r\nLocation: https://elsewhere.example/\r\nContent-Length: 2\r\n\r\nno", PARSE_DONE, 301, "",
     "no"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5;x=\"y\"\r\nhello\r\n6 \r\n world\r\n0\r\nTrailer: "
     "1\r\n\r\n",
     PARSE_DONE, 200, "", "hello world"},
    {"HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", PARSE_DONE,
     200, "", "x"},
    /* broken off */
    {"", PARSE_BAD, 0, "", ""},
    {"HTTP/1.1 200 OK\r\n", PARSE_BAD, 0, "", ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", PARSE_BAD, 0, "", ""},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", PARSE_BAD, 0, "", ""},
    /* not HTTP/1 */
    {"SSH-2.0-OpenSSH\r\n", PARSE_BAD, 0, "", ""},
    {"HTTP/2 200\r\n\r\n", PARSE_BAD, 0, "", ""},
    {"HTTP/1.1 20 OK\r\n\r\n", PARSE_BAD, 0, "", ""},
    {"HTTP/1.1 2000 OK\r\n\r\n", PARSE_BAD, 0, "", ""},
    {"HTTP/1.1 099 OK\r\n\r\n", PARSE_BAD, 0, "", ""},
    {"HTTP/1.1 600 OK\r\n\r\n", PARSE_BAD, 0, "", ""},
    {"HTTP/1.1 101 Switching Protocols\r\n\r\n", PARSE_BAD, 0, "", ""},
    {"HTTP/1.1 200 OK\r\nno field\r\n\r\n", PARSE_BAD, 0, "", ""},
    {"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n", PARSE_BAD, 0, "", ""},
    {"HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\nx", PARSE_BAD, 0, "", ""},
    /* two lengths, or none that we know */
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", PARSE_BAD, 0, "", ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", PARSE_BAD, 0, "",
     ""},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", PARSE_BAD, 0, "", ""},
    {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", PARSE_BAD, 0, "", ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", PARSE_BAD, 0, "", ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", PARSE_BAD, 0, "", ""},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n", PARSE_BAD, 0, "", ""},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", PARSE_BAD, 0, "", ""},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n", PARSE_BAD, 0, "", ""},
};

static void responses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t step = 1; step < 200; step += 99) {
			struct view text = view_from_cstr(cases[i].text);
			struct http_response r;
			enum parse p = PARSE_MORE;

			http_response_init(&r, BODY_MAX);
			for (size_t at = 0; at < text.n && p == PARSE_MORE; at += step)
				p = http_response_feed(&r, view_sub(text, at, step));
			if (p == PARSE_MORE)
				p = http_response_end(&r);
			if (p != cases[i].answer)
				fail_msg("%d: %s", (int)p, cases[i].text);
			if (p == PARSE_DONE) {
				assert_int_equal(r.status, cases[i].status);
				assert_string_equal(buf_cstr(&r.content_type), cases[i].type);
				assert_string_equal(buf_cstr(&r.body), cases[i].body);
			}
			http_response_fini(&r);
		}
}

static void limits(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\n";
	static char line[HTTP_LINE_MAX + 2];
	struct http_response r;
	enum parse p;

	(void)state;
	memset(line, 'a', sizeof line);
	/* a line */
	http_response_init(&r, BODY_MAX);
	assert_int_equal(http_response_feed(&r, VIEW_LIT(head)), PARSE_MORE);
	assert_int_equal(http_response_feed(&r, view_from(line, HTTP_LINE_MAX)), PARSE_MORE);
	assert_int_equal(http_response_feed(&r, VIEW_LIT("a")), PARSE_BAD);
	http_response_fini(&r);
	/* fields without end */
	http_response_init(&r, BODY_MAX);
	p = http_response_feed(&r, VIEW_LIT(head));
	for (int i = 0; i < HTTP_HEADER_MAX / 5 && p == PARSE_MORE; i++)
		p = http_response_feed(&r, VIEW_LIT("a: b\r\n"));
	assert_int_equal(p, PARSE_BAD);
	http_response_fini(&r);
	/* a body: said, chunked, until the end */
	http_response_init(&r, BODY_MAX);
	assert_int_equal(http_response_feed(&r, VIEW_LIT("HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n")), PARSE_BAD);
	assert_true(r.too_big);
	http_response_fini(&r);
	http_response_init(&r, BODY_MAX);
	assert_int_equal(
	    http_response_feed(&r, VIEW_LIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n41\r\n")),
	    PARSE_MORE);
	assert_int_equal(http_response_feed(&r, view_from(line, BODY_MAX)), PARSE_MORE);
	assert_int_equal(http_response_feed(&r, VIEW_LIT("a")), PARSE_BAD);
	assert_true(r.too_big);
	http_response_fini(&r);
	http_response_init(&r, BODY_MAX);
	assert_int_equal(http_response_feed(&r, VIEW_LIT("HTTP/1.1 200 OK\r\n\r\n")), PARSE_MORE);
	assert_int_equal(http_response_feed(&r, view_from(line, BODY_MAX + 1)), PARSE_BAD);
	http_response_fini(&r);
}

static void urls(void **state)
{
	static const struct {
		const char *text, *host, *target;
		uint16_t port;
	} good[] = {
	    {"https://mta-sts.example.com/.well-known/mta-sts.txt", "mta-sts.example.com", "/.well-known/mta-sts.txt",
	     0},
	    {"HTTPS://a.example:8443", "a.example", "/", 8443},
	    {"https://a.example/x?y=z&%20#part", "a.example", "/x?y=z&%20", 0},
	    {"https://xn--bcher-kva.example/v1/tlsrpt", "xn--bcher-kva.example", "/v1/tlsrpt", 0},
	};
	static const char *const bad[] = {
	    "",
	    "http://a.example/",
	    "https:/a.example/",
	    "https://",
	    "https:///x",
	    "https://localhost/",
	    "https://127.0.0.1/",
	    "https://2130706433/",
	    "https://[::1]/",
	    "https://user@a.example/",
	    "https://a.example:0/",
	    "https://a.example:65536/",
	    "https://a.example:/",
	    "https://a..example/",
	    "https://-a.example/",
	    "https://a.example./",
	    "https://a.example/ x",
	    "https://a.example/\r\nHost: b",
	    "https://a.example?x",
	    "https://a.example\\x",
	};
	struct https_url u;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_true(https_url_parse(view_from_cstr(good[i].text), &u));
		assert_true(view_eq_lit(u.host, good[i].host) && view_eq_lit(u.target, good[i].target));
		assert_int_equal(u.port, good[i].port);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (https_url_parse(view_from_cstr(bad[i]), &u))
			fail_msg("taken: %s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(responses),
	    cmocka_unit_test(limits),
	    cmocka_unit_test(urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
