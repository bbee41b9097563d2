/* SPDX-License-Identifier: ISC */
#include "conf/route.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct conf *good(const char *text)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(4096);
	struct conf *c = NULL;

	if (conf_parse(view_from_cstr(text), "pombo.conf", &c, &error) < 0)
		fail_msg("%s", buf_cstr(&error));
	return c;
}

static const char *route_of(const struct conf *c, const char *from, const char *to)
{
	const struct conf_route *r = conf_route_for(c, view_from_cstr(from), view_from_cstr(to));

	return r ? r->name : "none";
}

static void settings_of_a_route(void **state)
{
	struct conf *c = good("hostname = mail.example.org\n"
			      "[route provider]\n"
			      "host = smtp.example.net:587 # behind it\n"
			      "user = me@example.net\n"
			      "from = example.org .example.org\n"
			      "from = boss@example.com\n"
			      "source = 192.0.2.1 2001:db8::1\n"
			      "\n"
			      "  [ route  store-2 ]  \r\n"
			      "transport = LMTP\n"
			      "host = [2001:db8::2]\n"
			      "tls = none\n"
			      "[route direct]\n"
			      "mx = example.com\n");
	const struct conf_route *r = c->routes;

	(void)state;
	assert_int_equal(c->n_routes, 3);
	assert_string_equal(c->hostname, "mail.example.org");
	assert_string_equal(r[0].name, "provider");
	assert_int_equal(r[0].line, 2);
	assert_true(view_eq_lit(conf_route_host(&r[0]), "smtp.example.net"));
	assert_int_equal(conf_route_port(c, &r[0]), 587);
	assert_int_equal(r[0].from.n, 3);
	assert_int_equal(r[0].to.n, 0);
	assert_int_equal(r[0].source.n, 2);
	assert_int_equal(conf_route_tls(&r[0]), CONF_TLS_VERIFY);
	assert_string_equal(r[1].name, "store-2");
	assert_int_equal(r[1].line, 9);
	assert_int_equal(r[1].transport, CONF_LMTP);
	assert_true(view_eq_lit(conf_route_host(&r[1]), "2001:db8::2"));
	assert_int_equal(conf_route_port(c, &r[1]), 24);
	assert_int_equal(conf_route_tls(&r[1]), CONF_TLS_NONE);
	assert_string_equal(r[1].user, ""); /* nothing of the former section */
	assert_int_equal(r[1].source.n, 0);
	assert_string_equal(r[2].mx, "example.com");
	assert_int_equal(conf_route_port(c, &r[2]), 25);
	assert_int_equal(conf_route_tls(&r[2]), CONF_TLS_OPPORTUNISTIC);
	assert_ptr_equal(conf_route_named(c, VIEW_LIT("direct")), &r[2]);
	assert_null(conf_route_named(c, VIEW_LIT("Direct")));
	conf_free(&c);
}

static void a_socket_by_its_path(void **state)
{
	static const char *const bad[] = {"run/lmtp", "unix:/run/lmtp", "/",        "/run/",         "/run/../etc/lmtp",
					  "/run/..",  "/../run/lmtp",   "/run/a b", "/run/\xc3\xbc", "/run/a\tb"};
	struct conf *c = good("[route store]\ntransport = lmtp\nsocket = /run/..store/lmtp..\n");
	const struct conf_route *r = c->routes;

	(void)state;
	assert_string_equal(r->socket, "/run/..store/lmtp..");
	assert_int_equal(conf_route_tls(r), CONF_TLS_NONE);
	assert_int_equal(conf_route_port(c, r), 0);
	assert_int_equal(conf_route_host(r).n, 0);
	conf_free(&c);
	c = good("[route store]\ntransport = lmtp\ntls = none\nsocket = /run/lmtp\n");
	conf_free(&c);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		_cleanup_(buf_fini) struct buf text = BUF_INIT(1024), error = BUF_INIT(4096);

		buf_printf(&text, "[route store]\ntransport = lmtp\nsocket = \"%s\"\n", bad[i]);
		assert_int_equal(conf_parse(buf_view(&text), "pombo.conf", &c, &error), -EINVAL);
		assert_non_null(strstr(buf_cstr(&error), "is not the whole path of a UNIX socket"));
	}
	/* As long as a socket's address can be, and one more. */
	for (int n = 107; n <= 108; n++) {
		_cleanup_(buf_fini) struct buf text = BUF_INIT(1024), error = BUF_INIT(4096);

		buf_printf(&text, "[route store]\ntransport = lmtp\nsocket = /%0*d\n", n - 1, 0);
		assert_int_equal(conf_parse(buf_view(&text), "pombo.conf", &c, &error), n == 107 ? 0 : -EINVAL);
		if (n == 107)
			conf_free(&c);
	}
}

