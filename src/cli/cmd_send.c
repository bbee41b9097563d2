/* SPDX-License-Identifier: ISC
 * pombo send: writes a message and gives it to a server. */
#include "cli/commands.h"

#include "base/clock.h"
#include "base/encode.h"
#include "base/id.h"
#include "base/random.h"
#include "cli/compose.h"
#include "cli/hand_in.h"
#include "cli/mime_type.h"
#include "cli/option.h"
#include "cli/password.h"
#include "cli/raw_message.h"
#include "cli/sender.h"
#include "cli/smtp_out.h"
#include "mail/address.h"
#include "supervisor/supervisor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { INPUT_MAX = 512 * 1024 * 1024, UNIQUE_BYTES = 15 };

/* What was asked for, and the message as it grows. */
struct send {
	struct cli *c;
	const char *from, *subject, *server_text, *user, *ca_file;
	struct option_words files, cc_words, bcc_words;
	bool read_recipients, password_stdin, insecure;
	struct smtp_server server;
	struct buf default_domain; /* for addresses without one */
	struct buf password, input, message;
	struct addressees author, to, cc, recipients;
};

static void send_init(struct send *s, struct cli *c)
{
	*s = (struct send){
	    .c = c,
	    .default_domain = BUF_INIT(ADDRESS_DOMAIN_MAX),
	    .password = PASSWORD_BUF,
	    .input = BUF_INIT(INPUT_MAX),
	    .message = BUF_INIT(2 * (size_t)INPUT_MAX),
	};
	addressees_init(&s->author);
	addressees_init(&s->to);
	addressees_init(&s->cc);
	addressees_init(&s->recipients);
}

static void send_fini(struct send *s)
{
	option_words_fini(&s->files);
	option_words_fini(&s->cc_words);
	option_words_fini(&s->bcc_words);
	buf_fini(&s->default_domain);
	password_wipe(&s->password);
	buf_fini(&s->input);
	buf_fini(&s->message);
	addressees_fini(&s->author);
	addressees_fini(&s->to);
	addressees_fini(&s->cc);
	addressees_fini(&s->recipients);
}

/* ---- words ---- */

static int check_words(struct send *s)
{
	const struct cli *c = s->c;

	if (s->read_recipients && (s->subject || s->files.n || s->cc_words.n || s->bcc_words.n || c->argc > 1))
		return cli_usage(c, "with -t everything but the sender comes from standard input");
	if (!s->read_recipients && c->argc == 1 && s->cc_words.n + s->bcc_words.n == 0)
		return cli_usage(c, "to whom?");
	if (!s->server_text && (s->user || s->password_stdin || s->ca_file || s->insecure))
		return cli_usage(c, "--user, --password-stdin, --cafile and --insecure go with --server");
	if (s->password_stdin && !s->user)
		return cli_usage(c, "--password-stdin needs --user");
	if (s->server_text && !smtp_server_parse(view_from_cstr(s->server_text), &s->server))
		return cli_usage(c, "--server takes smtps://HOST[:PORT] or smtp://HOST[:PORT]");
	return 0;
}

static int add(struct send *s, struct addressees *list, struct view text)
{
	struct view bad;

	return sender_fail(addressees_add(list, text, buf_view(&s->default_domain), &bad), bad);
}

static int add_words(struct send *s, struct addressees *list, const char *const *words, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		r = add(s, list, view_from_cstr(words[i]));
		if (r == 0)
			r = add(s, &s->recipients, view_from_cstr(words[i]));
	}
	return r;
}

static int read_addresses(struct send *s)
{
	int r = s->server_text ? 0 : hand_in_default_domain(s->c, &s->default_domain);

	if (r == 0)
		r = add_words(s, &s->to, (const char *const *)s->c->argv + 1, (size_t)(s->c->argc - 1));
	if (r == 0)
		r = add_words(s, &s->cc, s->cc_words.items, s->cc_words.n);
	for (size_t i = 0; i < s->bcc_words.n && r == 0; i++)
		r = add(s, &s->recipients, view_from_cstr(s->bcc_words.items[i]));
	return r;
}

/* -f; else the user name at the server, where it is an address; else who runs this, where the server is this machine's. */
static int find_author(struct send *s)
{
	if (s->from || (s->user && strchr(s->user, '@')))
		return add(s, &s->author, view_from_cstr(s->from ? s->from : s->user));
	if (s->server_text)
		return cli_usage(s->c, "from whom? -f ADDRESS says it");
	return sender_of_process(NULL, buf_view(&s->default_domain), &s->author);
}

/* ---- the message ---- */

static int read_input(struct send *s)
{
	int r;

	if (isatty(STDIN_FILENO))
		(void)fprintf(stderr, "Write the message; Ctrl-D on an empty line ends it.\n");
	r = cli_read_fd(STDIN_FILENO, &s->input);
	if (r == -EFBIG)
		return cli_fail(CLI_BAD_DATA, "the message is too big", "more than 512 MiB", NULL);
	return r < 0 ? cli_fail_errno(CLI_OTHER, "cannot read standard input", r, NULL) : 0;
}

