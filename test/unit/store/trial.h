/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_STORE_TRIAL_H
#define POMBO_TEST_STORE_TRIAL_H

#include "store/deliver.h"
#include "store/directory.h"
#include "store/directory_write.h"
#include "store/folder.h"
#include "store/group.h"
#include "store/housekeep.h"
#include "store/mailbox_read.h"
#include "store/mailbox_write.h"
#include "store/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A store in a temporary folder, a reader, and short ways to do what tests do often. */
struct trial {
	char dir[64]; /* of mkdtemp, in /tmp */
	struct store *store;
	struct store_reader *reader;
	struct arena arena; /* results of reads; trial_reset() empties it */
};

struct view trial_text(const char *text);
void trial_start(struct trial *t);
void trial_reopen(struct trial *t);
void trial_end(struct trial *t); /* removes the folder */
void trial_reset(struct trial *t);
/* cmocka's set-up and end of a test whose state is a trial; with the domain example.org. */
int trial_setup(void **state);
int trial_setup_domain(void **state);
int trial_teardown(void **state);

/* Runs a job to its end, alone in its groups. */
enum store_outcome trial_run(struct trial *t, struct store_job *job);
/* `n` jobs, in groups of as many as wait. */
void trial_run_all(struct trial *t, struct store_job **jobs, size_t n);

void trial_domain(struct trial *t, const char *domain);
uint64_t trial_account(struct trial *t, const char *address, uint64_t quota_bytes);
void trial_alias(struct trial *t, const char *address, const char *const *targets, size_t n);
uint64_t trial_folder(struct trial *t, uint64_t account, const char *name);
uint64_t trial_box(struct trial *t, uint64_t account, const char *name, struct box_status *ret);

/* A message with that header and content (inline or through a file, as its length says) appended; its UID. */
uint32_t trial_append(struct trial *t, uint64_t account, const char *name, const char *header, struct view content,
		      uint32_t flags);
/* One delivered to INBOX behind "Prefix: <n>\r\n". */
enum store_outcome trial_deliver(struct trial *t, uint64_t account, const char *prefix, const char *header,
				 struct view content, uint32_t *ret_uid);
/* The whole message, in the arena. */
struct view trial_read(struct trial *t, uint64_t account, uint64_t mailbox, uint32_t uid);
/* "1:3,5" of a list of ranges, in the arena. */
const char *trial_ranges(struct trial *t, const struct uid_range *ranges, size_t count);
/* The UIDs that exist, in that form. */
const char *trial_uids(struct trial *t, uint64_t account, uint64_t mailbox);

/* Everything expunged or deleted so far is dropped, as if its time had passed. */
void trial_prune(struct trial *t);
/* How many rows a table has. */
uint64_t trial_rows(struct trial *t, const char *table);

enum store_outcome trial_flags(struct trial *t, uint64_t account, uint64_t mailbox, struct uid_range range,
			       enum flags_mode mode, uint32_t flags, const char *keyword);
enum store_outcome trial_expunge(struct trial *t, uint64_t account, uint64_t mailbox, struct uid_range range, bool all);

#endif
