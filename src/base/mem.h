/* SPDX-License-Identifier: ISC */
#ifndef POMBO_BASE_MEM_H
#define POMBO_BASE_MEM_H

#include <stddef.h>

/* Allocation that aborts the process when memory is out (STYLE 22): every size a peer can
 * influence is limited before it gets here. Results are freed with free(). */
void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull, warn_unused_result));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull, warn_unused_result));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull, warn_unused_result));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull, warn_unused_result));
void *xmemdup(const void *p, size_t n) __attribute__((malloc, returns_nonnull, warn_unused_result));

/* Scope ownership: `_cleanup_(fd_close) int fd = …;` */
#define _cleanup_(fn) __attribute__((cleanup(fn)))
void free_ptr(void *pp); /* for _cleanup_(free_ptr) char *s */
void fd_close(int *fd); /* closes when >= 0, sets -1; keeps errno */

#define must_check __attribute__((warn_unused_result))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
