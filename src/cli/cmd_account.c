/* SPDX-License-Identifier: ISC
 * pombo account: changes to who has mail here. */
#include "cli/commands.h"

#include "cli/account.h"
#include "cli/option.h"
#include "cli/our_domain.h"
#include "cli/show.h"

#define NEED_ADDRESS "one address is needed"
#define NEED_MESSAGES "--messages takes a number, or none"

/* The password, where it was made up: this once. */
static int show_made_up(const struct cli *c, const struct account_secret *secret)
{
	if (c->json)
		return show_json(json_pack("{s:s, s:o}", "address", c->argv[1], "password",
					   show_json_text(buf_view(&secret->password))));
	(void)printf("password of %s (shown this once): %.*s\n", c->argv[1], VIEW_FMT(buf_view(&secret->password)));
	return 0;
}

/* A number of messages, or "none": 0. */
static bool parse_messages(const char *text, uint64_t *ret)
{
	if (view_eq_lit_nocase(view_from_cstr(text), "none")) {
		*ret = 0;
		return true;
	}
	return view_to_u64(view_from_cstr(text), INT64_MAX, ret) && *ret > 0;
}

/* ---- add ---- */

static int add(struct cli *c, bool password_stdin, const char *quota, const char *messages)
{
	_cleanup_(account_secret_wipe) struct account_secret secret = {.password = PASSWORD_BUF};
	struct account_new account = {.address = c->argv[1], .secret = &secret, .has_quota = quota != NULL};
	struct store_client s;
	int r;

	if (quota && !show_parse_size(quota, &account.quota_bytes))
		return cli_usage(c, "--quota takes a size such as 500M or 2G, or none");
	if (messages && !parse_messages(messages, &account.quota_messages))
		return cli_usage(c, NEED_MESSAGES);
	r = account_secret_get(password_stdin ? PASSWORD_STDIN : PASSWORD_MADE_UP, &secret);
	if (r == 0)
		r = store_client_open(c, &s);
	if (r)
		return r;
	r = account_add(&s, &account, c->json ? NULL : stdout);
	store_client_close(&s);
	if (r)
		return r;
	if (!password_stdin)
		return show_made_up(c, &secret);
	return c->json ? show_json(json_pack("{s:s, s:n}", "address", c->argv[1], "password")) : 0;
}

static int run_add(struct cli *c)
{
	bool password_stdin = false;
	const char *quota = NULL, *messages = NULL;
	const struct option options[] = {{.name = "password-stdin", .flag = &password_stdin},
					 {.name = "quota", .value = &quota},
					 {.name = "messages", .value = &messages}};
	int r = option_take(c, options, ARRAY_LEN(options));

	if (r)
		return r;
	return c->argc == 2 ? add(c, password_stdin, quota, messages) : cli_usage(c, NEED_ADDRESS);
}

const struct cli_command cmd_account_add = {
    .name = "account add",
    .usage = "ADDRESS [--password-stdin] [--quota SIZE] [--messages N]",
    .summary = "makes an account with its mailboxes",
    .help = "The domain must be one of ours ('pombo domain add'). Without --password-stdin a password is made up and "
	    "printed once.",
    .options =
	(const struct cli_option_help[]){
	    {"--password-stdin", "Read the password from the first line of standard input."},
	    {"--quota SIZE",
	     "How much mail it may keep: 500M, 2G, or none. Without it default-quota of pombo.conf counts."},
	    {"--messages N", "How many messages it may keep; none without it."},
	    {NULL, NULL}},
    .example = "pombo account add alice@example.org --quota 2G",
    .shows = true,
    .run = run_add,
};

/* ---- password ---- */

