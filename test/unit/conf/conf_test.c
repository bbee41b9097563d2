/* SPDX-License-Identifier: ISC */
#include "conf/conf.h"

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

static void bad(const char *text, const char *want)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(4096);
	struct conf *c = (struct conf *)&error;

	assert_int_equal(conf_parse(view_from_cstr(text), "pombo.conf", &c, &error), -EINVAL);
	assert_ptr_equal(c, &error); /* untouched on failure */
	assert_string_equal(buf_cstr(&error), want);
}

static void defaults(void **state)
{
	struct conf *c = good("");

	(void)state;
	assert_string_equal(c->hostname, "");
	assert_int_equal(c->max_message_size, 50 << 20);
	assert_int_equal(c->smtp_idle_timeout, 300000);
	assert_int_equal(c->listen.n, 2);
	assert_true(view_eq_lit(c->listen.items[0], "*"));
	assert_true(view_eq_lit(c->listen.items[1], "::"));
	assert_int_equal(c->trusted_networks.n, 0);
	assert_int_equal(c->tls_min_version, 0);
	assert_int_equal(c->log_level, 1);
	assert_false(c->submission_alt);
	assert_int_equal(c->undelete_time, 14ULL * 86400000);
	conf_free(&c);
	assert_null(c);
	conf_free(&c);
}

static void every_form(void **state)
{
	struct conf *c = good("\xef\xbb\xbf# a comment\r\n"
			      "hostname=mail.example.org # behind it\n"
			      "\t port-offset  =  10000\t\n"
			      "listen = 127.0.0.1, ::1\n"
			      "listen = 192.0.2.7\n"
			      "recipient-delimiter = \"#\"\n"
			      "postmaster = \"\"\n"
			      "max-message-size = 10 MiB\n"
			      "disk-reserve = 0\n"
			      "max-header-size = 65536\n"
			      "smtp-idle-timeout = 30s\n"
			      "undelete-time = 0\n"
			      "submission-alt = ON\n"
			      "tls-min-version = 1.3\n"
			      "log-format = json\n"
			      "trusted-networks = 10.0.0.0/8 2001:db8::/32\n"
			      "relay-host = [2001:db8::1]:2525\n"
			      "dns-server = 127.0.0.1@5353\n"
			      "tls-key = with blanks/key.pem");

	(void)state;
	assert_string_equal(c->hostname, "mail.example.org");
	assert_int_equal(c->port_offset, 10000);
	assert_int_equal(c->listen.n, 3);
	assert_true(view_eq_lit(c->listen.items[0], "127.0.0.1"));
	assert_true(view_eq_lit(c->listen.items[1], "::1"));
	assert_true(view_eq_lit(c->listen.items[2], "192.0.2.7"));
	assert_string_equal(c->recipient_delimiter, "#");
	assert_string_equal(c->postmaster, "");
	assert_int_equal(c->max_message_size, 10 << 20);
	assert_int_equal(c->disk_reserve, 0);
	assert_int_equal(c->max_header_size, 65536);
	assert_int_equal(c->smtp_idle_timeout, 30000);
	assert_int_equal(c->undelete_time, 0);
	assert_true(c->submission_alt);
	assert_int_equal(c->tls_min_version, 1);
	assert_int_equal(c->log_format, 1);
	assert_int_equal(c->trusted_networks.n, 2);
	assert_string_equal(c->relay_host, "[2001:db8::1]:2525");
	assert_int_equal(c->dns_server.n, 1);
	assert_true(view_eq_lit(c->dns_server.items[0], "127.0.0.1@5353"));
	assert_string_equal(c->tls_key, "with blanks/key.pem");
	conf_free(&c);
}

