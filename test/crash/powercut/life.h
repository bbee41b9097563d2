/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_POWERCUT_LIFE_H
#define POMBO_TEST_POWERCUT_LIFE_H

#include "disk.h"
#include "ledger.h"
#include "store/store.h"

/* The life of one process that has the store open: deliveries, appends, expunges, pruning, checkpoints, all in the record and in the
 * ledger. It ends by closing the store, or by being killed. */
struct life {
	bool create, threads;
	uint32_t groups; /* how many it runs when it is not killed before */
	uint32_t die_at_op; /* so many ops from its opening; 0: not so */
	enum sync_class die_at_sync;
	uint32_t die_count; /* at its so manyth */
	bool unclosed; /* after its groups it is killed, too */
	bool large; /* many messages that just fit into the database: the WAL starts over */
	bool small; /* its first group is one small message */
	bool revisit; /* its first message has a file, in the folder that was made last */
};

/* In a process of its own (it does not return). */
_Noreturn void life_run(const char *dir, struct ledger *l, const struct life *life, uint64_t seed);

#endif
