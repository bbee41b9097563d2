/* SPDX-License-Identifier: ISC
 * What addresses mean: a table of directories and questions; logins, send-as, lists, credentials. */
#include "trial.h"

#include "store/credential.h"

#include <stdio.h>
#include <string.h>

static enum store_outcome add_domain(struct trial *t, const char *domain, const char *alias_of)
{
	struct domain_add_job j;
	enum store_outcome outcome;

	domain_add_job_init(&j);
	j.domain = trial_text(domain);
	j.alias_of = trial_text(alias_of);
	outcome = trial_run(t, &j.job);
	store_job_fini(&j.job);
	return outcome;
}

static enum store_outcome remove_domain(struct trial *t, const char *domain)
{
	struct domain_remove_job j;
	enum store_outcome outcome;

	domain_remove_job_init(&j);
	j.domain = trial_text(domain);
	outcome = trial_run(t, &j.job);
	store_job_fini(&j.job);
	return outcome;
}

static enum store_outcome remove_account(struct trial *t, const char *address)
{
	struct account_remove_job j;
	enum store_outcome outcome;

	account_remove_job_init(&j);
	j.address = trial_text(address);
	outcome = trial_run(t, &j.job);
	store_job_fini(&j.job);
	return outcome;
}

#define ALIAS(t, address, ...)                                                                                         \
	trial_alias(t, address, (const char *const[]){__VA_ARGS__},                                                    \
		    sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void furnish(struct trial *t)
{
	assert_int_equal(add_domain(t, "example.org", ""), STORE_OK);
	assert_int_equal(add_domain(t, "other.example", ""), STORE_OK);
	assert_int_equal(add_domain(t, "alias.example", "example.org"), STORE_OK);
	assert_int_equal(add_domain(t, "xn--mnchen-3ya.example", ""), STORE_OK);
	trial_account(t, "anna@example.org", 0);
	trial_account(t, "bert@example.org", 0);
	trial_account(t, "dot+plus@example.org", 0);
	trial_account(t, "j\xc3\xbcrgen@xn--mnchen-3ya.example", 0);
	ALIAS(t, "both@example.org", "anna@example.org", "bert@example.org", "x@elsewhere.example");
	ALIAS(t, "bert@example.org", "bert@example.org", "copy@elsewhere.example");
	ALIAS(t, "twice@example.org", "both@example.org", "anna@example.org", "BOTH@example.org");
	ALIAS(t, "ring1@example.org", "ring2@example.org");
	ALIAS(t, "ring2@example.org", "ring1@example.org");
	ALIAS(t, "ring3@example.org", "ring1@example.org", "anna@example.org");
	ALIAS(t, "out@example.org", "x@elsewhere.example");
	ALIAS(t, "nobody@example.org", "missing@example.org");
	ALIAS(t, "@other.example", "anna@example.org");
	ALIAS(t, "list+special@example.org", "bert@alias.example");
	ALIAS(t, "abuse@other.example", "bert@example.org");
}

/* "anna@example.org >x@elsewhere.example": remote targets behind ">". */
static const char *resolve(struct trial *t, const char *address)
{
	struct directory_result result, cached;
	struct buf out = BUF_INIT(4096);
	const char *text;

	assert_int_equal(directory_resolve(t->reader, trial_text(address), &t->arena, &result), STORE_OK);
	assert_true(directory_cached(t->store, trial_text(address), &t->arena, &cached));
	assert_int_equal(cached.verdict, result.verdict);
	assert_int_equal(cached.target_count, result.target_count);
	switch (result.verdict) {
	case DIRECTORY_LOCAL:
		assert_true(result.target_count > 0);
		break;
	case DIRECTORY_NOT_OURS:
		return "(not ours)";
	case DIRECTORY_NO_USER:
		return "(no user)";
	case DIRECTORY_LOOP:
		return "(loop)";
	}
	for (size_t i = 0; i < result.target_count; i++)
		buf_printf(&out, "%s%s%.*s", i ? " " : "", result.targets[i].account ? "" : ">",
			   VIEW_FMT(result.targets[i].address));
	text = arena_cstr(&t->arena, buf_view(&out));
	buf_fini(&out);
	return text;
}

static void test_resolve(void **state)
{
	static const struct {
		const char *address, *leads_to;
	} cases[] = {
	    {"anna@example.org", "anna@example.org"},
	    {"anna@alias.example", "anna@example.org"},
	    {"anna+lists@example.org", "anna@example.org"},
	    {"anna+a+b@alias.example", "anna@example.org"},
	    {"anna+@example.org", "anna@example.org"},
	    {"+anna@example.org", "(no user)"},
	    {"dot+plus@example.org", "dot+plus@example.org"},
	    {"dot@example.org", "(no user)"},
	    {"dot+plus+more@example.org", "(no user)"},
	    {"list+special@example.org", "bert@example.org >copy@elsewhere.example"},
	    {"list@example.org", "(no user)"},
	    {"j\xc3\xbcrgen@xn--mnchen-3ya.example", "j\xc3\xbcrgen@xn--mnchen-3ya.example"},
	    {"bert@example.org", "bert@example.org >copy@elsewhere.example"},
	    {"both@example.org", "anna@example.org bert@example.org >copy@elsewhere.example >x@elsewhere.example"},
	    {"twice@example.org", "anna@example.org bert@example.org >copy@elsewhere.example >x@elsewhere.example"},
	    {"both+x@example.org", "anna@example.org bert@example.org >copy@elsewhere.example >x@elsewhere.example"},
	    {"ring1@example.org", "(loop)"},
	    {"ring3@example.org", "anna@example.org"},
	    {"out@example.org", ">x@elsewhere.example"},
	    {"nobody@example.org", "(loop)"},
	    {"missing@example.org", "(no user)"},
	    {"anyone@other.example", "anna@example.org"},
	    {"abuse@other.example", "bert@example.org >copy@elsewhere.example"},
	    {"postmaster@other.example", "anna@example.org"},
	    {"postmaster@example.org", "anna@example.org"},
	    {"postmaster@alias.example", "anna@example.org"},
	    {"abuse@example.org", "anna@example.org"},
	    {"abuse+x@example.org", "anna@example.org"},
	    {"postmaster", "anna@example.org"},
	    {"anna@elsewhere.example", "(not ours)"},
	    {"anna@sub.example.org", "(not ours)"},
	    {"anna@", "(not ours)"},
	    {"@example.org", "(no user)"},
	    {"a@b@example.org", "(no user)"},
	};
	struct trial *t = *state;

	furnish(t);
	for (size_t round = 0; round < 2; round++)
		for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
			const char *got = resolve(t, cases[i].address);

			if (strcmp(got, cases[i].leads_to) != 0)
				fail_msg("%s leads to %s instead of %s", cases[i].address, got, cases[i].leads_to);
		}
}

