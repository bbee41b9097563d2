/* SPDX-License-Identifier: ISC */
#include "authd/scram.h"

#include "authd/plain.h"
#include "base/encode.h"
#include "ipc/verifier.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define CLIENT_NONCE "rOprNGfwEbeRWgbNEkqO"

static const struct scram_channel bare = {false, {"", 0}, {"", 0}, {"", 0}};

static struct buf decoded(const char *base64)
{
	struct buf b = BUF_INIT(100);

	assert_true(decode_base64(&b, view_from_cstr(base64)));
	return b;
}

struct account {
	struct buf salt;
	uint8_t stored[32], server[32];
};

static void account_init(struct account *a)
{
	a->salt = decoded("W22ZaJ0SNY7soEsUEjb6gQ==");
	verifier_scram_keys(VIEW_LIT("pencil"), buf_view(&a->salt), 4096, a->stored, a->server);
}

static void challenge(struct scram *s, const struct account *a, struct view nonce, struct buf *out)
{
	scram_challenge(s, buf_view(&a->salt), 4096, view_from(a->stored, 32), view_from(a->server, 32), nonce, out);
}

/* RFC 7677 §3 with its server nonce, which is not ours in form: appended by hand. */
static void rfc7677(void **state)
{
	static const char server_nonce[] = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
	struct scram s;
	struct account a;
	struct buf out = BUF_INIT(1000);

	(void)state;
	account_init(&a);
	scram_init(&s);
	assert_int_equal(scram_first(&s, VIEW_LIT("n,,n=user,r=" CLIENT_NONCE), &bare), SCRAM_OK);
	assert_string_equal(buf_cstr(&s.user), "user");
	assert_int_equal(s.authzid.n, 0);
	buf_append_cstr(&s.nonce, server_nonce);
	challenge(&s, &a, VIEW_EMPTY, &out);
	assert_string_equal(buf_cstr(&out),
			    "r=" CLIENT_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
	buf_reset(&out);
	assert_int_equal(scram_final(&s,
				     VIEW_LIT("c=biws,r=" CLIENT_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
					      "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
				     &out),
			 SCRAM_OK);
	assert_string_equal(buf_cstr(&out), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
	scram_fini(&s);
	buf_fini(&out);
	buf_fini(&a.salt);
}

/* A client: the final message for what the server said. `binding` is the GS2 header and the data behind it. */
static void client_final(struct buf *out, struct view first_bare, struct view server_first, struct view binding,
			 const char *password, const char *extension)
{
	struct buf auth_message = BUF_INIT(8000), salt = BUF_INIT(100);
	struct view nonce, rest, s = VIEW_EMPTY, i = VIEW_EMPTY;
	uint8_t stored[32], server[32], client_key[32], mac[32], salted[32];

	assert_true(view_cut(server_first, ',', &nonce, &rest) && view_cut(rest, ',', &s, &i));
	assert_true(decode_base64(&salt, view_sub(s, 2, s.n)));
	buf_append_cstr(out, "c=");
	encode_base64(out, binding);
	buf_printf(out, ",%.*s%s", VIEW_FMT(nonce), extension);
	buf_printf(&auth_message, "%.*s,%.*s,", VIEW_FMT(first_bare), VIEW_FMT(server_first));
	buf_append_view(&auth_message, buf_view(out));
	verifier_scram_keys(view_from_cstr(password), buf_view(&salt), 4096, stored, server);
	/* ClientKey is not given away by verifier_scram_keys(): once more, by hand */
	crypto_auth_hmacsha256_state st;
	(void)crypto_auth_hmacsha256_init(&st, (const unsigned char *)password, strlen(password));
	(void)crypto_auth_hmacsha256_update(&st, (const unsigned char *)salt.p, salt.n);
	(void)crypto_auth_hmacsha256_update(&st, (const unsigned char *)"\0\0\0\1", 4);
	(void)crypto_auth_hmacsha256_final(&st, mac);
	memcpy(salted, mac, 32);
	for (int n = 1; n < 4096; n++) {
		(void)crypto_auth_hmacsha256_init(&st, (const unsigned char *)password, strlen(password));
		(void)crypto_auth_hmacsha256_update(&st, mac, 32);
		(void)crypto_auth_hmacsha256_final(&st, mac);
		for (int k = 0; k < 32; k++)
			salted[k] ^= mac[k];
	}
	(void)crypto_auth_hmacsha256(client_key, (const unsigned char *)"Client Key", 10, salted);
	(void)crypto_auth_hmacsha256(mac, (const unsigned char *)auth_message.p, auth_message.n, stored);
	for (int k = 0; k < 32; k++)
		client_key[k] ^= mac[k];
	buf_append_cstr(out, ",p=");
	encode_base64(out, view_from(client_key, 32));
	buf_fini(&auth_message);
	buf_fini(&salt);
}

struct run {
	const char *first; /* GS2 header, then the bare message, parted by "|" */
	struct scram_channel channel;
	struct view data; /* what the client binds to */
	const char *password;
	const char *extension;
};

static enum scram_verdict run(const struct run *r, struct buf *user)
{
	struct scram s;
	struct account a;
	struct view header, first_bare;
	struct buf first = BUF_INIT(4096), out = BUF_INIT(4096), final = BUF_INIT(4096), binding = BUF_INIT(4096),
		   last = BUF_INIT(100);
	enum scram_verdict v;

	account_init(&a);
	scram_init(&s);
	assert_true(view_cut(view_from_cstr(r->first), '|', &header, &first_bare));
	buf_append_view(&first, header);
	buf_append_view(&first, first_bare);
	v = scram_first(&s, buf_view(&first), &r->channel);
	if (v == SCRAM_OK) {
		challenge(&s, &a, VIEW_LIT("server"), &out);
		buf_append_view(&binding, header);
		buf_append_view(&binding, r->data);
		client_final(&final, first_bare, buf_view(&out), buf_view(&binding), r->password,
			     r->extension ? r->extension : "");
		v = scram_final(&s, buf_view(&final), &last);
		assert_int_equal(last.n > 0, v == SCRAM_OK);
	}
	if (user)
		buf_append_view(user, buf_view(&s.user));
	buf_fini(&first);
	buf_fini(&out);
	buf_fini(&final);
	buf_fini(&binding);
	buf_fini(&last);
	buf_fini(&a.salt);
	scram_fini(&s);
	return v;
}

static void channel_bindings(void **state)
{
	static const struct {
		struct run run;
		enum scram_verdict verdict;
	} cases[] = {
	    {{"p=tls-exporter,,|n=u,r=a",
	      {true, {"0123456789abcdef", 16}, {"", 0}, {"", 0}},
	      {"0123456789abcdef", 16},
	      "pencil",
	      NULL},
	     SCRAM_OK},
	    {{"p=tls-unique,,|n=u,r=a",
	      {true, {"x", 1}, {"finished", 8}, {"point", 5}},
	      {"finished", 8},
	      "pencil",
	      NULL},
	     SCRAM_OK},
	    {{"p=tls-unique,,|n=u,r=a", {true, {"x", 1}, {"finished", 8}, {"point", 5}}, {"x", 1}, "pencil", NULL},
	     SCRAM_REFUSED},
	    {{"y,,|n=u,r=a", {false, {"", 0}, {"finished", 8}, {"", 0}}, {"", 0}, "pencil", NULL}, SCRAM_REFUSED},
	    {{"p=tls-server-end-point,,|n=u,r=a",
	      {true, {"x", 1}, {"", 0}, {"point", 5}},
	      {"point", 5},
	      "pencil",
	      NULL},
	     SCRAM_OK},
	    /* somebody between: the client is bound to another channel */
	    {{"p=tls-exporter,,|n=u,r=a", {true, {"ours", 4}, {"", 0}, {"", 0}}, {"his", 3}, "pencil", NULL},
	     SCRAM_REFUSED},
	    {{"p=tls-exporter,,|n=u,r=a", {true, {"ours", 4}, {"", 0}, {"", 0}}, {"", 0}, "pencil", NULL},
	     SCRAM_REFUSED},
	    {{"p=tls-exporter,,|n=u,r=a", {true, {"", 0}, {"", 0}, {"point", 5}}, {"", 0}, "pencil", NULL},
	     SCRAM_REFUSED},
	    {{"p=tls-unique,,|n=u,r=a", {true, {"ours", 4}, {"", 0}, {"p", 1}}, {"ours", 4}, "pencil", NULL},
	     SCRAM_REFUSED},
	    {{"p=tls-exporter,,|n=u,r=a", {true, {"ours", 4}, {"", 0}, {"", 0}}, {"ours", 4}, "wrong", NULL},
	     SCRAM_REFUSED},
	    /* -PLUS without a binding, a binding without -PLUS */
	    {{"n,,|n=u,r=a", {true, {"ours", 4}, {"", 0}, {"", 0}}, {"", 0}, "pencil", NULL}, SCRAM_MALFORMED},
	    {{"y,,|n=u,r=a", {true, {"ours", 4}, {"", 0}, {"", 0}}, {"", 0}, "pencil", NULL}, SCRAM_MALFORMED},
	    {{"p=tls-exporter,,|n=u,r=a", {false, {"ours", 4}, {"", 0}, {"", 0}}, {"ours", 4}, "pencil", NULL},
	     SCRAM_MALFORMED},
	    /* "y": right only where there is nothing to bind to */
	    {{"y,,|n=u,r=a", {false, {"", 0}, {"", 0}, {"", 0}}, {"", 0}, "pencil", NULL}, SCRAM_OK},
	    {{"y,,|n=u,r=a", {false, {"ours", 4}, {"", 0}, {"", 0}}, {"", 0}, "pencil", NULL}, SCRAM_REFUSED},
	    {{"y,,|n=u,r=a", {false, {"", 0}, {"", 0}, {"point", 5}}, {"", 0}, "pencil", NULL}, SCRAM_REFUSED},
	    {{"n,,|n=u,r=a", {false, {"ours", 4}, {"", 0}, {"point", 5}}, {"", 0}, "pencil", NULL}, SCRAM_OK},
	    /* the client repeats another header than it sent: data that should not be there */
	    {{"n,,|n=u,r=a", {false, {"", 0}, {"", 0}, {"", 0}}, {"x", 1}, "pencil", NULL}, SCRAM_REFUSED},
	    {{"n,,|n=u,r=a", {false, {"", 0}, {"", 0}, {"", 0}}, {"", 0}, "pencil", ",x=whatever,y=more"}, SCRAM_OK},
	    {{"n,a=boss,|n=u,r=a,x=ext", {false, {"", 0}, {"", 0}, {"", 0}}, {"", 0}, "pencil", NULL}, SCRAM_OK},
	    {{"n,,|n=u,r=a", {false, {"", 0}, {"", 0}, {"", 0}}, {"", 0}, "Pencil", NULL}, SCRAM_REFUSED},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(run(&cases[i].run, NULL), cases[i].verdict);
}

static void names(void **state)
{
	static const struct {
		const char *first;
		const char *user; /* NULL: malformed */
	} cases[] = {
	    {"n,,|n=user,r=a", "user"},
	    {"n,,|n=us=2Cer=3D,r=a", "us,er="},
	    {"n,,|n=us=2cer,r=a", NULL},
	    {"n,,|n=us=3der,r=a", NULL},
	    {"n,,|n=user=,r=a", NULL},
	    {"n,,|n=user=2,r=a", NULL},
	    {"n,,|n=user=3DD,r=a", "user=D"},
	    {"n,,|n=\xc3\xa9,r=a", "\xc3\xa9"},
	    {"n,,|n=\xc3,r=a", NULL},
	    {"n,,|n=,r=a", NULL},
	    {"n,a=,|n=u,r=a", "u"}, /* seen from gsasl */
	    {"n,a==,|n=u,r=a", NULL},
	    {"n,b=x,|n=u,r=a", NULL},
	    {"n,x,|n=u,r=a", NULL},
	    {"n,|n=u,r=a", NULL},
	    {"|n=u,r=a", NULL},
	    {"N,,|n=u,r=a", NULL},
	    {"z,,|n=u,r=a", NULL},
	    {"p=,,|n=u,r=a", NULL},
	    {"n,,|m=ext,n=u,r=a", NULL}, /* an extension nobody may ignore (RFC 5802 §5.1) */
	    {"n,,|n=u,r=", NULL},
	    {"n,,|n=u", NULL},
	    {"n,,|n=u,", NULL},
	    {"n,,|r=a,n=u", NULL},
	    {"n,,|n=u,r=a b", NULL},
	    {"n,,|n=u,r=\x7f", NULL},
	    {"n,,|n=u,r=a,", NULL},
	    {"n,,|n=u,r=a,x", NULL},
	    {"n,,|n=u,r=a,1=x", NULL},
	    {"n,,|n=u,r=a,x=", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct run r = {cases[i].first, bare, VIEW_EMPTY, "pencil", NULL};
		struct buf user = BUF_INIT(1000);

		assert_int_equal(run(&r, &user), cases[i].user ? SCRAM_OK : SCRAM_MALFORMED);
		if (cases[i].user)
			assert_string_equal(buf_cstr(&user), cases[i].user);
		buf_fini(&user);
	}
}

/* A final message with anything changed is refused or malformed, never right; each needs a fresh exchange. */
static void finals(void **state)
{
	static const char *const malformed[] = {
	    "",
	    "c=biws",
	    "c=biws,r=aserver",
	    "c=biws,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	    "r=ac2VydmVy,c=biws,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	    "c=biws,r=ac2VydmVy,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ",
	    "c=biws,r=ac2VydmVy,p=AAAA",
	    "c=biws,r=ac2VydmVy,p=",
	    "c=biws,r=ac2VydmVy,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=,x=y",
	    "c=biws,r=ac2VydmVy,x,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	};
	struct account a;
	struct buf first = BUF_INIT(4096), good = BUF_INIT(4096), out = BUF_INIT(4096);

	(void)state;
	account_init(&a);
	for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
		struct scram s;

		scram_init(&s);
		buf_reset(&first);
		assert_int_equal(scram_first(&s, VIEW_LIT("n,,n=u,r=a"), &bare), SCRAM_OK);
		challenge(&s, &a, VIEW_LIT("server"), &first);
		assert_int_equal(scram_final(&s, view_from_cstr(malformed[i]), &out), SCRAM_MALFORMED);
		scram_fini(&s);
	}
	client_final(&good, VIEW_LIT("n=u,r=a"), buf_view(&first), VIEW_LIT("n,,"), "pencil", "");
	for (size_t i = 0; i <= good.n; i++) {
		struct scram s;

		scram_init(&s);
		buf_reset(&first);
		assert_int_equal(scram_first(&s, VIEW_LIT("n,,n=u,r=a"), &bare), SCRAM_OK);
		challenge(&s, &a, VIEW_LIT("server"), &first);
		if (i < good.n)
			good.p[i] ^= 1;
		assert_int_equal(scram_final(&s, buf_view(&good), &out) == SCRAM_OK, i == good.n);
		if (i < good.n)
			good.p[i] ^= 1;
		scram_fini(&s);
	}
	assert_true(out.n > 0);
	buf_fini(&first);
	buf_fini(&good);
	buf_fini(&out);
	buf_fini(&a.salt);
}

/* Without keys nothing is right, whatever is proven. */
static void no_keys(void **state)
{
	struct buf first = BUF_INIT(4096), final = BUF_INIT(4096), out = BUF_INIT(4096);
	struct account a;
	struct scram s;

	(void)state;
	account_init(&a);
	scram_init(&s);
	assert_int_equal(scram_first(&s, VIEW_LIT("n,,n=u,r=a"), &bare), SCRAM_OK);
	scram_challenge(&s, buf_view(&a.salt), 4096, VIEW_EMPTY, VIEW_EMPTY, VIEW_LIT("server"), &first);
	client_final(&final, VIEW_LIT("n=u,r=a"), buf_view(&first), VIEW_LIT("n,,"), "pencil", "");
	assert_int_equal(scram_final(&s, buf_view(&final), &out), SCRAM_REFUSED);
	assert_int_equal(out.n, 0);
	scram_fini(&s);
	buf_fini(&first);
	buf_fini(&final);
	buf_fini(&a.salt);
}

static void plain_messages(void **state)
{
	static const struct {
		struct view in;
		const char *out; /* NULL: malformed */
	} cases[] = {
	    {VIEW_LIT("\0u\0p"), "|u|p"},
	    {VIEW_LIT("boss\0u\0p p"), "boss|u|p p"},
	    {VIEW_LIT("\0\xc3\xa9\0\xc3\xbc"), "|\xc3\xa9|\xc3\xbc"},
	    {VIEW_LIT("\0u\0"), "|u|"},
	    {VIEW_LIT(""), NULL},
	    {VIEW_LIT("\0"), NULL},
	    {VIEW_LIT("\0\0"), NULL},
	    {VIEW_LIT("\0\0p"), NULL},
	    {VIEW_LIT("u\0p"), NULL},
	    {VIEW_LIT("\0u\0p\0"), NULL},
	    {VIEW_LIT("\0u\0p\0q"), NULL},
	    {VIEW_LIT("\0u\0\xff"), NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct plain p;
		struct buf out = BUF_INIT(100);
		bool ok = plain_parse(cases[i].in, &p);

		assert_int_equal(ok, cases[i].out != NULL);
		if (!ok)
			continue;
		buf_printf(&out, "%.*s|%.*s|%.*s", VIEW_FMT(p.authzid), VIEW_FMT(p.user), VIEW_FMT(p.password));
		assert_string_equal(buf_cstr(&out), cases[i].out);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rfc7677), cmocka_unit_test(channel_bindings), cmocka_unit_test(names),
	    cmocka_unit_test(finals),  cmocka_unit_test(no_keys),          cmocka_unit_test(plain_messages),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
