/* SPDX-License-Identifier: ISC */
#include "keyd/tbs.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SPACES "                                                                "
#define CONTEXT "TLS 1.3, server CertificateVerify"

static void tls13(struct buf *b, const char *spaces, const char *context, size_t hash)
{
	buf_reset(b);
	buf_append_cstr(b, spaces);
	buf_append_cstr(b, context);
	buf_append_char(b, 0);
	for (size_t i = 0; i < hash; i++)
		buf_append_char(b, (char)(i * 37));
}

static void certificate_verify(void **state)
{
	struct buf b = BUF_INIT(1000);

	(void)state;
	assert_int_equal(strlen(SPACES), 64);
	for (size_t hash = 0; hash < 100; hash++) {
		tls13(&b, SPACES, CONTEXT, hash);
		assert_int_equal(tbs_recognise(buf_view(&b)), hash == 32 || hash == 48 ? TBS_TLS13 : TBS_OTHER);
	}
	tls13(&b, SPACES, "TLS 1.3, client CertificateVerify", 32);
	assert_int_equal(tbs_recognise(buf_view(&b)), TBS_OTHER);
	tls13(&b, SPACES " ", CONTEXT, 32);
	assert_int_equal(tbs_recognise(buf_view(&b)), TBS_OTHER);
	tls13(&b, SPACES " ", CONTEXT, 47);
	assert_int_equal(tbs_recognise(buf_view(&b)), TBS_OTHER);
	tls13(&b, &SPACES[1], CONTEXT, 32);
	assert_int_equal(tbs_recognise(buf_view(&b)), TBS_OTHER);
	/* every byte before the hash counts */
	tls13(&b, SPACES, CONTEXT, 32);
	for (size_t i = 0; i < 98; i++) {
		b.p[i] ^= 1;
		assert_int_equal(tbs_recognise(buf_view(&b)), TBS_OTHER);
		b.p[i] ^= 1;
	}
	b.p[98] ^= 1;
	assert_int_equal(tbs_recognise(buf_view(&b)), TBS_TLS13);
	assert_int_equal(tbs_recognise(VIEW_EMPTY), TBS_OTHER);
	buf_fini(&b);
}

static void server_key_exchange(void **state)
{
	static const struct {
		unsigned char params[5];
		size_t point;
		enum tbs_kind kind;
	} cases[] = {
	    {{3, 0, 23, 65, 4}, 65, TBS_TLS12},   {{3, 0, 24, 97, 4}, 97, TBS_TLS12},
	    {{3, 0, 29, 32, 9}, 32, TBS_TLS12},   {{3, 0, 29, 32, 4}, 32, TBS_TLS12},
	    {{3, 0, 23, 65, 3}, 65, TBS_OTHER},   {{3, 0, 23, 65, 4}, 64, TBS_OTHER},
	    {{3, 0, 23, 65, 4}, 66, TBS_OTHER},   {{3, 0, 23, 64, 4}, 64, TBS_OTHER},
	    {{3, 0, 25, 133, 4}, 133, TBS_OTHER}, {{1, 0, 23, 65, 4}, 65, TBS_OTHER},
	    {{3, 1, 23, 65, 4}, 65, TBS_OTHER},   {{3, 0, 29, 32, 4}, 33, TBS_OTHER},
	    {{3, 0, 29, 33, 4}, 33, TBS_OTHER},   {{3, 0, 30, 56, 4}, 56, TBS_OTHER},
	};
	struct buf b = BUF_INIT(1000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_reset(&b);
		for (int k = 0; k < 64; k++)
			buf_append_char(&b, (char)(k * 91));
		buf_append(&b, cases[i].params, 5);
		for (size_t k = 1; k < cases[i].point; k++)
			buf_append_char(&b, (char)(k * 53));
		assert_int_equal(tbs_recognise(buf_view(&b)), cases[i].kind);
		/* and nothing shorter */
		for (size_t n = 0; n < b.n && cases[i].kind == TBS_TLS12; n++)
			assert_int_equal(tbs_recognise(view_sub(buf_view(&b), 0, n)), TBS_OTHER);
	}
	buf_fini(&b);
}

/* What a taken-over front end would like to have signed. */
static void temptations(void **state)
{
	static const struct view cases[] = {
	    VIEW_LIT("v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=x; h=from:to; "
		     "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b="),
	    VIEW_LIT("{\"protected\":\"eyJhbGciOiJFUzI1NiJ9\"}"),
	    VIEW_LIT("\x30\x82\x01\x0a\x02\x82\x01\x01"),
	    VIEW_LIT(SPACES "TLS 1.3, client CertificateVerify\0"
			    "0123456789abcdef0123456789abcdef"),
	    VIEW_LIT(SPACES "TLS 1.3, server CertificateVerify\0"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(tbs_recognise(cases[i]), TBS_OTHER);
}

static void schemes(void **state)
{
	(void)state;
	assert_null(tbs_scheme_find(0x0201)); /* SHA-1 */
	assert_null(tbs_scheme_find(0));
	assert_false(tbs_scheme_find(0x0401)->tls13); /* PKCS #1 v1.5: TLS 1.2 only */
	assert_true(tbs_scheme_find(0x0804)->pss);
	assert_null(tbs_scheme_find(0x0807)->digest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(certificate_verify),
	    cmocka_unit_test(server_key_exchange),
	    cmocka_unit_test(temptations),
	    cmocka_unit_test(schemes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
