/* SPDX-License-Identifier: ISC
 * One leased message: what it is, and its bytes wherever they lie. */
#include "relayd/job.h"

#include "base/clock.h"
#include "mail/header.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { ARENA_MAX = 256 * 1024, HEAD_MAX = 2 * 1024 * 1024, LEASE_MARGIN = 20 };

static bool is_utf8(struct view v)
{
	return !view_is_ascii(v);
}

struct job *job_new(const struct relay_job *m)
{
	struct job *j = xcalloc(1, sizeof *j);

	arena_init(&j->arena, ARENA_MAX);
	j->token = m->token;
	j->message_id = m->message_id;
	/* stored began to count when it asked for the commit, in whole seconds: here it ends before it does there, however long that took. */
	j->lease_ms = m->lease_ms - m->lease_ms / LEASE_MARGIN;
	j->lease_end_ms = clock_mono_ms() + j->lease_ms;
	j->domain = arena_copy(&j->arena, m->domain);
	j->sender = arena_copy(&j->arena, m->sender);
	j->envid = arena_copy(&j->arena, m->envid);
	j->ret = m->ret;
	j->eightbit = m->eightbit || m->body;
	j->long_lines = m->long_lines;
	j->smtputf8 = m->smtputf8;
	j->requiretls = m->requiretls;
	j->local = m->local;
	j->size_bytes = m->size_bytes;
	j->content = -1;
	j->head_bytes = m->size_bytes < HEAD_MAX ? (size_t)m->size_bytes : HEAD_MAX;
	j->rcpts = arena_array(&j->arena, m->n_rcpts, sizeof *j->rcpts);
	for (uint32_t i = 0; j->rcpts && i < m->n_rcpts; i++)
		j->rcpts[j->rcpt_count++] = (struct job_rcpt){
		    .id = m->rcpts[i].id,
		    .address = arena_copy(&j->arena, m->rcpts[i].address),
		    .orcpt = arena_copy(&j->arena, m->rcpts[i].orcpt),
		    .notify = m->rcpts[i].notify,
		    .is_utf8 = is_utf8(m->rcpts[i].address),
		};
	j->open = j->rcpt_count;
	buf_init(&j->head, HEAD_MAX);
	buf_append_view(&j->head, m->bytes);
	return j;
}

struct job *job_new_file(const struct relay_job_file *m)
{
	const struct relay_job as_job = {
	    .token = m->token,
	    .message_id = m->message_id,
	    .lease_ms = m->lease_ms,
	    .domain = m->domain,
	    .sender = m->sender,
	    .envid = m->envid,
	    .ret = m->ret,
	    .body = m->body,
	    .smtputf8 = m->smtputf8,
	    .requiretls = m->requiretls,
	    .local = m->local,
	    .eightbit = m->eightbit,
	    .long_lines = m->long_lines,
	    .size_bytes = m->size_bytes,
	    .rcpts = m->rcpts,
	    .n_rcpts = m->n_rcpts,
	    .bytes = m->bytes,
	};
	struct job *j = job_new(&as_job);

	j->head_bytes = m->head_bytes;
	j->content = m->content;
	j->content_offset = m->offset;
	return j;
}

void job_become(struct job *j, const struct relay_variant *m)
{
	fd_close(&j->content);
	buf_reset(&j->head);
	buf_append_view(&j->head, m->front);
	j->head_bytes = m->front.n;
	j->content = m->message;
	j->content_offset = 0;
	j->size_bytes = m->front.n + m->size_bytes;
	j->eightbit = j->long_lines = false;
}

void job_free(struct job **jp)
{
	struct job *j = *jp;

	*jp = NULL;
	if (!j)
		return;
	fd_close(&j->content);
	buf_fini(&j->head);
	arena_fini(&j->arena);
	free(j);
}

bool job_is_whole(const struct job *j)
{
	return j->head.n == j->head_bytes;
}

void job_look_at_header(struct job *j)
{
	struct header_field f;

	if (!j->requiretls && j->head.n && header_find(buf_view(&j->head), "TLS-Required", &f))
		j->tls_optional = view_eq_lit_nocase(view_trim(f.value), "No");
}

bool job_add(struct job *j, struct view bytes)
{
	if (bytes.n > j->head_bytes - j->head.n)
		return false;
	buf_append_view(&j->head, bytes);
	return !j->head.overflow;
}

int job_read(const struct job *j, uint64_t offset, size_t max, struct buf *out, struct view *ret)
{
	uint64_t behind;
	ssize_t n;
	char *p;

	*ret = VIEW_EMPTY;
	if (offset < j->head.n) {
		*ret = view_sub(buf_view(&j->head), (size_t)offset, max);
		return 0;
	}
	if (offset >= j->size_bytes)
		return 0;
	if (j->content < 0)
		return -EIO;
	behind = j->size_bytes - offset;
	if (max > behind)
		max = (size_t)behind;
	buf_reset(out);
	p = buf_reserve(out, max);
	if (!p)
		return -ENOMEM;
	n = pread(j->content, p, max, (off_t)(j->content_offset + (offset - j->head.n)));
	if (n <= 0)
		return n < 0 ? -errno : -EIO;
	buf_commit(out, (size_t)n);
	*ret = buf_view(out);
	return 0;
}

bool job_has_eightbit_header(const struct job *j)
{
	return !view_is_ascii(view_sub(buf_view(&j->head), 0, header_length(buf_view(&j->head))));
}

uint64_t job_last_dot_ms(const struct job *j, uint64_t reply_ms)
{
	uint64_t kept_ms = j->lease_ms / 4 < reply_ms ? j->lease_ms / 4 : reply_ms;

	return j->lease_end_ms - kept_ms;
}
