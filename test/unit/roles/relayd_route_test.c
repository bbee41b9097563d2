/* SPDX-License-Identifier: ISC */
#include "relayd/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static struct conf *conf_of(const char *text)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(4096);
	struct conf *c = NULL;

	if (conf_parse(view_from_cstr(text), "pombo.conf", &c, &error) < 0)
		fail_msg("%s", buf_cstr(&error));
	return c;
}

static const struct route *take(const struct routes *rs, const char *from, const char *to)
{
	return route_for(rs, view_from_cstr(from), view_from_cstr(to));
}

static void give_passwords(struct routes *rs, const char *text)
{
	int fd = memfd_create("passwords", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(routes_read_passwords(rs, fd), 0);
}

static void without_sections(void **state)
{
	struct conf *c = conf_of("outbound-port = 2525\noutbound-source = 192.0.2.1 2001:db8::1\n");
	struct conf *smart = conf_of("relay-host = smtp.example.net:465\n");
	struct routes *rs = routes_new(c);
	const struct route *r = take(rs, "a@example.org", "example.net");

	(void)state;
	assert_true(r->host.n == 0 && r->name.n == 0 && r->user.n == 0 && !r->lmtp && !r->tls_first);
	assert_int_equal(r->port, 2525);
	assert_int_equal(r->source_count, 2);
	assert_true(!r->sources[0].is_v6 && r->sources[1].is_v6);
	assert_true(routes_has_key(rs, r->key));

	give_passwords(rs, "# none\nother.test x y\nsmtp.example.net me pass word \nsmtp.example.net you secret\n");
	routes_configure(rs, smart);
	r = take(rs, "", "example.net");
	assert_true(view_eq_lit(r->host, "smtp.example.net") && view_eq_lit(r->name, "relay-host"));
	assert_true(r->tls_first && r->tls == ROUTE_TLS_OPPORTUNISTIC);
	assert_true(view_eq_lit(r->user, "me") && view_eq_lit(r->password, "pass word"));
	routes_free(&rs);
	conf_free(&c);
	conf_free(&smart);
}

static void sections_before_the_smart_host(void **state)
{
	struct conf *c = conf_of("relay-host = smart.example.net\noutbound-source = 192.0.2.1\n"
				 "[route provider]\nfrom = example.org\nhost = smtp.example.net\ntransport = smtps\n"
				 "user = you\n"
				 "[route plain]\nto = xn--mnchen-3ya.example\ntls = none\nsource = 2001:db8::2\n"
				 "[route umlaut]\nfrom = xn--mnchen-3ya.example\nmx = mx.test\ntls = dane\n"
				 "[route store]\nto = store.test\nhost = 127.0.0.1\ntransport = lmtp\n"
				 "[route local]\nto = local.test\nsocket = /run/lmtp\ntransport = lmtp\n"
				 "[route strict]\nto = strict.test\nhost = h.test\ntransport = smtps\n");
	struct routes *rs = routes_new(c);
	const struct route *r;

	(void)state;
	give_passwords(rs, "smtp.example.net me first\nSMTP.example.net you second\n");
	assert_true(view_eq_lit(take(rs, "a@b.test", "far.test")->name, "relay-host"));
	r = take(rs, "a@example.org", "far.test");
	assert_true(view_eq_lit(r->name, "provider") && view_eq_lit(r->password, "second") && r->tls_first);
	assert_int_equal(r->port, 465);
	assert_int_equal(r->tls, ROUTE_TLS_VERIFY);
	assert_int_equal(r->source_count, 1);
	r = take(rs, "a@b.test", "xn--mnchen-3ya.example");
	assert_true(r->host.n == 0 && r->tls == ROUTE_TLS_NONE && r->source_count == 1 && r->sources[0].is_v6);
	/* The sender's domain as it was typed. */
	r = take(rs, "a@M\xc3\xbcnchen.example", "far.test");
	assert_true(view_eq_lit(r->name, "umlaut") && r->use_mx && r->tls == ROUTE_TLS_DANE && r->port == 25);
	r = take(rs, "", "store.test");
	assert_true(r->lmtp && !r->use_mx && r->port == 24 && r->tls == ROUTE_TLS_OPPORTUNISTIC);
	assert_false(r->local);
	r = take(rs, "", "local.test");
	assert_true(r->local && r->lmtp && view_eq_lit(r->host, "/run/lmtp") && r->tls == ROUTE_TLS_NONE);
	assert_true(r->port == 0 && !r->use_mx && r->user.n == 0);
	/* TLS from the first byte cannot be without. */
	assert_int_equal(take(rs, "", "strict.test")->tls, ROUTE_TLS_REQUIRED);
	routes_free(&rs);
	conf_free(&c);
}

static void a_key_is_all_that_a_route_means(void **state)
{
	const char *const texts[] = {
	    "[route a]\nhost = h.test\nuser = u\n",
	    "[route a]\nhost = h.test:26\nuser = u\n",
	    "[route a]\nhost = h.test\nuser = v\n",
	    "[route a]\nhost = h.test\nuser = u\ntls = require\n",
	    "[route a]\nhost = h.test\nuser = u\ntransport = lmtp\n",
	    "[route a]\nhost = h.test\nuser = u\nsource = 192.0.2.1\n",
	    "[route b]\nhost = h.test\nuser = u\n",
	    "[route a]\nsocket = /run/lmtp\ntransport = lmtp\n",
	};
	struct conf *first = conf_of(texts[0]), *again = conf_of(texts[0]);
	struct routes *rs = routes_new(first);
	_cleanup_(buf_fini) struct buf key = BUF_INIT(1 << 20);

	(void)state;
	give_passwords(rs, "h.test u p\nh.test v p\n");
	buf_append_view(&key, take(rs, "", "x.test")->key);
	routes_configure(rs, again);
	assert_true(routes_has_key(rs, buf_view(&key)));
	for (size_t i = 1; i < ARRAY_LEN(texts); i++) {
		struct conf *other = conf_of(texts[i]);

		routes_configure(rs, other);
		if (routes_has_key(rs, buf_view(&key)))
			fail_msg("%s", texts[i]);
		routes_configure(rs, again);
		conf_free(&other);
	}
	give_passwords(rs, "h.test u another\n");
	assert_false(routes_has_key(rs, buf_view(&key)));
	give_passwords(rs, "h.test v p\n");
	assert_int_equal(take(rs, "", "x.test")->password.n, 0); /* no password but its user's */
	give_passwords(rs, "h.test u p\n");
	assert_true(take(rs, "", "x.test")->password.n > 0);
	routes_forget_passwords(rs);
	assert_int_equal(take(rs, "", "x.test")->password.n, 0);
	routes_free(&rs);
	conf_free(&first);
	conf_free(&again);
}

static bool describes_alike(const char *a, const char *b)
{
	struct conf *ca = conf_of(a), *cb = conf_of(b);
	struct routes *rs = routes_new(ca);
	_cleanup_(buf_fini) struct buf first = BUF_INIT(1 << 20), second = BUF_INIT(1 << 20);
	bool alike;

	give_passwords(rs, "h.test u p\n");
	routes_describe(rs, &first);
	routes_configure(rs, cb);
	routes_describe(rs, &second);
	alike = view_eq(buf_view(&first), buf_view(&second));
	routes_free(&rs);
	conf_free(&ca);
	conf_free(&cb);
	return alike;
}

static void what_makes_ways_others(void **state)
{
	static const char base[] = "hostname = a.test\n[route a]\nto = x.test\nhost = h.test\nuser = u\n";
	static const char *const others[] = {
	    "hostname = b.test\n[route a]\nto = x.test\nhost = h.test\nuser = u\n",
	    "hostname = a.test\noutbound-ca = /x\n[route a]\nto = x.test\nhost = h.test\nuser = u\n",
	    "hostname = a.test\ndns-server = 192.0.2.1\n[route a]\nto = x.test\nhost = h.test\nuser = u\n",
	    "hostname = a.test\noutbound-port = 26\n[route a]\nto = x.test\nhost = h.test\nuser = u\n",
	    "hostname = a.test\nrelay-host = h.test\n[route a]\nto = x.test\nhost = h.test\nuser = u\n",
	    "hostname = a.test\n[route a]\nto = x.test y.test\nhost = h.test\nuser = u\n",
	    "hostname = a.test\n[route a]\nto = x.test\nfrom = y.test\nhost = h.test\nuser = u\n",
	    "hostname = a.test\n[route a]\nto = x.test\nhost = h.test\nuser = v\n",
	    "hostname = a.test\n[route a]\nto = x.test\nhost = h.test\nuser = u\ntls = require\n",
	    "hostname = a.test\n[route b]\nto = x.test\nhost = h.test\nuser = u\n",
	    "hostname = a.test\n",
	};
	struct conf *c = conf_of(base);
	struct routes *rs = routes_new(c);
	_cleanup_(buf_fini) struct buf without = BUF_INIT(1 << 20), with = BUF_INIT(1 << 20);

	(void)state;
	assert_true(describes_alike(base, base));
	assert_true(describes_alike(base, "log-level = debug\nhostname = a.test\nretry-first = 2m\n"
					  "[route a]\nto = x.test\nhost = h.test\nuser = u\n"));
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (describes_alike(base, others[i]))
			fail_msg("%s", others[i]);
	routes_describe(rs, &without);
	give_passwords(rs, "h.test u p\n");
	routes_describe(rs, &with);
	assert_false(view_eq(buf_view(&without), buf_view(&with)));
	routes_free(&rs);
	conf_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_sections),
	    cmocka_unit_test(sections_before_the_smart_host),
	    cmocka_unit_test(a_key_is_all_that_a_route_means),
	    cmocka_unit_test(what_makes_ways_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
