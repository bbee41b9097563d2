/* SPDX-License-Identifier: ISC
 * pombo init: settings, certificate, store, first account. */
#include "cli/commands.h"

#include "cli/account.h"
#include "cli/certificate.h"
#include "cli/dkim_keys.h"
#include "cli/dns.h"
#include "cli/folder.h"
#include "cli/option.h"
#include "cli/show.h"
#include "conf/conf.h"
#include "mail/address_canon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONF_TEXT_MAX = 128 * 1024, LISTEN_MAX = 4096 };

/* What is asked for, checked before anything is made. */
struct init {
	const char *hostname, *domain, *user, *port_offset;
	struct option_words listen;
	bool password_stdin;
	struct buf conf_text;
	struct conf *conf;
	struct buf domain_ascii;
	struct account_secret secret;
	struct dkim_key_list keys;
	bool made_dir;
};

static void init_fini(struct init *in)
{
	option_words_fini(&in->listen);
	buf_fini(&in->conf_text);
	conf_free(&in->conf);
	buf_fini(&in->domain_ascii);
	account_secret_wipe(&in->secret);
	dkim_key_list_fini(&in->keys);
}

/* ---- checks ---- */

/* A line end in a value would begin another setting. */
static int check_text(const char *option, const char *value)
{
	for (const char *p = value; p && *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return cli_fail(CLI_BAD_DATA, option, "it holds a control character", NULL);
	return 0;
}

static int check_texts(const struct init *in)
{
	int r = check_text("--hostname", in->hostname);

	if (r == 0)
		r = check_text("--port-offset", in->port_offset);
	for (size_t i = 0; i < in->listen.n && r == 0; i++)
		r = check_text("--listen", in->listen.items[i]);
	return r;
}

/* pombo.conf is made, and read as the server will read it. */
static int check_settings(struct init *in)
{
	_cleanup_(buf_fini) struct buf listen = BUF_INIT(LISTEN_MAX), error = BUF_INIT(2048);
	struct conf_value values[3];
	size_t n = 0;

	values[n++] = (struct conf_value){"hostname", view_from_cstr(in->hostname)};
	for (size_t i = 0; i < in->listen.n; i++)
		buf_printf(&listen, "%s%s", i ? " " : "", in->listen.items[i]);
	if (in->listen.n)
		values[n++] = (struct conf_value){"listen", buf_view(&listen)};
	if (in->port_offset)
		values[n++] = (struct conf_value){"port-offset", view_from_cstr(in->port_offset)};
	conf_format(&in->conf_text, values, n);
	if (conf_parse(buf_view(&in->conf_text), "init", &in->conf, &error) < 0) {
		/* "init:5: hostname: ...": there is no such file, and the key is the option's name */
		const char *what = strchr(buf_cstr(&error), ' ');

		return cli_fail(CLI_BAD_DATA, what ? what + 1 : buf_cstr(&error), NULL, NULL);
	}
	if (in->conf->hostname[0] == '\0')
		return cli_fail(CLI_BAD_DATA, "--hostname", "a server needs a name",
				"give it one like mail.example.org");
	return 0;
}

static int check_names(struct init *in)
{
	_cleanup_(buf_fini) struct buf user_domain = BUF_INIT(ADDRESS_DOMAIN_MAX);
	struct view domain = view_from_cstr(in->domain), local, at;

	if (domain.n == 0 || domain.p[0] == '[' || !address_domain_canon(domain, &in->domain_ascii))
		return cli_fail(CLI_BAD_DATA, in->domain, "this is not a domain", "give one like example.org");
	if (!in->user)
		return 0;
	/* The last "@": a quoted local part may hold others. */
	at = view_from_cstr(in->user);
	local = view_sub(at, 0, strrchr(in->user, '@') ? (size_t)(strrchr(in->user, '@') - in->user) : 0);
	if (local.n == 0 || !address_domain_canon(view_sub(at, local.n + 1, at.n), &user_domain))
		return cli_fail(CLI_BAD_DATA, in->user, "this is not an address", "give one like you@example.org");
	if (!view_eq(buf_view(&user_domain), buf_view(&in->domain_ascii)))
		return cli_fail(CLI_BAD_DATA, in->user, "the first account must be in the domain of --domain",
				"further domains are added with 'pombo domain add'");
	return 0;
}

static int check_folder(const struct cli *c)
{
	_cleanup_(free_ptr) char *conf = cli_path(c, "pombo.conf");
	int empty = folder_is_empty(c->dir);

	if (access(conf, F_OK) == 0)
		return cli_fail(CLI_CANNOT_CREATE, c->dir, "there is a pombo here already",
				"choose another folder with --dir");
	if (empty == 0)
		return cli_fail(CLI_CANNOT_CREATE, c->dir, "the folder is not empty", "choose another one with --dir");
	return empty < 0 && empty != -ENOENT ? cli_fail_errno(CLI_CANNOT_CREATE, c->dir, empty,
							      "choose another folder with --dir, or run this as root")
					     : 0;
}

static int check(struct cli *c, struct init *in)
{
	int r;

	if (c->argc > 1)
		return cli_usage(c, "too many words");
	if (!in->hostname || !in->domain)
		return cli_usage(c, "--hostname and --domain are needed");
	if (in->password_stdin && !in->user)
		return cli_usage(c, "--password-stdin needs --user");
	r = check_texts(in);
	if (r == 0)
		r = check_settings(in);
	if (r == 0)
		r = check_names(in);
	if (r == 0)
		r = check_folder(c);
	if (r == 0 && in->user)
		r = account_secret_get(in->password_stdin ? PASSWORD_STDIN : PASSWORD_MADE_UP, &in->secret);
	return r;
}

/* ---- making ---- */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

/* For good: once all is made, a signal must not take away the password, which is shown this once. */
static void catch_signals(void)
{
	const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGHUP, &action, NULL);
}

