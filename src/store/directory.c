/* SPDX-License-Identifier: ISC
 * What an address means: domain aliases, aliases with several targets, details, postmaster, catch-all. */
#include "store/directory.h"

#include "store/address_form.h"
#include "store/directory_cache.h"
#include "store/directory_private.h"
#include "store/sql.h"
#include "store/store_private.h"

#include <errno.h>
#include <stdlib.h>

/* One resolution under way. */
struct resolve {
	struct store_reader *r;
	struct arena *a;
	struct store_settings settings;
	struct directory_target *targets;
	size_t count;
	struct view open[DIRECTORY_DEPTH_MAX]; /* aliases being followed */
	unsigned depth, aliases;
	uint64_t generation; /* of the cache, before the snapshot */
	bool cut; /* too deep or too many */
	int error;
};

struct name {
	struct view address;
	struct name *next;
};

enum found { FOUND_NONE, FOUND_ACCOUNT, FOUND_ALIAS, FOUND_ERROR };

static enum found fail(struct resolve *x, int rc)
{
	x->error = rc;
	return FOUND_ERROR;
}

/* ---- single look-ups ---- */

/* The real domain behind `domain` in the arena: *ret_ours tells whether there is one. */
static int real_domain(struct resolve *x, struct view domain, bool *ret_ours, struct view *ret)
{
	struct sql_stmt *st = sql_use(x->r->sql, SQL_domain_get);
	int rc;

	sql_bind_text(st, 1, domain);
	rc = sql_step(st);
	*ret_ours = rc > 0;
	if (rc > 0)
		*ret = arena_copy(x->a, sql_bytes(st, 0).n ? sql_bytes(st, 0) : domain);
	sql_reset(st);
	return rc < 0 ? rc : *ret_ours && !ret->p ? -EMSGSIZE : 0;
}

static int find_account(struct resolve *x, struct view address, uint64_t *ret, struct quota *ret_limit,
			struct quota *ret_used)
{
	struct sql_stmt *st = sql_use(x->r->sql, SQL_account_by_address);
	int rc;

	sql_bind_text(st, 1, address);
	rc = sql_step(st);
	if (rc > 0) {
		*ret = sql_u64(st, 0);
		*ret_limit = (struct quota){sql_u64(st, 1), sql_u64(st, 3)};
		*ret_used = (struct quota){sql_u64(st, 2), sql_u64(st, 4)};
	}
	sql_reset(st);
	return rc;
}

/* ---- results ---- */

static void add(struct resolve *x, uint64_t account, struct view address)
{
	for (size_t i = 0; i < x->count; i++)
		if (x->targets[i].account == account && view_eq(x->targets[i].address, address))
			return;
	if (x->count == DIRECTORY_TARGETS_MAX) {
		x->cut = true;
		return;
	}
	address = arena_copy(x->a, address);
	if (!address.p) {
		x->error = -EMSGSIZE;
		return;
	}
	x->targets[x->count++] = (struct directory_target){account, address};
}

static enum found take_account(struct resolve *x, struct view address)
{
	struct quota limit, used;
	uint64_t account;
	int rc = find_account(x, address, &account, &limit, &used);

	if (rc < 0)
		return fail(x, rc);
	if (rc == 0)
		return FOUND_NONE;
	directory_cache_keep_usage(x->r->store->directory, x->generation, account, used, limit);
	add(x, account, address);
	return FOUND_ACCOUNT;
}

static enum directory_verdict resolve_address(struct resolve *x, struct view address);

static bool is_open(const struct resolve *x, struct view alias)
{
	for (unsigned i = 0; i < x->depth; i++)
		if (view_eq(x->open[i], alias))
			return true;
	return false;
}

/* Its targets in the arena; NULL: no such alias. */
static int read_targets(struct resolve *x, struct view alias, struct name **ret)
{
	struct sql_stmt *st = sql_use(x->r->sql, SQL_alias_targets);
	struct name **tail = ret;
	int rc;

	*ret = NULL;
	sql_bind_text(st, 1, alias);
	while ((rc = sql_step(st)) > 0) {
		struct name *name = arena_alloc(x->a, sizeof *name);

		if (name)
			name->address = arena_copy(x->a, sql_bytes(st, 0));
		if (!name || !name->address.p) {
			rc = -EMSGSIZE;
			break;
		}
		*tail = name;
		tail = &name->next;
	}
	sql_reset(st);
	return rc;
}

