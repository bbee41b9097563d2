/* SPDX-License-Identifier: ISC */
#include "base/buf.h"
#include "mail/address_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* An item: "name{comment}<route:local|domain>", "name:" and ";" for groups, "!" behind what is malformed. */
static void describe(struct buf *out, const struct address_item *item)
{
	buf_append_view(out, item->display_name);
	switch (item->kind) {
	case ADDRESS_ITEM_MAILBOX:
		if (item->comment.n)
			buf_printf(out, "{%.*s}", VIEW_FMT(item->comment));
		buf_append_char(out, '<');
		if (item->route.n)
			buf_printf(out, "%.*s:", VIEW_FMT(item->route));
		buf_printf(out, "%.*s|%.*s>", VIEW_FMT(item->local), VIEW_FMT(item->domain));
		break;
	case ADDRESS_ITEM_GROUP_START:
		buf_append_char(out, ':');
		break;
	case ADDRESS_ITEM_GROUP_END:
		buf_append_char(out, ';');
		break;
	}
	buf_append_cstr(out, item->malformed ? "! " : " ");
}

static void lists(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
	    {"", ""},
	    {" \r\n (nobody) ", ""},
	    {"a@b.c", "<a|b.c> "},
	    {"<a@b.c>", "<a|b.c> "},
	    {"John Doe <jdoe@machine.example>", "John Doe<jdoe|machine.example> "},
	    {"Mary Smith\r\n <mary@x.test>,\r\n\tjdoe@example.org, Who? <one@y.test>",
	     "Mary Smith<mary|x.test> <jdoe|example.org> Who?<one|y.test> "},
	    {"\"Joe Q. Public\" <john.q.public@example.com>", "Joe Q. Public<john.q.public|example.com> "},
	    {"\"Giant; \\\"Big\\\" Box\" <sysservices@example.net>", "Giant; \"Big\" Box<sysservices|example.net> "},
	    {"\"a,b\" <\"c d\"@e>", "a,b<c d|e> "},
	    {"Joe  Q.\r\n Public <a@b>", "Joe Q. Public<a|b> "},
	    {"\"Joe\r\n Q\" <a@b>", "Joe Q<a|b> "},
	    {"[list] Joe <a@b>", "[list] Joe<a|b> "},
	    {"=?utf-8?q?J=C3=B6?= =?utf-8?q?rg?= <a@b>", "=?utf-8?q?J=C3=B6?= =?utf-8?q?rg?=<a|b> "},
	    {"J\xc3\xb6rg <j\xc3\xb6rg@b\xc3\xbc.example>", "J\xc3\xb6rg<j\xc3\xb6rg|b\xc3\xbc.example> "},
	    {"J\xf6rg <a@b>", "J\xf6rg<a|b> "},
	    {"a@b (John Doe)", "{John Doe}<a|b> "},
	    {"(one) a@b, (two) c@d", "{one}<a|b> {two}<c|d> "},
	    {"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "Pete{his host}<pete|silly.test> "},
	    {"a(b(c(d)))@e", "{b(c(d))}<a|e> "},
	    {"john . q (x) . public @ example . com", "{x}<john.q.public|example.com> "},
	    {"\"john\".\"q r\"@x", "<john.q r|x> "},
	    {"<@a,@b.c:d@e>", "<@a,@b.c:d|e> "},
	    {"a@[192.0.2.1]", "<a|[192.0.2.1]> "},
	    {"a@[ 192.0.2.1 ]", "<a|[192.0.2.1]> "},
	    {", ,a@b,,c@d,", "<a|b> <c|d> "},
	    {"a@b; c@d", "<a|b> <c|d> "},
	    /* groups */
	    {"A Group:Ed <e@a.test>,joe@where.test;", "A Group: Ed<e|a.test> <joe|where.test> ; "},
	    {"Undisclosed recipients:;", "Undisclosed recipients: ; "},
	    {"\"x y\": ; , a@b", "x y: ; <a|b> "},
	    {"g: a@b, h: c@d;", "g: <a|b> h:<c|d>! ; "},
	    {"g: a@b", "g: <a|b> ;! "},
	    {":;", ":! ; "},
	    /* what is not as it should be still comes out */
	    {"root", "<root|>! "},
	    {"John Doe", "John Doe<|>! "},
	    {"\"John Doe\"", "<John Doe|>! "},
	    {"<>", "<|>! "},
	    {"John <>", "John<|>! "},
	    {"a@", "<a|>! "},
	    {"\"\"@b", "<|b>! "},
	    {"@b", "<|b>! "},
	    {"a@b.", "<a|b.>! "},
	    {"a@b@c", "<a|b>! <|c>! "},
	    {"a b@c", "a<b|c>! "},
	    {"John Q. Public a@b", "John Q. Public<a|b>! "},
	    {"a@b c@d", "<a|b>! <c|d> "},
	    {"a@b <a@b>", "a@b<a|b>! "},
	    {"a@b (x) <c@d>", "a@b{x}<c|d>! "},
	    {"<a@b> <c@d>", "<a|b>! <c|d> "},
	    {"<a@b> John", "<a|b>! <John|>! "},
	    {"<a@b", "<a|b>! "},
	    {"<a@b, c@d", "<a|b>! <c|d> "},
	    {"<a b@c>", "<b|c>! "},
	    {"<a@b c>", "<a|b>! "},
	    {"a> b@c", "a><b|c>! "},
	    {"\"a@b", "<a@b|>! "},
	    {"\"a\\", "<a\\|>! "},
	    {"\"a\\\" <b@c>", "<a\" <b@c>|>! "},
	    {"a@b (c", "{c}<a|b> "},
	    {"a@[b", "<a|[b>! "},
	    {"<@a b@c>", "<@a b@c:|>! "},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out = BUF_INIT(4096);
		struct address_item item;
		struct address_list l;
		struct arena a;
		enum parse r;

		arena_init(&a, 4096);
		address_list_init(&l, view_from_cstr(cases[i].in), 10, &a);
		while ((r = address_list_next(&l, &item)) == PARSE_DONE)
			describe(&out, &item);
		assert_int_equal(r, PARSE_MORE);
		if (strcmp(buf_cstr(&out), cases[i].out) != 0)
			fail_msg("%s\n got: %s\nwant: %s", cases[i].in, buf_cstr(&out), cases[i].out);
		buf_fini(&out);
		arena_fini(&a);
	}
}

static void limits(void **state)
{
	struct address_item item;
	struct address_list l;
	struct arena a;

	(void)state;
	arena_init(&a, 0);
	address_list_init(&l, VIEW_LIT("a@b,c@d,e@f"), 2, &a);
	assert_int_equal(address_list_next(&l, &item), PARSE_DONE);
	assert_int_equal(address_list_next(&l, &item), PARSE_DONE);
	assert_int_equal(address_list_next(&l, &item), PARSE_BAD);
	address_list_init(&l, VIEW_LIT("\"a\" <b@c>"), 2, &a);
	assert_int_equal(address_list_next(&l, &item), PARSE_BAD);
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(lists), cmocka_unit_test(limits)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
