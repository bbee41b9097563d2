/* SPDX-License-Identifier: ISC
 * Files as views, of which somebody else takes a part away meanwhile. */
#include "cli/mapped.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PAGES = 8 };

static size_t page_bytes;

/* A file without a name of so many pages and bytes, all 'x'. */
static int make_file(size_t bytes)
{
	char name[] = "/tmp/pombo-mapped-XXXXXX";
	int fd = mkstemp(name);
	char *all = malloc(bytes + 1);

	assert_true(fd >= 0);
	assert_int_equal(unlink(name), 0);
	memset(all, 'x', bytes + 1);
	assert_int_equal(write(fd, all, bytes), bytes);
	free(all);
	return fd;
}

static void check_bytes(const struct mapped *m, size_t whole)
{
	for (size_t i = 0; i < m->bytes.n; i++)
		assert_int_equal(m->bytes.p[i], i < whole ? 'x' : '\0');
	assert_int_equal(mapped_whole(m), whole);
}

static void test_left_alone(void **state)
{
	int fd = make_file(PAGES * page_bytes + 5);
	struct mapped m;

	(void)state;
	assert_int_equal(mapped_open(fd, &m), 0);
	check_bytes(&m, PAGES * page_bytes + 5);
	assert_int_equal(ftruncate(fd, (off_t)(PAGES * page_bytes + 500)), 0);
	check_bytes(&m, PAGES * page_bytes + 5);
	mapped_close(&m);
	(void)close(fd);
}

static void test_cut(void **state)
{
	const size_t lengths[] = {0, 1, page_bytes - 1, page_bytes, 3 * page_bytes + 7, PAGES * page_bytes};

	(void)state;
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		int fd = make_file(PAGES * page_bytes + 5), other_fd = make_file(page_bytes);
		struct mapped m, other;

		assert_int_equal(mapped_open(fd, &m), 0);
		assert_int_equal(mapped_open(other_fd, &other), 0);
		assert_int_equal(ftruncate(fd, (off_t)lengths[i]), 0);
		check_bytes(&m, lengths[i]);
		check_bytes(&m, lengths[i]);
		/* As long as before: what was read in between was not the file's. */
		assert_int_equal(ftruncate(fd, (off_t)(PAGES * page_bytes + 5)), 0);
		assert_true(mapped_whole(&m) <= (lengths[i] + page_bytes - 1) / page_bytes * page_bytes);
		check_bytes(&other, page_bytes);
		mapped_close(&m);
		check_bytes(&other, page_bytes);
		mapped_close(&other);
		(void)close(fd);
		(void)close(other_fd);
	}
}

static void test_no_file(void **state)
{
	struct mapped m;
	int ends[2], fd = make_file(0);

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_true(mapped_open(ends[0], &m) < 0);
	mapped_close(&m);
	assert_true(mapped_open(-1, &m) < 0);
	mapped_close(&m);
	assert_int_equal(mapped_open(fd, &m), 0);
	assert_int_equal(m.bytes.n, 0);
	assert_int_equal(mapped_whole(&m), 0);
	mapped_close(&m);
	(void)close(fd);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_left_alone),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_no_file),
	};

	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