static int change_password(struct cli *c, enum password_from from)
{
	_cleanup_(account_secret_wipe) struct account_secret secret = {.password = PASSWORD_BUF};
	const struct verifier *v = &secret.verifier;
	struct admin_account_password m;
	struct store_client s;
	int r = account_secret_get(from, &secret);

	if (r == 0)
		r = store_client_open(c, &s);
	if (r)
		return r;
	m = (struct admin_account_password){
	    .address = view_from_cstr(c->argv[1]),
	    .argon2 = view_from_cstr(v->argon2),
	    .scram_salt = view_from(v->scram_salt, sizeof v->scram_salt),
	    .scram_iterations = v->scram_iterations,
	    .scram_stored_key = view_from(v->scram_stored_key, sizeof v->scram_stored_key),
	    .scram_server_key = view_from(v->scram_server_key, sizeof v->scram_server_key),
	};
	r = store_client_do(&s, admin_put_account_password(&s.payload, &m), ADMIN_ACCOUNT_PASSWORD, c->argv[1],
			    c->json ? NULL : stdout);
	store_client_close(&s);
	if (r)
		return r;
	if (from == PASSWORD_MADE_UP)
		return show_made_up(c, &secret);
	return c->json ? show_json(json_pack("{s:s, s:n}", "address", c->argv[1], "password")) : 0;
}

static int run_password(struct cli *c)
{
	bool password_stdin = false, made_up = false;
	const struct option options[] = {{.name = "password-stdin", .flag = &password_stdin},
					 {.name = "generate", .flag = &made_up}};
	int r = option_take(c, options, ARRAY_LEN(options));

	if (r)
		return r;
	if (c->argc != 2)
		return cli_usage(c, NEED_ADDRESS);
	if (password_stdin && made_up)
		return cli_usage(c, "--password-stdin and --generate exclude each other");
	return change_password(c, password_stdin ? PASSWORD_STDIN
				  : made_up      ? PASSWORD_MADE_UP
						 : PASSWORD_TERMINAL_TWICE);
}

const struct cli_command cmd_account_password = {
    .name = "account password",
    .usage = "ADDRESS [--password-stdin | --generate]",
    .summary = "sets a new password and ends the account's sessions",
    .help = "Asks at the terminal, twice, unless told where the password comes from.",
    .options = (const struct cli_option_help[]){{"--password-stdin",
						 "Read the password from the first line of standard input."},
						{"--generate", "Make a password up and print it once."},
						{NULL, NULL}},
    .example = "pombo account password alice@example.org",
    .shows = true,
    .run = run_password,
};

/* ---- short changes ---- */

static int open_for(struct cli *c, int words, const char *need, struct store_client *s)
{
	int r = option_take_words(c, words, words, need);

	return r ? r : store_client_open(c, s);
}

static int run_remove(struct cli *c)
{
	struct store_client s;
	int r = open_for(c, 1, NEED_ADDRESS, &s);

	if (r)
		return r;
	return store_client_change(
	    &s, admin_put_account_remove(&s.payload, &(struct admin_account_remove){view_from_cstr(c->argv[1])}),
	    ADMIN_ACCOUNT_REMOVE, c->argv[1]);
}

const struct cli_command cmd_account_remove = {
    .name = "account remove",
    .usage = "ADDRESS",
    .summary = "removes an account; its mail goes after the undelete time",
    .help = "Its sessions end at once, its address is unknown from now on. The address may be given to a new account "
	    "later, which starts empty.",
    .example = "pombo account remove bob@example.org",
    .run = run_remove,
};

static int enable(struct cli *c, bool on)
{
	struct store_client s;
	int r = open_for(c, 1, NEED_ADDRESS, &s);

	if (r)
		return r;
	return store_client_change(
	    &s, admin_put_account_enable(&s.payload, &(struct admin_account_enable){view_from_cstr(c->argv[1]), on}),
	    ADMIN_ACCOUNT_ENABLE, c->argv[1]);
}

static int run_enable(struct cli *c)
{
	return enable(c, true);
}

static int run_disable(struct cli *c)
{
	return enable(c, false);
}

const struct cli_command cmd_account_enable = {
    .name = "account enable",
    .usage = "ADDRESS",
    .summary = "lets a disabled account log in again",
    .example = "pombo account enable alice@example.org",
    .run = run_enable,
};

const struct cli_command cmd_account_disable = {
    .name = "account disable",
    .usage = "ADDRESS",
    .summary = "ends an account's sessions and lets it log in no more",
    .help = "Mail for it still arrives.",
    .example = "pombo account disable alice@example.org",
    .run = run_disable,
};

