/* SPDX-License-Identifier: ISC
 * Leases: what is due, destination by destination; and the end of leases whose holder went. */
#include "store/content_private.h"
#include "store/queue_private.h"

#include "store/store_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	ROWS_MAX = 256, /* of a domain that are looked at */
	LEASED_MAX = 1000, /* recipients; the others go in the next job, which follows at once: each costs 5 us */
	SLICE_ROWS = 500
};

struct due_row {
	uint64_t id, message;
	struct view via;
	struct queue_lease_rcpt rcpt;
};

struct due_domain {
	struct view name;
	bool reached;
};

static bool read_envelope(struct sql_stmt *st, uint64_t message, struct arena *a, struct queue_envelope *ret)
{
	*ret = (struct queue_envelope){
	    .message = message,
	    .account = sql_u64(st, 0),
	    .sender = arena_copy(a, sql_bytes(st, 1)),
	    .envid = arena_copy(a, sql_bytes(st, 2)),
	    .ret = (uint8_t)sql_u64(st, 3),
	    .body = (uint8_t)sql_u64(st, 4),
	    .smtputf8 = sql_i64(st, 5) != 0,
	    .requiretls = sql_i64(st, 6) != 0,
	    .queued_s = sql_i64(st, 7),
	    .size_bytes = sql_u64(st, 8),
	    .prefix_offset = sql_u64(st, 9),
	    .prefix_bytes = sql_u64(st, 10),
	    .own = sql_i64(st, 11) != 0,
	    .long_lines = sql_i64(st, 12) != 0,
	};
	return ret->sender.p && ret->envid.p;
}

int queue_envelope_get(struct sql *sql, uint64_t message, struct arena *a, struct queue_envelope *ret)
{
	struct sql_stmt *st = sql_use(sql, SQL_queue_envelope);
	int rc;

	sql_bind_u64(st, 1, message);
	rc = sql_step(st);
	if (rc > 0 && !read_envelope(st, message, a, ret))
		rc = -ENOMEM;
	sql_reset(st);
	return rc == 0 ? -EUCLEAN : rc < 0 ? rc : 0;
}

static bool go_together(const struct due_row *a, const struct due_row *b)
{
	return a->message == b->message && view_eq(a->via, b->via);
}

/* Due rows of one domain, those of a message side by side; no more than `max` jobs need: each lies on a page of its own in a long queue. */
static int due_rows(struct writer *w, const struct queue_lease_job *j, struct view domain, size_t max, struct arena *a,
		    struct due_row *rows, size_t *ret_n)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_queue_due);
	uint64_t held[ROWS_MAX];
	size_t jobs = 0, held_count = 0;
	int rc;

	*ret_n = 0;
	sql_bind_text(st, 1, domain);
	sql_bind_i64(st, 2, j->wall_s);
	sql_bind_i64(st, 3, ROWS_MAX);
	while ((rc = sql_step(st)) > 0 && *ret_n + held_count < ROWS_MAX) {
		if (sql_i64(st, 7)) {
			held[held_count++] = sql_u64(st, 0);
			continue;
		}
		rows[*ret_n] = (struct due_row){
		    .id = sql_u64(st, 0),
		    .message = sql_u64(st, 1),
		    .via = arena_copy(a, sql_bytes(st, 6)),
		    .rcpt = {.id = sql_u64(st, 0),
			     .address = arena_copy(a, sql_bytes(st, 2)),
			     .orcpt = arena_copy(a, sql_bytes(st, 3)),
			     .notify = (uint8_t)sql_u64(st, 4),
			     .attempts = (uint32_t)sql_u64(st, 5)},
		};
		jobs += *ret_n == 0 || !go_together(&rows[*ret_n], &rows[*ret_n - 1]);
		if (jobs > max)
			break;
		++*ret_n;
	}
	sql_reset(st);
	/* Held while they were under way, and nobody has said since what became of them. */
	for (size_t i = 0; rc >= 0 && i < held_count; i++)
		rc = queue_row_free(w, held[i], j->wall_s);
	return rc < 0 ? rc : 0;
}

static int lease_row(struct writer *w, uint64_t id, uint64_t token, int64_t until_s)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_queue_lease);

	sql_bind_u64(st, 1, id);
	sql_bind_u64(st, 2, token);
	sql_bind_i64(st, 3, until_s);
	return sql_run(st);
}

