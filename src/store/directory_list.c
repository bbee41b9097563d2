/* SPDX-License-Identifier: ISC
 * The directory as the operator sees it: pages of domains, accounts and aliases. */
#include "store/directory.h"

#include "store/sql.h"
#include "store/store_private.h"

#include <errno.h>

/* A page under way: elements of `size` bytes in the arena. */
struct page_of {
	struct arena *a;
	char *at;
	size_t size, count, max;
	bool more;
};

/* Room for the next element, or NULL (and `more`) when the page is full. */
static void *next_element(struct page_of *p)
{
	if (p->count == p->max) {
		p->more = true;
		return NULL;
	}
	return p->at + p->count++ * p->size;
}

static bool copy_text(struct page_of *p, struct sql_stmt *st, unsigned column, struct view *ret)
{
	*ret = arena_copy(p->a, sql_bytes(st, column));
	if (!ret->p)
		p->more = true;
	return ret->p != NULL;
}

/* An element whose texts did not fit is taken back; nothing at all is an error. */
static int drop_last(struct page_of *p)
{
	p->count--;
	return p->count > 0 ? 0 : -EMSGSIZE;
}

static struct page_of page_in(struct arena *a, size_t size, size_t max)
{
	return (struct page_of){a, arena_array(a, max, size), size, 0, max, false};
}

static enum store_outcome outcome_of(struct store_reader *r, int rc)
{
	return rc == -EMSGSIZE ? STORE_TOO_BIG : rc < 0 ? reader_failed(r, rc) : STORE_OK;
}

/* ---- domains ---- */

static int collect_domains(struct store_reader *r, struct view after, struct page_of *p)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_domain_list);
	int rc;

	sql_bind_text(st, 1, after);
	sql_bind_u64(st, 2, p->max + 1);
	while ((rc = sql_step(st)) > 0) {
		struct directory_domain *d = next_element(p);

		if (!d)
			break;
		d->accounts = sql_u64(st, 3);
		d->created_s = sql_i64(st, 2);
		if (!copy_text(p, st, 0, &d->domain) || !copy_text(p, st, 1, &d->alias_of)) {
			rc = drop_last(p);
			break;
		}
	}
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

enum store_outcome directory_domains(struct store_reader *r, struct view after, size_t max, struct arena *a,
				     const struct directory_domain **ret, size_t *ret_count, bool *ret_more)
{
	struct page_of p = page_in(a, sizeof **ret, max);
	enum store_outcome outcome;
	int rc = p.at ? reader_begin(r) : -EMSGSIZE;

	if (rc == 0)
		rc = collect_domains(r, after, &p);
	outcome = outcome_of(r, rc);
	reader_end(r);
	*ret = (const struct directory_domain *)(const void *)p.at;
	*ret_count = p.count;
	*ret_more = p.more;
	return outcome;
}

/* ---- accounts ---- */

static bool read_account(struct page_of *p, struct sql_stmt *st, struct directory_account *ret)
{
	ret->account = sql_u64(st, 0);
	ret->disabled = sql_i64(st, 2) != 0;
	ret->generation = sql_u64(st, 3);
	ret->limit = (struct quota){sql_u64(st, 4), sql_u64(st, 9)};
	ret->created_s = sql_i64(st, 5);
	ret->last_login_s = sql_i64(st, 6);
	ret->used = (struct quota){sql_u64(st, 7), sql_u64(st, 8)};
	ret->confirm = sql_i64(st, 10) != 0;
	return copy_text(p, st, 1, &ret->address);
}

/* `st` is bound. */
static int collect_accounts(struct sql_stmt *st, struct page_of *p)
{
	int rc;

	while ((rc = sql_step(st)) > 0) {
		struct directory_account *account = next_element(p);

		if (!account)
			break;
		if (!read_account(p, st, account)) {
			rc = drop_last(p);
			break;
		}
	}
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

enum store_outcome directory_accounts(struct store_reader *r, struct view after, size_t max, struct arena *a,
				      const struct directory_account **ret, size_t *ret_count, bool *ret_more)
{
	struct page_of p = page_in(a, sizeof **ret, max);
	struct sql_stmt *st = sql_use(r->sql, SQL_account_list);
	enum store_outcome outcome;
	int rc = p.at ? reader_begin(r) : -EMSGSIZE;

	sql_bind_text(st, 1, after);
	sql_bind_u64(st, 2, max + 1);
	if (rc == 0)
		rc = collect_accounts(st, &p);
	outcome = outcome_of(r, rc);
	reader_end(r);
	*ret = (const struct directory_account *)(const void *)p.at;
	*ret_count = p.count;
	*ret_more = p.more;
	return outcome;
}

static enum store_outcome one_account(struct store_reader *r, struct sql_stmt *st, struct arena *a,
				      struct directory_account *ret)
{
	struct page_of p = page_in(a, sizeof *ret, 1);
	enum store_outcome outcome;
	int rc = p.at ? reader_begin(r) : -EMSGSIZE;

	if (rc == 0)
		rc = collect_accounts(st, &p);
	outcome = outcome_of(r, rc);
	reader_end(r);
	if (outcome == STORE_OK && p.count == 0)
		return STORE_NO_ACCOUNT;
	if (outcome == STORE_OK)
		*ret = *(const struct directory_account *)(const void *)p.at;
	return outcome;
}

enum store_outcome directory_account(struct store_reader *r, struct view address, struct arena *a,
				     struct directory_account *ret)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_account_show);

	sql_bind_text(st, 1, address);
	return one_account(r, st, a, ret);
}

