/* SPDX-License-Identifier: ISC
 * pombo route: which ways outgoing mail takes, and the passwords for them. */
#include "cli/commands.h"

#include "cli/option.h"
#include "cli/password.h"
#include "cli/route.h"
#include "cli/show.h"
#include "conf/relay_password.h"
#include "conf/route.h"
#include "mail/address_canon.h"
#include "supervisor/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PASSWORDS_MAX = 256 * 1024, ADDRESS_MAX = 1024 };

static const char *const transports[] = {"smtp", "smtps", "lmtp"};
static const char *const tls_words[] = {"auto", "none", "opportunistic", "require", "verify", "dane"};

/* What pombo.conf and relay-passwords say. */
struct ways {
	struct conf *conf;
	struct buf passwords;
};

static void ways_fini(struct ways *w)
{
	conf_free(&w->conf);
	password_wipe(&w->passwords);
}

static int ways_read(const struct cli *c, struct ways *w)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(4096);
	_cleanup_(free_ptr) char *path = cli_path(c, "relay-passwords");
	int r = supervisor_read_conf(c->dir, &w->conf, NULL, &error);

	if (r)
		return cli_fail((enum cli_status)r, buf_cstr(&error), NULL, NULL);
	r = cli_read_file(path, &w->passwords);
	if (r < 0 && r != -ENOENT)
		return cli_fail_errno(CLI_NOT_ALLOWED, path, r,
				      "run this as the user that runs the server, or as root");
	return 0;
}

/* ---- what a route is ---- */

/* A section, or the setting relay-host, as `section` NULL. */
struct way {
	const char *name;
	const struct conf_route *section;
	struct view host, user;
	uint16_t port;
	bool has_password;
};

static struct way way_of(const struct ways *w, const struct conf_route *section)
{
	struct way way = {.name = "relay-host", .section = section, .port = (uint16_t)w->conf->outbound_port};
	struct view password;

	if (section) {
		way.name = section->name;
		way.host = *section->mx ? view_from_cstr(section->mx) : conf_route_host(section);
		way.port = conf_route_port(w->conf, section);
		way.user = view_from_cstr(section->user);
	} else {
		conf_cut_port(view_from_cstr(w->conf->relay_host), &way.host, &way.port);
	}
	if (!section || way.user.n)
		way.has_password = relay_password_find(buf_view(&w->passwords), way.host, &way.user, &password);
	return way;
}

static json_t *list_in_json(const struct conf_list *l)
{
	json_t *all = json_array();

	for (size_t i = 0; i < l->n; i++)
		(void)json_array_append_new(all, show_json_text(l->items[i]));
	return all;
}

static json_t *text_or_null(struct view v)
{
	return v.n ? show_json_text(v) : json_null();
}

static json_t *in_json(const struct way *way)
{
	static const struct conf_list none = {NULL, 0};
	const struct conf_route *s = way->section;
	bool mx = s && *s->mx;

	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:o, s:b, s:o}", "name", way->name, "to",
			 list_in_json(s ? &s->to : &none), "from", list_in_json(s ? &s->from : &none), "host",
			 text_or_null(mx ? VIEW_EMPTY : way->host), "mx", text_or_null(mx ? way->host : VIEW_EMPTY),
			 "socket", text_or_null(s ? view_from_cstr(s->socket) : VIEW_EMPTY), "port",
			 way->port ? json_integer(way->port) : json_null(), "transport",
			 s ? transports[s->transport] : "smtp", "tls",
			 tls_words[s ? conf_route_tls(s) : CONF_TLS_OPPORTUNISTIC], "user", text_or_null(way->user),
			 "password", (int)way->has_password, "source", list_in_json(s ? &s->source : &none));
}

static void put_list(struct buf *out, const struct conf_list *l)
{
	if (l->n == 0)
		buf_append_char(out, '*');
	for (size_t i = 0; i < l->n; i++) {
		if (i)
			buf_append_char(out, ' ');
		show_clean(l->items[i], out);
	}
}

/* "smtp.example.net:587 by smtp, TLS verify, as me@example.net", "/run/dovecot/lmtp by lmtp, a UNIX socket" */
static void put_way(struct buf *out, const struct way *way)
{
	const struct conf_route *s = way->section;

	if (s && *s->socket) {
		buf_printf(out, "%s by lmtp, a UNIX socket", s->socket);
		return;
	}
	if (way->host.n == 0)
		buf_append_cstr(out, "the domain's own servers");
	else
		buf_printf(out, "%s%.*s", s && *s->mx ? "the servers of " : "", VIEW_FMT(way->host));
	buf_printf(out, ":%u by %s, TLS %s", way->port, s ? transports[s->transport] : "smtp",
		   tls_words[s ? conf_route_tls(s) : CONF_TLS_OPPORTUNISTIC]);
	if (way->user.n)
		buf_printf(out, ", as %.*s%s", VIEW_FMT(way->user),
			   way->has_password ? "" : " (its password is missing)");
	if (s && s->source.n) {
		buf_append_cstr(out, ", from ");
		put_list(out, &s->source);
	}
}

