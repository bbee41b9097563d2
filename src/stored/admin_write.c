/* SPDX-License-Identifier: ISC
 * The operator's changes: domains, accounts, aliases. Each is one job of the writer. */
#include "stored/admin.h"

#include "store/directory_write.h"

/* Every change: its job, what it is about, and what to say when it is done. */
struct change {
	struct op op;
	union {
		struct domain_add_job domain_add;
		struct domain_remove_job domain_remove;
		struct account_add_job account_add;
		struct account_password_job account_password;
		struct account_quota_job account_quota;
		struct account_remove_job account_remove;
		struct account_enable_job account_enable;
		struct account_confirm_job account_confirm;
		struct send_as_job send_as;
		struct alias_add_job alias_add;
		struct alias_remove_job alias_remove;
	};
	struct view subject, of; /* `of`: the domain that has to be there, where that is another */
	const char *done;
};

static void change_answer(struct op *op, struct channel *c)
{
	const struct change *ch = (const struct change *)op;
	_cleanup_(buf_fini) struct buf text = BUF_INIT(1024);

	if (op->outcome == STORE_OK) {
		buf_printf(&text, "%.*s: %s", VIEW_FMT(ch->subject), ch->done);
		if (c)
			(void)admin_send_done(c, op->reply.id, &(struct admin_done){buf_view(&text)});
	} else {
		admin_send_outcome(c, op->reply.id, op->outcome,
				   op->outcome == STORE_NO_DOMAIN && ch->of.n ? ch->of : ch->subject);
	}
	arena_wipe(&op->arena);
}

static struct change *change_new(struct stored *sd, struct peer *peer, uint32_t id, struct view subject,
				 const char *done)
{
	struct change *ch = op_new(sd, sizeof *ch, peer, id);

	ch->op.answer = change_answer;
	ch->subject = arena_copy(&ch->op.arena, subject);
	ch->done = done;
	return ch;
}

/* Hands the job in when its keys could be made. */
static void change_start(struct change *ch, struct store_job *job, bool keys_ok)
{
	if (keys_ok) {
		op_write(&ch->op, job);
		return;
	}
	store_job_fini(job);
	ch->op.outcome = STORE_BAD_REQUEST;
	op_finish(&ch->op);
}

static struct credential_verifiers copy_verifiers(struct arena *a, struct view argon2, struct view salt,
						  uint32_t iterations, struct view stored_key, struct view server_key)
{
	return (struct credential_verifiers){
	    .argon2 = arena_copy(a, argon2),
	    .scram_salt = arena_copy(a, salt),
	    .scram_iterations = iterations,
	    .scram_stored_key = arena_copy(a, stored_key),
	    .scram_server_key = arena_copy(a, server_key),
	};
}

void admin_on_domain_add(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct change *ch = change_new(sd, peer, id, m->domain_add.domain, "added");

	domain_add_job_init(&ch->domain_add);
	change_start(ch, &ch->domain_add.job,
		     admin_domain_key(m->domain_add.domain, &ch->op.arena, &ch->domain_add.domain));
}

void admin_on_domain_alias(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct change *ch = change_new(sd, peer, id, m->domain_alias.domain, "added as an alias domain");

	ch->of = arena_copy(&ch->op.arena, m->domain_alias.of);
	domain_add_job_init(&ch->domain_add);
	change_start(ch, &ch->domain_add.job,
		     admin_domain_key(m->domain_alias.domain, &ch->op.arena, &ch->domain_add.domain) &&
			 admin_domain_key(m->domain_alias.of, &ch->op.arena, &ch->domain_add.alias_of));
}

void admin_on_domain_remove(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct change *ch = change_new(sd, peer, id, m->domain_remove.domain, "removed");

	domain_remove_job_init(&ch->domain_remove);
	change_start(ch, &ch->domain_remove.job,
		     admin_domain_key(m->domain_remove.domain, &ch->op.arena, &ch->domain_remove.domain));
}

void admin_on_account_add(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	const struct admin_account_add *w = &m->account_add;
	struct change *ch = change_new(sd, peer, id, w->address, "added");

	account_add_job_init(&ch->account_add);
	ch->account_add.verifiers = copy_verifiers(&ch->op.arena, w->argon2, w->scram_salt, w->scram_iterations,
						   w->scram_stored_key, w->scram_server_key);
	ch->account_add.has_quota = w->has_quota;
	ch->account_add.quota = (struct quota){w->quota_bytes, w->quota_messages};
	change_start(ch, &ch->account_add.job,
		     admin_address_key(w->address, false, &ch->op.arena, &ch->account_add.address));
}