static void test_settings(void **state)
{
	struct trial *t = *state;
	struct store_settings settings = {.delimiter = '-', .postmaster = VIEW_LIT("bert@example.org")};

	furnish(t);
	store_set(t->store, &settings);
	assert_string_equal(resolve(t, "postmaster@example.org"), "bert@example.org >copy@elsewhere.example");
	assert_string_equal(resolve(t, "anna-x@example.org"), "anna@example.org");
	assert_string_equal(resolve(t, "anna+x@example.org"), "(no user)");
	settings = (struct store_settings){.postmaster = VIEW_LIT("op@elsewhere.example")};
	store_set(t->store, &settings);
	assert_string_equal(resolve(t, "postmaster@example.org"), ">op@elsewhere.example");
	assert_string_equal(resolve(t, "anna-x@example.org"), "(no user)");
	/* A postmaster who does not exist does not swallow the mail. */
	settings.postmaster = VIEW_LIT("gone@example.org");
	store_set(t->store, &settings);
	assert_string_equal(resolve(t, "postmaster@example.org"), "anna@example.org");
	settings.postmaster = VIEW_LIT("postmaster@example.org");
	store_set(t->store, &settings);
	assert_string_equal(resolve(t, "abuse@example.org"), "anna@example.org");
	/* Our own host has a postmaster, and nobody else. */
	settings.hostname = VIEW_LIT("MX.example.org");
	settings.postmaster = VIEW_LIT("postmaster@mx.example.org");
	store_set(t->store, &settings);
	assert_string_equal(resolve(t, "postmaster@mx.example.org"), "anna@example.org");
	assert_string_equal(resolve(t, "abuse@mx.example.org"), "anna@example.org");
	assert_string_equal(resolve(t, "anna@mx.example.org"), "(not ours)");
	assert_string_equal(resolve(t, "postmaster@elsewhere.example"), "(not ours)");
}

