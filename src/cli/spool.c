/* SPDX-License-Identifier: ISC
 * A message of any size: its beginning in memory, the rest in a temporary file. */
#include "cli/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void spool_fini(struct spool *s)
{
	buf_fini(&s->head);
	buf_fini(&s->tail);
	fd_close(&s->fd);
}

void spool_reset(struct spool *s)
{
	buf_reset(&s->head);
	buf_reset(&s->tail);
	s->n = 0;
	s->error = s->fd >= 0 && ftruncate(s->fd, 0) < 0 ? -errno : 0;
}

const char *spool_folder(void)
{
	const char *folder = getenv("TMPDIR");

	return folder && *folder ? folder : "/var/tmp";
}

/* Where the file system has no files without a name, one that loses its name at once. */
static int open_named(void)
{
	_cleanup_(buf_fini) struct buf path = BUF_INIT(4096);
	int fd;

	buf_printf(&path, "%s/pombo-XXXXXX", spool_folder());
	if (!buf_cstr(&path))
		return -ENAMETOOLONG;
	fd = mkostemp(path.p, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	(void)unlink(path.p);
	return fd;
}

static int open_file(void)
{
	int fd = open(spool_folder(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd >= 0 ? fd : open_named();
}

static uint64_t in_file(const struct spool *s)
{
	return s->n - s->head.n - s->tail.n;
}

static int flush(struct spool *s)
{
	struct view rest = buf_view(&s->tail);
	uint64_t at = in_file(s);

	if (s->fd < 0)
		s->fd = open_file();
	if (s->fd < 0) {
		int error = s->fd;

		s->fd = -1;
		return error;
	}
	while (rest.n) {
		ssize_t n = pwrite(s->fd, rest.p, rest.n, (off_t)at);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += (uint64_t)n;
		rest = view_sub(rest, (size_t)n, rest.n);
	}
	buf_reset(&s->tail);
	return 0;
}

static void append_to(struct buf *b, uint64_t *count, struct view *bytes)
{
	struct view part = view_sub(*bytes, 0, b->max - b->n);

	buf_append_view(b, part);
	*count += part.n;
	*bytes = view_sub(*bytes, part.n, bytes->n);
}

void spool_append(struct spool *s, struct view bytes)
{
	append_to(&s->head, &s->n, &bytes);
	while (bytes.n && s->error == 0) {
		if (s->tail.n == s->tail.max)
			s->error = flush(s);
		if (s->error == 0)
			append_to(&s->tail, &s->n, &bytes);
	}
}

struct view spool_read(struct spool *s, uint64_t offset, struct buf *room)
{
	uint64_t end = s->head.n + in_file(s);
	size_t want;
	char *to;
	ssize_t n;

	if (s->error || offset >= s->n)
		return VIEW_EMPTY;
	if (offset < s->head.n)
		return view_sub(buf_view(&s->head), offset, SPOOL_PIECE_BYTES);
	if (offset >= end)
		return view_sub(buf_view(&s->tail), offset - end, SPOOL_PIECE_BYTES);
	want = end - offset < SPOOL_PIECE_BYTES ? end - offset : SPOOL_PIECE_BYTES;
	buf_reset(room);
	to = buf_reserve(room, want);
	n = to ? pread(s->fd, to, want, (off_t)(offset - s->head.n)) : -1;
	if (n <= 0) {
		s->error = !to ? -ENOMEM : n < 0 ? -errno : -EIO;
		return VIEW_EMPTY;
	}
	return view_from(to, (size_t)n);
}