void admin_on_account_password(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	const struct admin_account_password *w = &m->account_password;
	struct change *ch = change_new(sd, peer, id, w->address, "password changed; open sessions were ended");

	account_password_job_init(&ch->account_password);
	ch->account_password.verifiers = copy_verifiers(&ch->op.arena, w->argon2, w->scram_salt, w->scram_iterations,
							w->scram_stored_key, w->scram_server_key);
	change_start(ch, &ch->account_password.job,
		     admin_address_key(w->address, false, &ch->op.arena, &ch->account_password.address));
}

void admin_on_account_quota(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct change *ch = change_new(sd, peer, id, m->account_quota.address, "quota changed");

	account_quota_job_init(&ch->account_quota);
	ch->account_quota.quota = (struct quota){m->account_quota.quota_bytes, m->account_quota.quota_messages};
	ch->account_quota.has_bytes = m->account_quota.has_bytes;
	ch->account_quota.has_messages = m->account_quota.has_messages;
	change_start(ch, &ch->account_quota.job,
		     admin_address_key(m->account_quota.address, false, &ch->op.arena, &ch->account_quota.address));
}

void admin_on_account_remove(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct change *ch =
	    change_new(sd, peer, id, m->account_remove.address, "removed; its mail goes after the undelete time");

	account_remove_job_init(&ch->account_remove);
	change_start(ch, &ch->account_remove.job,
		     admin_address_key(m->account_remove.address, false, &ch->op.arena, &ch->account_remove.address));
}

void admin_on_account_enable(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct change *ch =
	    change_new(sd, peer, id, m->account_enable.address,
		       m->account_enable.on ? "enabled" : "disabled; open sessions were ended, mail still arrives");

	account_enable_job_init(&ch->account_enable);
	ch->account_enable.on = m->account_enable.on;
	change_start(ch, &ch->account_enable.job,
		     admin_address_key(m->account_enable.address, false, &ch->op.arena, &ch->account_enable.address));
}

void admin_on_account_confirm(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct change *ch = change_new(sd, peer, id, m->account_confirm.address,
				       m->account_confirm.on ? "gets a summary of each message it sends from now on"
							     : "gets no more summaries");

	account_confirm_job_init(&ch->account_confirm);
	ch->account_confirm.on = m->account_confirm.on;
	change_start(ch, &ch->account_confirm.job,
		     admin_address_key(m->account_confirm.address, false, &ch->op.arena, &ch->account_confirm.address));
}

void admin_on_send_as(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct change *ch = change_new(sd, peer, id, m->send_as.address,
				       m->send_as.on ? "may send so now" : "may not send so any more");

	send_as_job_init(&ch->send_as);
	ch->send_as.on = m->send_as.on;
	change_start(ch, &ch->send_as.job,
		     admin_address_key(m->send_as.address, false, &ch->op.arena, &ch->send_as.address) &&
			 admin_address_key(m->send_as.as, true, &ch->op.arena, &ch->send_as.as));
}

/* Targets on other servers keep their spelling; ours become keys when they are resolved. */
static bool copy_targets(struct change *ch, const struct admin_alias_add *w)
{
	struct view *targets = arena_array(&ch->op.arena, w->n_targets, sizeof *targets);

	if (!targets || w->n_targets == 0)
		return false;
	for (uint32_t i = 0; i < w->n_targets; i++)
		if (!admin_address_key(w->targets[i].text, false, &ch->op.arena, &targets[i]))
			return false;
	ch->alias_add.targets = targets;
	ch->alias_add.target_count = w->n_targets;
	return true;
}

void admin_on_alias_add(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct change *ch = change_new(sd, peer, id, m->alias_add.address, "alias set");

	alias_add_job_init(&ch->alias_add);
	change_start(ch, &ch->alias_add.job,
		     admin_address_key(m->alias_add.address, true, &ch->op.arena, &ch->alias_add.address) &&
			 copy_targets(ch, &m->alias_add));
}

void admin_on_alias_remove(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	struct change *ch = change_new(sd, peer, id, m->alias_remove.address, "alias removed");

	alias_remove_job_init(&ch->alias_remove);
	change_start(ch, &ch->alias_remove.job,
		     admin_address_key(m->alias_remove.address, true, &ch->op.arena, &ch->alias_remove.address));
}
