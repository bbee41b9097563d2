/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_FOLDER_H
#define POMBO_CLI_FOLDER_H

#include "base/mem.h"

#include <stdbool.h>

/* The data folder before there is a server in it. */

/* 1: nothing is in it but what a file system puts there (lost+found); 0: something is; or -errno (-ENOENT: not there). */
must_check int folder_is_empty(const char *path);
/* Removes all that is in it, never through a link, and then, with `itself`, the folder. As far as it goes. */
void folder_clear(const char *path, bool itself);

#endif