static enum found take_alias(struct resolve *x, struct view alias)
{
	struct name *targets;
	int rc;

	if (is_open(x, alias))
		return FOUND_NONE; /* it names itself: what else has that name counts */
	rc = read_targets(x, alias, &targets);
	if (rc < 0)
		return fail(x, rc);
	if (!targets)
		return FOUND_NONE;
	if (x->depth == DIRECTORY_DEPTH_MAX || ++x->aliases > DIRECTORY_TARGETS_MAX) {
		x->cut = true;
		return FOUND_ALIAS;
	}
	x->open[x->depth++] = alias;
	for (; targets && !x->error && !x->cut; targets = targets->next)
		if (resolve_address(x, targets->address) == DIRECTORY_NOT_OURS)
			add(x, 0, targets->address);
	x->depth--;
	return x->error ? FOUND_ERROR : FOUND_ALIAS;
}

/* ---- the order of things ---- */

static enum found take_name(struct resolve *x, struct view local, struct view domain)
{
	struct view address = address_form_join(x->a, local, domain);
	enum found found;

	if (!address.p)
		return fail(x, -EMSGSIZE);
	found = take_alias(x, address);
	return found == FOUND_NONE ? take_account(x, address) : found;
}

static enum found take_postmaster(struct resolve *x)
{
	struct sql_stmt *st;
	struct view first = VIEW_EMPTY;
	int rc;

	if (x->settings.postmaster.n > 0 && !is_open(x, VIEW_LIT("postmaster"))) {
		enum directory_verdict verdict;

		if (x->depth == DIRECTORY_DEPTH_MAX)
			return FOUND_NONE;
		x->open[x->depth++] = VIEW_LIT("postmaster");
		verdict = resolve_address(x, x->settings.postmaster);
		if (verdict == DIRECTORY_NOT_OURS)
			add(x, 0, x->settings.postmaster);
		x->depth--;
		if (x->error)
			return FOUND_ERROR;
		if (verdict == DIRECTORY_LOCAL || verdict == DIRECTORY_NOT_OURS)
			return FOUND_ALIAS;
	}
	st = sql_use(x->r->sql, SQL_account_first);
	rc = sql_step(st);
	if (rc > 0)
		first = arena_copy(x->a, sql_bytes(st, 0));
	sql_reset(st);
	if (rc < 0)
		return fail(x, rc);
	return first.n ? take_account(x, first) : FOUND_NONE;
}

static enum found take_any(struct resolve *x, struct view local, struct view domain)
{
	struct view user, detail;
	enum found found = take_name(x, local, domain);

	if (found == FOUND_NONE && x->settings.delimiter && view_cut(local, x->settings.delimiter, &user, &detail) &&
	    user.n > 0) {
		found = take_name(x, user, domain);
		local = found == FOUND_NONE ? user : local;
	}
	if (found == FOUND_NONE && (view_eq_lit(local, "postmaster") || view_eq_lit(local, "abuse")))
		found = take_postmaster(x);
	if (found == FOUND_NONE) {
		struct view catch_all = address_form_join(x->a, VIEW_EMPTY, domain);

		found = catch_all.p ? take_alias(x, catch_all) : fail(x, -EMSGSIZE);
	}
	return found;
}

/* "postmaster" alone is that of the first domain (RFC 5321 §4.5.1). */
static struct view with_first_domain(struct resolve *x, struct view local)
{
	struct sql_stmt *st = sql_use(x->r->sql, SQL_domain_first);
	struct view address = VIEW_EMPTY;
	int rc = sql_step(st);

	if (rc > 0)
		address = address_form_join(x->a, local, sql_bytes(st, 0));
	sql_reset(st);
	if (rc < 0)
		x->error = rc;
	return address;
}

/* Our notices come from postmaster@HOSTNAME: who answers one reaches somebody (RFC 3461 §9.3, RFC 3464 §2). */
static bool is_of_this_host(const struct resolve *x, struct view local, struct view domain)
{
	return view_eq_nocase(domain, x->settings.hostname) &&
	       (view_eq_lit(local, "postmaster") || view_eq_lit(local, "abuse"));
}

