/* SPDX-License-Identifier: ISC
 * pombo import: mail of other programs and servers into an account. */
#include "cli/commands.h"

#include "cli/imap_client.h"
#include "cli/imap_parse.h"
#include "cli/import.h"
#include "cli/option.h"
#include "cli/password.h"
#include "mail/imap_mailbox.h"

#include <string.h>

enum { IDLE_S = 300, IDLE_MAX_S = 86400 };

struct words {
	const char *folder, *format, *dates, *timeout;
	struct imap_client_options server;
	bool password_stdin;
};

static int read_words(struct cli *c, struct words *w)
{
	const struct option options[] = {{.name = "folder", .value = &w->folder},
					 {.name = "format", .value = &w->format},
					 {.name = "dates", .value = &w->dates},
					 {.name = "cafile", .value = &w->server.ca_file},
					 {.name = "insecure-tls", .flag = &w->server.insecure},
					 {.name = "password-stdin", .flag = &w->password_stdin},
					 {.name = "timeout", .value = &w->timeout}};
	int r = option_take(c, options, ARRAY_LEN(options));

	if (r)
		return r;
	if (c->argc != 3)
		return cli_usage(c, "an account and a path are needed");
	if (w->format && strcmp(w->format, "maildir") != 0 && strcmp(w->format, "mbox") != 0)
		return cli_usage(c, "--format is maildir or mbox");
	if (w->dates && strcmp(w->dates, "file") != 0 && strcmp(w->dates, "header") != 0)
		return cli_usage(c, "--dates is file or header");
	w->server.idle_s = IDLE_S;
	if (w->timeout &&
	    (!view_to_u32(view_from_cstr(w->timeout), IDLE_MAX_S, &w->server.idle_s) || w->server.idle_s == 0))
		return cli_usage(c, "--timeout takes a number of seconds");
	return 0;
}

/* Once to add up, once to import. */
static int import_files(struct import *im, const char *path, const char *folder)
{
	_cleanup_(buf_fini) struct buf name = BUF_INIT(2048);
	int r;

	if (folder && !imap_mailbox_parse(view_from_cstr(folder), true, &name))
		return cli_fail(CLI_BAD_DATA, folder, "this cannot be a folder's name", NULL);
	im->counting = true;
	r = import_tree(im, path, buf_view(&name));
	im->counting = false;
	if (r)
		return r;
	return import_report(im, import_tree(im, path, buf_view(&name)));
}

static bool is_url(const char *path)
{
	return strncmp(path, "imap://", 7) == 0 || strncmp(path, "imaps://", 8) == 0;
}

/* The server that is meant, and the password there. */
static int find_server(const struct words *w, const char *text, struct imap_url *ret, struct buf *ret_password)
{
	_cleanup_(buf_fini) struct buf whose = BUF_INIT(2048);

	if (!imap_url_parse(text, ret))
		return cli_fail(CLI_BAD_DATA, text, "this is no server",
				"write imaps://user@host or imap://user@host; the password is asked for");
	buf_printf(&whose, "%s at %s", ret->user, ret->host);
	return password_get(w->password_stdin ? PASSWORD_STDIN : PASSWORD_TERMINAL, buf_cstr(&whose), ret_password);
}

static int run(struct cli *c)
{
	struct words w = {NULL};
	struct import im = {0};
	_cleanup_(imap_url_fini) struct imap_url url = {0};
	_cleanup_(password_wipe) struct buf password = PASSWORD_BUF;
	int r = read_words(c, &w);

	if (r == 0 && is_url(c->argv[2]))
		r = find_server(&w, c->argv[2], &url, &password);
	if (r == 0)
		r = mail_client_open(c, c->argv[1], true, &im.mail);
	if (r)
		return r;
	import_init(&im, c, "importing");
	im.maildir = !w.format || strcmp(w.format, "maildir") == 0;
	im.mbox = !w.format || strcmp(w.format, "mbox") == 0;
	im.dates_of_header = w.dates && strcmp(w.dates, "header") == 0;
	w.server.max_literal = im.max_message;
	if (url.host)
		r = import_report(&im, import_imap(&im, &url, buf_view(&password), &w.server));
	else
		r = import_files(&im, c->argv[2], w.folder);
	import_fini(&im);
	mail_client_close(&im.mail);
	return r;
}

const struct cli_command cmd_import = {
    .name = "import",
    .usage = "ACCOUNT PATH|URL [--folder F] [--format maildir|mbox] [--dates file|header] [--json]",
    .summary = "brings mail of another program into an account",
    .help = "PATH is a Maildir (Maildir++, or folders in folders), an mbox file of any flavour, or a folder that holds "
	    "such. Flags come from "
	    "file names or Status fields, keywords from dovecot-keywords or X-Keywords, POP3 ids from dovecot-uidlist, "
	    "folders from names. "
	    "What PATH itself is becomes INBOX, or F.\n\n"
	    "URL is another server, imaps://user@host[:port] or imap://user@host[:port] (which turns to TLS at once): "
	    "all its folders, with flags, "
	    "keywords and dates; its Sent, Trash and so on go into the folders that have those uses here. It is only "
	    "read there.\n\n"
	    "It can be run again: a message that came into its folder before, or lies there with the same bytes, is "
	    "passed over, so a run that was "
	    "interrupted is continued by the same command, and mail that was moved or deleted since does not come "
	    "back. The source is only "
	    "read; let no program change it meanwhile.\n\n"
	    "What mail may not hold is repaired, and told: line ends become CRLF, a CR alone becomes a line end (in "
	    "the header a blank), NUL "
	    "becomes the byte 0x80. Nothing is left out in silence: the report names every message that was, and why "
	    "(ten thousand of them; all are counted); the exit status is then 65.",
    .options =
	(const struct cli_option_help[]){
	    {"--folder F", "the folder that PATH becomes; folders below PATH come below F"},
	    {"--format FORMAT", "look for maildir or mbox alone; both are found by themselves"},
	    {"--dates WHICH",
	     "the date a message arrived: file (a Maildir file's time, the mbox From_ line; the default) or header "
	     "(the topmost Received field), for copies that lost their times"},
	    {"--password-stdin",
	     "with a URL: the old server's password is the first line of standard input; otherwise it is asked for"},
	    {"--cafile FILE", "with a URL: trust the certificates in this file (PEM) alone"},
	    {"--insecure-tls",
	     "with a URL: take any certificate the server shows; anybody on the way may then read the password"},
	    {"--timeout SECONDS",
	     "with a URL: how long the other server may say nothing (300), or, six times as long, hardly anything, "
	     "before it is given up"},
	    {NULL, NULL},
	},
    .example = "pombo import alice@example.org /home/alice/Maildir\npombo import alice@example.org old.mbox --folder "
	       "Archive/2019\npombo import alice@example.org imaps://alice@old.example.net",
    .shows = true,
    .run = run,
};