/* A whole message comes on standard input. */
static int take_message(struct send *s)
{
	struct buf lines = BUF_INIT(s->input.max * 2);
	struct view bad;
	int r;

	raw_message_lines(&lines, buf_view(&s->input), false);
	r = sender_fail(raw_message_recipients(buf_view(&lines), buf_view(&s->default_domain), &s->recipients, &bad),
			bad);
	if (r == 0 && s->recipients.n == 0)
		r = cli_fail(CLI_BAD_DATA, "no recipients", "the message has no To, Cc or Bcc field", NULL);
	if (r == 0 && !s->from)
		(void)!raw_message_author(buf_view(&lines), buf_view(&s->default_domain), &s->author);
	if (r == 0 && s->author.n == 0)
		r = find_author(s);
	if (r == 0)
		raw_message_rewrite(&s->message, buf_view(&lines), buf_view(&s->default_domain), &s->author.items[0]);
	buf_fini(&lines);
	return r;
}

static int read_file(const char *path, struct compose_file *ret, struct buf *bytes)
{
	const char *slash = strrchr(path, '/');
	int r;

	buf_init(bytes, INPUT_MAX);
	r = cli_read_file(path, bytes);
	if (r < 0)
		return cli_fail_errno(CLI_BAD_DATA, path, r, "-a names a file that can be read");
	ret->name = view_from_cstr(slash ? slash + 1 : path);
	ret->bytes = buf_view(bytes);
	ret->type = mime_type_guess(ret->name, ret->bytes);
	return 0;
}

static struct date local_now(void)
{
	time_t now = (time_t)clock_wall_s();
	struct tm tm;

	(void)localtime_r(&now, &tm);
	return (struct date){.utc_s = now, .zone_min = (int32_t)(tm.tm_gmtoff / 60), .zone_known = true};
}

static int compose(struct send *s, const struct compose_file *files)
{
	_cleanup_(buf_fini) struct buf unique = BUF_INIT(2 * UNIQUE_BYTES);
	uint8_t random[UNIQUE_BYTES];
	struct compose m = {
	    .from = &s->author.items[0],
	    .to = &s->to,
	    .cc = &s->cc,
	    .subject = s->subject ? view_from_cstr(s->subject) : VIEW_EMPTY,
	    .text = buf_view(&s->input),
	    .files = files,
	    .file_count = s->files.n,
	    .date = local_now(),
	};

	random_bytes(random, sizeof random);
	encode_hex(&unique, view_from(random, sizeof random));
	m.unique = buf_view(&unique);
	switch (compose_format(&s->message, &m)) {
	case COMPOSE_DONE:
		return 0;
	case COMPOSE_BAD_SUBJECT:
		return cli_fail(CLI_BAD_DATA, "the subject cannot be sent",
				"it is not UTF-8, or a word of it is over 900 bytes", NULL);
	case COMPOSE_BAD_TEXT:
		return cli_fail(CLI_BAD_DATA, "standard input is no text", "it is not UTF-8, or holds NUL bytes",
				"send it as a file with -a");
	case COMPOSE_TOO_BIG:
		break;
	}
	return cli_fail(CLI_BAD_DATA, "the message is too big", "more than 1 GiB", NULL);
}

static int make_message(struct send *s)
{
	struct compose_file *files = xcalloc(s->files.n + 1, sizeof *files);
	struct buf *bytes = xcalloc(s->files.n + 1, sizeof *bytes);
	int r = 0;

	for (size_t i = 0; i < s->files.n && r == 0; i++)
		r = read_file(s->files.items[i], &files[i], &bytes[i]);
	if (r == 0)
		r = find_author(s);
	if (r == 0)
		r = read_input(s);
	if (r == 0)
		r = compose(s, files);
	for (size_t i = 0; i < s->files.n; i++)
		buf_fini(&bytes[i]);
	free(bytes);
	free(files);
	return r;
}

/* ---- on its way ---- */

static int hand_in_here(const struct send *s)
{
	const struct hand_in m = {s->author.items[0].address, &s->recipients, buf_view(&s->message)};
	char id[ID_TEXT_BYTES + 1];
	uint64_t message_id;
	int r = hand_in(s->c, &m, &message_id);

	if (r)
		return r;
	id_format(message_id, id);
	(void)printf("sent: kept as %s\n", id);
	return 0;
}

/* The certificate that this data folder's server shows, where that is the server meant and we may read it: then its key counts, and
 * it need not be signed by anybody. */
static bool find_pin(const struct send *s, struct buf *ret)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(1024);
	struct conf *conf = NULL;
	char *path;
	bool ours;

	if (s->insecure || s->ca_file || supervisor_read_conf(s->c->dir, &conf, NULL, &error))
		return false;
	ours = smtp_server_is_loopback(&s->server) || view_eq_lit_nocase(s->server.host, conf->hostname);
	path = cli_path(s->c, conf->tls_cert);
	ours = ours && smtp_out_pin(path, ret);
	free(path);
	conf_free(&conf);
	return ours;
}