/* ---- list ---- */

static void print_line(const struct way *way)
{
	static const struct conf_list any = {NULL, 0};
	_cleanup_(buf_fini) struct buf to = BUF_INIT(65536), from = BUF_INIT(65536), text = BUF_INIT(65536);

	put_list(&to, way->section ? &way->section->to : &any);
	put_list(&from, way->section ? &way->section->from : &any);
	put_way(&text, way);
	show_column(view_from_cstr(way->name), 16);
	show_column(buf_view(&to), 25);
	show_column(buf_view(&from), 25);
	(void)printf("%s\n", buf_cstr(&text));
}

static int list(struct cli *c)
{
	_cleanup_(ways_fini) struct ways w = {NULL, BUF_INIT(PASSWORDS_MAX)};
	json_t *all;
	size_t n;
	int r = option_take_words(c, 0, 0, "it takes no words");

	if (r == 0)
		r = ways_read(c, &w);
	if (r)
		return r;
	n = w.conf->n_routes + (*w.conf->relay_host != '\0');
	all = json_array();
	if (!c->json)
		(void)printf(n ? "NAME             TO                        FROM                      GOES TO\n"
			       : "There are no routes: mail goes to the recipients' own servers.\n");
	for (size_t i = 0; i < n; i++) {
		struct way way = way_of(&w, i < w.conf->n_routes ? &w.conf->routes[i] : NULL);

		if (c->json)
			(void)json_array_append_new(all, in_json(&way));
		else
			print_line(&way);
	}
	if (c->json)
		return show_json(all);
	json_decref(all);
	return 0;
}

const struct cli_command cmd_route_list = {
    .name = "route list",
    .usage = "[--json]",
    .summary = "lists the routes of outgoing mail",
    .help =
	"A line for each [route NAME] of pombo.conf, and for relay-host: whose mail it takes and where to. What none "
	"takes "
	"goes to the recipients' own servers. Tells of the file as it is now; a running server has it since its last "
	"reload.",
    .example = "pombo route list",
    .shows = true,
    .run = list,
};

/* ---- show ---- */

/* The domain of ADDRESS, or DOMAIN itself, as A-labels. */
static bool domain_of(struct view text, struct buf *out)
{
	struct view left, right;

	while (view_cut(text, '@', &left, &right))
		text = right;
	return address_domain_canon(text, out);
}

static bool sender_of(struct view v, struct buf *out)
{
	struct view domain = v, left, right;

	if (v.n == 0 || view_eq_lit(v, "<>"))
		return true;
	while (view_cut(domain, '@', &left, &right))
		domain = right;
	if (domain.n == v.n)
		return false;
	buf_append_view(out, view_sub(v, 0, v.n - domain.n));
	return address_domain_canon(domain, out);
}

const char *route_name(const struct conf *conf, struct view sender, struct view recipient)
{
	_cleanup_(buf_fini) struct buf domain = BUF_INIT(ADDRESS_MAX), from = BUF_INIT(ADDRESS_MAX);
	const struct conf_route *section = NULL;

	if (domain_of(recipient, &domain))
		section = conf_route_for(conf, sender_of(sender, &from) ? buf_view(&from) : sender, buf_view(&domain));
	return section ? section->name : *conf->relay_host ? "relay-host" : NULL;
}

static int show(struct cli *c)
{
	_cleanup_(ways_fini) struct ways w = {NULL, BUF_INIT(PASSWORDS_MAX)};
	_cleanup_(buf_fini) struct buf domain = BUF_INIT(ADDRESS_MAX), sender = BUF_INIT(ADDRESS_MAX),
				       text = BUF_INIT(65536);
	const char *from = "";
	const struct option options[] = {{.name = "from", .value = &from}};
	const struct conf_route *section;
	struct way way;
	int r = option_take(c, options, ARRAY_LEN(options));

	if (r)
		return r;
	if (c->argc != 2)
		return cli_usage(c, "one recipient's address, or a domain, is needed");
	if (!domain_of(view_from_cstr(c->argv[1]), &domain))
		return cli_fail(CLI_BAD_DATA, c->argv[1], "this is no address and no domain",
				"write bob@example.net or example.net");
	if (!sender_of(view_from_cstr(from), &sender))
		return cli_fail(CLI_BAD_DATA, from, "this is no address", "give the sender's whole address, or <>");
	r = ways_read(c, &w);
	if (r)
		return r;
	section = conf_route_for(w.conf, buf_view(&sender), buf_view(&domain));
	if (!section && !*w.conf->relay_host) {
		if (c->json)
			return show_json(json_null());
		(void)printf(
		    "no route: to the servers of %s (if it is ours, nothing is sent: see 'pombo domain list')\n",
		    buf_cstr(&domain));
		return 0;
	}
	way = way_of(&w, section);
	if (c->json)
		return show_json(in_json(&way));
	put_way(&text, &way);
	(void)printf("route %s: to %s\n", way.name, buf_cstr(&text));
	return 0;
}

