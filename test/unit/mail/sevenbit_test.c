/* SPDX-License-Identifier: ISC */
#include "mail/sevenbit.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

struct trial {
	struct view in;
	struct buf out;
	size_t window;
	bool fails;
	uint64_t read; /* bytes */
};

static int read_some(void *ctx, uint64_t off, size_t max, struct view *ret)
{
	struct trial *t = ctx;

	*ret = view_sub(t->in, (size_t)off, max < t->window ? max : t->window);
	t->read += ret->n;
	return t->fails ? -EIO : 0;
}

static int put_some(void *ctx, struct view bytes)
{
	struct trial *t = ctx;

	buf_append_view(&t->out, bytes);
	return 0;
}

static bool drops_x(void *ctx, const struct header_field *f)
{
	(void)ctx;
	return view_eq_lit_nocase(f->name, "X-Drop");
}

static enum sevenbit_verdict run(struct trial *t, const char *in, size_t window, bool drops)
{
	const struct sevenbit s = {
	    .read = read_some, .put = put_some, .bytes = strlen(in), .drops = drops ? drops_x : NULL, .ctx = t};

	*t = (struct trial){.in = view_from_cstr(in), .window = window};
	buf_init(&t->out, 1 << 20);
	return sevenbit_make(&s);
}

static void assert_becomes(const char *in, const char *out)
{
	static const size_t windows[] = {1, 7, 65536};
	struct trial t;

	for (size_t i = 0; i < ARRAY_LEN(windows); i++) {
		assert_int_equal(run(&t, in, windows[i], true), SEVENBIT_MADE);
		assert_string_equal(buf_cstr(&t.out), out);
		buf_fini(&t.out);
	}
}

static void assert_none(const char *in, enum sevenbit_verdict why)
{
	struct trial t;

	assert_int_equal(run(&t, in, 100, false), why);
	assert_int_equal(t.out.n, 0);
	buf_fini(&t.out);
}

#define TEXT "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"

static void one_part(void **state)
{
	(void)state;
	assert_becomes("A: b\r\n" TEXT "Content-Transfer-Encoding: 8bit\r\nC: d\r\n\r\nGr\xc3\xbc\xc3\x9f"
		       "e, a long enough text = more \r\n--x\r\n.\r\n",
		       "A: b\r\n" TEXT "Content-Transfer-Encoding: quoted-printable\r\nC: d\r\n\r\nGr=C3=BC=C3=9F"
		       "e, a long enough text =3D more=20\r\n=2D-x\r\n=2E\r\n");
	/* No label: behind Content-Type; no MIME at all: last. */
	assert_becomes(
	    TEXT "C: d\r\n\r\n\xc3\xbc is a letter, and this is text\r\n",
	    TEXT "Content-Transfer-Encoding: quoted-printable\r\nC: d\r\n\r\n=C3=BC is a letter, and this is text\r\n");
	assert_becomes("A: b\r\n\r\n\xc3\xbc is a letter, and this is text\r\n",
		       "A: b\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC is a "
		       "letter, and this is text\r\n");
	/* Mostly 8-bit text, and what is no text. */
	assert_becomes(TEXT "\r\n\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\r\n",
		       TEXT "Content-Transfer-Encoding: base64\r\n\r\nw7zDvMO8w7wNCg==\r\n");
	assert_becomes("MIME-Version: 1.0\r\nContent-Type: image/x\r\n\r\nabc def ghi jkl \xff\r\n",
		       "MIME-Version: 1.0\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: "
		       "base64\r\n\r\nYWJjIGRlZiBnaGkgamtsIP8NCg==\r\n");
}