enum store_outcome directory_account_by_id(struct store_reader *r, uint64_t account, struct arena *a,
					   struct directory_account *ret)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_account_show_id);

	sql_bind_u64(st, 1, account);
	return one_account(r, st, a, ret);
}

/* ---- aliases ---- */

static int count_targets(struct store_reader *r, struct view alias, uint64_t *ret)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_alias_target_count);
	int rc;

	sql_bind_text(st, 1, alias);
	rc = sql_step(st);
	*ret = rc > 0 ? sql_u64(st, 0) : 0;
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int collect_targets(struct store_reader *r, struct page_of *p, struct directory_alias *alias)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_alias_targets);
	struct view *targets;
	uint64_t count;
	int rc = count_targets(r, alias->address, &count);

	if (rc < 0)
		return rc;
	targets = arena_array(p->a, count, sizeof *targets);
	alias->targets = targets;
	alias->target_count = 0;
	rc = targets ? 1 : -EMSGSIZE;
	sql_bind_text(st, 1, alias->address);
	while (rc > 0 && alias->target_count < count && (rc = sql_step(st)) > 0)
		if (!copy_text(p, st, 0, &targets[alias->target_count++]))
			rc = -EMSGSIZE;
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int collect_aliases(struct store_reader *r, struct view after, struct page_of *p)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_alias_list);
	int rc;

	sql_bind_text(st, 1, after);
	sql_bind_u64(st, 2, p->max + 1);
	while ((rc = sql_step(st)) > 0) {
		struct directory_alias *alias = next_element(p);
		int got;

		if (!alias)
			break;
		got = copy_text(p, st, 0, &alias->address) ? collect_targets(r, p, alias) : -EMSGSIZE;
		if (got < 0) {
			rc = got == -EMSGSIZE ? drop_last(p) : got;
			p->more = true;
			break;
		}
	}
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

enum store_outcome directory_aliases(struct store_reader *r, struct view after, size_t max, struct arena *a,
				     const struct directory_alias **ret, size_t *ret_count, bool *ret_more)
{
	struct page_of p = page_in(a, sizeof **ret, max);
	enum store_outcome outcome;
	int rc = p.at ? reader_begin(r) : -EMSGSIZE;

	if (rc == 0)
		rc = collect_aliases(r, after, &p);
	outcome = outcome_of(r, rc);
	reader_end(r);
	*ret = (const struct directory_alias *)(const void *)p.at;
	*ret_count = p.count;
	*ret_more = p.more;
	return outcome;
}

/* ---- one account whole ---- */

static int collect_folders(struct store_reader *r, uint64_t account, struct page_of *p)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_folder_figures);
	int rc;

	sql_bind_u64(st, 1, account);
	while ((rc = sql_step(st)) > 0) {
		struct directory_folder *folder = next_element(p);

		if (!folder)
			break;
		folder->messages = sql_u64(st, 1);
		folder->unseen = sql_u64(st, 2);
		folder->size_bytes = sql_u64(st, 3);
		if (!copy_text(p, st, 0, &folder->name)) {
			rc = drop_last(p);
			break;
		}
	}
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int collect_texts(struct store_reader *r, enum sql_id id, uint64_t account, struct page_of *p)
{
	struct sql_stmt *st = sql_use(r->sql, id);
	int rc;

	sql_bind_u64(st, 1, account);
	while ((rc = sql_step(st)) > 0) {
		struct view *text = next_element(p);

		if (!text)
			break;
		if (!copy_text(p, st, 0, text)) {
			rc = drop_last(p);
			break;
		}
	}
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

enum store_outcome directory_account_details(struct store_reader *r, uint64_t account, size_t max_each, struct arena *a,
					     struct directory_account_details *ret)
{
	struct page_of folders = page_in(a, sizeof(struct directory_folder), max_each);
	struct page_of aliases = page_in(a, sizeof(struct view), max_each);
	struct page_of send_as = page_in(a, sizeof(struct view), max_each);
	enum store_outcome outcome;
	int rc = folders.at && aliases.at && send_as.at ? reader_begin(r) : -EMSGSIZE;

	if (rc == 0)
		rc = collect_folders(r, account, &folders);
	if (rc == 0)
		rc = collect_texts(r, SQL_aliases_of_account, account, &aliases);
	if (rc == 0)
		rc = collect_texts(r, SQL_send_as_list, account, &send_as);
	outcome = outcome_of(r, rc);
	reader_end(r);
	*ret = (struct directory_account_details){
	    .folders = (const struct directory_folder *)(const void *)folders.at,
	    .folder_count = folders.count,
	    .aliases = (const struct view *)(const void *)aliases.at,
	    .alias_count = aliases.count,
	    .send_as = (const struct view *)(const void *)send_as.at,
	    .send_as_count = send_as.count,
	};
	return outcome;
}
