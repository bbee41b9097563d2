/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_POWERCUT_RECORD_H
#define POMBO_TEST_POWERCUT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a program does to the files of one folder, in the order in which it did it. record.c defines write(), fsync(), rename()
 * and their like for the whole executable: each does what it says, and is recorded when it concerns the folder. Syncs are
 * only recorded: what they promise is for disk.h to keep. The record lies in memory that forked processes share, so that it
 * goes on over the lives of several. Files whose name ends in -shm are left out: they die with the power. */

/* Which sync of the program. One class for each place that says sync, in our code or in SQLite's. */
enum sync_class {
	SYNC_NONE,
	SYNC_COMMIT, /* SQLite: the WAL, at the end of a commit */
	SYNC_WAL_RESTART, /* SQLite: the WAL's new header, before frames follow it */
	SYNC_WAL_COPY, /* SQLite: the WAL, before it is copied into the database */
	SYNC_DATABASE, /* SQLite: the database, before the WAL may start over */
	SYNC_JOURNAL, /* SQLite: the rollback journal of a store that is being made */
	SYNC_STORE_FOLDER, /* content_make_folders(); SQLite, after it made the WAL or removed the journal */
	SYNC_WAL_FOUND, /* sync_wal(): what an earlier process left in the WAL, before anybody reads it */
	SYNC_WAL_AHEAD, /* lengthen(): zeros behind the WAL's end */
	SYNC_CONTENT, /* content_sync() */
	SYNC_PLACE, /* content_place(): the folder content/XX */
	SYNC_FOLDER, /* make_folder(): the folder content */
	SYNC_CLASSES
};
const char *sync_class_name(enum sync_class class); /* "wal-commit" */
enum sync_class sync_class_find(const char *name); /* SYNC_NONE: no such */

enum op_kind { OP_CREATE, OP_RENAME, OP_UNLINK, OP_WRITE, OP_TRUNCATE, OP_SYNC, OP_MARK };

enum { NAME_MAX_BYTES = 24, NO_OP = UINT32_MAX };

struct op {
	enum op_kind kind;
	enum sync_class class; /* SYNC */
	uint32_t
	    file; /* what was written, synced, made, renamed, removed: files and folders are numbered as they are made */
	uint32_t folder; /* CREATE, RENAME, UNLINK: where the name stands (stood) */
	uint32_t to_folder; /* RENAME */
	uint32_t next; /* the same file's next op, or NO_OP */
	uint32_t bytes; /* WRITE */
	uint64_t offset; /* WRITE; TRUNCATE: the new size */
	uint64_t data; /* WRITE: where in record.data */
	char name[NAME_MAX_BYTES], to_name[NAME_MAX_BYTES];
};

struct file {
	uint64_t inode;
	uint32_t first, last; /* its ops */
	uint32_t folder;
	bool is_folder, left_out;
	char name[NAME_MAX_BYTES]; /* as it was made */
};

/* File 0 is the folder itself. */
struct record {
	struct op *ops;
	struct file *files;
	char *data;
	uint32_t op_count, file_count;
	uint64_t data_bytes;
	uint32_t syncs[SYNC_CLASSES];
};

/* From here on what happens below `dir`, an empty folder, is recorded. */
void record_start(const char *dir);
/* Nothing more is. */
void record_stop(void);
const struct record *record_get(void);
/* Whoever waits for something durable says that it has it. The op's number. */
uint32_t record_mark(void);
uint32_t record_now(void); /* ops so far */

/* This process ends, as by kill -9, instead of its `count`th op from now, or of its `count`th sync of `class` (not SYNC_NONE). */
void record_die_at_op(uint32_t count);
void record_die_at_sync(enum sync_class class, uint32_t count);
/* After a process that may have been killed has ended, before the next. */
void record_revive(void);
/* Syncs that this thread makes while it opens a store are told from others by this. */
void record_opening(bool on);

#endif