/* Adds what the address leads to; the verdict is about this address alone. */
static enum directory_verdict resolve_address(struct resolve *x, struct view address)
{
	struct view local, domain, real;
	bool ours;
	int rc;

	if (!address_form_split(address, &local, &domain))
		return DIRECTORY_NOT_OURS;
	rc = real_domain(x, domain, &ours, &real);
	if (rc < 0) {
		x->error = rc;
		return DIRECTORY_NO_USER;
	}
	if (!ours && is_of_this_host(x, local, domain))
		return resolve_address(x, with_first_domain(x, local));
	if (!ours)
		return DIRECTORY_NOT_OURS;
	return take_any(x, local, real) == FOUND_NONE ? DIRECTORY_NO_USER : DIRECTORY_LOCAL;
}

static void conclude(struct resolve *x, enum directory_verdict verdict, struct directory_result *ret)
{
	if (verdict == DIRECTORY_LOCAL && (x->cut || x->count == 0))
		verdict = DIRECTORY_LOOP;
	*ret = (struct directory_result){verdict, x->targets, verdict == DIRECTORY_LOCAL ? x->count : 0};
}

/* Within a snapshot. */
static int resolve(struct store_reader *r, uint64_t generation, struct view address, struct arena *a,
		   struct directory_result *ret)
{
	struct resolve x = {.r = r, .a = a, .generation = generation};
	struct view whole = address;

	store_settings_get(r->store, a, &x.settings);
	x.targets = arena_array(a, DIRECTORY_TARGETS_MAX, sizeof *x.targets);
	if (!x.targets)
		return -EMSGSIZE;
	if (view_find_char(address, '@') == address.n)
		whole = with_first_domain(&x, address);
	conclude(&x, resolve_address(&x, whole), ret);
	return x.error;
}

/* ---- the outside ---- */

bool directory_cached(struct store *s, struct view address, struct arena *a, struct directory_result *ret)
{
	return directory_cache_find(s->directory, address, a, ret);
}

/* Answers are copied out of an arena of their own: a resolution needs more memory than its result. */
static enum store_outcome copy_result(const struct directory_result *result, struct arena *a,
				      struct directory_result *ret)
{
	struct directory_target *targets = arena_array(a, result->target_count, sizeof *targets);

	for (size_t i = 0; targets && i < result->target_count; i++) {
		targets[i].account = result->targets[i].account;
		targets[i].address = arena_copy(a, result->targets[i].address);
		if (!targets[i].address.p)
			targets = NULL;
	}
	if (!targets)
		return STORE_TOO_BIG;
	*ret = (struct directory_result){result->verdict, targets, result->target_count};
	return STORE_OK;
}

enum store_outcome directory_resolve(struct store_reader *r, struct view address, struct arena *a,
				     struct directory_result *ret)
{
	uint64_t generation = directory_cache_generation(r->store->directory);
	enum store_outcome outcome = STORE_TEMPORARY;
	struct directory_result result;
	struct arena work;
	int rc = reader_begin(r);

	arena_init(&work, 4 * 1024 * 1024);
	if (rc == 0)
		rc = resolve(r, generation, address, &work, &result);
	if (rc < 0)
		outcome = reader_failed(r, rc);
	reader_end(r);
	if (rc == 0) {
		directory_cache_keep(r->store->directory, generation, address, &result);
		outcome = copy_result(&result, a, ret);
	}
	arena_fini(&work);
	return outcome;
}

enum store_outcome directory_quota(struct store *s, uint64_t account, uint64_t bytes)
{
	return directory_cache_has_room(s->directory, account, (struct quota){bytes, 1}) ? STORE_OK : STORE_OVER_QUOTA;
}

/* ---- who may send as whom ---- */

static int is_allowed(struct store_reader *r, uint64_t account, struct view address, bool *ret)
{
	struct view local, domain;
	struct sql_stmt *st = sql_use(r->sql, SQL_send_as_get);
	struct arena a;
	int rc = 0;

	arena_init(&a, 4096);
	*ret = false;
	if (address_form_split(address, &local, &domain)) {
		struct view at_domain = address_form_join(&a, VIEW_EMPTY, domain);

		sql_bind_u64(st, 1, account);
		sql_bind_text(st, 2, address);
		sql_bind_text(st, 3, at_domain);
		rc = sql_step(st);
		*ret = rc > 0;
		sql_reset(st);
	}
	arena_fini(&a);
	return rc < 0 ? rc : 0;
}

