/* SPDX-License-Identifier: ISC
 * Sequence numbers to UIDs, as runs of consecutive UIDs. */
#include "imapd/seqmap.h"

#include <assert.h>
#include <stdlib.h>

void seqmap_fini(struct seqmap *m)
{
	free(m->runs);
	*m = (struct seqmap){0};
}

/* The number behind the last message of run `i`. */
static uint32_t run_end(const struct seqmap *m, uint32_t i)
{
	return i + 1 < m->n ? m->runs[i + 1].seq : m->count + 1;
}

static uint32_t run_last_uid(const struct seqmap *m, uint32_t i)
{
	return m->runs[i].uid + (run_end(m, i) - m->runs[i].seq - 1);
}

uint32_t seqmap_first_uid(const struct seqmap *m)
{
	return m->n ? m->runs[0].uid : 0;
}

uint32_t seqmap_last_uid(const struct seqmap *m)
{
	return m->n ? run_last_uid(m, m->n - 1) : 0;
}

static void add_run(struct seqmap *m, uint32_t uid)
{
	if (m->n == m->cap) {
		m->cap = m->cap ? m->cap + m->cap / 2 + 1 : 1;
		m->runs = xrealloc(m->runs, m->cap * sizeof *m->runs);
	}
	m->runs[m->n++] = (struct seqmap_run){uid, m->count + 1};
}

bool seqmap_append(struct seqmap *m, uint32_t first_uid, uint32_t last_uid)
{
	uint32_t known = seqmap_last_uid(m);

	if (first_uid <= known || last_uid < first_uid || last_uid - first_uid > UINT32_MAX - 2 - m->count)
		return false;
	if (m->n == 0 || first_uid != known + 1)
		add_run(m, first_uid);
	m->count += last_uid - first_uid + 1;
	return true;
}

/* The last run whose first number (or UID) is not above `key`; m->n when there is none. */
static uint32_t find_run(const struct seqmap *m, uint32_t key, bool by_uid)
{
	uint32_t low = 0, high = m->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if ((by_uid ? m->runs[mid].uid : m->runs[mid].seq) <= key)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? low - 1 : m->n;
}

uint32_t seqmap_uid(const struct seqmap *m, uint32_t seq)
{
	uint32_t i;

	if (seq == 0 || seq > m->count)
		return 0;
	i = find_run(m, seq, false);
	return m->runs[i].uid + (seq - m->runs[i].seq);
}

uint32_t seqmap_seq(const struct seqmap *m, uint32_t uid)
{
	uint32_t i = find_run(m, uid, true);

	if (i == m->n || uid > run_last_uid(m, i))
		return 0;
	return m->runs[i].seq + (uid - m->runs[i].uid);
}

/* The number of the first message whose UID is not below `uid`; count + 1 when there is none. */
static uint32_t seq_from(const struct seqmap *m, uint32_t uid)
{
	uint32_t i = find_run(m, uid, true);

	if (i == m->n)
		return 1;
	if (uid > run_last_uid(m, i))
		return run_end(m, i);
	return m->runs[i].seq + (uid - m->runs[i].uid);
}

bool seqmap_find(const struct seqmap *m, uint32_t first_uid, uint32_t last_uid, struct seqmap_span *ret_seqs)
{
	uint32_t first, end;

	if (last_uid < first_uid)
		return false;
	first = seq_from(m, first_uid);
	end = last_uid == UINT32_MAX ? m->count + 1 : seq_from(m, last_uid + 1);
	if (first >= end)
		return false;
	*ret_seqs = (struct seqmap_span){first, end - 1};
	return true;
}

bool seqmap_next_uids(const struct seqmap *m, uint32_t *at, uint32_t last, struct seqmap_span *ret_uids)
{
	uint32_t i, end;

	if (*at == 0 || *at > last || *at > m->count)
		return false;
	i = find_run(m, *at, false);
	end = run_end(m, i);
	if (end - 1 > last)
		end = last + 1;
	ret_uids->first = m->runs[i].uid + (*at - m->runs[i].seq);
	ret_uids->last = m->runs[i].uid + (end - 1 - m->runs[i].seq);
	*at = end;
	return true;
}

void seqmap_remove(struct seqmap *m, const struct seqmap_span *seqs, size_t n)
{
	struct seqmap kept = {0};
	uint32_t from = 1;

	for (size_t i = 0; i <= n; i++) {
		uint32_t to = i < n ? seqs[i].first - 1 : m->count;
		struct seqmap_span uids;

		assert(i == n || (seqs[i].first >= from && seqs[i].last >= seqs[i].first && seqs[i].last <= m->count));
		while (seqmap_next_uids(m, &from, to, &uids)) {
			bool appended = seqmap_append(&kept, uids.first, uids.last);

			assert(appended);
		}
		if (i < n)
			from = seqs[i].last + 1;
	}
	seqmap_fini(m);
	*m = kept;
}
