/* SPDX-License-Identifier: ISC */
#include "mail/summary.h"

#include "mail/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct summary_line lines[] = {
    {.fate = SUMMARY_DELIVERED, .address = VIEW_LIT("bob@example.org"), .mailboxes = 1},
    {.fate = SUMMARY_ACCEPTED,
     .address = VIEW_LIT("carol@far.example"),
     .mta = VIEW_LIT("mx.far.example"),
     .tls = VIEW_LIT("TLSv1.3 TLS_AES_256_GCM_SHA384 (DANE verified)"),
     .words = VIEW_LIT("250 2.0.0 queued\r\nas 7")},
    {.fate = SUMMARY_REFUSED,
     .address = VIEW_LIT("dan@far.example"),
     .mta = VIEW_LIT("mx.far.example"),
     .words = VIEW_LIT("550 5.1.1 no such user")},
    {.fate = SUMMARY_ACCEPTED,
     .address = VIEW_LIT("eve@far.example"),
     .mta = VIEW_LIT("mx.far.example"),
     .behind = true},
    {.fate = SUMMARY_ACCEPTED,
     .address = VIEW_LIT("fay@store.example"),
     .mta = VIEW_LIT("mail.example.org"),
     .tls = VIEW_LIT("over a UNIX socket"),
     .words = VIEW_LIT("250 2.0.0 kept")},
};

static bool has(const struct buf *text, const char *what)
{
	return view_find(buf_view(text), view_from_cstr(what)) < text->n;
}

static struct summary of(const char *header, const struct summary_line *from, size_t n)
{
	return (struct summary){.hostname = VIEW_LIT("mail.example.org"),
				.to = VIEW_LIT("alice@example.org"),
				.id = VIEW_LIT("0000000000001"),
				.summary_id = VIEW_LIT("0000000000002"),
				.now_s = 1800000000,
				.arrived_s = 1799999000,
				.header = view_from_cstr(header),
				.lines = from,
				.count = n};
}

static void says_who_took_it(void **state)
{
	struct summary s =
	    of("Subject: Lunch\r\nDate: Fri, 15 Jan 2027 08:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\n", lines, 5);
	struct buf out = BUF_INIT(1 << 20);
	size_t bad, well;

	(void)state;
	summary_format(&out, &s);
	assert_false(out.overflow);
	assert_true(has(&out, "Subject: Not accepted for 1 of 5 recipients: Lunch\r\n"));
	assert_true(has(&out, "In-Reply-To: <1@x>\r\nReferences: <1@x>\r\n"));
	assert_true(has(&out, "Auto-Submitted: auto-replied\r\n"));
	assert_true(has(&out, "  bob@example.org: delivered into the mailbox here\r\n"));
	assert_true(has(
	    &out,
	    "  carol@far.example: accepted by mx.far.example over TLS 1.3, DANE verified: 250 2.0.0 queued  as 7\r\n"));
	assert_true(has(&out, "  dan@far.example: refused by mx.far.example: 550 5.1.1 no such user\r\n"));
	assert_true(has(&out, "  eve@far.example: passed on, accepted by mx.far.example, without encryption\r\n"));
	assert_true(
	    has(&out, "  fay@store.example: accepted by mail.example.org over a UNIX socket: 250 2.0.0 kept\r\n"));
	assert_true(has(&out, "of Fri, 15 Jan 2027 08:00:00 +0000:"));
	bad = view_find(buf_view(&out), VIEW_LIT("dan@"));
	well = view_find(buf_view(&out), VIEW_LIT("bob@"));
	assert_true(bad < well);
	buf_fini(&out);
}

/* Nothing of the message's header gets into ours but as text. */
static void holds_against_odd_headers(void **state)
{
	static const struct {
		const char *header, *has, *has_not;
	} cases[] = {
	    {"Message-ID: <1@x> <2@x>\r\n\r\n", "Subject: Accepted:\r\n", "In-Reply-To"},
	    {"Message-ID: 1@x\r\n\r\n", "", "In-Reply-To"},
	    {"Message-ID: <1\r\n @x>\r\n\r\n", "", "In-Reply-To"},
	    {"Message-ID: <\xc3\xa4@x>\r\n\r\n", "", "In-Reply-To"},
	    {"Subject: a\r\n Bcc: b\r\n\r\n", "Subject: Accepted: a Bcc: b\r\n", "\r\nBcc"},
	    {"Subject: =?utf-8?q?a=0D=0ABcc:_b?=\r\n\r\n", "Accepted: a  Bcc: b", "\nBcc"},
	    {"Subject: =?utf-8?q?=C3=A4?=\r\n\r\n", "\"\xc3\xa4\"", "Subject: Accepted: \xc3"},
	    {"Subject: \xff\r\n\r\n", "8bit", "\xff"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct summary s = of(cases[i].header, lines, 1);
		struct buf out = BUF_INIT(1 << 20);

		summary_format(&out, &s);
		assert_true(has(&out, cases[i].has));
		assert_false(has(&out, cases[i].has_not));
		assert_int_equal(header_count(buf_view(&out), "Subject"), 1);
		buf_fini(&out);
	}
}

static void is_bounded(void **state)
{
	enum { MANY = SUMMARY_LINES_MAX + 500 };
	static struct summary_line many[MANY];
	static char words[5000];
	struct summary s = of("Subject: x\r\n\r\n", many, MANY);
	struct buf out = BUF_INIT(3 << 20);
	size_t longest = 0, start = 0;

	(void)state;
	memset(words, 'w', sizeof words);
	for (size_t i = 0; i < MANY; i++) {
		many[i] = lines[1];
		many[i].words = view_from(words, sizeof words);
	}
	many[MANY - 1] = lines[2];
	summary_format(&out, &s);
	assert_false(out.overflow);
	assert_true(has(&out, "Not accepted for 1 of 2500 recipients") && has(&out, "and 500 more"));
	assert_true(has(&out, "dan@far.example: refused"));
	for (size_t i = 0; i < out.n; i++)
		if (out.p[i] == '\n') {
			longest = i - start > longest ? i - start : longest;
			start = i + 1;
		}
	assert_true(longest < 998);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(says_who_took_it),
	    cmocka_unit_test(holds_against_odd_headers),
	    cmocka_unit_test(is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
