/* SPDX-License-Identifier: ISC */
#include "mail/digest.h"

#include "base/arena.h"
#include "mail/charset.h"
#include "mail/search_match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t key[2] = {1, 2};

struct made {
	struct buf columns[DIGEST_COLUMNS];
};

static void make(const char *header, struct made *ret)
{
	for (int i = 0; i < DIGEST_COLUMNS; i++)
		buf_init(&ret->columns[i], DIGEST_RECORD_MAX);
	digest_make(view_from_cstr(header), key, ret->columns);
	for (int i = 0; i < DIGEST_COLUMNS; i++)
		assert_false(ret->columns[i].overflow);
}

static void drop(struct made *m)
{
	for (int i = 0; i < DIGEST_COLUMNS; i++)
		buf_fini(&m->columns[i]);
}

static void assert_view(struct view v, const char *want)
{
	assert_int_equal(v.n, strlen(want));
	assert_memory_equal(v.p, want, v.n);
}

static const char header[] = "From: =?utf-8?Q?J=C3=B6rg?= <joerg@example.org>, other@x\r\n"
			     "To: friends: a@b, c@d;\r\nCc: <Plain@Example.com>\r\n"
			     "Subject: Re: [list] =?utf-8?Q?=C3=9Cber_alles?=\r\n"
			     "Date: Tue, 01 Jan 2019 00:30:00 +0100\r\n"
			     "Message-ID: <\"a\"@b>\r\nReferences: <x@y>\r\n <a@b>\r\nsubject: second\r\n\r\n";

static void columns(void **state)
{
	struct digest_values v[DIGEST_ADDRESS_FIELDS];
	struct view keys[DIGEST_KEYS];
	struct digest_thread t;
	struct digest_date d;
	struct made m;

	(void)state;
	make(header, &m);
	assert_true(digest_read_date(buf_view(&m.columns[DIGEST_DATE]), &d));
	assert_true(d.known);
	assert_int_equal(d.date.utc_s, 1546299000);
	assert_int_equal(date_local_day(&d.date), 17897);
	assert_true(digest_read_subject(buf_view(&m.columns[DIGEST_SUBJECT]), &v[0]));
	assert_true(v[0].present && !v[0].cut);
	assert_view(v[0].folded, "re: [list] u\xcc\x88"
				 "ber alles\nsecond");
	assert_true(digest_read_addresses(buf_view(&m.columns[DIGEST_ADDRESSES]), v));
	assert_view(v[DIGEST_FROM].folded, "jo\xcc\x88rg <joerg@example.org>, other@x");
	assert_view(v[DIGEST_TO].folded, "friends: a@b, c@d;");
	assert_false(v[DIGEST_BCC].present);
	assert_true(digest_read_sort(buf_view(&m.columns[DIGEST_SORT]), keys));
	assert_view(keys[DIGEST_KEY_SUBJECT], "U\xcc\x88"
					      "BER ALLES");
	assert_view(keys[DIGEST_KEY_FROM], "JOERG");
	assert_view(keys[DIGEST_KEY_TO], "FRIENDS");
	assert_view(keys[DIGEST_KEY_CC], "PLAIN");
	assert_view(keys[DIGEST_KEY_DISPLAYFROM], "JO\xcc\x88RG");
	assert_view(keys[DIGEST_KEY_DISPLAYTO], "FRIENDS");
	assert_true(digest_read_thread(buf_view(&m.columns[DIGEST_THREAD]), &t));
	assert_true(t.is_reply);
	assert_int_equal(t.ref_count, 2);
	assert_int_equal(digest_ref(&t, 1), t.id);
	assert_int_not_equal(digest_ref(&t, 0), t.id);
	drop(&m);
}

static void nothing(void **state)
{
	struct digest_values v[DIGEST_ADDRESS_FIELDS];
	struct view keys[DIGEST_KEYS];
	struct digest_thread t;
	struct digest_date d;
	struct made m;

	(void)state;
	make("X: y\r\n\r\nSubject: body\r\n", &m);
	assert_true(digest_read_date(buf_view(&m.columns[DIGEST_DATE]), &d));
	assert_false(d.known);
	assert_true(digest_read_subject(buf_view(&m.columns[DIGEST_SUBJECT]), &v[0]));
	assert_false(v[0].present);
	assert_true(digest_read_sort(buf_view(&m.columns[DIGEST_SORT]), keys));
	assert_int_equal(keys[DIGEST_KEY_DISPLAYFROM].n, 0);
	assert_true(digest_read_thread(buf_view(&m.columns[DIGEST_THREAD]), &t));
	assert_true(!t.is_reply && t.id == 0 && t.subject == 0 && t.ref_count == 0);
	drop(&m);
}

/* RFC 5256 §3: In-Reply-To counts when References has no id; only its first. */
static void references(void **state)
{
	struct digest_thread with, without, last;
	struct made a, b, c;

	(void)state;
	make("References: none\r\nIn-Reply-To: <p@q> <r@s>\r\nMessage-ID: <p@q>\r\n\r\n", &a);
	make("References: <r@s>\r\nIn-Reply-To: <p@q>\r\nMessage-ID: <r@s>\r\n\r\n", &b);
	assert_true(digest_read_thread(buf_view(&a.columns[DIGEST_THREAD]), &without));
	assert_true(digest_read_thread(buf_view(&b.columns[DIGEST_THREAD]), &with));
	assert_int_equal(without.ref_count, 1);
	assert_int_equal(digest_ref(&without, 0), without.id);
	assert_int_equal(with.ref_count, 1);
	assert_int_equal(digest_ref(&with, 0), with.id);
	drop(&a);
	{
		struct buf many = BUF_INIT(100000);

		buf_append_cstr(&many, "Message-ID: <n999@x>\r\nReferences:");
		for (unsigned i = 0; i < 1000; i++)
			buf_printf(&many, " <n%u@x>", i);
		buf_append_cstr(&many, "\r\n\r\n");
		make(buf_cstr(&many), &c);
		buf_fini(&many);
	}
	assert_true(digest_read_thread(buf_view(&c.columns[DIGEST_THREAD]), &last));
	assert_int_equal(last.ref_count, 255);
	assert_int_equal(digest_ref(&last, 254), last.id);
	drop(&b);
	drop(&c);
}

/* A value that is too long is marked, never taken for what it is not. */
static void cut(void **state)
{
	struct buf text = BUF_INIT(100000);
	struct digest_values v;
	struct made m;

	(void)state;
	buf_append_cstr(&text, "Subject: ");
	for (unsigned i = 0; i < 300; i++)
		buf_append_cstr(&text, "\xef\xb7\xba"); /* grows 18-fold when folded */
	buf_append_cstr(&text, "\r\n\r\n");
	make(buf_cstr(&text), &m);
	assert_true(digest_read_subject(buf_view(&m.columns[DIGEST_SUBJECT]), &v));
	assert_true(v.present && v.cut);
	drop(&m);
	buf_fini(&text);
}

/* RFC 5051: title case, then decomposed. */
static void casemap(void **state)
{
	struct buf out = BUF_INIT(100);

	(void)state;
	charset_casemap(VIEW_LIT("aZ_\xc3\xa4\xc7\x86"), &out);
	assert_string_equal(buf_cstr(&out), "AZ_A\xcc\x88"
					    "Dz\xcc\x8c");
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(columns), cmocka_unit_test(nothing),
					   cmocka_unit_test(references), cmocka_unit_test(cut),
					   cmocka_unit_test(casemap)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
