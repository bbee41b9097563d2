/* SPDX-License-Identifier: ISC */
#include "mail/mime_field.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
	const char *value, *result; /* NULL: refused */
} types[] = {
    {"text/plain", "text/plain"},
    {" text / plain ; charset=us-ascii (Plain text)", "text/plain charset=us-ascii"},
    {"(c) text (c) / (c) plain (c) ; (c) a (c) = (c) b", "text/plain a=b"},
    {"text/plain;charset=\"utf-8\";;format=flowed;", "text/plain charset=utf-8 format=flowed"},
    {"a/b; x=\"q \\\"uo\\\\ted\\\"\"; y=2", "a/b x=q \"uo\\ted\" y=2"},
    {"a/b;\r\n\tname=my file (1).txt\r\n\t; z=3", "a/b name=my file z=3"},
    {"a/b; name=my\r\n file.txt", "a/b name=my file.txt"},
    {"a/b; access-type=mail-server  server=\"x\"; y=1", "a/b access-type=mail-server y=1"},
    {"a/b; x=\"folded\r\n value\"", "a/b x=folded value"},
    {"a/b; x=\"open", "a/b x=open"},
    {"a/b; x=\"a\" junk; y=1", "a/b x=a y=1"},
    {"a/b; novalue; =empty; x=", "a/b x="},
    {"multipart/mixed; boundary=\"=_a/b:c\"", "multipart/mixed boundary==_a/b:c"},
    {"multipart/mixed; boundary==_a/b", "multipart/mixed boundary==_a/b"},
    /* RFC 2231 §3, §4.1 */
    {"a/b; url*0=\"ftp://\"; url*1=\"cs.utk.edu/\"", "a/b url=ftp://cs.utk.edu/"},
    {"a/b; t*1*=%20is; x=1; t*0*=us-ascii'en'This; t*2=\" fun%!\"", "a/b x=1 t*=us-ascii'en'This%20is%20fun%25!"},
    {"a/b; t*=us-ascii'en'This", "a/b t*=us-ascii'en'This"},
    {"a/b; t*0=a; t*2=c", "a/b t=a t*2=c"},
    {"a/b; t*1=b", "a/b t*1=b"},
    {"a/b; t*0=a; t*0=b; t*1=c", "a/b t=ac t=b"},
    {"a/b; t*00=b; T*0=c; t*01=d; t*1=e", "a/b t*00=b T=ce t*01=d"},
    {"a/b; *0=x; t**=y; t*x=z", "a/b *0=x t**=y t*x=z"},
    {"text", NULL},
    {"", NULL},
    {"/plain", NULL},
    {"text/", NULL},
    {"text plain/x", NULL},
    {"(open text/plain", NULL},
};

static void show(struct view type, struct view subtype, const struct mime_params *params, struct buf *out)
{
	buf_printf(out, "%.*s/%.*s", VIEW_FMT(type), VIEW_FMT(subtype));
	for (size_t i = 0; i < params->count; i++)
		buf_printf(out, " %.*s=%.*s", VIEW_FMT(params->at[i].name), VIEW_FMT(params->at[i].value));
}

static void content_types(void **state)
{
	struct view type, subtype;
	struct mime_params params;
	struct buf out = BUF_INIT(1000);
	struct arena a;

	(void)state;
	arena_init(&a, 100000);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		bool ok = mime_field_type(view_from_cstr(types[i].value), &a, &type, &subtype, &params);

		assert_int_equal(ok, types[i].result != NULL);
		if (!ok)
			continue;
		buf_reset(&out);
		show(type, subtype, &params, &out);
		assert_string_equal(buf_cstr(&out), types[i].result);
	}
	arena_fini(&a);
	buf_fini(&out);
}

static void dispositions(void **state)
{
	struct mime_params params;
	struct view disposition;
	struct arena a;

	(void)state;
	arena_init(&a, 100000);
	assert_true(mime_field_disposition(VIEW_LIT(" attachment; filename=\"a b.txt\""), &a, &disposition, &params));
	assert_true(view_eq_lit(disposition, "attachment"));
	assert_true(view_eq_lit(mime_params_get(&params, "FileName"), "a b.txt"));
	assert_true(mime_params_find(&params, "size") == NULL && mime_params_get(&params, "size").n == 0);
	assert_true(mime_field_disposition(VIEW_LIT("\"inline\""), &a, &disposition, &params));
	assert_true(view_eq_lit(disposition, "inline") && params.count == 0);
	assert_false(mime_field_disposition(VIEW_LIT(" ; filename=x"), &a, &disposition, &params));
	arena_fini(&a);
}