static void the_most_specific_wins(void **state)
{
	/* In an order of the file that helps none of them. */
	struct conf *c = good("[route any]\nto = *\n"
			      "[route any-too]\n"
			      "[route sender]\nfrom = example.org\n"
			      "[route below-sender]\nfrom = .example.org\n"
			      "[route address]\nfrom = Boss@Example.org\n"
			      "[route below]\nto = .example.net\n"
			      "[route deeper]\nto = .a.example.net\n"
			      "[route exact]\nto = other.test x.a.example.net\n"
			      "[route exact-sender]\nto = x.a.example.net\nfrom = example.org\n");
	static const struct {
		const char *from, *to, *want;
	} cases[] = {
	    {"a@b.test", "far.test", "any"},
	    {"", "far.test", "any"},
	    {"", "x.a.example.net", "exact"},
	    {"a@example.org", "far.test", "sender"},
	    {"a@EXAMPLE.ORG", "far.test", "sender"},
	    {"a@sub.example.org", "far.test", "below-sender"},
	    {"a@badexample.org", "far.test", "any"},
	    {"boss@example.org", "far.test", "address"},
	    {"\"a@b\"@example.org", "far.test", "sender"},
	    {"a@b.test", "sub.example.net", "below"},
	    {"a@b.test", "SUB.Example.NET", "below"},
	    {"a@b.test", "example.net", "any"},
	    {"a@b.test", "badexample.net", "any"},
	    {"a@b.test", "a.example.net", "below"},
	    {"a@b.test", "b.a.example.net", "deeper"},
	    {"a@b.test", "x.a.example.net", "exact"},
	    {"a@b.test", "other.test", "exact"},
	    /* The recipient's domain decides before the sender's. */
	    {"boss@example.org", "b.a.example.net", "deeper"},
	    {"boss@example.org", "other.test", "exact"},
	    {"boss@example.org", "x.a.example.net", "exact-sender"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(route_of(c, cases[i].from, cases[i].to), cases[i].want);
	conf_free(&c);
	c = good("[route a]\nto = example.net\nfrom = example.org\n[route b]\nto = example.net\nfrom = .b.test\n");
	assert_string_equal(route_of(c, "a@example.org", "example.net"), "a");
	assert_string_equal(route_of(c, "a@x.b.test", "example.net"), "b");
	assert_string_equal(route_of(c, "a@b.test", "example.net"), "none");
	assert_string_equal(route_of(c, "", "example.net"), "none");
	assert_string_equal(route_of(c, "a@example.org", "example.com"), "none");
	conf_free(&c);
}

static void lists_of_domains(void **state)
{
	struct conf *c = good("backup-mx = example.net .example.com\n");

	(void)state;
	assert_true(conf_has_domain(&c->backup_mx, VIEW_LIT("EXAMPLE.net")));
	assert_false(conf_has_domain(&c->backup_mx, VIEW_LIT("sub.example.net")));
	assert_true(conf_has_domain(&c->backup_mx, VIEW_LIT("sub.example.com")));
	assert_false(conf_has_domain(&c->backup_mx, VIEW_LIT("example.com")));
	assert_false(conf_has_domain(&c->backup_mx, VIEW_LIT("badexample.com")));
	assert_false(conf_has_domain(&c->backup_mx, VIEW_LIT("example.org")));
	assert_false(conf_has_domain(&c->backup_mx, VIEW_EMPTY));
	conf_free(&c);
	c = good("");
	assert_false(conf_has_domain(&c->backup_mx, VIEW_LIT("example.net")));
	conf_free(&c);
}

static void errors_name_the_line_and_the_way_out(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
	    {"[route]", "pombo.conf:1: not a name for a route: \"\"; letters, digits, \"-\", \"_\" and \".\" make one"},
	    {"[route a b]",
	     "pombo.conf:1: not a name for a route: \"a b\"; letters, digits, \"-\", \"_\" and \".\" make one"},
	    {"\n[route a]\n[route b]\n[route a]\n",
	     "pombo.conf:4: a second route of that name: \"a\"; the first one is in line 2"},
	    {"[route a]\nhots = x", "pombo.conf:2: unknown key \"hots\"; did you mean \"host\"?"},
	    {"[route a]\nhostname = x",
	     "pombo.conf:2: not a setting of a route: \"hostname\"; the server's own settings "
	     "stand before the first section"},
	    {"[route a]\nhost = a\nhost = b", "pombo.conf:3: given twice: \"host\""},
	    {"[route a]\nhost = a b",
	     "pombo.conf:2: host: \"a b\" is not a host name or an address, with :PORT where it is not the usual one"},
	    {"[route a]\ntransport = uucp", "pombo.conf:2: transport: \"uucp\" is not one of smtp, smtps, lmtp"},
	    {"[route a]\ntls = maybe",
	     "pombo.conf:2: tls: \"maybe\" is not one of auto, none, opportunistic, require, verify, dane"},
	    {"[route a]\nto = user@example.net", "pombo.conf:2: to: \"user@example.net\" is not a domain "
						 "(example.net), what is below one (.example.net) or *, as A-labels"},
	    {"[route a]\nto = *.example.net", "pombo.conf:2: to: \"*.example.net\" is not a domain "
					      "(example.net), what is below one (.example.net) or *, as A-labels"},
	    {"[route a]\nfrom = @example.net",
	     "pombo.conf:2: from: \"@example.net\" is not a domain (example.net), what is below one (.example.net), an "
	     "address or *, as A-labels"},
	    {"[route a]\nuser = a b\n", "pombo.conf:2: user: \"a b\" is not a name without blanks"},
	    {"[route a]\n\nhost = h\nmx = example.net\n[route b]\n",
	     "pombo.conf:4: route \"a\": mx: stands beside host; one of the two says where the mail goes"},
	    {"[route a]\ntransport = lmtp\n", "pombo.conf:2: route \"a\": transport: lmtp needs `host = HOST:PORT` or "
					      "`socket = /PATH`"},
	    {"[route a]\nhost = h\ntransport = lmtp\nsocket = /run/lmtp\n",
	     "pombo.conf:4: route \"a\": socket: stands beside host or mx; one of them says where the mail goes"},
	    {"[route a]\nmx = example.net\nsocket = /run/lmtp\n",
	     "pombo.conf:3: route \"a\": socket: stands beside host or mx; one of them says where the mail goes"},
	    {"[route a]\nsocket = /run/lmtp\n",
	     "pombo.conf:2: route \"a\": socket: mail goes to one by LMTP: write `transport = lmtp`"},
	    {"[route a]\nsocket = /run/lmtp\ntransport = lmtp\nuser = u\n",
	     "pombo.conf:4: route \"a\": user: nobody logs in at a UNIX socket: its permissions say who may connect"},
	    {"[route a]\nsocket = /run/lmtp\ntransport = lmtp\ntls = require\n",
	     "pombo.conf:4: route \"a\": tls: there is none over a UNIX socket, which leads nowhere else"},
	    {"[route a]\nsocket = /run/lmtp\ntransport = lmtp\nsource = 192.0.2.1\n",
	     "pombo.conf:4: route \"a\": source: a UNIX socket knows no addresses"},
	    {"[route a]\nmx = example.net\nuser = u\n",
	     "pombo.conf:3: route \"a\": user: a password goes to a host that is named only: write `host = HOST`"},
	    {"[route a]\nhost = h\nuser = u\ntls = none\n",
	     "pombo.conf:4: route \"a\": tls: none: a password goes nowhere without TLS; leave out one of the two"},
	    {"[route a]\nhost = h\ntransport = smtps\ntls = none\n",
	     "pombo.conf:4: route \"a\": tls: none: smtps is TLS from the first byte"},
	    {"[route a]\nhost = 192.0.2.1:587\nuser = u\n",
	     "pombo.conf:2: route \"a\": host: an address has no name that a certificate could be checked by: name the "
	     "host, or write `tls = require`"},
	    {"[route a]\nhost = [2001:db8::1]\ntls = dane\n",
	     "pombo.conf:3: route \"a\": tls: an address has no name that a certificate could be checked by: name the "
	     "host, or write `tls = require`"},
	    {"[route a]\nsource = 192.0.2.1\nsource = 192.0.2.2\n",
	     "pombo.conf:3: route \"a\": source: at most one address of IPv4 and one of IPv6"},
	    {"[route a]\nsource = localhost\n",
	     "pombo.conf:2: source: \"localhost\" is not an address of this machine"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(buf_fini) struct buf error = BUF_INIT(4096);
		struct conf *c = NULL;

		assert_int_equal(conf_parse(view_from_cstr(cases[i].text), "pombo.conf", &c, &error), -EINVAL);
		assert_null(c);
		assert_string_equal(buf_cstr(&error), cases[i].error);
	}
}

static void no_more_than_can_be_held(void **state)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(1 << 20), error = BUF_INIT(4096);
	struct conf *c = NULL;

	(void)state;
	for (size_t i = 0; i < 1024; i++)
		buf_printf(&text, "[route r%zu]\nto = d%zu.test\n", i, i);
	c = good(buf_cstr(&text));
	assert_int_equal(c->n_routes, 1024);
	assert_string_equal(route_of(c, "", "d1023.test"), "r1023");
	conf_free(&c);
	buf_append_cstr(&text, "[route more]\n");
	assert_int_equal(conf_parse(buf_view(&text), "pombo.conf", &c, &error), -EINVAL);
	assert_string_equal(buf_cstr(&error), "pombo.conf:2049: more than 1024 routes: \"more\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(settings_of_a_route),
	    cmocka_unit_test(a_socket_by_its_path),
	    cmocka_unit_test(the_most_specific_wins),
	    cmocka_unit_test(lists_of_domains),
	    cmocka_unit_test(errors_name_the_line_and_the_way_out),
	    cmocka_unit_test(no_more_than_can_be_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