static void test_deep_and_wide(void **state)
{
	struct trial *t = *state;
	struct view targets[DIRECTORY_ALIAS_TARGETS_MAX + 1];
	char names[DIRECTORY_DEPTH_MAX + 2][32];
	struct alias_add_job j;

	furnish(t);
	for (unsigned i = 0; i < DIRECTORY_DEPTH_MAX + 2; i++)
		(void)snprintf(names[i], sizeof names[i], "deep%u@example.org", i);
	for (unsigned i = 0; i < DIRECTORY_DEPTH_MAX + 1; i++)
		ALIAS(t, names[i], i < DIRECTORY_DEPTH_MAX ? names[i + 1] : "anna@example.org");
	assert_string_equal(resolve(t, names[1]), "anna@example.org");
	assert_string_equal(resolve(t, names[0]), "(loop)");
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		char *text = arena_alloc(&t->arena, 40);

		(void)snprintf(text, 40, "r%zu@elsewhere.example", i);
		targets[i] = trial_text(text);
	}
	alias_add_job_init(&j);
	j.address = VIEW_LIT("wide@example.org");
	j.targets = targets;
	j.target_count = ARRAY_LEN(targets);
	assert_int_equal(trial_run(t, &j.job), STORE_LIMIT);
	j.target_count--;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
	assert_non_null(strstr(resolve(t, "wide@example.org"), "r77@elsewhere.example"));
	ALIAS(t, "wider@example.org", "wide@example.org", "x@elsewhere.example");
	assert_string_equal(resolve(t, "wider@example.org"), "(loop)");
}

/* The cache forgets when the directory changes, and not before. */
static void test_cache(void **state)
{
	struct trial *t = *state;
	struct directory_result result;
	struct alias_remove_job j;

	furnish(t);
	assert_string_equal(resolve(t, "out@example.org"), ">x@elsewhere.example");
	assert_true(directory_cached(t->store, VIEW_LIT("out@example.org"), &t->arena, &result));
	ALIAS(t, "out@example.org", "anna@example.org");
	assert_false(directory_cached(t->store, VIEW_LIT("out@example.org"), &t->arena, &result));
	assert_string_equal(resolve(t, "out@example.org"), "anna@example.org");
	alias_remove_job_init(&j);
	j.address = VIEW_LIT("out@example.org");
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	assert_string_equal(resolve(t, "out@example.org"), "(no user)");
	assert_int_equal(trial_run(t, &j.job), STORE_NO_ALIAS);
	store_job_fini(&j.job);
	assert_int_equal(trial_deliver(t, 1, "", "A: b\r\n\r\n", VIEW_LIT("x"), NULL), STORE_OK);
	assert_true(directory_cached(t->store, VIEW_LIT("out@example.org"), &t->arena, &result));
	assert_int_equal(remove_account(t, "anna@example.org"), STORE_OK);
	assert_string_equal(resolve(t, "anna@example.org"), "(no user)");
	assert_string_equal(resolve(t, "postmaster@example.org"), "bert@example.org");
}