/* One job of the rows from `at` on that are of one message, and forwarded alike. */
static int make_lease(struct writer *w, struct queue_lease_job *j, const struct due_domain *d,
		      const struct due_row *rows, size_t n, size_t *at)
{
	struct arena *a = &j->job.results;
	struct queue_lease *l = &j->leases[j->lease_count];
	size_t count = 0;
	int rc;

	while (*at + count < n && count < QUEUE_LEASE_RCPTS_MAX && go_together(&rows[*at + count], &rows[*at]))
		count++;
	*l = (struct queue_lease){.token = writer_count(w, COUNTER_LEASE),
				  .domain = d->name,
				  .reached = d->reached,
				  .via = rows[*at].via,
				  .rcpt_count = count};
	l->rcpts = arena_array(a, count, sizeof *l->rcpts);
	if (!l->rcpts)
		return -ENOMEM;
	rc = queue_envelope_get(w->sql, rows[*at].message, a, &l->envelope);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		l->rcpts[i] = rows[*at + i].rcpt;
		rc = lease_row(w, rows[*at + i].id, l->token, j->until_s);
	}
	*at += count;
	j->lease_count++;
	j->rcpt_count += count;
	return rc;
}

static bool has_enough(const struct queue_lease_job *j)
{
	return j->lease_count >= j->max_jobs || j->rcpt_count >= LEASED_MAX;
}

static int lease_domain(struct writer *w, struct queue_lease_job *j, const struct due_domain *d)
{
	size_t max = d->reached ? j->max_per_domain : j->max_per_unknown;
	struct due_row *rows = arena_array(&j->job.results, ROWS_MAX, sizeof *rows);
	size_t n = 0, at = 0, made = 0;
	int rc;

	if (!rows)
		return -ENOMEM;
	rc = due_rows(w, j, d->name, max, &j->job.results, rows, &n);
	while (rc == 0 && at < n && made < max && !has_enough(j)) {
		rc = make_lease(w, j, d, rows, n, &at);
		made++;
	}
	return rc < 0 ? rc : queue_domain_settle(w, d->name, QUEUE_AS_IT_WAS_S);
}

static int due_domains(struct writer *w, struct queue_lease_job *j, struct due_domain *ret, size_t max, size_t *ret_n)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_queue_domain_due);
	int rc;

	*ret_n = 0;
	sql_bind_i64(st, 1, j->wall_s);
	sql_bind_u64(st, 2, max);
	while ((rc = sql_step(st)) > 0 && *ret_n < max)
		ret[(*ret_n)++] = (struct due_domain){arena_copy(&j->job.results, sql_bytes(st, 0)),
						      sql_i64(st, 1) == QUEUE_REACHED_S};
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int park(struct writer *w, struct view domain)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_queue_domain_get);
	int64_t closed_s = 0;
	int rc;

	sql_bind_text(st, 1, domain);
	rc = sql_step(st);
	if (rc > 0)
		closed_s = sql_i64(st, 1);
	sql_reset(st);
	if (rc <= 0)
		return rc;
	st = sql_use(w->sql, SQL_queue_domain_set);
	sql_bind_text(st, 1, domain);
	sql_bind_i64(st, 2, QUEUE_PARKED_S);
	sql_bind_i64(st, 3, closed_s);
	return sql_run(st);
}

static int find_next(struct writer *w, struct queue_lease_job *j)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_queue_domain_first);
	int rc = sql_step(st);

	j->next_s = rc > 0 && sql_i64(st, 0) < QUEUE_NEVER_S ? sql_i64(st, 0) : QUEUE_IDLE_S;
	sql_reset(st);
	j->more = rc > 0 && j->next_s <= j->wall_s;
	return rc < 0 ? rc : 0;
}

static int run_all(struct writer *w, struct queue_lease_job *j)
{
	struct due_domain *domains = arena_array(&j->job.results, j->max_jobs + 1, sizeof *domains);
	size_t n = 0;
	int rc = 0;

	j->leases = arena_array(&j->job.results, j->max_jobs + 1, sizeof *j->leases);
	if (!domains || !j->leases)
		return -ENOMEM;
	for (size_t i = 0; rc == 0 && i < j->unpark_count; i++)
		rc = queue_domain_unpark(w, j->unpark[i], QUEUE_AS_IT_WAS_S);
	for (size_t i = 0; rc == 0 && i < j->park_count; i++)
		rc = park(w, j->park[i]);
	if (rc == 0 && j->max_jobs > 0)
		rc = due_domains(w, j, domains, j->max_jobs, &n);
	for (size_t i = 0; rc == 0 && i < n && !has_enough(j); i++)
		rc = domains[i].name.p ? lease_domain(w, j, &domains[i]) : -ENOMEM;
	return rc < 0 ? rc : find_next(w, j);
}

