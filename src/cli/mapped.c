/* SPDX-License-Identifier: ISC
 * Files as views. */
#include "cli/mapped.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

int mapped_open(int fd, struct view *ret)
{
	struct stat st;
	void *p;

	*ret = VIEW_EMPTY;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size == 0)
		return 0;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	*ret = view_from(p, (size_t)st.st_size);
	return 0;
}

void mapped_close(struct view mapped)
{
	if (mapped.n)
		(void)munmap((void *)(uintptr_t)mapped.p, mapped.n);
}
