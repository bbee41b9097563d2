/* SPDX-License-Identifier: ISC
 * COPY and MOVE. */
#include "store/mailbox_write.h"

#include "store/copier.h"

static void forget(struct store_job *job)
{
	struct copier *c = job->progress;

	copier_free(&c);
	job->progress = NULL;
}

static void advance(struct store_job *job)
{
	copier_advance(job->progress);
}

/* Both mailboxes, checked. STEP_DONE: job->outcome says whether to go on. */
static enum job_step find(struct writer *w, struct copy_job *j, struct mbox **ret_source, struct mbox **ret_target)
{
	int rc = writer_mbox(w, j->mailbox, ret_source);

	if (rc == 0)
		rc = writer_mbox_by_name(w, j->account, j->target, ret_target);
	if (rc < 0)
		return writer_error(w, rc, "copying");
	j->ret_no_target = !*ret_target;
	if (!*ret_source || (*ret_source)->account != j->account || !*ret_target)
		j->job.outcome = STORE_NO_MAILBOX;
	else if (writer_is_busy(w, (*ret_source)->id, &j->job) || writer_is_busy(w, (*ret_target)->id, &j->job))
		return STEP_AGAIN;
	return STEP_DONE;
}

static void finish(struct copy_job *j)
{
	const struct copier *c = j->job.progress;
	struct arena *a = &j->job.results;

	if (!range_list_copy(copier_sources(c), a, &j->ret_sources, &j->ret_source_count) ||
	    !range_list_copy(copier_targets(c), a, &j->ret_targets, &j->ret_target_count))
		j->job.outcome = STORE_LIMIT;
}

static bool settled(struct store_job *job)
{
	const bool is = copier_is_settled(job->progress);

	job->outcome = STORE_OK;
	if (is)
		finish((struct copy_job *)job);
	return is;
}

static enum job_step go_on(struct writer *w, struct copy_job *j)
{
	enum job_step step = copier_run(w, j->job.progress);

	if (step == STEP_DONE)
		finish(j);
	return step;
}

static enum job_step run(struct writer *w, struct store_job *job)
{
	struct copy_job *j = (struct copy_job *)job;
	struct copier *c = job->progress;
	struct mbox *source, *target;
	enum job_step step;
	int rc;

	if (c && copier_has_started(c))
		return go_on(w, j);
	if (c)
		forget(job); /* a first slice that was rolled back */
	step = find(w, j, &source, &target);
	if (step != STEP_DONE || job->outcome != STORE_OK)
		return step;
	if (!j->move && store_space_is_low(w->store)) {
		job->outcome = STORE_NO_SPACE;
		return STEP_DONE;
	}
	j->ret_target = target->id;
	j->ret_target_uidvalidity = target->uidvalidity;
	rc = copier_new(w, job, source, target, j->ranges, j->range_count, j->move, &c);
	job->progress = c;
	return rc < 0 ? writer_error(w, rc, "copying") : go_on(w, j);
}

void copy_job_init(struct copy_job *j)
{
	*j = (struct copy_job){0};
	store_job_init(&j->job, run);
	j->job.advance = advance;
	j->job.forget = forget;
	j->job.settled = settled;
}