static void test_quota_in_memory(void **state)
{
	struct trial *t = *state;
	uint64_t account;
	struct account_quota_job j;

	assert_int_equal(add_domain(t, "example.org", ""), STORE_OK);
	account = trial_account(t, "anna@example.org", 1000);
	assert_int_equal(directory_quota(t->store, account, 5000), STORE_OK); /* not known yet */
	(void)resolve(t, "anna@example.org");
	assert_int_equal(directory_quota(t->store, account, 1000), STORE_OK);
	assert_int_equal(directory_quota(t->store, account, 1001), STORE_OVER_QUOTA);
	assert_int_equal(trial_deliver(t, account, "", "A: b\r\n\r\n", VIEW_LIT("12345"), NULL), STORE_OK);
	assert_int_equal(directory_quota(t->store, account, 1000 - 13), STORE_OK);
	assert_int_equal(directory_quota(t->store, account, 1000 - 12), STORE_OVER_QUOTA);
	account_quota_job_init(&j);
	j.address = VIEW_LIT("anna@example.org");
	j.quota.bytes = 20;
	j.has_bytes = true;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
	(void)resolve(t, "anna@example.org");
	assert_int_equal(directory_quota(t->store, account, 8), STORE_OVER_QUOTA);
	assert_int_equal(trial_deliver(t, account, "", "A: b\r\n\r\n", VIEW_LIT("12345"), NULL), STORE_OVER_QUOTA);
}

static enum store_outcome limit_messages(struct trial *t, uint64_t messages)
{
	struct account_quota_job j;
	enum store_outcome outcome;

	account_quota_job_init(&j);
	j.address = VIEW_LIT("anna@example.org");
	j.quota.messages = messages;
	j.has_messages = true;
	outcome = trial_run(t, &j.job);
	store_job_fini(&j.job);
	return outcome;
}

/* A limit for the number of messages; the one for bytes stays as it is. */
static void test_quota_of_messages(void **state)
{
	struct trial *t = *state;
	struct quota_usage usage;
	uint64_t account;

	assert_int_equal(add_domain(t, "example.org", ""), STORE_OK);
	assert_int_equal(limit_messages(t, 2), STORE_NO_ACCOUNT);
	account = trial_account(t, "anna@example.org", 1000);
	assert_int_equal(limit_messages(t, UINT64_MAX), STORE_BAD_REQUEST);
	assert_int_equal(limit_messages(t, 2), STORE_OK);
	(void)resolve(t, "anna@example.org");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(directory_quota(t->store, account, 13), STORE_OK);
		assert_int_equal(trial_deliver(t, account, "", "A: b\r\n\r\n", VIEW_LIT("12345"), NULL), STORE_OK);
	}
	assert_int_equal(directory_quota(t->store, account, 0), STORE_OVER_QUOTA);
	assert_int_equal(trial_deliver(t, account, "", "A: b\r\n\r\n", VIEW_LIT("12345"), NULL), STORE_OVER_QUOTA);
	trial_reopen(t);
	assert_int_equal(quota_read(t->reader, account, &usage), STORE_OK);
	assert_int_equal(usage.used.messages, 2);
	assert_int_equal(usage.limit.messages, 2);
	assert_int_equal(usage.limit.bytes, 1000);
	assert_int_equal(limit_messages(t, 0), STORE_OK);
	assert_int_equal(trial_deliver(t, account, "", "A: b\r\n\r\n", VIEW_LIT("12345"), NULL), STORE_OK);
}