static int make_folder(const struct cli *c, struct init *in)
{
	if (mkdir(c->dir, 0755) == 0) {
		in->made_dir = true;
		/* Each process of the server, under a user of its own, passes through: whatever the umask. */
		(void)!chmod(c->dir, 0755);
		return 0;
	}
	if (errno == EEXIST)
		return 0;
	if (errno == ENOENT)
		return cli_fail(CLI_CANNOT_CREATE, c->dir, "the folder that it would be in does not exist",
				"make that first");
	return cli_fail_errno(CLI_CANNOT_CREATE, c->dir, errno,
			      "choose another folder with --dir, or run this as root");
}

static int make_tls_folder(const struct cli *c)
{
	_cleanup_(free_ptr) char *tls = cli_path(c, "tls");

	return mkdir(tls, 0700) < 0 ? cli_fail_errno(CLI_CANNOT_CREATE, tls, errno, NULL) : 0;
}

static int write_conf(const struct cli *c, const struct init *in)
{
	_cleanup_(free_ptr) char *path = cli_path(c, "pombo.conf");
	_cleanup_(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	ssize_t n = (ssize_t)in->conf_text.n;

	errno = 0;
	if (fd < 0 || write(fd, in->conf_text.p, in->conf_text.n) != n || fsync(fd) < 0)
		return cli_fail_errno(CLI_CANNOT_CREATE, path, errno ? errno : ENOSPC, NULL);
	return 0;
}

static int make_store(const struct cli *c, struct init *in)
{
	const struct admin_domain_add domain = {buf_view(&in->domain_ascii)};
	const struct account_new account = {.address = in->user, .secret = &in->secret};
	FILE *out = c->json ? NULL : stdout;
	struct store_client s;
	int r = store_client_create(c, &s);

	if (r)
		return r;
	r = store_client_do(&s, admin_put_domain_add(&s.payload, &domain), ADMIN_DOMAIN_ADD, in->domain, out);
	if (r == 0 && in->user)
		r = account_add(&s, &account, out);
	if (r == 0)
		r = dkim_keys_make(c, &s, in->domain);
	if (r == 0)
		r = dkim_keys_get(&s, in->domain, &in->keys);
	store_client_close(&s);
	return r;
}

static int make(const struct cli *c, struct init *in)
{
	int r;

	catch_signals();
	r = make_folder(c, in);
	if (r)
		return r;
	r = make_tls_folder(c);
	if (r == 0)
		r = certificate_make_self_signed(c, in->hostname);
	if (r == 0)
		r = write_conf(c, in);
	if (r == 0)
		r = make_store(c, in);
	if (r == 0 && interrupted)
		r = cli_fail(CLI_OTHER, "interrupted", "nothing was set up", NULL);
	if (r)
		folder_clear(c->dir, in->made_dir);
	return r;
}

/* ---- what was made ---- */

static json_t *records_of(const struct cli *c, const struct init *in)
{
	_cleanup_(buf_fini) struct buf hash = BUF_INIT(64);
	_cleanup_(free_ptr) char *cert = cli_path(c, "tls/cert.pem");

	dns_tls_hash(cert, &hash);
	return dns_records(&(struct dns_input){in->conf, buf_view(&in->domain_ascii), &in->keys, buf_view(&hash)});
}

static int tell_json(const struct cli *c, const struct init *in)
{
	bool made_up = in->user && !in->password_stdin;

	return show_json(json_pack("{s:o, s:o, s:o, s:o}", "dir", show_json_text(view_from_cstr(c->dir)), "account",
				   in->user ? show_json_text(view_from_cstr(in->user)) : json_null(), "password",
				   made_up ? show_json_text(buf_view(&in->secret.password)) : json_null(), "dns",
				   records_of(c, in)));
}

static int tell(const struct cli *c, const struct init *in)
{
	json_t *records;

	if (c->json)
		return tell_json(c, in);
	if (in->user && !in->password_stdin)
		(void)printf("password of %s (shown this once): %.*s\n", in->user,
			     VIEW_FMT(buf_view(&in->secret.password)));
	(void)printf("\nDNS records to publish ('pombo dns %s' prints them again):\n\n", in->domain);
	records = records_of(c, in);
	dns_print(records);
	json_decref(records);
	(void)printf("\npombo is set up in %s; its certificate is self-signed: put a real one into tls/.\n"
		     "Next: pombo run --dir %s\n",
		     c->dir, c->dir);
	return 0;
}

static int init(struct cli *c)
{
	_cleanup_(init_fini) struct init in = {.conf_text = BUF_INIT(CONF_TEXT_MAX),
					       .domain_ascii = BUF_INIT(ADDRESS_DOMAIN_MAX),
					       .secret = {.password = PASSWORD_BUF}};
	const struct option options[] = {
	    {.name = "hostname", .value = &in.hostname}, {.name = "domain", .value = &in.domain},
	    {.name = "user", .value = &in.user},         {.name = "password-stdin", .flag = &in.password_stdin},
	    {.name = "listen", .values = &in.listen},    {.name = "port-offset", .value = &in.port_offset},
	};
	int r = option_take(c, options, ARRAY_LEN(options));

	if (r == 0)
		r = check(c, &in);
	if (r == 0)
		r = make(c, &in);
	return r ? r : tell(c, &in);
}

const struct cli_command cmd_init = {
    .name = "init",
    .usage = "--hostname NAME --domain DOMAIN [--user ADDRESS] [--password-stdin] [--listen ADDR]... [--port-offset N]",
    .summary = "sets up a new server in an empty folder",
    .help = "Makes the data folder: pombo.conf (commented), a self-signed ECDSA certificate, DKIM keys, the mail "
	    "store, the first "
	    "account. "
	    "Prints the DNS records to publish. Refuses a folder that holds anything; when it fails it leaves nothing "
	    "behind.",
    .options =
	(const struct cli_option_help[]){
	    {"--hostname NAME", "The server's own name, as in MX records and the certificate."},
	    {"--domain DOMAIN", "The first domain whose mail is taken."},
	    {"--user ADDRESS", "The first account, in that domain. It gets the mail for postmaster and abuse."},
	    {"--password-stdin", "Read its password from the first line of standard input; else one is made up and "
				 "printed once."},
	    {"--listen ADDR", "Listen on this address only; may be given several times. Without it on all."},
	    {"--port-offset N", "Add N to every port: 10000 makes 25 10025, for trials without root."},
	    {NULL, NULL}},
    .example = "pombo init --hostname mail.example.org --domain example.org --user you@example.org",
    .shows = true,
    .run = init,
};
