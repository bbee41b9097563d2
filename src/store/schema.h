/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_SCHEMA_H
#define POMBO_STORE_SCHEMA_H

#include "store/sql.h"

/* Numbered migrations, forward only. A migration is a text of statements (types as words of struct sql_driver: {id} {int} {text}
 * {bytes} {clustered}), run in one transaction, and may go on with a slice function that is run again and again, a short
 * transaction each, until it says done: before serving, or, when it is the last one and `online`, while serving. */
struct migration {
	const char *text; /* may be NULL */
	/* One slice from `*cursor` (0 at first; kept between slices and restarts). 1 there is more, 0 done, negative errno. */
	int (*slice)(struct sql *c, uint64_t *cursor);
	bool online;
};
struct migration_list {
	const struct migration *at; /* at[0] makes version 1 */
	size_t count;
};
extern const struct migration_list schema_migrations;

/* Runs statements with types as above. */
must_check int schema_exec(struct sql *c, const char *text);

struct schema_state {
	uint64_t version; /* its text has run; 0: nothing is there */
	bool slicing; /* its slices have not all run */
	uint64_t cursor;
};
must_check int schema_read(struct sql *c, struct schema_state *ret);
/* Goes forward as far as needed before serving. 0; 1: an online migration waits (schema_slice()); -ENOTSUP: newer than
 * this list; negative errno. */
must_check int schema_migrate(struct sql *c, const struct migration_list *list);
/* One more slice, within a transaction of the caller's. 1 there is more (of this or a later one), 0 none left, negative errno. */
must_check int schema_slice(struct sql *c, const struct migration_list *list);

#endif
