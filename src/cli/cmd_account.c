/* SPDX-License-Identifier: ISC
 * pombo account: who has mail here. */
#include "cli/commands.h"

#include "base/random.h"
#include "cli/account.h"
#include "ipc/verifier.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { PASSWORD_DIGITS = 20 };

/* 100 bits in groups of five, without letters that look alike. */
static void make_up_password(struct buf *ret)
{
	static const char digits[] = "abcdefghjkmnpqrstuvwxyz23456789x";
	uint8_t random[PASSWORD_DIGITS];

	random_bytes(random, sizeof random);
	for (size_t i = 0; i < sizeof random; i++) {
		if (i && i % 5 == 0)
			buf_append_char(ret, '-');
		buf_append_char(ret, digits[random[i] & 31]);
	}
	explicit_bzero(random, sizeof random);
}

static int password_error(int error)
{
	if (error == -ENODATA)
		return cli_fail(CLI_BAD_DATA, "no password", "standard input was empty", "write it on the first line");
	if (error == -ENOTTY)
		return cli_fail(CLI_USAGE, "no password", "there is no terminal to ask at", "use --password-stdin");
	if (error == -EINVAL)
		return cli_fail(CLI_BAD_DATA, "no password",
				"the two were not the same, or it holds characters no password may hold", "try again");
	return cli_fail_errno(CLI_OTHER, "cannot read the password", error, NULL);
}

/* Where a new account's password comes from. */
enum password_from { PASSWORD_STDIN, PASSWORD_TERMINAL, PASSWORD_MADE_UP };

static int make_verifier(enum password_from from, struct buf *password, struct verifier *ret)
{
	int r = 0;

	if (from == PASSWORD_MADE_UP)
		make_up_password(password);
	else
		r = cli_read_password(from == PASSWORD_STDIN, password);
	if (r == 0)
		r = verifier_make(buf_view(password), ret);
	return r < 0 ? password_error(r) : 0;
}

static void wipe(struct buf *secret)
{
	if (secret->p)
		explicit_bzero(secret->p, secret->cap);
	buf_fini(secret);
}

int account_add(struct store_client *s, const char *address, bool password_stdin, bool has_quota, uint64_t quota_bytes)
{
	_cleanup_(wipe) struct buf password = BUF_INIT(VERIFIER_PASSWORD_MAX);
	struct verifier v;
	int r = make_verifier(password_stdin ? PASSWORD_STDIN : PASSWORD_MADE_UP, &password, &v);
	struct admin_account_add m;

	if (r)
		return r;
	m = (struct admin_account_add){
	    .address = view_from_cstr(address),
	    .argon2 = view_from_cstr(v.argon2),
	    .scram_salt = view_from(v.scram_salt, sizeof v.scram_salt),
	    .scram_iterations = v.scram_iterations,
	    .scram_stored_key = view_from(v.scram_stored_key, sizeof v.scram_stored_key),
	    .scram_server_key = view_from(v.scram_server_key, sizeof v.scram_server_key),
	    .has_quota = has_quota,
	    .quota_bytes = quota_bytes,
	};
	buf_reset(&s->payload);
	r = admin_put_account_add(&s->payload, &m) ? store_client_do(s, ADMIN_ACCOUNT_ADD)
						   : cli_fail(CLI_BAD_DATA, address, "too long for an address", NULL);
	verifier_wipe(&v);
	if (r == 0 && !password_stdin)
		(void)printf("password of %s (shown this once): %.*s\n", address, VIEW_FMT(buf_view(&password)));
	return r;
}

static int run_add(struct cli *c)
{
	struct store_client s;
	bool password_stdin = false;
	const char *quota = NULL;
	uint64_t quota_bytes = 0;
	const struct cli_option options[] = {{.name = "password-stdin", .flag = &password_stdin},
					     {.name = "quota", .value = &quota}};
	int r = cli_options(c, options, ARRAY_LEN(options));

	if (r)
		return r;
	if (c->argc != 2)
		return cli_usage(c, "one address is needed");
	if (quota && !cli_parse_size(quota, &quota_bytes))
		return cli_usage(c, "--quota takes a size such as 500M or 2G, or none");
	r = store_client_open(c, &s);
	if (r)
		return r;
	r = account_add(&s, c->argv[1], password_stdin, quota != NULL, quota_bytes);
	store_client_close(&s);
	return r;
}

const struct cli_command cmd_account_add = {
    .name = "account add",
    .usage = "ADDRESS [--password-stdin] [--quota SIZE]",
    .summary = "makes an account with its mailboxes",
    .help = "Without --password-stdin a password is made up and printed once. The domain must be one of ours.\n\n"
	    "Example: pombo account add alice@example.org --quota 2G",
    .run = run_add,
};

