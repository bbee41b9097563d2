/* SPDX-License-Identifier: ISC */
#include "mail/imap_fetch.h"

#include "base/clock.h"
#include "imap_command_fixture.h"

static const struct {
	const char *arguments;
	uint32_t items;
	const char *sections; /* "!" in front: sets \Seen */
} good[] = {
    {"FLAGS", IMAP_FETCH_FLAGS, ""},
    {"(UID flags INTERNALDATE RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE MODSEQ EMAILID THREADID SAVEDATE)", 0x7ff, ""},
    {"ALL", IMAP_FETCH_FLAGS | IMAP_FETCH_INTERNALDATE | IMAP_FETCH_RFC822_SIZE | IMAP_FETCH_ENVELOPE, ""},
    {"fast", IMAP_FETCH_FLAGS | IMAP_FETCH_INTERNALDATE | IMAP_FETCH_RFC822_SIZE, ""},
    {"FULL",
     IMAP_FETCH_FLAGS | IMAP_FETCH_INTERNALDATE | IMAP_FETCH_RFC822_SIZE | IMAP_FETCH_ENVELOPE | IMAP_FETCH_BODY, ""},
    {"BODY[]", 0, "!BODY[] "},
    {"body.peek[]", 0, "BODY[] "},
    {"BODY[TEXT]<0.100>", 0, "!BODY[TEXT]<0> "},
    {"(BODY[1] BODY.PEEK[1.2.MIME] BODY[3.HEADER]<5.1>)", 0, "!BODY[1] BODY[1.2.MIME] !BODY[3.HEADER]<5> "},
    {"BODY.PEEK[HEADER.FIELDS (Date from)]", 0, "BODY[HEADER.FIELDS (Date from)] "},
    {"(BODY.PEEK[2.HEADER.FIELDS.NOT (\"a b\" {1}\r\nc)]<0.9> UID)", IMAP_FETCH_UID,
     "BODY[2.HEADER.FIELDS.NOT (\"a b\" c)]<0> "},
    {"(RFC822 RFC822.HEADER RFC822.TEXT)", 0, "!RFC822 RFC822.HEADER !RFC822.TEXT "},
    {"(BINARY[1] BINARY.PEEK[]<1.2> BINARY.SIZE[1.1])", 0, "!BINARY[1] BINARY[]<1> BINARY.SIZE[1.1] "},
    {"BODY[]<9223372036854775807.9223372036854775807>", 0, "!BODY[]<9223372036854775807> "},
};

static const char *const bad[] = {
    "()",
    "FOO",
    "BODY[",
    "BODY[1",
    "BODY]",
    "BODY[]x",
    "BODY[0]",
    "BODY[01]",
    "BODY[1.]",
    "BODY[.1]",
    "BODY[MIME]",
    "BODY[HEADER.FIELDS]",
    "BODY[HEADER.FIELDS ()]",
    "BODY[HEADER.FIELDS (a)",
    "BODY[HEADER (a)]",
    "BODY[1.FOO]",
    "BODY[HEADER.1]",
    "BODY[]<0>",
    "BODY[]<0.0>",
    "BODY[]<1.2",
    "BODY[]<-1.2>",
    "BODY[]<1.2>x",
    "BODY[4294967296]",
    "BINARY",
    "BINARY[TEXT]",
    "BINARY[1.MIME]",
    "BINARY.SIZE[1]<0.5>",
    "RFC822[]",
    "(FLAGS ALL)",
    "(FLAGS (UID))",
    "FLAGS UID",
    "\"FLAGS\"",
    "FLAGS ()",
    "FLAGS (FOO 1)",
    "FLAGS (CHANGEDSINCE)",
    "FLAGS (CHANGEDSINCE x)",
    "FLAGS (VANISHED)",
    "FLAGS (CHANGEDSINCE 1) x",
    "BODY[HEADER.FIELDS (a (b))]",
    "BODY.PEEK",
    "UID[1]",
    "BODY[1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1"
    ".1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1"
    ".1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1]",
};

static void show(const struct imap_fetch *fetch, struct buf *out)
{
	uint32_t count = 0;

	for (const struct imap_fetch_section *s = fetch->sections; s; s = s->next) {
		if (!s->peek)
			buf_append_char(out, '!');
		imap_fetch_format_name(out, s);
		buf_append_char(out, ' ');
		count++;
	}
	assert_int_equal(count, fetch->section_count);
}

static void items_are_understood(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct buf out = BUF_INIT(1000);
		struct imap_fetch fetch;
		struct imap_reader r;
		const char *error = NULL;
		struct arena a;

		arena_init(&a, 100000);
		assert_true(imap_fetch_parse(read_args(&r, good[i].arguments), &a, &fetch, &error));
		assert_int_equal(fetch.items, good[i].items);
		show(&fetch, &out);
		assert_string_equal(out.n ? buf_cstr(&out) : "", good[i].sections);
		assert_int_equal(fetch.sets_seen, view_find_char(buf_view(&out), '!') < out.n);
		buf_fini(&out);
		arena_fini(&a);
		imap_reader_fini(&r);
	}
}

