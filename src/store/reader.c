/* SPDX-License-Identifier: ISC
 * Readers: a connection each, one short snapshot a call. */
#include "store/search_read.h"
#include "store/store_private.h"

#include <errno.h>
#include <stdlib.h>

int store_reader_open(struct store *s, struct store_reader **ret)
{
	struct store_reader *r = xcalloc(1, sizeof *r);
	struct buf path = BUF_INIT(8192);
	struct sql_options o = {store_path(s, "pombo.db", &path), SQL_READER, false,
				s->options.reader_cache_kib,      10000,      s->database_fd};
	int rc = sql_open(s->driver, &o, &r->sql);

	buf_fini(&path);
	if (rc < 0) {
		free(r);
		return rc;
	}
	r->store = s;
	r->content_fd = -1;
	buf_init(&r->error, 1024);
	*ret = r;
	return 0;
}

void store_reader_close(struct store_reader **r)
{
	struct store_reader *x = *r;

	if (!x)
		return;
	search_reader_free(&x->search);
	sql_close(&x->sql);
	fd_close(&x->content_fd);
	buf_fini(&x->error);
	free(x);
	*r = NULL;
}

enum store_outcome store_reader_see(struct store_reader *r, uint64_t commit)
{
	/* A snapshot that begins after a commit of the same database sees it. */
	(void)r;
	(void)commit;
	return STORE_OK;
}

const char *store_reader_error(const struct store_reader *r)
{
	struct buf *text = (struct buf *)(uintptr_t)&r->error;

	return buf_cstr(text);
}

int reader_begin(struct store_reader *r)
{
	buf_reset(&r->error);
	return sql_begin(r->sql);
}

void reader_end(struct store_reader *r)
{
	if (sql_commit(r->sql) < 0)
		(void)sql_rollback(r->sql);
}

enum store_outcome reader_failed(struct store_reader *r, int error)
{
	buf_reset(&r->error);
	buf_printf(&r->error, "%s (%d)", sql_error_text(r->sql), error);
	return STORE_TEMPORARY;
}

enum store_outcome reader_damaged(struct store_reader *r, const char *what)
{
	buf_reset(&r->error);
	buf_printf(&r->error, "what is stored makes no sense: %s", what);
	return STORE_TEMPORARY;
}