static int run_password(struct cli *c)
{
	_cleanup_(wipe) struct buf password = BUF_INIT(VERIFIER_PASSWORD_MAX);
	bool password_stdin = false, made_up = false;
	const struct cli_option options[] = {{.name = "password-stdin", .flag = &password_stdin},
					     {.name = "generate", .flag = &made_up}};
	struct store_client s;
	struct verifier v;
	struct admin_account_password m;
	int r = cli_options(c, options, ARRAY_LEN(options));

	if (r)
		return r;
	if (c->argc != 2)
		return cli_usage(c, "one address is needed");
	r = make_verifier(password_stdin ? PASSWORD_STDIN
			  : made_up      ? PASSWORD_MADE_UP
					 : PASSWORD_TERMINAL,
			  &password, &v);
	if (r == 0)
		r = store_client_open(c, &s);
	if (r)
		return r;
	m = (struct admin_account_password){
	    .address = view_from_cstr(c->argv[1]),
	    .argon2 = view_from_cstr(v.argon2),
	    .scram_salt = view_from(v.scram_salt, sizeof v.scram_salt),
	    .scram_iterations = v.scram_iterations,
	    .scram_stored_key = view_from(v.scram_stored_key, sizeof v.scram_stored_key),
	    .scram_server_key = view_from(v.scram_server_key, sizeof v.scram_server_key),
	};
	r = admin_put_account_password(&s.payload, &m)
		? store_client_do(&s, ADMIN_ACCOUNT_PASSWORD)
		: cli_fail(CLI_BAD_DATA, c->argv[1], "too long for an address", NULL);
	verifier_wipe(&v);
	if (r == 0 && made_up)
		(void)printf("password (shown this once): %.*s\n", VIEW_FMT(buf_view(&password)));
	store_client_close(&s);
	return r;
}

const struct cli_command cmd_account_password = {
    .name = "account password",
    .usage = "ADDRESS [--password-stdin | --generate]",
    .summary = "sets a new password and ends the account's sessions",
    .help = "Asks at the terminal unless told where the password comes from.\n\nExample: pombo account password "
	    "alice@example.org",
    .run = run_password,
};

/* ---- short changes ---- */

/* Opens, asks with what `put` encodes of the one address, says what came of it. */
static int change(struct cli *c, uint16_t type, bool (*put)(struct buf *b, struct view address, const void *arg),
		  const void *arg)
{
	struct store_client s;
	int r = store_client_open(c, &s);

	if (r)
		return r;
	r = put(&s.payload, view_from_cstr(c->argv[1]), arg) ? store_client_do(&s, type)
							     : cli_fail(CLI_BAD_DATA, c->argv[1], "too long", NULL);
	store_client_close(&s);
	return r;
}

static int take_words(struct cli *c, int n, const char *need)
{
	int r = cli_options(c, NULL, 0);

	if (r == 0 && c->argc != n + 1)
		r = cli_usage(c, need);
	return r;
}

static bool put_remove(struct buf *b, struct view address, const void *arg)
{
	(void)arg;
	return admin_put_account_remove(b, &(struct admin_account_remove){address});
}

static int run_remove(struct cli *c)
{
	int r = take_words(c, 1, "one address is needed");

	return r ? r : change(c, ADMIN_ACCOUNT_REMOVE, put_remove, NULL);
}

const struct cli_command cmd_account_remove = {
    .name = "account remove",
    .usage = "ADDRESS",
    .summary = "removes an account; its mail goes after the undelete time",
    .help = "Its sessions end at once, its address is unknown from now on. The address may be given to a new account "
	    "later,\n"
	    "which starts empty.\n\nExample: pombo account remove bob@example.org",
    .run = run_remove,
};

static bool put_enable(struct buf *b, struct view address, const void *arg)
{
	return admin_put_account_enable(b, &(struct admin_account_enable){address, *(const bool *)arg});
}

static int run_enable(struct cli *c)
{
	int r = take_words(c, 1, "one address is needed");

	return r ? r : change(c, ADMIN_ACCOUNT_ENABLE, put_enable, &(bool){true});
}

static int run_disable(struct cli *c)
{
	int r = take_words(c, 1, "one address is needed");

	return r ? r : change(c, ADMIN_ACCOUNT_ENABLE, put_enable, &(bool){false});
}

const struct cli_command cmd_account_enable = {
    .name = "account enable",
    .usage = "ADDRESS",
    .summary = "lets a disabled account log in again",
    .help = "Example: pombo account enable alice@example.org",
    .run = run_enable,
};

