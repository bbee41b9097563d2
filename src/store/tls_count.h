/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_TLS_COUNT_H
#define POMBO_STORE_TLS_COUNT_H

#include "store/group.h"

/* How connections to other domains went as to TLS, counted by day (UTC) until the day is reported (RFC 8460). */
struct tls_count {
	struct view domain;
	uint8_t policy_type; /* enum tls_report_policy of mail/tls_report.h */
	struct view policy; /* as text, a line a string; "" without */
	struct view result; /* "" for success, else a result type (§4.3) */
	struct view mx, mx_ip, sending_ip, reason;
	struct view tlsa_base; /* where the TLSA records stood; "" without */
	uint64_t sessions;
};

enum { TLS_COUNTS_MAX = 100, TLS_REPORT_ROWS_MAX = 500 };
/* So many different ones are kept, and so many bytes of policies: what is new then is not counted until some were reported. */
enum { TLS_COUNT_ROWS_MAX = 20000, TLS_COUNT_BYTES_MAX = 16 * 1024 * 1024 };

struct tls_count_job {
	struct store_job job;
	int64_t day; /* days since 1970 */
	const struct tls_count *counts;
	size_t count;
	size_t max; /* TLS_COUNT_ROWS_MAX, but in tests */
	size_t ret_dropped;
};
void tls_count_job_init(struct tls_count_job *j);

/* The next day and domain behind (after_day, after_domain) with counts, of days before `before_day`; its counts, as many as fit.
 * STORE_NO_MESSAGE: none. Reader. */
struct tls_day {
	int64_t day;
	struct view domain;
	struct tls_count *counts;
	size_t count;
};
must_check enum store_outcome tls_day_next(struct store_reader *r, int64_t before_day, int64_t after_day,
					   struct view after_domain, struct arena *a, struct tls_day *ret);

/* Reported, or nobody wants to know: its counts go. */
struct tls_forget_job {
	struct store_job job;
	int64_t day;
	struct view domain;
};
void tls_forget_job_init(struct tls_forget_job *j);

#endif