static int leads_to(struct store_reader *r, uint64_t generation, uint64_t account, struct view address, bool *ret)
{
	struct directory_result result;
	struct arena a;
	int rc;

	arena_init(&a, 4 * 1024 * 1024);
	rc = resolve(r, generation, address, &a, &result);
	*ret = false;
	for (size_t i = 0; rc == 0 && i < result.target_count; i++)
		*ret |= result.targets[i].account == account;
	arena_fini(&a);
	return rc;
}

enum store_outcome directory_may_send_as(struct store_reader *r, uint64_t account, struct view address)
{
	uint64_t generation = directory_cache_generation(r->store->directory);
	enum store_outcome outcome;
	bool may = false;
	int rc;

	if (account == 0)
		return STORE_NOT_ALLOWED;
	rc = reader_begin(r);
	if (rc == 0)
		rc = is_allowed(r, account, address, &may);
	if (rc == 0 && !may)
		rc = leads_to(r, generation, account, address, &may);
	outcome = rc < 0 ? reader_failed(r, rc) : may ? STORE_OK : STORE_NOT_ALLOWED;
	reader_end(r);
	if (rc == 0)
		directory_cache_keep_sender(r->store->directory, generation, account, address, may);
	return outcome;
}

bool directory_may_send_as_cached(struct store *s, uint64_t account, struct view address, bool *ret_may)
{
	return directory_cache_find_sender(s->directory, account, address, ret_may);
}

/* ---- logging in ---- */

/* One spelling for all that would lead to the same account: the real domain, no detail. */
static struct view login_name(struct resolve *x, struct view local, struct view real)
{
	struct view user = local, detail;

	store_settings_get(x->r->store, x->a, &x->settings);
	if (x->settings.delimiter && view_cut(local, x->settings.delimiter, &user, &detail) && user.n == 0)
		user = local;
	return address_form_join(x->a, user, real);
}

/* The account of just that name; else the only one that the address leads to. */
static int find_login(struct store_reader *r, struct view user, struct arena *a, uint64_t *ret, struct view *ret_name)
{
	struct resolve x = {.r = r, .a = a};
	struct view whole = user, local, domain, real = VIEW_EMPTY;
	struct directory_result result;
	struct quota limit, used;
	bool ours = false;
	int rc = 0;

	if (view_find_char(user, '@') == user.n)
		whole = with_first_domain(&x, user);
	*ret = 0;
	*ret_name = whole;
	if (x.error || !address_form_split(whole, &local, &domain) || local.n == 0)
		return x.error;
	rc = real_domain(&x, domain, &ours, &real);
	if (rc < 0 || !ours)
		return rc;
	*ret_name = login_name(&x, local, real);
	rc = find_account(&x, address_form_join(a, local, real), ret, &limit, &used);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = resolve(r, UINT64_MAX, whole, a, &result);
	if (rc == 0 && result.target_count == 1)
		*ret = result.targets[0].account;
	return rc;
}

enum store_outcome directory_login_in(struct store_reader *r, struct view user, struct arena *a, uint64_t *ret_account,
				      struct view *ret_name)
{
	struct view name = VIEW_EMPTY;
	struct arena own;
	int rc;

	arena_init(&own, 4 * 1024 * 1024);
	rc = find_login(r, user, &own, ret_account, &name);
	if (rc == 0 && ret_name)
		*ret_name = arena_copy(a, name);
	arena_fini(&own);
	if (rc < 0)
		return reader_failed(r, rc);
	return *ret_account ? STORE_OK : STORE_NO_ACCOUNT;
}

enum store_outcome directory_login(struct store_reader *r, struct view user, uint64_t *ret_account)
{
	int rc = reader_begin(r);
	enum store_outcome outcome =
	    rc < 0 ? reader_failed(r, rc) : directory_login_in(r, user, NULL, ret_account, NULL);

	reader_end(r);
	return outcome;
}
