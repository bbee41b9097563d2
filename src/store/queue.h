/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_QUEUE_H
#define POMBO_STORE_QUEUE_H

#include "store/group.h"
#include "store/trace.h"

/* Recipients on other servers that wait to be sent to (doc/queue.md). They come in with deliver_job, in the commit of the message. */
struct queue_item {
	uint64_t message_id;
	struct view sender, recipient;
	uint64_t size_bytes;
	int64_t queued_s, next_s; /* next_s 0: not before somebody says so */
	int64_t closed_s; /* its domain's servers did not answer and are not asked before then; or not in the future */
	uint32_t attempts;
	struct view last_reply, mta; /* "451 4.7.1 later", and who said so; our own words have no code */
	bool held, leased, ended;
};
/* By (message, recipient), after the one named (0, "" from the start). Reader. */
must_check enum store_outcome queue_list(struct store_reader *r, uint64_t after_message, struct view after_recipient,
					 size_t max, struct arena *a, const struct queue_item **ret, size_t *ret_count,
					 bool *ret_more);
/* Recipients in the queue; `oldest`: the first message, 0 none. */
struct queue_figures {
	uint64_t recipients, tried, sending, held, oldest;
};
must_check enum store_outcome queue_figures(struct store_reader *r, struct queue_figures *ret);

/* What the sender is to be told of a recipient. */
enum queue_notice {
	QUEUE_NO_NOTICE,
	QUEUE_FAILED,
	QUEUE_EXPIRED,
	QUEUE_RELAYED,
	QUEUE_DELIVERED,
	QUEUE_EXPANDED,
	QUEUE_DELAYED, /* and it goes on waiting */
	QUEUE_RETURNED, /* the operator would have it no longer */
	QUEUE_NOTICES
};

/* How retries are spread. */
struct queue_schedule {
	int64_t first_s; /* before the second attempt */
	int64_t max_s; /* between attempts, at most */
};
/* When to try again after `attempts` (1 …) attempts, from `now_s`; the same for all recipients of a message in a domain. Pure. */
int64_t queue_next_s(const struct queue_schedule *s, uint32_t attempts, int64_t now_s, uint64_t message,
		     struct view domain);

/* ---- leases ---- */

enum { QUEUE_LEASE_RCPTS_MAX = 100, QUEUE_LEASE_JOBS_MAX = 64 };

struct queue_lease_rcpt {
	uint64_t id;
	struct view address, orcpt;
	uint8_t notify;
	uint32_t attempts;
};
struct queue_envelope {
	uint64_t message, account;
	struct view sender, envid;
	uint8_t ret, body;
	bool smtputf8, requiretls, own, long_lines;
	int64_t queued_s;
	uint64_t size_bytes, prefix_offset, prefix_bytes;
};
struct queue_lease {
	uint64_t token;
	struct view domain;
	struct view via; /* of all of them: the address of ours that they were forwarded through, or empty */
	bool reached; /* the domain answered when it was last tried */
	struct queue_envelope envelope;
	struct queue_lease_rcpt *rcpts;
	size_t rcpt_count;
};

/* Leases what is due, destination by destination. */
struct queue_lease_job {
	struct store_job job;
	int64_t wall_s;
	int64_t until_s;
	size_t max_jobs; /* at most QUEUE_LEASE_JOBS_MAX */
	size_t max_per_domain; /* of which it is known that it answers */
	size_t max_per_unknown; /* of which nothing is known */
	const struct view *park; /* domains not to be looked at until they are unparked */
	size_t park_count;
	const struct view *unpark;
	size_t unpark_count;
	/* Results, in job.results. */
	struct queue_lease *leases;
	size_t lease_count;
	size_t rcpt_count; /* of all of them */
	bool more; /* there is more that is due now */
	int64_t next_s; /* otherwise: when something will be; QUEUE_IDLE_S when nothing */
};
#define QUEUE_IDLE_S INT64_MAX
void queue_lease_job_init(struct queue_lease_job *j);

/* Ends all leases but those named, and unparks every domain: relayd came anew. In slices. */
struct queue_resume_job {
	struct store_job job;
	int64_t wall_s;
	const uint64_t *tokens; /* ascending */
	size_t token_count;
};
void queue_resume_job_init(struct queue_resume_job *j);

/* ---- what became of it ---- */

enum queue_outcome { QUEUE_OUT_RELEASED, QUEUE_OUT_SENT, QUEUE_OUT_DEFERRED, QUEUE_OUT_FAILED };
struct queue_fate {
	uint64_t id;
	enum queue_outcome outcome;
	bool dsn_passed; /* the other server took over NOTIFY */
	uint16_t code;
	struct view status; /* "5.1.1" */
	struct view text;
};
struct queue_result_job {
	struct store_job job;
	uint64_t token;
	int64_t wall_s;
	struct queue_schedule schedule;
	struct view mta; /* the other server's name */
	struct view peer; /* with its address, for trace */
	struct view tls;
	struct view destination; /* a name for who was to be reached, whatever the domain; may be empty */
	int64_t closed_s; /* the destination is closed until then; 0: open */
	bool reached; /* and it answered */
	const struct queue_fate *fates;
	size_t fate_count;
	bool quiet; /* no event says that it was deferred */
	size_t ret_counted; /* fates that counted: whose lease was still this one */
	size_t ret_notices; /* of them, those that brought about a notice */
	bool ret_reopened; /* others wait because that destination did not answer: queue_wake_job is for them */
};
void queue_result_job_init(struct queue_result_job *j);

