/* SPDX-License-Identifier: ISC
 * Recognizes cold walks through the database file, and has the kernel read ahead. */
#include "store/sqlite_ahead.h"

#include <fcntl.h>
#include <stddef.h>
#include <time.h>

enum {
	SLOW_NS = 30 * 1000, /* a page from the kernel's memory takes one or two thousand */
	NEAR_BYTES = 64 * 1024, /* reading so much over costs a disk no more than starting anew */
	SLOW_ENOUGH = 4,
	STEP_BYTES = 4 * 1024 * 1024,
};

static bool is_walking(const struct sqlite_ahead *a)
{
	return a->reads >= STEP_BYTES / NEAR_BYTES;
}

bool sqlite_ahead_note(struct sqlite_ahead *a, uint64_t offset, bool slow, uint64_t *ret_from, uint64_t *ret_bytes)
{
	a->reads++;
	if (slow) {
		bool near = offset > a->last && offset - a->last <= NEAR_BYTES;

		a->slow = near ? a->slow + 1 : 0;
		a->last = offset;
	}
	if (offset < a->until && offset + STEP_BYTES >= a->until && is_walking(a))
		*ret_from = a->until; /* the last step is being read */
	else if (slow && a->slow >= SLOW_ENOUGH && (offset >= a->until || offset + 2 * STEP_BYTES < a->until))
		*ret_from = offset;
	else
		return false;
	*ret_bytes = STEP_BYTES;
	a->until = *ret_from + *ret_bytes;
	a->reads = 0;
	return true;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int read_page(sqlite3_file *f, void *to, int n, sqlite3_int64 offset)
{
	struct sqlite_ahead *a = (struct sqlite_ahead *)(uintptr_t)f->pMethods;
	uint64_t before = now_ns(), from, bytes;
	int rc = a->real->xRead(f, to, n, offset);

	if (rc == SQLITE_OK && offset > 0 &&
	    sqlite_ahead_note(a, (uint64_t)offset, now_ns() - before > SLOW_NS, &from, &bytes))
		(void)posix_fadvise(a->fd, (off_t)from, (off_t)bytes, POSIX_FADV_WILLNEED);
	return rc;
}

void sqlite_ahead_start(struct sqlite_ahead *a, sqlite3 *db, int fd)
{
	sqlite3_file *f = NULL;

	if (fd < 0 || sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &f) != SQLITE_OK || !f ||
	    !f->pMethods)
		return;
	*a = (struct sqlite_ahead){.methods = *f->pMethods, .real = f->pMethods, .fd = fd};
	a->methods.xRead = read_page;
	f->pMethods = &a->methods;
}