static enum job_step run_lease(struct writer *w, struct store_job *job)
{
	struct queue_lease_job *j = (struct queue_lease_job *)job;
	int rc;

	arena_reset(&job->results);
	j->lease_count = j->rcpt_count = 0;
	if (j->max_jobs > QUEUE_LEASE_JOBS_MAX)
		j->max_jobs = QUEUE_LEASE_JOBS_MAX;
	rc = run_all(w, j);
	return rc < 0 ? writer_error(w, rc, "leasing") : STEP_DONE;
}

void queue_lease_job_init(struct queue_lease_job *j)
{
	*j = (struct queue_lease_job){0};
	store_job_init(&j->job, run_lease);
}

/* ---- resume ---- */

struct leased {
	uint64_t id, lease;
	char domain[256]; /* proven: copied with its length below */
	size_t domain_n;
};

static bool is_kept(const struct queue_resume_job *j, uint64_t token)
{
	size_t from = 0, to = j->token_count;

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (j->tokens[mid] == token)
			return true;
		if (j->tokens[mid] < token)
			from = mid + 1;
		else
			to = mid;
	}
	return false;
}

static int leased_rows(struct writer *w, uint64_t after, struct leased *rows, size_t *ret_n)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_queue_leased);
	int rc;

	*ret_n = 0;
	sql_bind_u64(st, 1, after);
	sql_bind_i64(st, 2, SLICE_ROWS);
	while ((rc = sql_step(st)) > 0 && *ret_n < SLICE_ROWS) {
		struct leased *l = &rows[(*ret_n)++];
		struct view domain = view_sub(sql_bytes(st, 1), 0, sizeof l->domain);

		*l = (struct leased){.id = sql_u64(st, 0), .lease = sql_u64(st, 2), .domain_n = domain.n};
		memcpy(l->domain, domain.p, domain.n);
	}
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int free_row(struct writer *w, const struct leased *l, int64_t now_s)
{
	int rc = queue_row_free(w, l->id, now_s);

	return rc < 0 ? rc : queue_domain_is_due(w, view_from(l->domain, l->domain_n), now_s);
}

/* Frees up to a slice of rows. 1: perhaps more. */
static int free_some(struct writer *w, const struct queue_resume_job *j, struct leased *rows)
{
	uint64_t after = 0;
	size_t n, freed = 0;
	int rc;

	do {
		rc = leased_rows(w, after, rows, &n);
		for (size_t i = 0; rc == 0 && i < n; i++) {
			after = rows[i].lease;
			if (is_kept(j, rows[i].lease))
				continue;
			rc = free_row(w, &rows[i], j->wall_s);
			freed++;
		}
	} while (rc == 0 && n == SLICE_ROWS && freed < SLICE_ROWS);
	/* Rows of one lease may have been cut apart at the end of a page: those are found by the next slice. */
	return rc < 0 ? rc : freed > 0;
}

static int unpark_some(struct writer *w, bool *ret_more)
{
	struct arena a;
	struct view domains[64];
	size_t n = 0;
	struct sql_stmt *st = sql_use(w->sql, SQL_queue_domain_parked);
	int rc;

	arena_init(&a, 65536);
	sql_bind_i64(st, 1, QUEUE_PARKED_S);
	sql_bind_u64(st, 2, ARRAY_LEN(domains));
	while ((rc = sql_step(st)) > 0 && n < ARRAY_LEN(domains))
		domains[n++] = arena_copy(&a, sql_bytes(st, 0));
	sql_reset(st);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = queue_domain_unpark(w, domains[i], QUEUE_UNKNOWN_S);
	arena_fini(&a);
	*ret_more = n > 0;
	return rc;
}

static enum job_step run_resume(struct writer *w, struct store_job *job)
{
	struct queue_resume_job *j = (struct queue_resume_job *)job;
	struct leased *rows = xcalloc(SLICE_ROWS, sizeof *rows);
	bool more = false;
	int rc = free_some(w, j, rows);

	free(rows);
	if (rc == 0)
		rc = unpark_some(w, &more);
	else if (rc > 0)
		more = true;
	return rc < 0 ? writer_error(w, rc, "ending leases") : more ? STEP_AGAIN : STEP_DONE;
}

