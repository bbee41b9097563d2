/* SPDX-License-Identifier: ISC */
#ifndef POMBO_RELAYD_JOB_H
#define POMBO_RELAYD_JOB_H

#include "base/arena.h"
#include "base/buf.h"
#include "ipc/msgs/relay_msgs.h"
#include "mail/dsn_status.h"

#include <sys/queue.h>

/* One leased message for one domain: envelope, bytes, recipients still without a fate. */
enum rcpt_state {
	RCPT_WAITING,
	RCPT_ASKED, /* in the transaction under way */
	RCPT_ACCEPTED, /* by the other server's RCPT reply */
	RCPT_OVER, /* its fate was reported */
};

struct job_rcpt {
	uint64_t id;
	struct view address, orcpt;
	uint8_t notify;
	enum rcpt_state state;
	bool is_utf8;
};

struct job {
	TAILQ_ENTRY(job) link; /* in its destination's list while no session has it */
	uint64_t token, message_id;
	uint64_t lease_ms, lease_end_ms; /* how long it was to be; monotonic */
	struct arena arena;
	struct view domain, sender, envid;
	uint8_t ret;
	bool eightbit, smtputf8, requiretls, local;
	bool long_lines; /* a variant without is to be asked for first */
	bool tls_optional; /* "TLS-Required: No" (RFC 8689 §3); known once it is whole */
	uint64_t size_bytes;
	struct job_rcpt *rcpts;
	size_t rcpt_count, open; /* open: without a fate */
	unsigned tries; /* connections that broke under it */
	struct buf head; /* bytes from the start; all of them when content < 0 */
	size_t head_bytes; /* how many that will be */
	int content; /* the rest, or -1 */
	uint64_t content_offset;
	bool waiting; /* in a list */
	bool at_dot; /* everything is sent: the other side has it or not, nobody can take it back */
};

struct job *job_new(const struct relay_job *m);
struct job *job_new_file(const struct relay_job_file *m); /* takes over m->content */
void job_free(struct job **j);
/* Its 7-bit variant in its place; takes over m->message. */
void job_become(struct job *j, const struct relay_variant *m);
/* Reads its header: to be called once it is whole. */
void job_look_at_header(struct job *j);
bool job_is_whole(const struct job *j);
/* More of the head. False: more than was said. */
must_check bool job_add(struct job *j, struct view bytes);

/* Up to `max` bytes at `offset`: a view into the head, or read into `out` (emptied before). 0 or negative errno (-EIO: the message
 * is shorter than it should be). Empty at the end. */
must_check int job_read(const struct job *j, uint64_t offset, size_t max, struct buf *out, struct view *ret);
/* Is there a byte above 127 in the header block? (In all of it: `eightbit`.) */
bool job_has_eightbit_header(const struct job *j);
/* After that no final dot is sent: the reply, which may take `reply_ms`, is to come within the lease, or somebody else would send it again
 * meanwhile. A quarter of the lease is kept for it at most. */
uint64_t job_last_dot_ms(const struct job *j, uint64_t reply_ms);

#endif