static void tokens_and_languages(void **state)
{
	struct view *languages;
	struct arena a;

	(void)state;
	arena_init(&a, 100000);
	assert_int_equal(mime_field_encoding(mime_field_token(VIEW_LIT(" BASE64 (c)"), &a)), MIME_BASE64);
	assert_int_equal(mime_field_encoding(mime_field_token(VIEW_LIT("Quoted-Printable;"), &a)),
			 MIME_QUOTED_PRINTABLE);
	assert_int_equal(mime_field_encoding(mime_field_token(VIEW_LIT("\"7bit\""), &a)), MIME_7BIT);
	assert_int_equal(mime_field_encoding(mime_field_token(VIEW_LIT(" "), &a)), MIME_7BIT);
	assert_int_equal(mime_field_encoding(mime_field_token(VIEW_LIT("x-uuencode"), &a)), MIME_UNKNOWN_ENCODING);
	assert_int_equal(mime_field_token(VIEW_LIT("8 bit"), &a).n, 0);
	assert_int_equal(mime_field_encoding(mime_field_token(VIEW_LIT("8 bit"), &a)), MIME_7BIT);
	assert_int_equal(mime_field_languages(VIEW_LIT(" en (English), ,de-DE,"), &a, &languages), 2);
	assert_true(view_eq_lit(languages[0], "en") && view_eq_lit(languages[1], "de-DE"));
	assert_true(view_eq_lit(mime_field_text(VIEW_LIT(" a\r\n b "), &a), "a b"));
	arena_fini(&a);
}

static void parameters_as_text(void **state)
{
	static const struct {
		const char *value, *text;
	} cases[] = {
	    {"a; n=plain.pdf", "plain.pdf"},
	    {"a; n=\"=?iso-8859-1?Q?=E4?=.pdf\"", "\xc3\xa4.pdf"},
	    {"a; N*=utf-8''%C3%a4%20b.pdf; n=\"?.pdf\"", "\xc3\xa4 b.pdf"},
	    {"a; n*0*=iso-8859-1'de'%E4; n*1=\"100%.pdf\"", "\xc3\xa4"
							    "100%.pdf"},
	    {"a; n*=iso-2022-jp''%1B$BF|%1B%28B", "\xe6\x97\xa5"},
	    {"a; n*=''%E4", "\xc3\xa4"},
	    {"a; n*=no-such'en'%C3%A4", "\xc3\xa4"},
	    {"a; n*=nothing%C3%A4", "nothing\xc3\xa4"},
	    {"a; n*=utf-8''%4%zz%", "%4%zz%"},
	    {"a; n*=utf-8'open", "utf-8'open"},
	    {"a; name=x", ""},
	};
	struct buf out = BUF_INIT(1000);
	struct mime_params params;
	struct view disposition;
	struct arena a;

	(void)state;
	arena_init(&a, 100000);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_reset(&out);
		assert_true(mime_field_disposition(view_from_cstr(cases[i].value), &a, &disposition, &params));
		mime_params_text(&params, "n", &out);
		assert_string_equal(buf_cstr(&out), cases[i].text);
	}
	arena_fini(&a);
	buf_fini(&out);
}

static void parameters_are_bounded(void **state)
{
	struct buf value = BUF_INIT(10000);
	struct view type, subtype;
	struct mime_params params;
	struct arena a;

	(void)state;
	arena_init(&a, 100000);
	buf_append_cstr(&value, "a/b");
	for (int i = 0; i < 200; i++)
		buf_printf(&value, "; t*%d=x", i);
	assert_true(mime_field_type(buf_view(&value), &a, &type, &subtype, &params));
	assert_int_equal(params.count, 1);
	assert_int_equal(params.at[0].value.n, MIME_PARAMS_MAX);
	arena_fini(&a);
	buf_fini(&value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(content_types),          cmocka_unit_test(dispositions),
	    cmocka_unit_test(tokens_and_languages),   cmocka_unit_test(parameters_as_text),
	    cmocka_unit_test(parameters_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