const struct cli_command cmd_account_disable = {
    .name = "account disable",
    .usage = "ADDRESS",
    .summary = "ends an account's sessions and lets it log in no more",
    .help = "Mail for it still arrives.\n\nExample: pombo account disable alice@example.org",
    .run = run_disable,
};

static bool put_quota(struct buf *b, struct view address, const void *arg)
{
	return admin_put_account_quota(b, &(struct admin_account_quota){address, *(const uint64_t *)arg});
}

static int run_quota(struct cli *c)
{
	uint64_t bytes;
	int r = take_words(c, 2, "an address and a size are needed");

	if (r)
		return r;
	if (!cli_parse_size(c->argv[2], &bytes))
		return cli_usage(c, "a size is a number with K, M, G or T, or none");
	return change(c, ADMIN_ACCOUNT_QUOTA, put_quota, &bytes);
}

const struct cli_command cmd_account_quota = {
    .name = "account quota",
    .usage = "ADDRESS SIZE|none",
    .summary = "changes how much mail an account may keep",
    .help = "Example: pombo account quota alice@example.org 5G",
    .run = run_quota,
};

struct send_as {
	struct view as;
	bool on;
};

static bool put_send_as(struct buf *b, struct view address, const void *arg)
{
	const struct send_as *s = arg;

	return admin_put_send_as(b, &(struct admin_send_as){address, s->as, s->on});
}

static int run_send_as(struct cli *c)
{
	bool off = false;
	const struct cli_option options[] = {{.name = "remove", .flag = &off}};
	int r = cli_options(c, options, ARRAY_LEN(options));

	if (r)
		return r;
	if (c->argc != 3)
		return cli_usage(c, "an account and what it may send as are needed");
	return change(c, ADMIN_SEND_AS, put_send_as, &(struct send_as){view_from_cstr(c->argv[2]), !off});
}

const struct cli_command cmd_account_send_as = {
    .name = "account send-as",
    .usage = "ADDRESS OTHER|@DOMAIN [--remove]",
    .summary = "lets an account send with another sender address",
    .help = "Its own address and the aliases that lead to it alone it may use anyway.\n\n"
	    "Example: pombo account send-as alice@example.org info@example.org",
    .run = run_send_as,
};

/* ---- lists ---- */

static json_t *json_time(int64_t wall_s)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(64);

	if (wall_s == 0)
		return json_null();
	cli_format_time(wall_s, &text);
	return json_string(buf_cstr(&text));
}

static json_t *json_view(struct view v)
{
	return json_stringn(v.p, v.n);
}

static json_t *json_account(const struct admin_account *a)
{
	return json_pack("{s:o, s:b, s:I, s:I, s:I, s:o, s:o}", "address", json_view(a->address), "disabled",
			 (int)a->disabled, "quota", (json_int_t)a->quota_bytes, "used", (json_int_t)a->used_bytes,
			 "messages", (json_int_t)a->messages, "created", json_time(a->created_s), "last_login",
			 json_time(a->last_login_s));
}

static void print_account(const struct admin_account *a)
{
	_cleanup_(buf_fini) struct buf used = BUF_INIT(32), quota = BUF_INIT(32), seen = BUF_INIT(64);

	cli_format_size(a->used_bytes, &used);
	if (a->quota_bytes)
		cli_format_size(a->quota_bytes, &quota);
	else
		buf_append_cstr(&quota, "-");
	cli_format_time(a->last_login_s, &seen);
	(void)printf("%-40.*s %8llu %10s %10s  %s%s\n", VIEW_FMT(a->address), (unsigned long long)a->messages,
		     buf_cstr(&used), buf_cstr(&quota), buf_cstr(&seen), a->disabled ? "  disabled" : "");
}

static int list_pages(const struct cli *c, struct store_client *s, json_t *all)
{
	_cleanup_(buf_fini) struct buf after = BUF_INIT(400);
	struct admin_msg answer;
	int r;

	do {
		buf_reset(&s->payload);
		if (!admin_put_account_list(&s->payload, &(struct admin_account_list){buf_view(&after)}))
			return CLI_OTHER;
		r = store_client_ask(s, ADMIN_ACCOUNT_LIST, &answer);
		if (r || answer.type != ADMIN_ACCOUNTS)
			return r ? r : CLI_OTHER;
		for (uint32_t i = 0; i < answer.accounts.n_accounts; i++) {
			const struct admin_account *a = &answer.accounts.accounts[i];

			if (c->json)
				(void)json_array_append_new(all, json_account(a));
			else
				print_account(a);
			buf_reset(&after);
			buf_append_view(&after, a->address);
		}
	} while (answer.accounts.more && answer.accounts.n_accounts);
	return 0;
}