/* Whoever waits for a later time is due now, and no destination is closed. In slices. */
struct queue_wake_job {
	struct store_job job;
	int64_t wall_s;
	struct view
	    destination; /* those only whom it did not answer for; empty: all. Stays as it is until the job is over */
	const char *why; /* for `pombo trace` */
	bool quiet; /* which is not told */
	uint64_t ret_count; /* whose time was moved */
};
void queue_wake_job_init(struct queue_wake_job *j);

/* ---- age ---- */

/* Expires what is older than the lifetime, and marks the delayed; by the age of messages. In slices; now and then. */
struct queue_age_job {
	struct store_job job;
	int64_t wall_s;
	int64_t lifetime_s;
	int64_t delay_after_s; /* 0: nobody hears of delays */
	/* Domains ("example.net", or ".example.net" for all below it) that have longer, and whose senders hear of no delay: we are their backup. They
	 * stay as they are until the job is over. */
	const struct view *patient;
	size_t patient_count;
	int64_t patient_lifetime_s;
	/* Also those whose ids say that they come later than now, as a clock that was ahead left them: by when they came. Looks at all of them. */
	bool ahead;
	size_t ret_notices;
};
void queue_age_job_init(struct queue_age_job *j);

/* The clock was ahead, and is no more: who waits for a time further away than longest_s is due now, leases end by then, no destination is closed for longer, and
 * nothing came later than now. In slices; finds nothing as a rule. */
struct queue_clock_job {
	struct store_job job;
	int64_t wall_s;
	int64_t longest_s; /* between attempts, of a lease, that a destination is closed: whatever is longest */
	uint64_t ret_count; /* recipients */
};
void queue_clock_job_init(struct queue_clock_job *j);

/* ---- notices ---- */

struct queue_noticed {
	uint64_t id;
	struct view recipient, orcpt, last_reply, status, mta;
	uint16_t code;
	uint8_t notify;
	enum queue_notice notice;
	uint32_t attempts;
};
struct queue_notices {
	struct queue_envelope envelope;
	struct queue_noticed *items; /* none: the next message with some was not found */
	size_t count;
	struct view header; /* of the message: what was received, without our prefix; cut at 64 KiB */
	struct view content; /* inline content, where it was asked for; else empty */
};
/* The next message behind `after` about which the sender is to be told something. STORE_NO_MESSAGE: none. Reader. */
must_check enum store_outcome queue_next_notices(struct store_reader *r, uint64_t after, struct arena *a,
						 struct queue_notices *ret);
/* ---- summaries: for accounts that want to hear what became of all recipients, good or bad, once all have their fate ---- */

struct queue_sum {
	struct queue_envelope envelope;
	/* In order: TRACE_DELIVERED, _SENT, _FAILED, _EXPIRED, _REMOVED; and TRACE_QUEUED of those whose address is not the one the sender
	 * wrote, which is their `peer`. */
	const struct trace_event *events;
	size_t count;
	struct view header; /* cut at 64 KiB */
};
/* The next message behind `after` of which a summary is due. STORE_NO_MESSAGE: none. Reader. */
must_check enum store_outcome queue_next_sum(struct store_reader *r, uint64_t after, struct arena *a,
					     struct queue_sum *ret);

/* Nobody can be told (null sender, NOTIFY=NEVER …): the same end without a notice. */
struct queue_settle_job {
	struct store_job job;
	uint64_t message;
	const struct queue_noticed *told; /* as queue_next_notices() gave them */
	size_t count;
	bool summary; /* of a summary; none are told of */
	const struct trace_event *events;
	size_t event_count;
};
void queue_settle_job_init(struct queue_settle_job *j);

/* ---- the operator ---- */

/* Behind this recipient of this message (or, for others, of this domain). */
struct queue_place {
	uint64_t message;
	char text[320]; /* proven: queue_place_at() */
	size_t text_n;
};
struct queue_place queue_place_at(uint64_t message, struct view text);
static inline struct view queue_place_text(const struct queue_place *p)
{
	return view_from(p->text, p->text_n);
}

enum queue_change { QUEUE_RETRY, QUEUE_HOLD, QUEUE_RELEASE, QUEUE_REMOVE, QUEUE_BOUNCE };
struct queue_change_job {
	struct store_job job;
	int64_t wall_s;
	enum queue_change change;
	uint64_t message; /* 0: all (QUEUE_RETRY), behind `from`; as many slices as that (0: all) */
	struct queue_place from;
	unsigned slices;
	uint64_t ret_count, ret_looked_at; /* recipients changed, and looked at */
	bool ret_more; /* there may be more behind ret_place */
	struct queue_place ret_place;
};
void queue_change_job_init(struct queue_change_job *j);

/* ---- a queued message's bytes ---- */

struct queue_bytes {
	struct view head; /* prefix, header block, and inline content */
	int content_fd; /* a larger content: to be closed by the caller; -1 none */
	uint64_t content_offset;
};
/* What a lease that has not ended is for. Reader; STORE_NO_MESSAGE: there is no such lease. */
must_check enum store_outcome queue_leased_message(struct store_reader *r, uint64_t token, struct arena *a,
						   struct queue_envelope *ret, struct view *ret_via);
/* Reader. STORE_NO_MESSAGE: it is gone. */
must_check enum store_outcome queue_read(struct store_reader *r, const struct queue_envelope *e, struct arena *a,
					 struct queue_bytes *ret);

#endif
