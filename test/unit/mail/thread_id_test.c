/* SPDX-License-Identifier: ISC */
#include "mail/thread_id.h"

#include "mail/objectid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* RFC 8474 §5.3: message B answers A, C stands alone. */
#define A "<fake.1521475657.54797@example.com>"
#define B "<fake.1521475657.21213@example.org>"
#define C "<fake.1521475657.60280@example.com>"

static const struct {
	const char *header;
	char thread;
} cases[] = {
    {"Subject: Message A\r\nMessage-ID: " A "\r\n\r\n", 'a'},
    {"Subject: Re: Message A\r\nMessage-ID: " B "\r\nReferences: " A "\r\n\r\n", 'a'},
    {"Subject: Message C\r\nMessage-ID: " C "\r\n\r\n", 'c'},
    /* the first reference counts, wherever it is folded, and however the id is written */
    {"Message-ID: " C "\r\nReferences:\r\n " A "\r\n\t" B "\r\n\r\n", 'a'},
    {"references: words <fake.1521475657.54797@\r\n example.com> " B "\r\n", 'a'},
    {"In-Reply-To: " B "\r\nReferences: " A "\r\n", 'a'},
    /* In-Reply-To where References says nothing */
    {"Message-ID: " B "\r\nIn-Reply-To: " A " " C "\r\n", 'a'},
    {"References: none\r\nIn-Reply-To: Your message of Monday " A "\r\n", 'a'},
    {"References: <>\r\nIn-Reply-To: x\r\nMessage-ID: " C "\r\n", 'c'},
    /* neither: alone */
    {"Subject: Message A\r\n\r\n", 0},
    {"", 0},
};

static void threads(void **state)
{
	struct buf names[ARRAY_LEN(cases)];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_init(&names[i], 64);
		thread_id_format(&names[i], view_from_cstr(cases[i].header), 40 + i);
		assert_true(objectid_is_valid(buf_view(&names[i])));
		for (size_t k = 0; k < i; k++)
			assert_int_equal(view_eq(buf_view(&names[i]), buf_view(&names[k])),
					 cases[i].thread && cases[i].thread == cases[k].thread);
	}
	/* what was said once stands for good */
	assert_string_equal(buf_cstr(&names[0]), "T8ed2566a130ca063");
	assert_string_equal(buf_cstr(&names[9]), "TM49");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		buf_fini(&names[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(threads)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
