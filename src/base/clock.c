/* SPDX-License-Identifier: ISC
 * The only place that asks what time it is. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t wall_shift_us;

uint64_t clock_mono_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t clock_cpu_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

int64_t clock_wall_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000 + wall_shift_us;
}

int64_t clock_wall_s(void)
{
	return clock_wall_us() / 1000000;
}

void clock_shift_wall(int64_t delta_us)
{
	wall_shift_us += delta_us;
}

void clock_format_rfc3339(int64_t wall_us, char ret[CLOCK_RFC3339_BYTES])
{
	time_t s = (time_t)(wall_us / 1000000);
	struct tm tm;

	(void)gmtime_r(&s, &tm);
	(void)snprintf(ret, CLOCK_RFC3339_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
		       tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(wall_us / 1000 % 1000));
}
