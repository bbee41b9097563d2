/* SPDX-License-Identifier: ISC */
#include "mail/thread.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MESSAGES = 12, REFS = 4 };

/* One message a line; ids and subjects are small numbers, 0 ends the references. */
struct line {
	uint32_t number;
	int64_t sent_s;
	uint64_t id, subject;
	bool is_reply;
	uint64_t refs[REFS];
};

struct thread_case {
	enum thread_algorithm algorithm;
	const char *want;
	struct line lines[MESSAGES];
};

static void spell(const uint32_t *tokens, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		bool number = tokens[i] != THREAD_OPEN && tokens[i] != THREAD_CLOSE;

		if (i && tokens[i - 1] != THREAD_OPEN && tokens[i - 1] != THREAD_CLOSE && tokens[i] != THREAD_CLOSE)
			buf_append_char(out, ' ');
		if (number)
			buf_append_u64(out, tokens[i]);
		else
			buf_append_char(out, tokens[i] == THREAD_OPEN ? '(' : ')');
	}
}

static void run(const struct line *lines, uint32_t n, enum thread_algorithm algorithm, struct buf *out)
{
	struct thread_message *messages = xcalloc(n + 1, sizeof *messages);
	size_t count = 0;
	uint32_t *tokens;

	for (uint32_t i = 0; i < n; i++) {
		const struct line *l = &lines[i];

		messages[i] = (struct thread_message){l->number,
						      l->is_reply,
						      l->sent_s,
						      l->id ? l->id + 100 : 0,
						      l->subject ? l->subject + 100 : 0,
						      l->refs,
						      0};
		while (messages[i].ref_count < REFS && l->refs[messages[i].ref_count])
			messages[i].ref_count++;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint64_t *refs = xcalloc(REFS, sizeof *refs);

		for (uint32_t k = 0; k < messages[i].ref_count; k++)
			refs[k] = messages[i].refs[k] + 100;
		messages[i].refs = refs;
	}
	tokens = thread_build(algorithm, messages, n, &count);
	assert_non_null(tokens);
	spell(tokens, count, out);
	free(tokens);
	for (uint32_t i = 0; i < n; i++)
		free((void *)(uintptr_t)messages[i].refs);
	free(messages);
}

