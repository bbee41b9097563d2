/* SPDX-License-Identifier: ISC
 * pombo init: settings, certificate, store, first account. */
#include "cli/commands.h"

#include "cli/account.h"
#include "cli/certificate.h"
#include "cli/store_client.h"
#include "conf/conf.h"
#include "supervisor/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct init {
	const char *hostname, *domain, *user, *port_offset;
	struct cli_words listen;
	bool password_stdin;
};

static int make_dir(const char *path, mode_t mode)
{
	if (mkdir(path, mode) == 0 || errno == EEXIST)
		return 0;
	return cli_fail_errno(CLI_CANNOT_CREATE, path, errno, "choose another folder with --dir, or run as root");
}

static int write_file(const char *path, struct view text, mode_t mode)
{
	_cleanup_(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd < 0 || write(fd, text.p, text.n) != (ssize_t)text.n || fsync(fd) < 0)
		return cli_fail_errno(CLI_CANNOT_CREATE, path, errno, NULL);
	return 0;
}

static int write_conf(const struct cli *c, const struct init *in)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(128 * 1024), listen = BUF_INIT(4096), error = BUF_INIT(2048);
	_cleanup_(free_ptr) char *path = cli_path(c, "pombo.conf");
	struct conf_value values[3];
	struct conf *conf = NULL;
	size_t n = 0;

	values[n++] = (struct conf_value){"hostname", view_from_cstr(in->hostname)};
	for (size_t i = 0; i < in->listen.n; i++)
		buf_printf(&listen, "%s%s", i ? " " : "", in->listen.items[i]);
	if (in->listen.n)
		values[n++] = (struct conf_value){"listen", buf_view(&listen)};
	if (in->port_offset)
		values[n++] = (struct conf_value){"port-offset", view_from_cstr(in->port_offset)};
	conf_format(&text, values, n);
	if (conf_parse(buf_view(&text), "pombo.conf", &conf, &error) < 0)
		return cli_fail(CLI_USAGE, buf_cstr(&error), NULL, NULL);
	conf_free(&conf);
	return write_file(path, buf_view(&text), 0644);
}

static int add_domain(struct store_client *s, const char *domain)
{
	buf_reset(&s->payload);
	if (!admin_put_domain_add(&s->payload, &(struct admin_domain_add){view_from_cstr(domain)}))
		return cli_fail(CLI_BAD_DATA, domain, "not a domain", NULL);
	return store_client_do(s, ADMIN_DOMAIN_ADD);
}

static int make_store(const struct cli *c, const struct init *in)
{
	struct store_client s;
	int r = store_client_create(c, &s);

	if (r)
		return r;
	r = add_domain(&s, in->domain);
	if (r == 0 && in->user)
		r = account_add(&s, in->user, in->password_stdin, false, 0);
	store_client_close(&s);
	return r;
}

static int check(const struct cli *c, const struct init *in)
{
	_cleanup_(free_ptr) char *conf = cli_path(c, "pombo.conf");

	if (c->argc > 1)
		return cli_usage(c, "too many words");
	if (!in->hostname || !in->domain)
		return cli_usage(c, "--hostname and --domain are needed");
	if (access(conf, F_OK) == 0)
		return cli_fail(CLI_CANNOT_CREATE, c->dir, "there is a pombo here already",
				"choose another folder with --dir");
	return 0;
}

static int make(const struct cli *c, const struct init *in)
{
	_cleanup_(free_ptr) char *tls = cli_path(c, "tls");
	int r = make_dir(c->dir, 0755);

	if (r == 0)
		r = make_dir(tls, 0700);
	if (r == 0)
		r = certificate_make_self_signed(c, in->hostname);
	if (r == 0)
		r = write_conf(c, in);
	return r;
}

/* What a failed init leaves would make the next one refuse. */
static void unmake(const struct cli *c)
{
	static const char *const files[] = {"pombo.conf", "tls/cert.pem", "tls/key.pem"};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		_cleanup_(free_ptr) char *path = cli_path(c, files[i]);

		(void)unlink(path);
	}
}

static int init(struct cli *c)
{
	struct init in = {0};
	const struct cli_option options[] = {
	    {.name = "hostname", .value = &in.hostname}, {.name = "domain", .value = &in.domain},
	    {.name = "user", .value = &in.user},         {.name = "password-stdin", .flag = &in.password_stdin},
	    {.name = "listen", .values = &in.listen},    {.name = "port-offset", .value = &in.port_offset},
	};
	int r = cli_options(c, options, ARRAY_LEN(options));

	if (r == 0)
		r = check(c, &in);
	if (r)
		goto out;
	r = make(c, &in);
	if (r == 0)
		r = make_store(c, &in);
	if (r) {
		unmake(c);
		goto out;
	}
	(void)printf("pombo is set up in %s.\nNext: 'pombo dns %s --dir %s' shows the records to publish; 'pombo run "
		     "--dir %s' starts it.\n",
		     c->dir, in.domain, c->dir, c->dir);
out:
	free(in.listen.items);
	return r;
}

const struct cli_command cmd_init = {
    .name = "init",
    .usage = "--hostname NAME --domain DOMAIN [--user ADDRESS] [--password-stdin] [--listen ADDR]... [--port-offset N]",
    .summary = "sets up a new server in an empty folder",
    .help = "Makes DIR: pombo.conf (commented), a self-signed ECDSA certificate, the mail store, the first account. "
	    "Without\n"
	    "--password-stdin a password is made up and printed once. Refuses a folder that already holds a server.\n\n"
	    "Example: pombo init --hostname mail.example.org --domain example.org --user you@example.org",
    .run = init,
};
