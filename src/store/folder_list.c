/* SPDX-License-Identifier: ISC
 * The tree of names as readers see it: mailboxes and subscriptions, merged in the order of bytes. */
#include "store/folder.h"
#include "store/store_private.h"

#include <errno.h>

/* Two lists in the same order, each at its next element. */
struct merge {
	struct sql_stmt *mailboxes, *subscriptions;
	bool states; /* how things stand in each is read too */
	int has_mailbox, has_subscription; /* results of the last step */
};

static void next_mailbox(struct merge *m)
{
	m->has_mailbox = sql_step(m->mailboxes);
}

static void next_subscription(struct merge *m)
{
	m->has_subscription = sql_step(m->subscriptions);
}

static void begin(struct merge *m, struct store_reader *r, uint64_t account, struct view after)
{
	m->mailboxes = sql_use(r->sql, m->states ? SQL_folder_states : SQL_folder_list);
	m->subscriptions = sql_use(r->sql, SQL_subscription_list);
	sql_bind_u64(m->mailboxes, 1, account);
	sql_bind_text(m->mailboxes, 2, after);
	sql_bind_u64(m->subscriptions, 1, account);
	sql_bind_text(m->subscriptions, 2, after);
	next_mailbox(m);
	next_subscription(m);
}

/* Those of a \Noselect name are NULL, which is read as 0. */
static void read_state(struct merge *m, struct folder_name *ret)
{
	ret->mailbox = sql_u64(m->mailboxes, 1);
	ret->uidnext = (uint32_t)sql_u64(m->mailboxes, 5);
	ret->messages = (uint32_t)sql_u64(m->mailboxes, 6);
	ret->unseen = (uint32_t)sql_u64(m->mailboxes, 7);
	ret->highestmodseq = sql_u64(m->mailboxes, 8);
}

/* 1 an element (its name still in the database's memory), 0 the end, negative errno. */
static int next(struct merge *m, struct folder_name *ret)
{
	int order;

	if (m->has_mailbox < 0 || m->has_subscription < 0)
		return m->has_mailbox < 0 ? m->has_mailbox : m->has_subscription;
	if (!m->has_mailbox && !m->has_subscription)
		return 0;
	order = !m->has_mailbox        ? 1
		: !m->has_subscription ? -1
				       : view_cmp(sql_bytes(m->mailboxes, 0), sql_bytes(m->subscriptions, 0));
	*ret = (struct folder_name){0};
	if (order > 0) {
		ret->name = sql_bytes(m->subscriptions, 0);
		ret->attributes = FOLDER_SUBSCRIBED | FOLDER_MISSING;
		return 1;
	}
	ret->name = sql_bytes(m->mailboxes, 0);
	ret->attributes = (uint32_t)sql_u64(m->mailboxes, 3) & FOLDER_SPECIAL;
	if (order == 0)
		ret->attributes |= FOLDER_SUBSCRIBED;
	if (sql_i64(m->mailboxes, 2)) {
		ret->attributes |= FOLDER_NOSELECT;
	} else {
		ret->mailbox = sql_u64(m->mailboxes, 1);
		ret->uidvalidity = (uint32_t)sql_u64(m->mailboxes, 4);
	}
	if (m->states)
		read_state(m, ret);
	return 1;
}

static void step_over(struct merge *m, const struct folder_name *name)
{
	if (name->attributes & FOLDER_SUBSCRIBED)
		next_subscription(m);
	if (!(name->attributes & FOLDER_MISSING))
		next_mailbox(m);
}

static int collect(struct merge *m, struct arena *a, struct folder_name *names, size_t max, struct folder_names *ret)
{
	struct folder_name name;
	int rc;

	while ((rc = next(m, &name)) > 0) {
		if (ret->count == max) {
			ret->more = true;
			return 0;
		}
		names[ret->count] = name;
		names[ret->count].name = arena_copy(a, name.name);
		if (!names[ret->count].name.p) {
			ret->more = true;
			return ret->count ? 0 : -EMSGSIZE;
		}
		ret->count++;
		step_over(m, &name);
	}
	return rc;
}

static enum store_outcome list(struct store_reader *r, uint64_t account, struct view after, size_t max, bool states,
			       struct arena *a, struct folder_names *ret)
{
	struct folder_name *names = arena_array(a, max, sizeof *names);
	enum store_outcome outcome = STORE_OK;
	struct merge m = {.states = states};
	int rc;

	*ret = (struct folder_names){names, 0, false};
	if (!names)
		return STORE_TOO_BIG;
	rc = reader_begin(r);
	if (rc == 0) {
		begin(&m, r, account, after);
		rc = collect(&m, a, names, max, ret);
		sql_reset(m.mailboxes);
		sql_reset(m.subscriptions);
	}
	if (rc == -EMSGSIZE)
		outcome = STORE_TOO_BIG;
	else if (rc < 0)
		outcome = reader_failed(r, rc);
	reader_end(r);
	return outcome;
}

enum store_outcome folder_list(struct store_reader *r, uint64_t account, struct view after, size_t max, struct arena *a,
			       struct folder_names *ret)
{
	return list(r, account, after, max, false, a, ret);
}

enum store_outcome folder_states(struct store_reader *r, uint64_t account, struct view after, size_t max,
				 struct arena *a, struct folder_names *ret)
{
	return list(r, account, after, max, true, a, ret);
}
