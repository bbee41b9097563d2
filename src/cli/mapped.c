/* SPDX-License-Identifier: ISC
 * Files as views. Reading what is no longer there is a signal (SIGBUS); its handler puts zeros in the place. */
#include "cli/mapped.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct mapped *all;

/* From that place to the mapping's end: where one page is gone, those behind it are. */
static bool fill(struct mapped *m, uintptr_t at, uintptr_t page_bytes)
{
	uintptr_t start = (uintptr_t)m->bytes.p, page = at & ~(page_bytes - 1);

	if (at < start || at >= start + m->bytes.n)
		return false;
	m->whole = page - start < m->whole ? page - start : m->whole;
	/* mmap() is a bare system call; nothing else that is not async-signal-safe happens here. */
	return mmap((void *)page, start + m->bytes.n - page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		    0) != MAP_FAILED;
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
	static uintptr_t page_bytes;
	int error = errno;

	(void)context;
	page_bytes = page_bytes ? page_bytes : (uintptr_t)sysconf(_SC_PAGESIZE);
	for (struct mapped *m = all; m; m = m->next)
		if (fill(m, (uintptr_t)info->si_addr, page_bytes)) {
			errno = error;
			return;
		}
	(void)signal(number, SIG_DFL); /* none of ours: it comes again, and ends us */
}

int mapped_open(int fd, struct mapped *ret)
{
	const struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
	struct stat st;
	void *p;

	*ret = (struct mapped){.fd = fd};
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size == 0)
		return 0;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	ret->bytes = view_from(p, (size_t)st.st_size);
	ret->whole = ret->bytes.n;
	ret->next = all;
	all = ret;
	return sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
}

void mapped_close(struct mapped *m)
{
	struct mapped **at = &all;

	while (*at && *at != m)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = m->next;
	(void)munmap((void *)(uintptr_t)m->bytes.p, m->bytes.n);
	*m = (struct mapped){.fd = -1};
}

size_t mapped_whole(const struct mapped *m)
{
	struct stat st;

	/* The rest of a last page reads as zeros without a signal. */
	if (fstat(m->fd, &st) < 0)
		return 0;
	return (uint64_t)st.st_size < m->whole ? (size_t)st.st_size : m->whole;
}
