/* SPDX-License-Identifier: ISC
 * Copying and moving messages between mailboxes: entries only, the bytes are shared. */
#include "store/copier.h"

#include "base/clock.h"
#include "store/expunge.h"
#include "store/keyset.h"
#include "store/mbox_walk.h"

#include <errno.h>
#include <stdlib.h>

enum { MEMO_SIZE = 64 };

/* One copy to be made, read from its source before anything is written. */
struct picked {
	uint32_t uid;
	struct state_entry state;
	struct facts_entry facts;
};

struct copier {
	const struct store_job *job;
	uint64_t source, target;
	bool move, bulk, started;
	struct range_list ranges;
	struct range_list sources, targets;
	struct copier_at {
		struct bulk bulk;
		uint32_t uid; /* the next to look at */
		uint64_t source_modseq, target_modseq; /* 0: nothing done yet */
		size_t source_count, target_count; /* of the lists */
		uint32_t source_last, target_last;
	} now, base;
	/* Keyword sets of the source met before, and what they are in the target. Of one slice. */
	uint32_t from[MEMO_SIZE], to[MEMO_SIZE];
	size_t memo_count;
	struct picked *picked;
	size_t picked_count, room;
};

static uint64_t span_of(const struct range_list *ranges)
{
	uint64_t n = 0;

	for (size_t i = 0; i < ranges->count; i++)
		n += ranges->at[i].last - ranges->at[i].first + 1ULL;
	return n;
}

int copier_new(struct writer *w, const struct store_job *job, struct mbox *source, struct mbox *target,
	       const struct uid_range *ranges, size_t range_count, bool move, struct copier **ret)
{
	struct copier *c = xcalloc(1, sizeof *c);
	uint64_t most;
	int rc = 0;

	c->job = job;
	c->source = source->id;
	c->target = target->id;
	c->move = move;
	range_list_normalize(&c->ranges, ranges, range_count, (uint32_t)(source->counts.uidnext - 1));
	most = span_of(&c->ranges);
	if (most > source->counts.messages)
		most = source->counts.messages;
	c->bulk = most > bulk_limits.copy_direct;
	c->room = c->bulk ? bulk_limits.copy_slice : (size_t)most + 1;
	c->picked = xcalloc(c->room, sizeof *c->picked);
	*ret = c;
	if (c->bulk)
		rc = bulk_begin(w, &c->base.bulk, target, job);
	if (rc == 0 && c->bulk && move && source != target)
		rc = bulk_begin(w, &c->base.bulk, source, job);
	return rc;
}

void copier_free(struct copier **c)
{
	if (!*c)
		return;
	range_list_fini(&(*c)->ranges);
	range_list_fini(&(*c)->sources);
	range_list_fini(&(*c)->targets);
	free((*c)->picked);
	free(*c);
	*c = NULL;
}

static uint32_t last_of(const struct range_list *l)
{
	return l->count ? l->at[l->count - 1].last : 0;
}

void copier_advance(struct copier *c)
{
	c->now.source_count = c->sources.count;
	c->now.target_count = c->targets.count;
	c->now.source_last = last_of(&c->sources);
	c->now.target_last = last_of(&c->targets);
	c->base = c->now;
	c->started = true;
}

bool copier_has_started(const struct copier *c)
{
	return c->started;
}

bool copier_is_settled(const struct copier *c)
{
	return c->bulk && c->started && bulk_is_switched(&c->base.bulk);
}

const struct range_list *copier_sources(const struct copier *c)
{
	return &c->sources;
}

const struct range_list *copier_targets(const struct copier *c)
{
	return &c->targets;
}

/* ---- picking ---- */

static int pick(struct writer *w, struct mbox *m, uint32_t i, struct picked *p)
{
	struct page *facts;
	uint32_t at;
	int rc;

	page_get_state(&m->state.page, i, &p->state);
	p->uid = m->state.no * STATE_SLOTS + p->state.slot;
	rc = mbox_facts(w, m, p->uid, &facts);
	if (rc < 0)
		return rc;
	at = page_find(facts, p->uid % FACTS_SLOTS);
	if (at == facts->count)
		return -EUCLEAN;
	page_get_facts(facts, at, &p->facts);
	return 0;
}

