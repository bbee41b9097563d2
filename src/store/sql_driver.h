/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_SQL_DRIVER_H
#define POMBO_STORE_SQL_DRIVER_H

#include "store/sql.h"

/* What a driver's connection and statement begin with. */
struct sql {
	const struct sql_driver *driver;
	struct sql_stmt *cache[SQL_STATEMENT_COUNT];
};
struct sql_stmt {
	struct sql *sql; /* NULL in the statement that stands for one that could not be prepared */
	int error; /* of that one */
};

#endif