static void what_needs_nothing_stays(void **state)
{
	static const char *const same[] = {
	    "A: b\r\n\r\nc \r\n=\r\n", "Content-Transfer-Encoding: x-odd\r\n\r\nseven\r\n",
	    "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(same); i++)
		assert_becomes(same[i], same[i]);
	assert_becomes("X-Drop: me\r\nA: b\r\nX-DROP: me\r\n too\r\n\r\nX-Drop: not\r\n",
		       "A: b\r\n\r\nX-Drop: not\r\n");
}

static void parts(void **state)
{
	(void)state;
	assert_becomes(
	    "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\nunseen "
	    "\xc3\xbc\r\n--b\r\n"
	    "Content-Type: text/plain\r\n\r\nseven\r\n--b\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc"
	    "ezi mitenand, allerseits\r\n--b\r\nContent-Type: multipart/signed; "
	    "boundary=c\r\n\r\n--c\r\n\r\nsigned\r\n--c--\r\n\r\n--b--\r\nunseen \xc3\xbc\r\n",
	    "Content-Type: multipart/mixed; boundary=b\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: "
	    "7bit\r\n\r\n--b\r\n"
	    "Content-Type: text/plain\r\n\r\nseven\r\n--b\r\nContent-Transfer-Encoding: "
	    "quoted-printable\r\n\r\nGr=C3=BC"
	    "ezi mitenand, allerseits\r\n--b\r\nContent-Type: multipart/signed; "
	    "boundary=c\r\n\r\n--c\r\n\r\nsigned\r\n--c--\r\n\r\n--b--\r\n");
	assert_becomes(
	    "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: inner\r\nMIME-Version: "
	    "1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc"
	    "ezi mitenand, allerseits\r\n",
	    "Content-Type: message/rfc822\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 7bit\r\n\r\nSubject: "
	    "inner\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC"
	    "ezi mitenand, allerseits\r\n");
	assert_becomes("MIME-Version: 1.0\r\nContent-Type: message/global\r\n\r\nSubject: \xc3\xbc\r\n\r\nx\r\n",
		       "MIME-Version: 1.0\r\nContent-Type: message/global\r\nContent-Transfer-Encoding: "
		       "base64\r\n\r\nU3ViamVjdDogw7wNCg0KeA0K\r\n");
}

static void refused(void **state)
{
	(void)state;
	assert_none("Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xc3\xbc\r\n--b--\r\n",
		    SEVENBIT_SIGNED);
	assert_none("Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/encrypted; "
		    "boundary=b\r\n\r\n--b\r\n\r\n\xc3\xbc\r\n--b--\r\n--a--\r\n",
		    SEVENBIT_SIGNED);
	assert_none("Subject: \xc3\xbc\r\n\r\nx\r\n", SEVENBIT_IMPOSSIBLE);
	assert_none("Content-Type: message/rfc822\r\n\r\nSubject: \xc3\xbc\r\n\r\nx\r\n", SEVENBIT_IMPOSSIBLE);
	assert_none("Content-Type: message/partial\r\n\r\n\xc3\xbc\r\n", SEVENBIT_IMPOSSIBLE);
	assert_none("Content-Transfer-Encoding: x-odd\r\n\r\n\xc3\xbc\r\n", SEVENBIT_IMPOSSIBLE);
	/* RFC 2046 §5.1.1: some compare a boundary with the beginning of a line, some with all of it. Cut where only some see parts, a part would
	 * be encoded in the middle of another. */
	assert_none("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\xc3\xbc\r\n--bX\r\na: "
		    "b\r\n\r\n\xc3\xbc\r\n--b--\r\n",
		    SEVENBIT_IMPOSSIBLE);
	assert_none(
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\xc3\xbc\r\n--b-- x\r\n\xc3\xbc\r\n--b--\r\n",
	    SEVENBIT_IMPOSSIBLE);
	assert_none("Content-Type: multipart/mixed; boundary=b\r\n\r\nno boundary \xc3\xbc\r\n", SEVENBIT_IMPOSSIBLE);
}

/* Blanks behind it, and a longer one inside, leave no doubt (RFC 2046 §5.1.1, §5.1.2). */
static void boundaries(void **state)
{
	(void)state;
	assert_becomes(
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b \t\r\nContent-Type: multipart/alternative; "
	    "boundary=bX\r\n\r\n--bX\r\n\r\n\xc3\xbc\r\n--bX--\r\n--b-- \r\n",
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b \t\r\nContent-Type: multipart/alternative; "
	    "boundary=bX\r\n\r\n--bX\r\nContent-Transfer-Encoding: base64\r\n\r\nw7w=\r\n--bX--\r\n--b-- \r\n");
}

static void long_lines(void **state)
{
	struct buf in = BUF_INIT(1 << 16);
	struct view line, rest;
	struct trial t;
	size_t longest = 0;

	(void)state;
	buf_append_cstr(&in, "A: b\r\n\r\n");
	for (size_t i = 0; i < 999; i++)
		buf_append_char(&in, i % 10 ? 'x' : ' ');
	buf_append_cstr(&in, "\r\n");
	assert_int_equal(run(&t, buf_cstr(&in), 100, false), SEVENBIT_MADE);
	rest = buf_view(&t.out);
	assert_true(view_find(rest, VIEW_LIT("quoted-printable")) < rest.n);
	while (view_cut(rest, '\n', &line, &rest))
		longest = line.n > longest ? line.n : longest;
	assert_true(longest <= 77);
	buf_fini(&t.out);
	/* 998 are no trouble. */
	in.p[in.n - 3] = '\r';
	in.p[in.n - 2] = '\n';
	buf_truncate(&in, in.n - 1);
	assert_int_equal(run(&t, buf_cstr(&in), 100, false), SEVENBIT_MADE);
	assert_true(view_eq(buf_view(&t.out), buf_view(&in)));
	buf_fini(&t.out);
	/* The last line of a part has no end of its own. */
	for (size_t n = 998; n <= 999; n++) {
		buf_reset(&in);
		buf_append_cstr(&in, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n");
		for (size_t i = 0; i < n; i++)
			buf_append_char(&in, i % 10 ? 'x' : ' ');
		buf_append_cstr(&in, "\r\n--b--\r\n");
		assert_int_equal(run(&t, buf_cstr(&in), 100, false), SEVENBIT_MADE);
		assert_true(view_eq(buf_view(&t.out), buf_view(&in)) == (n == 998));
		buf_fini(&t.out);
	}
	buf_fini(&in);
}

static void broken_encodings_decode_as_before(void **state)
{
	(void)state;
	assert_becomes("Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC \xc3\xbc =\r\nx\r\n",
		       "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC =C3=BC =\r\nx\r\n");
	assert_becomes("Content-Transfer-Encoding: base64\r\n\r\nQU\xc3\xbcJD\r\n",
		       "Content-Transfer-Encoding: base64\r\n\r\nQUJD\r\n");
}

/* However deep what it holds lies, it is read a few times only. */
static void deep(void **state)
{
	enum { DEPTH = 90, LINES = 5000 };
	struct buf in = BUF_INIT(1 << 20);
	struct trial t;

	(void)state;
	for (unsigned i = 0; i < DEPTH; i++)
		buf_printf(&in, "Content-Type: multipart/mixed; boundary=b%03u\r\n\r\n--b%03u\r\n", i, i);
	buf_append_cstr(&in, "Content-Type: text/plain\r\n\r\n");
	for (unsigned i = 0; i < LINES; i++)
		buf_append_cstr(&in, "\xc3\xa4 and more, so that it is long\r\n");
	for (unsigned i = DEPTH; i-- > 0;)
		buf_printf(&in, "\r\n--b%03u--\r\n", i);
	assert_int_equal(run(&t, buf_cstr(&in), 65536, false), SEVENBIT_MADE);
	assert_true(t.read < 6 * in.n);
	buf_fini(&t.out);
	buf_fini(&in);
}

static void unreadable(void **state)
{
	struct trial t = {.in = VIEW_LIT("x"), .window = 1, .fails = true};
	const struct sevenbit s = {.read = read_some, .put = put_some, .bytes = 1, .ctx = &t};

	(void)state;
	assert_int_equal(sevenbit_make(&s), SEVENBIT_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_part),   cmocka_unit_test(what_needs_nothing_stays),
	    cmocka_unit_test(parts),      cmocka_unit_test(refused),
	    cmocka_unit_test(long_lines), cmocka_unit_test(broken_encodings_decode_as_before),
	    cmocka_unit_test(deep),       cmocka_unit_test(unreadable),
	    cmocka_unit_test(boundaries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
