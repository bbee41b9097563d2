/* SPDX-License-Identifier: ISC */
#include "cli/dns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void addresses(void **state)
{
	static const char *const yes[] = {"1.1.1.1", "9.9.9.9", "172.32.0.1", "100.128.0.1", "2606:4700::1", "2a00::1"};
	static const char *const no[] = {"127.0.0.1",
					 "10.1.2.3",
					 "192.168.0.1",
					 "172.16.0.1",
					 "172.31.255.255",
					 "100.64.0.1",
					 "169.254.1.1",
					 "192.0.2.1",
					 "203.0.113.7",
					 "198.51.100.1",
					 "198.19.0.1",
					 "0.0.0.0",
					 "224.0.0.1",
					 "255.255.255.255",
					 "::1",
					 "::",
					 "fe80::1",
					 "fd00::1",
					 "ff02::1",
					 "2001:db8::1",
					 "::ffff:1.1.1.1",
					 "*",
					 "mail",
					 "1.2.3",
					 ""};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		if (!dns_address_is_public(yes[i]))
			fail_msg("%s is public", yes[i]);
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		if (dns_address_is_public(no[i]))
			fail_msg("%s is not public", no[i]);
}

static void put_all(const char *settings, const struct dkim_key_list *keys, struct view hash, struct buf *out)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(1000);
	struct conf *conf = NULL;
	json_t *all, *item;
	size_t i;

	assert_int_equal(conf_parse(view_from_cstr(settings), "test", &conf, &error), 0);
	all = dns_records(&(struct dns_input){conf, VIEW_LIT("example.org"), keys, hash});
	json_array_foreach(json_object_get(all, "records"), i, item)
	{
		buf_printf(out, "%s %s %s\n", json_string_value(json_object_get(item, "name")),
			   json_string_value(json_object_get(item, "type")),
			   json_string_value(json_object_get(item, "value")));
	}
	json_array_foreach(json_object_get(all, "notes"), i, item)
	{
		buf_printf(out, "; %s\n", json_string_value(item));
	}
	json_decref(all);
	conf_free(&conf);
}

#define A60 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void records(void **state)
{
	char long_key[200];
	struct dkim_key_info keys[] = {
	    {.selector = "r1", .algorithm = DKIM_RSA_SHA256, .state = 1, .public_key = BUF_INIT(1000)},
	    {.selector = "e1", .algorithm = DKIM_ED25519_SHA256, .public_key = BUF_INIT(1000)}};
	_cleanup_(buf_fini) struct buf got = BUF_INIT(8000);

	(void)state;
	memset(long_key, 0, sizeof long_key);
	buf_append(&keys[0].public_key, long_key, sizeof long_key);
	buf_append_cstr(&keys[1].public_key, "xyz");
	put_all("hostname = Mail.Example.org\nlisten = 9.9.9.9 127.0.0.1 9.9.9.9 2606:4700::1\n",
		&(struct dkim_key_list){keys, 2}, VIEW_LIT("\1\2\3"), &got);
	assert_string_equal(
	    buf_cstr(&got),
	    "example.org. MX 10 mail.example.org.\n"
	    "example.org. TXT \"v=spf1 mx -all\"\n"
	    "mail.example.org. TXT \"v=spf1 a -all\"\n"
	    "_dmarc.example.org. TXT \"v=DMARC1; p=none\"\n"
	    "r1._domainkey.example.org. TXT \"v=DKIM1; k=rsa; p=" A60 A60 A60
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\" \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"\n"
	    "e1._domainkey.example.org. TXT \"v=DKIM1; k=ed25519; p=eHl6\"\n"
	    "mail.example.org. A 9.9.9.9\n"
	    "mail.example.org. AAAA 2606:4700::1\n"
	    "_mta-sts.example.org. TXT \"v=STSv1; id=215084a3\"\n"
	    "_smtp._tls.example.org. TXT \"v=TLSRPTv1; rua=mailto:postmaster@example.org\"\n"
	    "_25._tcp.mail.example.org. TLSA 3 1 1 010203\n"
	    "mail.example.org. CAA 0 issue \"letsencrypt.org\"\n"
	    "_submissions._tcp.example.org. SRV 0 1 465 mail.example.org.\n"
	    "_submission._tcp.example.org. SRV 10 1 587 mail.example.org.\n"
	    "_imaps._tcp.example.org. SRV 0 1 993 mail.example.org.\n"
	    "_imap._tcp.example.org. SRV 10 1 143 mail.example.org.\n"
	    "_pop3s._tcp.example.org. SRV 20 1 995 mail.example.org.\n"
	    "_pop3._tcp.example.org. SRV 30 1 110 mail.example.org.\n"
	    "; A new DKIM key waits: it signs once every name server of the domain shows its record.\n"
	    "; Who gave you the addresses should name them mail.example.org. (PTR); many servers want that.\n"
	    "; MTA-STS counts once https://mta-sts.example.org/.well-known/mta-sts.txt serves, each on a line of its "
	    "own: "
	    "version: STSv1 mode: testing mx: mail.example.org max_age: 604800\n"
	    "; TLSA counts in a zone that is signed (DNSSEC) only; before the certificate's key changes, publish the "
	    "new record beside the old one.\n"
	    "; CAA names who may issue certificates for the name: put the authority that you use.\n"
	    "; The SPF record says that no other machine sends mail of this domain; name those that do.\n");
	buf_fini(&keys[0].public_key);
	buf_fini(&keys[1].public_key);
}

static void special_cases(void **state)
{
	_cleanup_(buf_fini) struct buf got = BUF_INIT(8000);
	struct view all;

	(void)state;
	put_all("hostname = example.org\nlisten = 127.0.0.1\nport-offset = 10000\nrelay-host = smart.example.net\n"
		"[route a]\nhost = smtp.example.net\nuser = me\n",
		NULL, VIEW_EMPTY, &got);
	all = buf_view(&got);
	assert_true(view_find(all, VIEW_LIT("spf1 a ")) == all.n); /* one SPF record a name */
	assert_true(view_find(all, VIEW_LIT("0 1 10465 example.org.")) < all.n);
	assert_true(view_find(all, VIEW_LIT("needs an A record")) < all.n);
	assert_true(view_find(all, VIEW_LIT("relay-host is set")) < all.n);
	assert_true(view_find(all, VIEW_LIT("A route logs in at a provider")) < all.n);
	assert_true(view_find(all, VIEW_LIT("port-offset is set")) < all.n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(addresses), cmocka_unit_test(records),
					   cmocka_unit_test(special_cases)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