static void test_send_as(void **state)
{
	static const struct {
		uint64_t account;
		const char *address;
		bool may;
	} cases[] = {
	    {1, "anna@example.org", true},       {1, "anna+x@example.org", true},
	    {1, "anna@alias.example", true},     {1, "both@example.org", true},
	    {2, "both@example.org", true},       {1, "bert@example.org", false},
	    {1, "anybody@other.example", true},  {2, "anybody@other.example", false},
	    {2, "boss@elsewhere.example", true}, {1, "boss@elsewhere.example", false},
	    {2, "any@whole.example", true},      {2, "any@part.whole.example", false},
	    {1, "missing@example.org", false},   {2, "x@elsewhere.example", false},
	    {1, "postmaster@example.org", true},
	};
	struct trial *t = *state;
	struct send_as_job j;
	bool may;

	furnish(t);
	send_as_job_init(&j);
	j.address = VIEW_LIT("bert@example.org");
	j.on = true;
	j.as = VIEW_LIT("boss@elsewhere.example");
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	j.as = VIEW_LIT("@whole.example");
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	j.as = VIEW_LIT("no-at");
	assert_int_equal(trial_run(t, &j.job), STORE_BAD_REQUEST);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct view address = trial_text(cases[i].address);
		enum store_outcome want = cases[i].may ? STORE_OK : STORE_NOT_ALLOWED;

		if (directory_may_send_as(t->reader, cases[i].account, address) != want)
			fail_msg("%s: account %d", cases[i].address, (int)cases[i].account);
		assert_true(directory_may_send_as_cached(t->store, cases[i].account, address, &may));
		assert_int_equal(may, cases[i].may);
	}
	j.as = VIEW_LIT("boss@elsewhere.example");
	j.on = false;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	assert_int_equal(directory_may_send_as(t->reader, 2, VIEW_LIT("boss@elsewhere.example")), STORE_NOT_ALLOWED);
	j.address = VIEW_LIT("nobody@example.org");
	assert_int_equal(trial_run(t, &j.job), STORE_NO_ACCOUNT);
	store_job_fini(&j.job);
}

static void test_logins(void **state)
{
	static const struct {
		const char *user;
		uint64_t account;
	} cases[] = {
	    {"anna@example.org", 1},
	    {"anna", 1},
	    {"anna@alias.example", 1},
	    {"bert@example.org", 2},
	    {"both@example.org", 0},
	    {"missing", 0},
	    {"", 0},
	    {"list+special@example.org", 0},
	    {"x@elsewhere.example", 0},
	    {"@", 0},
	    {"@other.example", 0},
	    {"out@example.org", 0},
	    {"anyone@other.example", 1},
	};
	struct trial *t = *state;

	furnish(t);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t account = 0;
		enum store_outcome outcome = directory_login(t->reader, trial_text(cases[i].user), &account);

		assert_int_equal(outcome, cases[i].account ? STORE_OK : STORE_NO_ACCOUNT);
		assert_int_equal(account, cases[i].account);
	}
}

static void test_domains_and_lists(void **state)
{
	struct trial *t = *state;
	const struct directory_domain *domains;
	const struct directory_account *accounts;
	const struct directory_alias *aliases;
	struct directory_account_details details;
	size_t count;
	bool more;

	furnish(t);
	assert_int_equal(add_domain(t, "example.org", ""), STORE_EXISTS);
	assert_int_equal(add_domain(t, "new.example", "missing.example"), STORE_NO_DOMAIN);
	assert_int_equal(add_domain(t, "new.example", "alias.example"), STORE_NOT_ALLOWED);
	assert_int_equal(add_domain(t, "UPPER.example", ""), STORE_BAD_REQUEST);
	assert_int_equal(remove_domain(t, "example.org"), STORE_IN_USE);
	assert_int_equal(remove_domain(t, "missing.example"), STORE_NO_DOMAIN);
	assert_int_equal(remove_domain(t, "alias.example"), STORE_OK);
	assert_int_equal(directory_domains(t->reader, VIEW_EMPTY, 2, &t->arena, &domains, &count, &more), STORE_OK);
	assert_int_equal(count, 2);
	assert_true(more);
	assert_true(view_eq_lit(domains[0].domain, "example.org"));
	assert_int_equal(domains[0].accounts, 3);
	assert_int_equal(directory_domains(t->reader, domains[1].domain, 2, &t->arena, &domains, &count, &more),
			 STORE_OK);
	assert_int_equal(count, 1);
	assert_false(more);
	assert_int_equal(
	    directory_accounts(t->reader, VIEW_LIT("anna@example.org"), 10, &t->arena, &accounts, &count, &more),
	    STORE_OK);
	assert_int_equal(count, 3);
	assert_true(view_eq_lit(accounts[0].address, "bert@example.org"));
	assert_int_equal(directory_aliases(t->reader, VIEW_EMPTY, 100, &t->arena, &aliases, &count, &more), STORE_OK);
	assert_int_equal(count, 11);
	assert_true(view_eq_lit(aliases[0].address, "@other.example"));
	assert_int_equal(directory_account_details(t->reader, 1, 100, &t->arena, &details), STORE_OK);
	assert_int_equal(details.folder_count, 6);
	assert_int_equal(details.alias_count, 4);
	assert_true(view_eq_lit(details.folders[0].name, "Archive"));
}