/* As many live copies from now.uid on as there is room for. *ret_more: there may be others behind them. */
static int pick_some(struct writer *w, struct copier *c, struct mbox *m, bool *ret_more)
{
	uint32_t page = state_page_no(c->now.uid), i;
	bool found;

	c->picked_count = 0;
	*ret_more = false;
	for (;;) {
		int rc = walk_page(w, m, &c->ranges, &page, &found);

		if (rc < 0 || !found)
			return rc;
		for (struct walk k = walk_begin(&c->ranges, m); walk_next(&k, &m->state.page, &i);) {
			struct picked *p = &c->picked[c->picked_count];

			if (c->picked_count == c->room) {
				*ret_more = true;
				return 0;
			}
			rc = pick(w, m, i, p);
			if (rc < 0)
				return rc;
			if (!p->state.gone && p->uid >= c->now.uid)
				c->picked_count++;
		}
	}
}

/* ---- writing ---- */

static int target_keyset(struct writer *w, struct copier *c, struct mbox *source, struct mbox *target, uint32_t id,
			 uint32_t *ret, bool *ret_limit)
{
	struct view *words, left, word;
	struct view joined;
	size_t n = 0;
	int rc;

	*ret = id;
	*ret_limit = false;
	if (id == 0 || source == target)
		return 0;
	for (size_t i = 0; i < c->memo_count; i++)
		if (c->from[i] == id) {
			*ret = c->to[i];
			return 0;
		}
	rc = keyset_words(w, source, id, &joined);
	if (rc < 0)
		return rc;
	words = xcalloc(joined.n / 2 + 1, sizeof *words);
	left = joined;
	while (keyset_next_word(&left, &word))
		words[n++] = word;
	rc = keyset_intern(w, target, words, n, ret, ret_limit);
	free(words);
	if (rc == 0 && !*ret_limit && c->memo_count < MEMO_SIZE) {
		c->from[c->memo_count] = id;
		c->to[c->memo_count++] = *ret;
	}
	return rc;
}

static int copy_one(struct writer *w, struct copier *c, struct mbox *source, struct mbox *target,
		    const struct picked *p, bool *ret_limit)
{
	struct new_copy copy = {
	    .message = p->facts.message,
	    .size_bytes = p->facts.size_bytes,
	    .internal_s = p->facts.internal_s,
	    .saved_s = clock_wall_s(),
	    .sent_s = p->facts.sent_s,
	    .prefix_off = p->facts.prefix_off,
	    .prefix_bytes = p->facts.prefix_bytes,
	    .flags = p->state.flags,
	};
	uint32_t uid;
	int rc = target_keyset(w, c, source, target, p->state.keyset, &copy.keyset, ret_limit);

	if (rc < 0 || *ret_limit)
		return rc;
	if (c->now.target_modseq == 0)
		c->now.target_modseq = mbox_next_modseq(w, target);
	rc = mbox_append(w, target, &copy, c->now.target_modseq, &uid);
	if (rc == 0)
		rc = message_ref_add(w, p->facts.message, 1);
	if (rc == 0) {
		range_list_add(&c->sources, p->uid);
		range_list_add(&c->targets, uid);
	}
	return rc;
}

static int expunge_one(struct writer *w, struct copier *c, struct mbox *source, const struct picked *p)
{
	struct page *page;
	uint32_t i;
	int rc = mbox_state(w, source, p->uid, &page);

	if (rc < 0)
		return rc;
	i = page_find(page, p->state.slot);
	if (i == page->count)
		return -EUCLEAN;
	if (c->now.source_modseq == 0)
		c->now.source_modseq = c->source == c->target ? c->now.target_modseq : mbox_next_modseq(w, source);
	return expunge_entry(w, source, i, c->now.source_modseq);
}

static int copy_picked(struct writer *w, struct copier *c, struct mbox *source, struct mbox *target, bool *ret_limit)
{
	int rc = 0;

	*ret_limit = false;
	c->memo_count = 0;
	for (size_t i = 0; i < c->picked_count && rc == 0 && !*ret_limit; i++)
		rc = copy_one(w, c, source, target, &c->picked[i], ret_limit);
	for (size_t i = 0; c->move && i < c->picked_count && rc == 0 && !*ret_limit; i++)
		rc = expunge_one(w, c, source, &c->picked[i]);
	if (c->picked_count > 0)
		c->now.uid = c->picked[c->picked_count - 1].uid + 1;
	return rc;
}

static int log_moved(struct writer *w, const struct copier *c, const struct mbox *source)
{
	const struct range_list *l = &c->sources;

	if (!c->move || l->count == 0)
		return 0;
	return expunge_log(w, source, c->now.source_modseq, l->at[0].first, l->at[l->count - 1].last);
}