void queue_resume_job_init(struct queue_resume_job *j)
{
	*j = (struct queue_resume_job){0};
	store_job_init(&j->job, run_resume);
}

/* ---- bytes ---- */

struct where {
	uint64_t header_bytes, content_bytes, content, content_offset;
	bool file;
};

static int find_message(struct store_reader *r, uint64_t message, struct where *ret)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_message_get);
	int rc;

	sql_bind_u64(st, 1, message);
	rc = sql_step(st);
	if (rc > 0)
		*ret =
		    (struct where){sql_u64(st, 0), sql_u64(st, 1), sql_u64(st, 2), sql_u64(st, 4), sql_i64(st, 3) != 0};
	sql_reset(st);
	return rc;
}

static int append_header(struct store_reader *r, const struct queue_envelope *e, struct buf *out)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_header_get);
	int rc;

	sql_bind_u64(st, 1, e->message);
	sql_bind_u64(st, 2, e->prefix_offset + 1);
	sql_bind_u64(st, 3, e->prefix_bytes);
	rc = sql_step(st);
	if (rc > 0) {
		buf_append_view(out, sql_bytes(st, 1));
		buf_append_view(out, sql_bytes(st, 0));
	}
	sql_reset(st);
	return rc == 0 ? -EUCLEAN : rc < 0 ? rc : 0;
}

static int append_content(struct store_reader *r, const struct where *at, struct buf *out)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_content_part);
	int rc;

	if (at->content_bytes == 0)
		return 0;
	sql_bind_u64(st, 1, at->content);
	sql_bind_u64(st, 2, at->content_offset + 1);
	sql_bind_u64(st, 3, at->content_bytes);
	rc = sql_step(st);
	if (rc > 0)
		buf_append_view(out, sql_bytes(st, 0));
	sql_reset(st);
	return rc == 0 ? -EUCLEAN : rc < 0 ? rc : 0;
}

static enum store_outcome read_all(struct store_reader *r, const struct queue_envelope *e, struct arena *a,
				   struct queue_bytes *ret)
{
	_cleanup_(buf_fini) struct buf out = BUF_INIT(STORE_HEADER_MAX + STORE_INLINE_MAX + 65536);
	struct where at;
	int rc = find_message(r, e->message, &at);

	if (rc == 0)
		return STORE_NO_MESSAGE;
	if (rc > 0)
		rc = append_header(r, e, &out);
	if (rc == 0 && !at.file)
		rc = append_content(r, &at, &out);
	if (rc < 0)
		return reader_failed(r, rc);
	ret->head = arena_copy(a, buf_view(&out));
	if (out.overflow || !ret->head.p)
		return STORE_TOO_BIG;
	ret->content_offset = at.content_offset;
	if (at.file)
		ret->content_fd = content_open(r->store, at.content);
	return at.file && ret->content_fd < 0 ? reader_damaged(r, "a content file is missing") : STORE_OK;
}

enum store_outcome queue_read(struct store_reader *r, const struct queue_envelope *e, struct arena *a,
			      struct queue_bytes *ret)
{
	enum store_outcome outcome;
	int rc = reader_begin(r);

	*ret = (struct queue_bytes){.content_fd = -1};
	outcome = rc < 0 ? reader_failed(r, rc) : read_all(r, e, a, ret);
	reader_end(r);
	return outcome;
}

static int find_lease(struct store_reader *r, uint64_t token, struct arena *a, uint64_t *ret_message,
		      struct view *ret_via)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_queue_by_lease);
	int rc;

	sql_bind_u64(st, 1, token);
	rc = sql_step(st);
	if (rc > 0) {
		*ret_message = sql_u64(st, 0);
		*ret_via = arena_copy(a, sql_bytes(st, 1));
	}
	sql_reset(st);
	return rc;
}

enum store_outcome queue_leased_message(struct store_reader *r, uint64_t token, struct arena *a,
					struct queue_envelope *ret, struct view *ret_via)
{
	enum store_outcome outcome = STORE_OK;
	uint64_t message = 0;
	int rc = token ? reader_begin(r) : 0;

	if (!token)
		return STORE_NO_MESSAGE;
	if (rc == 0)
		rc = find_lease(r, token, a, &message, ret_via);
	if (rc == 0)
		outcome = STORE_NO_MESSAGE;
	else if (rc > 0)
		rc = queue_envelope_get(r->sql, message, a, ret);
	if (rc < 0)
		outcome = reader_failed(r, rc);
	reader_end(r);
	return outcome;
}
