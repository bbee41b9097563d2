/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_OP_H
#define POMBO_STORED_OP_H

#include "stored/stored.h"

/* One request on its way: what was asked, copied out of the frame; then the work on another thread; then the answer, if
 * its asker is still there. A struct of a request's own has this as its first member. */
struct op {
	union {
		struct task task; /* reads and spool work */
		struct write write; /* writes: job set by the maker */
	};
	struct stored *sd;
	struct reply reply;
	struct arena arena; /* the request's views, and the results of reads */
	enum store_outcome outcome;
	bool again; /* set by run: not finished, but others may have the thread first */
	bool held, finished; /* held: its answer, once finished, waits for op_release() */
	bool counted; /* in peer->reads */
	STAILQ_ENTRY(op) link; /* of peer->reads_waiting or answers_waiting */
	bool forgotten; /* nobody wants its answer any more: it goes on to no further turn */
	uint64_t session; /* of op_read_long() */
	/* Reads: on a reader thread; sets outcome. */
	void (*run)(struct op *op, struct store_reader *r);
	/* On the loop. Called once; `c` is NULL when nobody listens any more. The op is freed after it. */
	void (*answer)(struct op *op, struct channel *c);
};

enum { OP_ARENA_MAX = 16 * 1024 * 1024 };

/* Zeroed, `size` bytes, of which struct op is the first member. */
void *op_new(struct stored *sd, size_t size, struct peer *peer, uint32_t id);
/* Hands it to a reader thread; when too many wait, the answer comes at once with STORE_TEMPORARY. */
void op_read(struct op *op);
/* A read of many turns (`again`): one at a time in a thread for each account, so that the others keep theirs. Given up with the session, and
 * when that asks for another. */
struct session;
void op_read_long(struct op *op, struct session *s);
/* Hands op->write.job to the writer. op->outcome is the job's at the answer. */
void op_write(struct op *op, struct store_job *job);
/* The same with write_put_later(). */
void op_write_later(struct op *op, struct store_job *job);
/* The same with write_put_behind(). */
void op_write_behind(struct op *op, struct store_job *job);
/* A held read answers when it is finished, now at the earliest. */
void op_release(struct op *op);
/* Answers (outcome as set) and frees: for requests that need no thread. */
void op_finish(struct op *op);
/* The channel of a paced peer has room again, or went. */
void op_go_on(struct peer *peer);

#endif
