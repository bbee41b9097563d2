/* SPDX-License-Identifier: ISC */
#ifndef POMBO_BASE_RANDOM_H
#define POMBO_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* The kernel's random bytes; never fails (aborts if the kernel refuses). */
void random_bytes(void *p, size_t n);
uint64_t random_u64(void);

#endif