static const struct cli_option_help show_options[] = {
    {"--from SENDER", "Mail of that sender; without it, or with <>, that of nobody (notices)."}, {NULL, NULL}};

const struct cli_command cmd_route_show = {
    .name = "route show",
    .usage = "ADDRESS|DOMAIN [--from SENDER] [--json]",
    .summary = "tells which route mail to an address takes",
    .help = "By pombo.conf as it is now. Addresses of our own domains are not sent anywhere, whatever the routes say.",
    .options = show_options,
    .example = "pombo route show bob@example.net --from alice@example.org",
    .shows = true,
    .run = show,
};

/* ---- password ---- */

/* In one step: whoever reads sees the former file or the new one. */
static int write_passwords(const struct cli *c, struct view text)
{
	_cleanup_(free_ptr) char *path = cli_path(c, "relay-passwords"), *new = cli_path(c, "relay-passwords.new");
	_cleanup_(fd_close) int fd = -1;
	int error = 0;

	(void)unlink(new);
	fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return cli_fail_errno(CLI_NOT_ALLOWED, new, errno,
				      "run this as the user that runs the server, or as root");
	if (write(fd, text.p, text.n) != (ssize_t)text.n || fsync(fd) < 0 || rename(new, path) < 0)
		error = errno ? errno : EIO;
	if (error) {
		(void)unlink(new);
		return cli_fail_errno(CLI_CANNOT_CREATE, path, error, NULL);
	}
	return 0;
}

/* Of which host and user. */
static int find_login(struct cli *c, const struct ways *w, const char *user, struct way *ret)
{
	const struct conf_route *section = conf_route_named(w->conf, view_from_cstr(c->argv[1]));
	bool smart = !section && strcmp(c->argv[1], "relay-host") == 0;

	if (!section && !smart)
		return cli_fail(CLI_NO_SUCH, c->argv[1], "pombo.conf has no route of that name",
				"see 'pombo route list'");
	*ret = way_of(w, section);
	if (smart && ret->host.n == 0)
		return cli_fail(CLI_NO_SUCH, "relay-host", "it is not set in pombo.conf", NULL);
	if (smart && user)
		ret->user = view_from_cstr(user);
	else if (user)
		return cli_usage(c, "a route's user stands in pombo.conf");
	if (ret->user.n == 0)
		return smart ? cli_usage(c, "relay-host needs --user USER")
			     : cli_fail(CLI_BAD_DATA, c->argv[1], "the route names no user",
					"write `user = NAME` into its section of pombo.conf");
	return 0;
}

static int password(struct cli *c)
{
	_cleanup_(ways_fini) struct ways w = {NULL, BUF_INIT(PASSWORDS_MAX)};
	_cleanup_(password_wipe) struct buf secret = PASSWORD_BUF, text = BUF_INIT(PASSWORDS_MAX);
	_cleanup_(buf_fini) struct buf whose = BUF_INIT(1024);
	const char *user = NULL;
	bool from_stdin = false;
	const struct option options[] = {{.name = "password-stdin", .flag = &from_stdin},
					 {.name = "user", .value = &user}};
	struct way way;
	int r = option_take(c, options, ARRAY_LEN(options));

	if (r)
		return r;
	if (c->argc != 2)
		return cli_usage(c, "the name of one route is needed");
	r = ways_read(c, &w);
	if (r == 0)
		r = find_login(c, &w, user, &way);
	if (r == 0) {
		buf_printf(&whose, "%.*s at %.*s", VIEW_FMT(way.user), VIEW_FMT(way.host));
		r = password_get(from_stdin ? PASSWORD_STDIN : PASSWORD_TERMINAL, buf_cstr(&whose), &secret);
	}
	if (r)
		return r;
	if (!relay_password_put(buf_view(&w.passwords), way.host, way.user, buf_view(&secret), &text))
		return cli_fail(CLI_BAD_DATA, "the password cannot be kept",
				"it begins or ends with a blank, or holds a control character", NULL);
	r = write_passwords(c, buf_view(&text));
	if (r == 0)
		(void)printf("kept the password of %.*s at %.*s; 'pombo reload' takes it up\n", VIEW_FMT(way.user),
			     VIEW_FMT(way.host));
	return r;
}

static const struct cli_option_help password_options[] = {
    {"--password-stdin", "Take the password from the first line of standard input."},
    {"--user USER", "Who logs in at relay-host (a route's user stands in its section)."},
    {NULL, NULL}};

const struct cli_command cmd_route_password = {
    .name = "route password",
    .usage = "NAME|relay-host [--user USER] [--password-stdin]",
    .summary = "keeps the password with which a route logs in",
    .help = "Asks for it, and writes it into DIR/relay-passwords, which only its owner may read; a former one of the "
	    "same host and "
	    "user goes. Mail for the route waits while there is none.",
    .options = password_options,
    .example = "pombo route password provider\npombo reload",
    .run = password,
};