static void test_account_life(void **state)
{
	struct trial *t = *state;
	struct account_password_job p;
	struct account_enable_job e;
	struct credential c;
	uint64_t first, second;
	const struct store_change *changes;
	size_t n;

	assert_int_equal(add_domain(t, "example.org", ""), STORE_OK);
	first = trial_account(t, "anna@example.org", 0);
	assert_int_equal(credential_read(t->reader, VIEW_LIT("anna"), &t->arena, &c), STORE_OK);
	assert_int_equal(c.account, first);
	assert_int_equal(c.generation, 1);
	assert_false(c.disabled);
	assert_true(view_eq_lit(c.verifiers.argon2, "$argon2id$x"));
	assert_true(view_eq_lit(c.verifiers.scram_server_key, "server"));
	account_password_job_init(&p);
	p.address = VIEW_LIT("anna@example.org");
	p.verifiers =
	    (struct credential_verifiers){VIEW_LIT("new"), VIEW_LIT("s"), 100000, VIEW_LIT("k"), VIEW_LIT("l")};
	assert_int_equal(trial_run(t, &p.job), STORE_OK);
	n = store_group_changes(t->store, &changes);
	assert_int_equal(n, 1);
	assert_int_equal(changes[0].kind, CHANGE_ACCOUNT);
	assert_int_equal(changes[0].generation, 2);
	store_job_fini(&p.job);
	account_enable_job_init(&e);
	e.address = VIEW_LIT("anna@example.org");
	assert_int_equal(trial_run(t, &e.job), STORE_OK);
	assert_int_equal(e.ret_generation, 3);
	store_job_fini(&e.job);
	assert_int_equal(credential_read(t->reader, VIEW_LIT("anna@example.org"), &t->arena, &c), STORE_OK);
	assert_true(c.disabled);
	assert_int_equal(c.generation, 3);
	assert_int_equal(c.verifiers.scram_iterations, 100000);
	assert_int_equal(remove_account(t, "anna@example.org"), STORE_OK);
	assert_int_equal(credential_read(t->reader, VIEW_LIT("anna@example.org"), &t->arena, &c), STORE_NO_ACCOUNT);
	assert_int_equal(credential_read(t->reader, VIEW_LIT("nobody"), &t->arena, &c), STORE_NO_ACCOUNT);
	assert_true(view_eq_lit(c.name, "nobody@example.org"));
	assert_int_equal(credential_read(t->reader, VIEW_LIT("no+body@example.org"), &t->arena, &c), STORE_NO_ACCOUNT);
	assert_true(view_eq_lit(c.name, "no@example.org"));
	assert_int_equal(credential_read(t->reader, VIEW_LIT("no+body@example.net"), &t->arena, &c), STORE_NO_ACCOUNT);
	assert_true(view_eq_lit(c.name, "no+body@example.net")); /* not ours */
	assert_int_equal(trial_deliver(t, first, "", "A: b\r\n\r\n", VIEW_LIT("x"), NULL), STORE_STALE);
	second = trial_account(t, "anna@example.org", 0);
	assert_true(second > first);
	trial_reopen(t);
	assert_int_equal(remove_account(t, "anna@example.org"), STORE_OK);
	assert_true(trial_account(t, "anna@example.org", 0) > second);
}