/* Would what was copied so far (of a bulk, held back) and what is picked fit the quota? A move takes no room. */
static int fits(struct writer *w, const struct copier *c, const struct mbox *target, bool *ret)
{
	const struct mbox_counts *counts = &target->counts;
	struct quota more = {counts->held_bytes > 0 ? (uint64_t)counts->held_bytes : 0,
			     counts->held_messages > 0 ? (uint64_t)counts->held_messages : 0};
	struct acct *a;
	int rc = writer_acct(w, target->account, &a);

	*ret = true;
	if (rc < 0 || !a || c->move)
		return rc;
	for (size_t i = 0; i < c->picked_count; i++)
		more.bytes += c->picked[i].facts.size_bytes;
	more.messages += c->picked_count;
	*ret = quota_has_room(a->limit, a->used, more);
	return 0;
}

/* ---- slices ---- */

static enum job_step run_direct(struct writer *w, struct copier *c, struct mbox *source, struct mbox *target)
{
	bool more, room = true, limit = false;
	int rc = pick_some(w, c, source, &more);

	if (rc == 0)
		rc = fits(w, c, target, &room);
	if (rc == 0 && !room)
		return writer_refuse(w, STORE_OVER_QUOTA);
	if (rc == 0)
		rc = copy_picked(w, c, source, target, &limit);
	if (rc == 0 && limit)
		return writer_refuse(w, STORE_LIMIT);
	if (rc == 0)
		rc = log_moved(w, c, source);
	return rc < 0 ? writer_error(w, rc, "copying") : STEP_DONE;
}

static int sides(struct writer *w, struct copier *c, struct mbox **ret_source, struct mbox **ret_target)
{
	int rc = bulk_resume(w, &c->now.bulk, 0, ret_target);

	if (rc < 0)
		return rc;
	if (c->source == c->target)
		*ret_source = *ret_target;
	else if (c->move)
		rc = bulk_resume(w, &c->now.bulk, 1, ret_source);
	else
		rc = writer_mbox(w, c->source, ret_source);
	return rc;
}

static int switch_all(struct writer *w, struct copier *c, struct mbox *source, struct mbox *target)
{
	int rc = log_moved(w, c, source);

	if (rc == 0)
		rc = bulk_switch(w, &c->now.bulk, target);
	if (rc == 0 && c->now.bulk.side_count > 1)
		rc = bulk_switch(w, &c->now.bulk, source);
	return rc;
}

static enum job_step stage(struct writer *w, struct copier *c)
{
	struct mbox *source, *target;
	bool more = false, room = true, limit = false;
	int rc = sides(w, c, &source, &target);

	if (rc == 0 && !source)
		return writer_refuse(w, STORE_NO_MAILBOX); /* deleted meanwhile */
	if (rc == 0)
		rc = pick_some(w, c, source, &more);
	if (rc == 0)
		rc = fits(w, c, target, &room);
	if (rc == 0 && !room)
		return writer_refuse(w, STORE_OVER_QUOTA);
	if (rc == 0)
		rc = copy_picked(w, c, source, target, &limit);
	if (rc == 0 && limit)
		return writer_refuse(w, STORE_LIMIT);
	if (rc == 0) {
		bulk_keep(&c->now.bulk, 0, target);
		if (c->now.bulk.side_count > 1)
			bulk_keep(&c->now.bulk, 1, source);
	}
	if (rc == 0 && !more)
		rc = switch_all(w, c, source, target);
	return rc < 0 ? writer_error(w, rc, "copying") : STEP_AGAIN;
}

static enum job_step run_bulk(struct writer *w, struct copier *c)
{
	bool done;
	int rc;

	c->now = c->base;
	range_list_cut(&c->sources, c->now.source_count, c->now.source_last);
	range_list_cut(&c->targets, c->now.target_count, c->now.target_last);
	if (c->now.bulk.phase == BULK_STAGE)
		return stage(w, c);
	rc = bulk_merge(w, &c->now.bulk, &done);
	if (rc < 0)
		return writer_error(w, rc, "copying");
	return done ? STEP_DONE : STEP_AGAIN;
}

enum job_step copier_run(struct writer *w, struct copier *c)
{
	struct mbox *source, *target;
	int rc;

	if (c->bulk)
		return run_bulk(w, c);
	rc = writer_mbox(w, c->source, &source);
	if (rc == 0)
		rc = writer_mbox(w, c->target, &target);
	if (rc < 0 || !source || !target)
		return writer_error(w, rc < 0 ? rc : -EUCLEAN, "copying");
	return run_direct(w, c, source, target);
}