static void what_is_no_item_is_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct imap_fetch fetch;
		struct imap_reader r;
		const char *error = NULL;
		struct arena a;

		arena_init(&a, 100000);
		assert_false(imap_fetch_parse(read_args(&r, bad[i]), &a, &fetch, &error));
		assert_non_null(error);
		arena_fini(&a);
		imap_reader_fini(&r);
	}
}

static void modifiers(void **state)
{
	struct imap_fetch fetch;
	struct imap_reader r;
	const char *error = NULL;
	struct arena a;

	(void)state;
	arena_init(&a, 100000);
	assert_true(imap_fetch_parse(read_args(&r, "(FLAGS) (CHANGEDSINCE 12345678901 VANISHED)"), &a, &fetch, &error));
	assert_true(fetch.changedsince && fetch.vanished && fetch.changedsince_modseq == 12345678901u);
	assert_int_equal(fetch.items, IMAP_FETCH_FLAGS | IMAP_FETCH_MODSEQ);
	imap_reader_fini(&r);
	assert_true(
	    imap_fetch_parse(read_args(&r, "BODY.PEEK[HEADER.FIELDS (A)]<0.5> (CHANGEDSINCE 1)"), &a, &fetch, &error));
	assert_true(fetch.changedsince && !fetch.vanished && fetch.section_count == 1);
	assert_true(fetch.sections->section.partial && fetch.sections->section.partial_bytes == 5);
	assert_int_equal(fetch.sections->section.field_count, 1);
	imap_reader_fini(&r);
	assert_false(imap_fetch_parse(NULL, &a, &fetch, &error));
	arena_fini(&a);
}

static void too_many_sections_are_bad(void **state)
{
	struct buf text = BUF_INIT(100000);
	struct imap_fetch fetch;
	struct imap_reader r;
	const char *error = NULL;
	struct arena a;

	(void)state;
	arena_init(&a, 1 << 20);
	buf_append_char(&text, '(');
	for (int i = 0; i < IMAP_FETCH_SECTIONS_MAX; i++)
		buf_append_cstr(&text, i ? " BODY[]" : "BODY[]");
	buf_append_cstr(&text, ")");
	assert_true(imap_fetch_parse(read_args(&r, buf_cstr(&text)), &a, &fetch, &error));
	imap_reader_fini(&r);
	buf_truncate(&text, text.n - 1);
	buf_append_cstr(&text, " BODY[])");
	assert_false(imap_fetch_parse(read_args(&r, buf_cstr(&text)), &a, &fetch, &error));
	imap_reader_fini(&r);
	arena_fini(&a);
	buf_fini(&text);
}

/* How long it takes to filter a header of very many fields. */
static uint64_t filtering_us(const char *names, struct view header, size_t bytes)
{
	struct buf command = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
	struct imap_reader reader;
	struct imap_fetch fetch;
	const char *error;
	struct arena a;
	uint64_t us;
	size_t used;

	arena_init(&a, 8 << 20);
	imap_reader_init(&reader, &imap_reader_limits_default);
	buf_printf(&command, "a FETCH BODY[HEADER.FIELDS (%s)]\r\n", names);
	assert_int_equal(imap_reader_next(&reader, buf_view(&command), &used), IMAP_READ_COMMAND);
	assert_true(imap_fetch_parse(reader.command.args, &a, &fetch, &error));
	us = clock_cpu_us();
	imap_section_filter(&fetch.sections->section, header, &out);
	us = clock_cpu_us() - us;
	assert_int_equal(out.n, bytes);
	imap_reader_fini(&reader);
	arena_fini(&a);
	buf_fini(&command);
	buf_fini(&out);
	return us;
}

/* Names are found among ten thousand about as fast as among a few. */
static void many_field_names(void **state)
{
	struct buf header = BUF_INIT(1 << 20), names = BUF_INIT(1 << 20);
	const size_t bytes = 5000 * sizeof "X-Yes: y\r";
	bool cheap = false;

	(void)state;
	for (int i = 0; i < 50000; i++)
		buf_append_cstr(&header, i % 10 ? "x-no: y\r\n" : "X-Yes: y\r\n");
	for (int i = 0; i < 10000; i++)
		buf_printf(&names, "%s ", i == 7777 ? "x-YES" : "a-no");
	buf_truncate(&names, names.n - 1);
	for (int tries = 0; !cheap && tries < 20; tries++) {
		uint64_t few = filtering_us("x-yes b", buf_view(&header), bytes);

		cheap = filtering_us(buf_cstr(&names), buf_view(&header), bytes) < 100 * few;
	}
	assert_true(cheap);
	buf_fini(&header);
	buf_fini(&names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(items_are_understood),
	    cmocka_unit_test(what_is_no_item_is_bad),
	    cmocka_unit_test(modifiers),
	    cmocka_unit_test(too_many_sections_are_bad),
	    cmocka_unit_test(many_field_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