static const struct thread_case cases[] = {
    /* RFC 5256 §4, both examples */
    {THREAD_REFERENCES,
     "(2)(3 6 (4 23)(44 7 96))",
     {{2, 1, 2, 1, false, {0}},
      {3, 2, 3, 2, false, {0}},
      {4, 4, 4, 2, true, {3, 6}},
      {6, 3, 6, 2, true, {3}},
      {7, 7, 7, 2, true, {44}},
      {23, 5, 23, 2, true, {3, 6, 4}},
      {44, 6, 44, 2, true, {6}},
      {96, 8, 96, 2, true, {7}}}},
    {THREAD_REFERENCES, "((3)(5))", {{3, 1, 3, 1, true, {9}}, {5, 2, 5, 1, true, {9}}}},
    {THREAD_REFERENCES, "", {{0}}},
    /* dummies inside go, their children come up */
    {THREAD_REFERENCES, "(1 2)", {{1, 1, 1, 1, false, {0}}, {2, 2, 2, 1, true, {1, 8, 9}}}},
    {THREAD_REFERENCES,
     "(1 (2)(3))",
     {{1, 1, 1, 1, false, {0}}, {2, 2, 2, 1, true, {1, 9}}, {3, 3, 3, 1, true, {1, 9}}}},
    {THREAD_REFERENCES, "((2)(3))", {{2, 2, 2, 1, true, {7, 8}}, {3, 3, 3, 1, true, {7, 9}}}},
    {THREAD_REFERENCES, "(2)", {{2, 2, 2, 1, true, {7, 8}}}},
    /* loops */
    {THREAD_REFERENCES, "(2 1)", {{1, 1, 1, 0, false, {2}}, {2, 2, 2, 0, false, {1}}}},
    {THREAD_REFERENCES, "(1)", {{1, 1, 1, 0, false, {1}}}},
    {THREAD_REFERENCES,
     "(3 1 2)",
     {{1, 1, 1, 0, false, {0}}, {2, 2, 2, 0, false, {3, 1}}, {3, 3, 3, 0, false, {1, 2}}}},
    /* an id that two have is the first one's */
    {THREAD_REFERENCES, "(1 3)(2)", {{1, 1, 1, 0, false, {0}}, {2, 2, 1, 0, false, {0}}, {3, 3, 3, 0, false, {1}}}},
    /* no id */
    {THREAD_REFERENCES, "(1 2)", {{1, 1, 1, 0, false, {0}}, {2, 2, 0, 0, false, {1}}}},
    /* a parent found in a cut References field is put right by the message itself */
    {THREAD_REFERENCES, "(1 2 3)", {{3, 3, 3, 0, true, {1, 2}}, {1, 1, 1, 0, false, {0}}, {2, 2, 2, 0, true, {1}}}},
    {THREAD_REFERENCES, "(1)(2 3)", {{3, 3, 3, 0, true, {1, 2}}, {1, 1, 1, 0, false, {0}}, {2, 2, 2, 0, true, {0}}}},
    /* step 5: a reply without references goes below what it answers by subject, whichever comes first */
    {THREAD_REFERENCES, "(1 2)", {{1, 1, 1, 1, false, {0}}, {2, 2, 2, 1, true, {0}}}},
    {THREAD_REFERENCES, "(2 1)", {{1, 1, 1, 1, true, {0}}, {2, 2, 2, 1, false, {0}}}},
    {THREAD_REFERENCES, "((1)(2))", {{1, 1, 1, 1, false, {0}}, {2, 2, 2, 1, false, {0}}}},
    {THREAD_REFERENCES, "((1)(2)(3))", {{1, 1, 1, 1, true, {0}}, {2, 2, 2, 1, true, {0}}, {3, 3, 3, 1, true, {0}}}},
    {THREAD_REFERENCES, "(1)(2)", {{1, 1, 1, 0, false, {0}}, {2, 2, 2, 0, false, {0}}}},
    /* dummies with one subject are joined; what is none becomes their sibling */
    {THREAD_REFERENCES,
     "((1)(2)(3)(4)(5))",
     {{1, 1, 1, 1, true, {8}},
      {2, 2, 2, 1, true, {8}},
      {3, 3, 3, 1, true, {9}},
      {4, 4, 4, 1, true, {9}},
      {5, 5, 5, 1, false, {0}}}},
    /* order by date, then number; a dummy stands where its first child does */
    {THREAD_REFERENCES,
     "(3)((2)(4))(1)",
     {{1, 9, 1, 1, false, {0}}, {2, 5, 2, 2, true, {8}}, {3, 1, 3, 3, false, {0}}, {4, 7, 4, 2, true, {8}}}},
    {THREAD_ORDEREDSUBJECT,
     "(1 (3)(5))(2 4)",
     {{1, 1, 1, 1, false, {0}},
      {2, 2, 2, 2, false, {0}},
      {3, 3, 3, 1, false, {2}},
      {4, 4, 4, 2, false, {0}},
      {5, 5, 5, 1, false, {0}}}},
    {THREAD_ORDEREDSUBJECT, "(2 1)", {{1, 9, 1, 1, false, {0}}, {2, 2, 2, 1, true, {0}}}},
};

static void examples(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out = BUF_INIT(1000);
		uint32_t n = 0;

		while (n < MESSAGES && cases[i].lines[n].number)
			n++;
		run(cases[i].lines, n, cases[i].algorithm, &out);
		assert_string_equal(buf_cstr(&out), cases[i].want);
		buf_fini(&out);
	}
}

/* A chain of 200,000, forwards and backwards, and then many that look for loops along it: no recursion, bounded work. */
static void deep(void **state)
{
	enum { N = 200000 };
	struct thread_message *messages = xcalloc(N, sizeof *messages);
	uint64_t(*refs)[2] = xcalloc(N, sizeof *refs);
	uint32_t *tokens;
	size_t n;

	(void)state;
	for (int backwards = 0; backwards < 2; backwards++) {
		for (uint32_t i = 0; i < N; i++) {
			uint32_t at = backwards ? N - 1 - i : i;

			refs[i][0] = at + 9ULL;
			messages[i] = (struct thread_message){i + 1, true, at, at + 10ULL, 0, refs[i], at > 0};
		}
		tokens = thread_build(THREAD_REFERENCES, messages, N, &n);
		assert_int_equal(n, N + 2);
		assert_int_equal(tokens[1], backwards ? N : 1);
		free(tokens);
	}
	for (uint32_t i = N / 2; i < N; i++) {
		refs[i][0] = N / 2 + 9;
		refs[i][1] = i + 1000000ULL;
		messages[i].refs = refs[i];
		messages[i].ref_count = 2;
		refs[i - 1][1] = i + 1000000ULL;
	}
	tokens = thread_build(THREAD_REFERENCES, messages, N, &n);
	assert_non_null(tokens);
	free(tokens);
	free(messages);
	free(refs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(examples), cmocka_unit_test(deep)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