static int run_list(struct cli *c)
{
	struct store_client s;
	json_t *all;
	int r = take_words(c, 0, "too many words");

	if (r == 0)
		r = store_client_open(c, &s);
	if (r)
		return r;
	all = json_array();
	if (!c->json)
		(void)printf("%-40s %8s %10s %10s  %s\n", "ACCOUNT", "MESSAGES", "USED", "QUOTA", "LAST LOGIN");
	r = list_pages(c, &s, all);
	if (r == 0 && c->json) {
		(void)json_dumpf(all, stdout, JSON_INDENT(2));
		(void)printf("\n");
	}
	json_decref(all);
	store_client_close(&s);
	return r;
}

const struct cli_command cmd_account_list = {
    .name = "account list",
    .usage = "[--json]",
    .summary = "lists the accounts",
    .help = "Example: pombo account list --json",
    .run = run_list,
};

static json_t *json_texts(const struct admin_text *texts, uint32_t n)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < n; i++)
		(void)json_array_append_new(list, json_view(texts[i].text));
	return list;
}

static void show_json(const struct admin_account_is *a)
{
	json_t *folders = json_array(), *all;

	for (uint32_t i = 0; i < a->n_folders; i++)
		(void)json_array_append_new(
		    folders, json_pack("{s:o, s:I, s:I, s:I}", "name", json_view(a->folders[i].name), "messages",
				       (json_int_t)a->folders[i].messages, "unseen", (json_int_t)a->folders[i].unseen,
				       "size", (json_int_t)a->folders[i].size_bytes));
	all =
	    json_pack("{s:o, s:b, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "address", json_view(a->address),
		      "disabled", (int)a->disabled, "quota", (json_int_t)a->quota_bytes, "used",
		      (json_int_t)a->used_bytes, "messages", (json_int_t)a->messages, "created",
		      json_time(a->created_s), "last_login", json_time(a->last_login_s), "folders", folders, "aliases",
		      json_texts(a->aliases, a->n_aliases), "send_as", json_texts(a->send_as, a->n_send_as));
	(void)json_dumpf(all, stdout, JSON_INDENT(2));
	(void)printf("\n");
	json_decref(all);
}

static void show_text(const struct admin_account_is *a)
{
	_cleanup_(buf_fini) struct buf used = BUF_INIT(32), quota = BUF_INIT(32), made = BUF_INIT(64),
				       seen = BUF_INIT(64);

	cli_format_size(a->used_bytes, &used);
	if (a->quota_bytes)
		cli_format_size(a->quota_bytes, &quota);
	else
		buf_append_cstr(&quota, "none");
	cli_format_time(a->created_s, &made);
	cli_format_time(a->last_login_s, &seen);
	(void)printf("%.*s%s\n  %llu messages, %s; quota %s\n  made %s, last login %s\n", VIEW_FMT(a->address),
		     a->disabled ? " (disabled)" : "", (unsigned long long)a->messages, buf_cstr(&used),
		     buf_cstr(&quota), buf_cstr(&made), buf_cstr(&seen));
	for (uint32_t i = 0; i < a->n_folders; i++)
		(void)printf("  %-30.*s %8llu messages, %llu unseen\n", VIEW_FMT(a->folders[i].name),
			     (unsigned long long)a->folders[i].messages, (unsigned long long)a->folders[i].unseen);
	for (uint32_t i = 0; i < a->n_aliases; i++)
		(void)printf("  alias %.*s\n", VIEW_FMT(a->aliases[i].text));
	for (uint32_t i = 0; i < a->n_send_as; i++)
		(void)printf("  may send as %.*s\n", VIEW_FMT(a->send_as[i].text));
}

static int run_show(struct cli *c)
{
	struct store_client s;
	struct admin_msg answer;
	int r = take_words(c, 1, "one address is needed");

	if (r == 0)
		r = store_client_open(c, &s);
	if (r)
		return r;
	r = admin_put_account_show(&s.payload, &(struct admin_account_show){view_from_cstr(c->argv[1])})
		? store_client_ask(&s, ADMIN_ACCOUNT_SHOW, &answer)
		: cli_fail(CLI_BAD_DATA, c->argv[1], "too long for an address", NULL);
	if (r == 0 && answer.type == ADMIN_ACCOUNT_IS) {
		if (c->json)
			show_json(&answer.account_is);
		else
			show_text(&answer.account_is);
	}
	store_client_close(&s);
	return r;
}

const struct cli_command cmd_account_show = {
    .name = "account show",
    .usage = "ADDRESS [--json]",
    .summary = "shows one account: folders, use, aliases",
    .help = "Example: pombo account show alice@example.org",
    .run = run_show,
};
