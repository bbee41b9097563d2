/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_MAPPED_H
#define POMBO_CLI_MAPPED_H

#include "base/mem.h"
#include "base/view.h"

/* A regular file's bytes, mapped for reading. The file is others': what is taken away from its end meanwhile, or cannot be read, shows as zeros;
 * who acts upon bytes asks mapped_whole() first, when it has read them. For one thread. */
struct mapped {
	struct view bytes; /* empty of an empty file */
	int fd; /* the caller's, open as long as this */
	volatile size_t whole; /* what stands behind that could not be read */
	struct mapped *next;
};

/* 0, -EINVAL for what is no regular file, or another negative errno. `ret` stays where it is until mapped_close(). */
must_check int mapped_open(int fd, struct mapped *ret);
/* Also of one that could not be opened. */
void mapped_close(struct mapped *m);
/* How many bytes, from the first on, are those of the file; bytes.n of a file that nobody made shorter. */
size_t mapped_whole(const struct mapped *m);

#endif
