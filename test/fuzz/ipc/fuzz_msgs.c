/* SPDX-License-Identifier: ISC
 * One channel list's decoder: never reads past the frame, leaves no descriptor open when it refuses, and what it takes is
 * encoded to the same bytes. Input: type (2 bytes), sender, number of descriptors, payload. */
#include "ipc/channel.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include FUZZ_HEADER

/* FUZZ_LIST is the list's name: smtp, auth, … */
#define JOIN(a, b) a##b
#define NAME(list, what) JOIN(list, what)
#define MSG struct NAME(FUZZ_LIST, _msg)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int null_fd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	return fcntl(fd, F_DUPFD_CLOEXEC, 100);
}

static void check_closed(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert(fcntl(fds[i], F_GETFD) < 0);
}

static void check_same(const MSG *m, struct view payload)
{
	struct buf again = BUF_INIT(2 * CHANNEL_FRAME_MAX);
	struct log_line l;

	assert(NAME(FUZZ_LIST, _put)(&again, m));
	assert(view_eq(buf_view(&again), payload));
	buf_fini(&again);
	log_begin(&l, LOG_LEVEL_DEBUG, "fuzz");
	l.enabled = true;
	l.n = 0;
	NAME(FUZZ_LIST, _log)(&l, m);
	assert(l.n < sizeof l.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fds[CHANNEL_FDS_MAX], given[CHANNEL_FDS_MAX];
	struct arena arena;
	struct view payload;
	uint16_t type;
	size_t n_fds;
	MSG m;

	if (size < 4)
		return 0;
	type = (uint16_t)(data[0] | data[1] << 8);
	n_fds = data[3] % (CHANNEL_FDS_MAX + 1);
	payload = view_from(data + 4, size - 4);
	for (size_t i = 0; i < n_fds; i++)
		given[i] = fds[i] = null_fd();
	arena_init(&arena, 1 << 24);
	if (NAME(FUZZ_LIST, _decode)(type, payload, fds, n_fds, data[2], &arena, &m)) {
		check_same(&m, payload);
		NAME(FUZZ_LIST, _close_fds)(&m);
	}
	check_closed(given, n_fds);
	arena_fini(&arena);
	return 0;
}
