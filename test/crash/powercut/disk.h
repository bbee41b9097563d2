/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_POWERCUT_DISK_H
#define POMBO_TEST_POWERCUT_DISK_H

#include "record.h"

/* What may lie on the disk when the power fails at some moment: all that was synced before, and of the rest whatever the kernel
 * and the disk happened to have written. */

/* Bytes written since the file's last sync. A sector (512 bytes) holds one of the versions that it has had since. */
enum cut_writes {
	WRITES_NONE,
	WRITES_ALL,
	WRITES_SECTORS, /* each sector any of its versions */
	WRITES_PAGES, /* each 4 KiB */
	WRITES_FIRST, /* in the order of writing, up to some point */
	WRITES_LAST, /* only what was written after some point */
	WRITES_KINDS
};
/* Names made, changed or removed since the last sync of their folder. */
enum cut_names {
	NAMES_NONE,
	NAMES_ALL,
	NAMES_JOURNAL, /* of all folders, in order, up to some point; a folder's sync brings those of the others along */
	NAMES_IN_ORDER, /* of each folder, in order, up to some point of its own */
	NAMES_ANY, /* any of them */
	NAMES_KINDS
};

struct cut {
	uint32_t at; /* the ops before it have happened */
	enum sync_class without; /* syncs that did not */
	enum cut_writes writes;
	enum cut_names names;
	uint64_t seed;
};

const char *cut_writes_name(enum cut_writes writes);
const char *cut_names_name(enum cut_names names);
enum { DISK_UNMADE = 3 };
/* Lays it out in `dir`, an empty folder. Ends the process with DISK_UNMADE when that fails. */
void disk_make(const struct record *r, const struct cut *cut, const char *dir);

/* Repeatable numbers for the test. */
struct dice {
	uint64_t state;
};
uint64_t dice_u64(struct dice *d);
uint32_t dice_below(struct dice *d, uint32_t n); /* 0…n-1 */

#endif