static int run_confirm(struct cli *c)
{
	struct admin_account_confirm m;
	struct store_client s;
	int r = option_take_words(c, 2, 2, "an address and 'on' or 'off' are needed");

	if (r)
		return r;
	m = (struct admin_account_confirm){view_from_cstr(c->argv[1]), view_eq_lit(view_from_cstr(c->argv[2]), "on")};
	if (!m.on && !view_eq_lit(view_from_cstr(c->argv[2]), "off"))
		return cli_usage(c, "it is 'on' or 'off'");
	r = store_client_open(c, &s);
	if (r)
		return r;
	return store_client_change(&s, admin_put_account_confirm(&s.payload, &m), ADMIN_ACCOUNT_CONFIRM, c->argv[1]);
}

const struct cli_command cmd_account_confirm = {
    .name = "account confirm",
    .usage = "ADDRESS on|off",
    .summary = "mails the account a summary of each message it sends",
    .help =
	"One summary a message, once the fate of every recipient is known: delivered here, accepted by which server "
	"over "
	"what kind of TLS and with which words, refused, given up. Off unless switched on. Notices of failures come "
	"besides, as they bring the message back.\n\n"
	"It is about what the account hands in with its login (submission), not about what 'pombo send' without "
	"--server and sendmail send in its name.",
    .example = "pombo account confirm alice@example.org on",
    .run = run_confirm,
};

static int run_quota(struct cli *c)
{
	const char *messages = NULL;
	const struct option options[] = {{.name = "messages", .value = &messages}};
	struct admin_account_quota m = {0};
	struct store_client s;
	int r = option_take(c, options, ARRAY_LEN(options));

	if (r)
		return r;
	if (c->argc < 2 || c->argc > 3 || (c->argc == 2 && !messages))
		return cli_usage(c, "an address and a size are needed");
	m.address = view_from_cstr(c->argv[1]);
	m.has_bytes = c->argc == 3;
	if (m.has_bytes && !show_parse_size(c->argv[2], &m.quota_bytes))
		return cli_usage(c, "a size is a number with K, M, G or T, or none");
	m.has_messages = messages != NULL;
	if (messages && !parse_messages(messages, &m.quota_messages))
		return cli_usage(c, NEED_MESSAGES);
	r = store_client_open(c, &s);
	if (r)
		return r;
	return store_client_change(&s, admin_put_account_quota(&s.payload, &m), ADMIN_ACCOUNT_QUOTA, c->argv[1]);
}

const struct cli_command cmd_account_quota = {
    .name = "account quota",
    .usage = "ADDRESS [SIZE|none] [--messages N|none]",
    .summary = "changes how much mail an account may keep",
    .help = "SIZE is a number with K, M, G or T (powers of 1024) behind it. A limit that is not named stays as it is. "
	    "Mail that is "
	    "there already stays.",
    .options =
	(const struct cli_option_help[]){{"--messages N", "How many messages it may keep, or none."}, {NULL, NULL}},
    .example = "pombo account quota alice@example.org 5G",
    .run = run_quota,
};

static int run_send_as(struct cli *c)
{
	bool off = false;
	const struct option options[] = {{.name = "remove", .flag = &off}};
	struct store_client s;
	int r = option_take(c, options, ARRAY_LEN(options));

	if (r)
		return r;
	if (c->argc != 3)
		return cli_usage(c, "an account and what it may send as are needed");
	r = our_domain_check_address(c->argv[1], false);
	if (r == 0)
		r = our_domain_check_address(c->argv[2], true);
	if (r)
		return r;
	r = store_client_open(c, &s);
	if (r)
		return r;
	return store_client_change(
	    &s,
	    admin_put_send_as(&s.payload,
			      &(struct admin_send_as){view_from_cstr(c->argv[1]), view_from_cstr(c->argv[2]), !off}),
	    ADMIN_SEND_AS, c->argv[1]);
}

const struct cli_command cmd_account_send_as = {
    .name = "account send-as",
    .usage = "ADDRESS OTHER|@DOMAIN [--remove]",
    .summary = "lets an account send with another sender address",
    .help =
	"Its own address and the aliases that lead to it alone it may use anyway. @DOMAIN stands for every address of "
	"that domain.",
    .options = (const struct cli_option_help[]){{"--remove", "Take the permission back."}, {NULL, NULL}},
    .example = "pombo account send-as alice@example.org info@example.org",
    .run = run_send_as,
};
