/* SPDX-License-Identifier: ISC
 * A message of any size in pieces of any size: what a spool gives back, and the text made for the store. */
#include "cli/import.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char byte_at(uint64_t i)
{
	return (char)(i * 2654435761U >> 13);
}

static void check_spool(uint64_t size, size_t step)
{
	struct spool s = SPOOL_INIT;
	struct buf room = BUF_INIT(SPOOL_PIECE_BYTES);
	struct view piece;
	uint64_t at = 0;
	char *all = malloc(size + 1);

	for (uint64_t i = 0; i < size; i++)
		all[i] = byte_at(i);
	for (uint64_t i = 0; i < size; i += step)
		spool_append(&s, view_from(all + i, size - i < step ? size - i : step));
	assert_int_equal(s.n, size);
	assert_true(s.head.n <= SPOOL_HEAD_BYTES && s.tail.n <= SPOOL_PIECE_BYTES);
	assert_int_equal(s.fd >= 0, size > SPOOL_HEAD_BYTES + SPOOL_PIECE_BYTES);
	while ((piece = spool_read(&s, at, &room)).n) {
		assert_true(piece.n <= SPOOL_PIECE_BYTES && at + piece.n <= size);
		assert_memory_equal(piece.p, all + at, piece.n);
		at += piece.n;
	}
	assert_int_equal(at, size);
	/* From in between, and once more. */
	for (at = size / 3; at < size; at += size / 3 + 1) {
		piece = spool_read(&s, at, &room);
		assert_true(piece.n > 0);
		assert_memory_equal(piece.p, all + at, piece.n);
	}
	spool_reset(&s);
	assert_int_equal(spool_read(&s, 0, &room).n, 0);
	spool_append(&s, VIEW_LIT("again"));
	assert_int_equal(s.n, 5);
	assert_int_equal(s.error, 0);
	free(all);
	buf_fini(&room);
	spool_fini(&s);
}

static void a_spool_gives_back_what_it_took(void **state)
{
	(void)state;
	check_spool(1, 1);
	check_spool(SPOOL_HEAD_BYTES, 1000);
	check_spool(SPOOL_HEAD_BYTES + 1, 7777);
	check_spool(SPOOL_HEAD_BYTES + SPOOL_PIECE_BYTES + 1, 3);
	check_spool(5 * SPOOL_HEAD_BYTES + 12345, 200000);
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
	struct spool s = SPOOL_INIT;
	struct buf room = BUF_INIT(SPOOL_PIECE_BYTES);
	char piece[1000] = {0};

	(void)state;
	assert_int_equal(setenv("TMPDIR", "/nonexistent/folder", 1), 0);
	for (unsigned i = 0; i < 2000; i++)
		spool_append(&s, view_from(piece, sizeof piece));
	assert_true(s.error < 0);
	assert_int_equal(spool_read(&s, 0, &room).n, 0);
	assert_int_equal(unsetenv("TMPDIR"), 0);
	buf_fini(&room);
	spool_fini(&s);
}

static void check_text(struct view raw, size_t step, struct view want, uint64_t bare_cr, uint64_t nul)
{
	struct import_text t;

	import_text_init(&t, raw);
	for (size_t i = 0; i < raw.n; i += step)
		import_text_add(&t, view_sub(raw, i, step));
	import_text_end(&t);
	assert_int_equal(t.text.n, want.n);
	assert_memory_equal(t.text.head.p, want.p, want.n);
	assert_int_equal(t.bare_cr, bare_cr);
	assert_int_equal(t.nul, nul);
	import_text_fini(&t);
}

static void text_is_the_same_in_pieces_of_any_size(void **state)
{
	static const struct {
		struct view raw, want;
		uint64_t bare_cr, nul;
	} cases[] = {
	    {VIEW_LIT("A: b\n\nc\nd"), VIEW_LIT("A: b\r\n\r\nc\r\nd"), 0, 0},
	    {VIEW_LIT("A: b\r\n\r\nc\r\n"), VIEW_LIT("A: b\r\n\r\nc\r\n"), 0, 0},
	    {VIEW_LIT("A: b\r\r\n\r\nc\r\r\r\n"), VIEW_LIT("A: b\r\n\r\nc\r\n"), 3, 0},
	    {VIEW_LIT("A: b\rc\n\nd\re\r"), VIEW_LIT("A: b c\r\n\r\nd\r\ne\r\n"), 3, 0},
	    {VIEW_LIT("A: b\r\rc\n\nd\r\re"), VIEW_LIT("A: b  c\r\n\r\nd\r\n\r\ne"), 4, 0},
	    {VIEW_LIT("A: b\0\n\n\0\r\0"), VIEW_LIT("A: b\x80\r\n\r\n\x80\r\n\x80"), 1, 3},
	    {VIEW_LIT("\r"), VIEW_LIT("\r\n"), 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t step = 1; step <= cases[i].raw.n; step++)
			check_text(cases[i].raw, step, cases[i].want, cases[i].bare_cr, cases[i].nul);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_spool_gives_back_what_it_took),
	    cmocka_unit_test(a_folder_that_is_not_there_is_an_error),
	    cmocka_unit_test(text_is_the_same_in_pieces_of_any_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