static void errors_name_the_line_and_the_way_out(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
	    {"hostnmae = x", "pombo.conf:1: unknown key \"hostnmae\"; did you mean \"hostname\"?"},
	    {"\n\nmax_message_size = 1M",
	     "pombo.conf:3: unknown key \"max_message_size\"; did you mean \"max-message-size\"?"},
	    {"zzzzzzzzzzzz = 1", "pombo.conf:1: unknown key \"zzzzzzzzzzzz\"; `man pombo.conf` lists them all"},
	    {"port-offset = ten", "pombo.conf:1: port-offset: \"ten\" is not a number from 0 to 64000"},
	    {"port-offset = 64001", "pombo.conf:1: port-offset: \"64001\" is not a number from 0 to 64000"},
	    {"port-offset = -1", "pombo.conf:1: port-offset: \"-1\" is not a number from 0 to 64000"},
	    {"port-offset = 99999999999999999999999",
	     "pombo.conf:1: port-offset: \"99999999999999999999999\" is not a number from 0 to 64000"},
	    {"port-offset =", "pombo.conf:1: port-offset: \"\" is not a number from 0 to 64000"},
	    {"max-header-size = 2M",
	     "pombo.conf:1: max-header-size: \"2M\" is not a size (like 64K, 50M, 1G) from 1K to 1M"},
	    {"disk-reserve = 99999999999T",
	     "pombo.conf:1: disk-reserve: \"99999999999T\" is not a size (like 64K, 50M, 1G) from 0 to 1024T"},
	    {"smtp-idle-timeout = 5",
	     "pombo.conf:1: smtp-idle-timeout: \"5\" is not a time (like 30s, 5m, 1h, 2d) from 1s to 1d"},
	    {"submission-alt = perhaps", "pombo.conf:1: submission-alt: \"perhaps\" is not yes or no"},
	    {"tls-min-version = 1.1", "pombo.conf:1: tls-min-version: \"1.1\" is not one of 1.2, 1.3"},
	    {"hostname = a\nhostname = b", "pombo.conf:2: given twice: \"hostname\""},
	    {"hostname = -x", "pombo.conf:1: hostname: \"-x\" is not a host name like mail.example.org"},
	    {"hostname = a..b", "pombo.conf:1: hostname: \"a..b\" is not a host name like mail.example.org"},
	    {"hostname = a_b", "pombo.conf:1: hostname: \"a_b\" is not a host name like mail.example.org"},
	    {"listen = 1.2.3",
	     "pombo.conf:1: listen: \"1.2.3\" is not an address (192.0.2.1, 2001:db8::1) or * for all of "
	     "IPv4, :: for all of IPv6"},
	    {"trusted-networks = 10.0.0.0/33",
	     "pombo.conf:1: trusted-networks: \"10.0.0.0/33\" is not a network like 192.0.2.0/24 or 2001:db8::/32"},
	    {"relay-host = a:0",
	     "pombo.conf:1: relay-host: \"a:0\" is not a host name, with :PORT where it is not the usual one"},
	    {"recipient-delimiter = ab", "pombo.conf:1: recipient-delimiter: \"ab\" is not up to 8 characters that are "
					 "neither letters nor digits nor @"},
	    {"[domain x]", "pombo.conf:1: unknown section \"domain\"; there is `[route NAME]`"},
	    {"[route x", "pombo.conf:1: not `[route NAME]`: \"[route x\""},
	    {"outbound-source = 192.0.2.1 192.0.2.2",
	     "pombo.conf:1: outbound-source: at most one address of IPv4 and one of IPv6"},
	    {"backup-mx = *", "pombo.conf:1: backup-mx: \"*\" is not a domain (example.net) or what is below one "
			      "(.example.net), as A-labels"},
	    {"hostname", "pombo.conf:1: not `key = value`: \"hostname\""},
	    {"hostname = a\001", "pombo.conf:1: this line holds bytes that are not text \"\""},
	    {"hostname = \xff", "pombo.conf:1: this line holds bytes that are not text \"\""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		bad(cases[i].text, cases[i].error);
}

static void what_init_writes_can_be_read(void **state)
{
	const struct conf_value values[] = {{"hostname", VIEW_LIT("mail.example.org")},
					    {"port-offset", VIEW_LIT("10000")},
					    {"listen", VIEW_LIT("127.0.0.1")},
					    {"listen", VIEW_LIT("::1")},
					    {"recipient-delimiter", VIEW_LIT("#")}};
	_cleanup_(buf_fini) struct buf text = BUF_INIT(1 << 20);
	struct conf *c;

	(void)state;
	conf_format(&text, values, ARRAY_LEN(values));
	c = good(buf_cstr(&text));
	assert_string_equal(c->hostname, "mail.example.org");
	assert_int_equal(c->port_offset, 10000);
	assert_int_equal(c->listen.n, 2);
	assert_string_equal(c->recipient_delimiter, "#");
	conf_free(&c);
	/* What is commented out is a value that could stand there. */
	for (size_t i = 0; i + 1 < text.n; i++)
		if (text.p[i] == '\n' && text.p[i + 1] == '#' && text.p[i + 2] != ' ')
			text.p[i + 1] = ' ';
	c = good(buf_cstr(&text));
	conf_free(&c);
}

static void count(void *ctx, const char *key, const char *type, const char *def, const char *help)
{
	size_t *n = ctx;
	size_t help_n = strlen(help);

	assert_true(strlen(key) > 0 && strlen(type) > 0 && def);
	assert_true(help_n > 10 && help[help_n - 1] == '.');
	++*n;
}

static void every_setting_has_help(void **state)
{
	size_t n = 0;

	(void)state;
	conf_describe(count, &n);
	assert_true(n > 30);
}

static void too_long_is_refused(void **state)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(1 << 20), error = BUF_INIT(4096);
	struct conf *c;

	(void)state;
	while (text.n <= 256 * 1024)
		buf_append_cstr(&text, "# nothing\n");
	assert_int_equal(conf_parse(buf_view(&text), "x", &c, &error), -EINVAL);
	buf_reset(&text);
	buf_reset(&error);
	for (size_t i = 0; i < 4097; i++)
		buf_append_cstr(&text, "listen = ::1\n");
	assert_int_equal(conf_parse(buf_view(&text), "x", &c, &error), -EINVAL);
	assert_non_null(strstr(buf_cstr(&error), "too many items"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults),
	    cmocka_unit_test(every_form),
	    cmocka_unit_test(errors_name_the_line_and_the_way_out),
	    cmocka_unit_test(what_init_writes_can_be_read),
	    cmocka_unit_test(every_setting_has_help),
	    cmocka_unit_test(too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
