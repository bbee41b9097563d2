/* SPDX-License-Identifier: ISC */
#ifndef POMBO_BASE_CLOCK_H
#define POMBO_BASE_CLOCK_H

#include <stdint.h>

/* Monotonic milliseconds, for deadlines only. */
uint64_t clock_mono_ms(void);
/* Monotonic microseconds, for measuring. */
uint64_t clock_mono_us(void);
/* CPU that this thread has used, microseconds; a system call. */
uint64_t clock_cpu_us(void);
/* Wall clock, microseconds since 1970 UTC. */
int64_t clock_wall_us(void);
/* Wall clock, seconds since 1970 UTC. */
int64_t clock_wall_s(void);
/* Shifts the wall clock of this process, so that a test can see schedules run. */
void clock_shift_wall(int64_t delta_us);

enum { CLOCK_RFC3339_BYTES = 80 };
/* "2026-01-31T12:00:00.123Z", NUL-terminated. */
void clock_format_rfc3339(int64_t wall_us, char ret[CLOCK_RFC3339_BYTES]);

#endif