static int send_out(struct send *s)
{
	_cleanup_(buf_fini) struct buf pin = BUF_INIT(128);
	const struct smtp_out m = {
	    .server = &s->server,
	    .user = s->user,
	    .password = buf_view(&s->password),
	    .sender = s->author.items[0].address,
	    .recipients = &s->recipients,
	    .message = buf_view(&s->message),
	    .ca_file = s->ca_file,
	    .pin = find_pin(s, &pin) ? buf_cstr(&pin) : NULL,
	    .insecure = s->insecure,
	};

	return smtp_out(&m);
}

/* Before the message is read: its first line may be the password. */
static int find_password(struct send *s)
{
	const char *env = getenv("POMBO_PASSWORD");
	_cleanup_(buf_fini) struct buf whose = BUF_INIT(2048);

	if (!s->user)
		return 0;
	buf_printf(&whose, "%s at %s", s->user, s->server_text);
	if (s->password_stdin || !env || !*env)
		return password_get(s->password_stdin ? PASSWORD_STDIN : PASSWORD_TERMINAL, buf_cstr(&whose),
				    &s->password);
	buf_append_cstr(&s->password, env);
	return 0;
}

static int run_send(struct send *s)
{
	int r = check_words(s);

	if (r == 0)
		r = read_addresses(s);
	if (r == 0)
		r = find_password(s);
	if (r == 0 && s->read_recipients)
		r = read_input(s);
	if (r == 0)
		r = s->read_recipients ? take_message(s) : make_message(s);
	if (r)
		return r;
	return s->server_text ? send_out(s) : hand_in_here(s);
}

static int run(struct cli *c)
{
	_cleanup_(send_fini) struct send s;
	const struct option options[] = {
	    {.name = "from", .short_name = 'f', .value = &s.from},
	    {.name = "subject", .short_name = 's', .value = &s.subject},
	    {.name = "attach", .short_name = 'a', .values = &s.files},
	    {.name = "cc", .values = &s.cc_words},
	    {.name = "bcc", .values = &s.bcc_words},
	    {.name = "read-recipients", .short_name = 't', .flag = &s.read_recipients},
	    {.name = "server", .value = &s.server_text},
	    {.name = "user", .value = &s.user},
	    {.name = "password-stdin", .flag = &s.password_stdin},
	    {.name = "cafile", .value = &s.ca_file},
	    {.name = "insecure", .flag = &s.insecure},
	};
	int r;

	send_init(&s, c);
	r = option_take(c, options, ARRAY_LEN(options));
	return r ? r : run_send(&s);
}

const struct cli_command cmd_send = {
    .name = "send",
    .usage = "[-f FROM] [-s SUBJECT] [-a FILE]... [-t] [--server URL] [--user USER] TO...",
    .summary = "sends a message; its text is standard input",
    .help =
	"The text is UTF-8. Without --server the message is handed to the server that runs on the data folder, as its "
	"operator. With --server any server takes it, as from a mail program: smtps://HOST[:PORT] is TLS from the "
	"start "
	"(port 465), smtp://HOST[:PORT] begins without and turns to TLS (STARTTLS, port 587). A password never goes "
	"out without "
	"TLS, and the server's certificate must be good: by the system's authorities or --cafile; where the server is "
	"the one of "
	"a data folder that may be read, by being that server's own.\n\n"
	"The password of --user comes from $POMBO_PASSWORD, from standard input with --password-stdin, or is asked for "
	"at the "
	"terminal.",
    .options =
	(const struct cli_option_help[]){
	    {"-f, --from ADDRESS",
	     "The sender: \"Name <address>\" or an address. Without it the user of --user, or whoever runs "
	     "this."},
	    {"-s, --subject TEXT", "The subject."},
	    {"-a, --attach FILE", "Attach a file; may be given several times."},
	    {"--cc ADDRESS", "Send a copy there; may be given several times."},
	    {"--bcc ADDRESS", "The same, and the others do not see it."},
	    {"-t, --read-recipients",
	     "Standard input is a whole message: its To, Cc and Bcc fields name the recipients. Bcc is "
	     "taken out."},
	    {"--server URL", "The server to send through."},
	    {"--user USER", "Log in there under this name."},
	    {"--password-stdin", "The first line of standard input is the password; the message follows."},
	    {"--cafile FILE", "Trust the certificates in this file (PEM) alone."},
	    {"--insecure",
	     "Take whatever certificate the server shows. Anybody on the way may then read the password."},
	    {NULL, NULL}},
    .example = "echo 'See attached.' | pombo send -s Report -a report.pdf bob@example.net\n"
	       "pombo send --server smtps://mail.example.org --user you@example.org -s Hello bob@example.net <text",
    .run = run,
};
