/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_STORE_PRIVATE_H
#define POMBO_STORE_STORE_PRIVATE_H

#include "base/buf.h"
#include "base/id.h"
#include "store/sql.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>

/* What the files of src/store share. Nobody outside includes this. */
struct checkpoint;
struct directory_cache;
struct search_reader;
struct writer;

enum { CONTENT_FOLDERS = 256 };

struct store {
	struct buf dir; /* NUL-terminated */
	int dir_fd;
	int lock_fd;
	int database_fd; /* to have the kernel read ahead (sqlite_ahead.h); -1: none */
	struct store_options options;
	const struct sql_driver *driver;
	struct writer *writer;
	struct checkpoint *checkpoint;
	struct directory_cache *directory;
	uint8_t secret[32];
	int64_t created_s;
	uint64_t first_id; /* every id this process gives is at least this */
	uint64_t group_us; /* a transaction that took longer takes no more jobs in; a test may want them all in one */

	_Atomic bool fatal;
	_Atomic(const char *) fatal_text; /* static or never freed */
	_Atomic uint64_t search_generation; /* grows when a search index is dropped */
	_Atomic uint64_t search_damaged; /* an account whose index a reader found damaged; 0: none */
	_Atomic bool folder_is_durable[CONTENT_FOLDERS]; /* the name of content/XX is on disk */

	pthread_mutex_t lock; /* for all below */
	struct id_source ids;
	struct store_settings settings;
	struct buf postmaster, hostname; /* what settings.postmaster and .hostname point into */
	uint64_t space_looked_ms;
	bool space_is_low;
	uint64_t *unlinks; /* content files whose rows are gone */
	size_t unlink_count, unlink_cap;
	struct store_figures figures;
};

/* The first call's reason stays. Returns -EIO. */
int store_fail(struct store *s, const char *what, const char *why);
/* A copy of the settings; postmaster and hostname point into `a`. */
void store_settings_get(struct store *s, struct arena *a, struct store_settings *ret);
/* `content` files to remove once their rows are gone for good. */
void store_unlink_later(struct store *s, uint64_t content);
/* Full path below the store's folder, for SQLite; in `out`. */
const char *store_path(const struct store *s, const char *name, struct buf *out);

/* A connection for a reader; kept apart from struct store_reader for the checkpoint thread. */
struct store_reader {
	struct store *store;
	struct sql *sql;
	struct buf error;
	/* The content file read last. */
	uint64_t content;
	int content_fd;
	struct search_reader *search; /* the search index read last; NULL: none */
};
/* Between these a reader's calls see one state of the database. begin may fail; end never does. */
must_check int reader_begin(struct store_reader *r);
void reader_end(struct store_reader *r);
/* STORE_TEMPORARY, with the database's words kept for store_reader_error(). Call before reader_end(). */
enum store_outcome reader_failed(struct store_reader *r, int error);
/* The same with our own words: what is stored makes no sense. */
enum store_outcome reader_damaged(struct store_reader *r, const char *what);

#endif