static enum store_outcome seen(struct trial *t, uint64_t account, unsigned network, int64_t wall_s)
{
	struct login_seen_job j;
	char text[32];
	enum store_outcome outcome;

	(void)snprintf(text, sizeof text, "192.0.%u.0/24", network);
	login_seen_job_init(&j);
	j.account = account;
	j.network = trial_text(text);
	j.wall_s = wall_s;
	outcome = trial_run(t, &j.job);
	store_job_fini(&j.job);
	return outcome;
}

static void test_seen_logins(void **state)
{
	struct trial *t = *state;
	const struct credential_seen *items;
	struct directory_account account;
	uint64_t a, b, next;
	size_t count, total = 0;

	assert_int_equal(add_domain(t, "example.org", ""), STORE_OK);
	a = trial_account(t, "a@example.org", 0);
	b = trial_account(t, "b@example.org", 0);
	assert_int_equal(seen(t, b, 1, 1000), STORE_OK);
	for (unsigned i = 0; i < CREDENTIAL_NETWORKS_MAX + 10; i++)
		assert_int_equal(seen(t, a, i, 5000 + i), STORE_OK);
	assert_int_equal(seen(t, a, 40, 6000), STORE_OK); /* within the hour: not written again */
	assert_int_equal(seen(t, a, 41, 50000), STORE_OK);
	assert_int_equal(seen(t, 77, 1, 1), STORE_NO_ACCOUNT);
	assert_int_equal(credential_seen_list(t->reader, 0, 3, &t->arena, &items, &count, &next), STORE_OK);
	assert_int_equal(count, 3);
	assert_true(view_eq_lit(items[0].network, "192.0.41.0/24"));
	assert_int_equal(items[0].wall_s, 50000);
	for (next = 0;;) {
		assert_int_equal(credential_seen_list(t->reader, next, 7, &t->arena, &items, &count, &next), STORE_OK);
		total += count;
		if (!next)
			break;
	}
	assert_int_equal(total, CREDENTIAL_NETWORKS_MAX + 1);
	assert_int_equal(directory_account_by_id(t->reader, a, &t->arena, &account), STORE_OK);
	assert_int_equal(account.last_login_s, 50000);
}

static void test_bad_names(void **state)
{
	static const char *const bad[] = {
	    "", "@", "a", "a@", "@example.org", "a@example.org\n", "\xff@example.org", "a@b@c d"};
	struct trial *t = *state;
	struct account_add_job j;

	furnish(t);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		account_add_job_init(&j);
		j.address = trial_text(bad[i]);
		assert_int_equal(trial_run(t, &j.job), STORE_BAD_REQUEST);
		store_job_fini(&j.job);
	}
	account_add_job_init(&j);
	j.address = VIEW_LIT("x@alias.example");
	assert_int_equal(trial_run(t, &j.job), STORE_NOT_ALLOWED);
	j.address = VIEW_LIT("x@unknown.example");
	assert_int_equal(trial_run(t, &j.job), STORE_NO_DOMAIN);
	j.address = VIEW_LIT("anna@example.org");
	assert_int_equal(trial_run(t, &j.job), STORE_EXISTS);
	store_job_fini(&j.job);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_resolve, trial_setup, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_settings, trial_setup, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_deep_and_wide, trial_setup, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_cache, trial_setup, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_quota_in_memory, trial_setup, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_quota_of_messages, trial_setup, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_send_as, trial_setup, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_logins, trial_setup, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_domains_and_lists, trial_setup, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_account_life, trial_setup, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_seen_logins, trial_setup, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_bad_names, trial_setup, trial_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
