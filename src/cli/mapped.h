/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_MAPPED_H
#define POMBO_CLI_MAPPED_H

#include "base/mem.h"
#include "base/view.h"

/* A regular file's bytes, mapped for reading; VIEW_EMPTY of an empty one. 0, -EINVAL for what is no regular file, or another negative errno.
 * The caller unmaps. */
must_check int mapped_open(int fd, struct view *ret);
void mapped_close(struct view mapped);

#endif
