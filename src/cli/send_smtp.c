/* SPDX-License-Identifier: ISC
 * pombo-send: gives one message to one SMTP server, for `pombo send`. The message is standard input, the password descriptor 3.
 *
 *     pombo-send --url smtps://HOST:PORT --from ADDRESS --to ADDRESS... [--user USER]
 *                [--cafile FILE | --pin sha256//KEY | --insecure]
 *
 * TLS or nothing where there is a password; the certificate is checked unless --insecure. */
#include "cli/cli.h"

#include "cli/show.h"

#include <curl/curl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PASSWORD_FD = 3,
	PASSWORD_BYTES_MAX = 1024,
	REPLY_MAX = 4096,
	CONNECT_S = 30,
	ANSWER_S = 300, /* RFC 5321 §4.5.3.2 */
};

struct sending {
	const char *url, *from, *user, *ca_file, *pin;
	struct curl_slist *to;
	bool insecure;
	bool quitting;
	struct buf recipient; /* of the last command, when that was RCPT */
	struct buf reply; /* to the last command but QUIT: all lines, joined by blanks */
	bool reply_goes_on;
	char error[CURL_ERROR_SIZE]; /* proven: libcurl's own bound */
};

/* ---- what libcurl tells on the way ---- */

/* RFC 5321 §4.2.1: "250-text", and "250 text" as the last line */
static size_t on_reply_line(char *bytes, size_t size, size_t n, void *arg)
{
	struct sending *s = arg;
	struct view line = view_trim(view_from(bytes, size * n));

	if (s->quitting)
		return size * n;
	if (s->reply_goes_on) {
		buf_append_char(&s->reply, ' ');
		buf_append_view(&s->reply, view_sub(line, 4, line.n));
	} else {
		buf_reset(&s->reply);
		buf_append_view(&s->reply, line);
	}
	s->reply_goes_on = line.n > 3 && line.p[3] == '-';
	if (s->reply.n > 3)
		s->reply.p[3] = ' ';
	return size * n;
}

static uint32_t reply_code(const struct sending *s)
{
	uint32_t code;

	return view_to_u32(view_sub(buf_view(&s->reply), 0, 3), 599, &code) ? code : 0;
}

static int on_debug(CURL *curl, curl_infotype type, char *bytes, size_t n, void *arg)
{
	const struct view rcpt = VIEW_LIT("RCPT TO:");
	struct view command = view_trim(view_from(bytes, n));
	struct sending *s = arg;

	(void)curl;
	if (type != CURLINFO_HEADER_OUT)
		return 0;
	s->quitting = view_eq_lit(command, "QUIT");
	if (s->quitting)
		return 0;
	buf_reset(&s->recipient);
	if (view_starts_with(command, rcpt))
		buf_append_view(&s->recipient, view_sub(command, rcpt.n, REPLY_MAX));
	return 0;
}

static size_t on_read(char *bytes, size_t size, size_t n, void *arg)
{
	ssize_t got = read(STDIN_FILENO, bytes, size * n);

	(void)arg;
	return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

/* ---- what came of it ---- */

/* The server said no. */
static int fail_reply(const struct sending *s, uint32_t code)
{
	_cleanup_(buf_fini) struct buf what = BUF_INIT(2 * REPLY_MAX), why = BUF_INIT(2 * REPLY_MAX);
	bool at_login = code == 530 || code == 534 || code == 535 || code == 538;
	bool not_allowed = at_login || view_find(buf_view(&s->reply), VIEW_LIT(" 5.7.")) < s->reply.n;
	enum cli_status status = code < 500       ? CLI_TRY_AGAIN
				 : not_allowed    ? CLI_NOT_ALLOWED
				 : s->recipient.n ? CLI_NO_SUCH
						  : CLI_BAD_DATA;

	buf_append_cstr(&what, at_login ? "the server does not let you in" : "the server refused");
	if (s->recipient.n)
		buf_printf(&what, " %.*s", VIEW_FMT(buf_view(&s->recipient)));
	buf_append_view(&why, buf_view(&s->reply));
	return cli_fail(status, buf_cstr(&what), buf_cstr(&why), at_login ? "check user and password" : NULL);
}

static const struct {
	CURLcode code;
	enum cli_status status;
	const char *what, *todo;
} failures[] = {
    {CURLE_COULDNT_RESOLVE_HOST, CLI_NOT_RUNNING, "there is no server of that name", NULL},
    {CURLE_COULDNT_CONNECT, CLI_NOT_RUNNING, "cannot reach the server", NULL},
    {CURLE_OPERATION_TIMEDOUT, CLI_TRY_AGAIN, "the server did not answer in time",
     "is it smtps://, where TLS comes first?"},
    {CURLE_USE_SSL_FAILED, CLI_NOT_ALLOWED, "the server offers no STARTTLS, and without TLS nothing is sent",
     "is it smtps://?"},
    {CURLE_PEER_FAILED_VERIFICATION, CLI_NOT_ALLOWED, "the server's certificate cannot be trusted",
     "use the name that is in it, or name its issuer's certificate with --cafile"},
    {CURLE_SSL_PINNEDPUBKEYNOTMATCH, CLI_NOT_ALLOWED,
     "the server's key is not the one of the certificate in the data folder",
     "is it this machine's pombo that listens there?"},
    {CURLE_SSL_CACERT_BADFILE, CLI_BAD_CONFIG, "cannot read the certificates to trust", "name a file with --cafile"},
    {CURLE_SSL_CONNECT_ERROR, CLI_NOT_RUNNING, "no TLS with the server", "is it smtp://, which begins without?"},
    {CURLE_LOGIN_DENIED, CLI_NOT_ALLOWED, "the server does not let you in", "check user and password"},
    {CURLE_READ_ERROR, CLI_OTHER, "cannot read the message", NULL},
};

static int fail(const struct sending *s, CURLcode code)
{
	const char *why = s->error[0] ? s->error : curl_easy_strerror(code);

	if (reply_code(s) >= 400)
		return fail_reply(s, reply_code(s));
	for (size_t i = 0; i < ARRAY_LEN(failures); i++)
		if (failures[i].code == code)
			return cli_fail(failures[i].status, failures[i].what, why, failures[i].todo);
	return cli_fail(CLI_TRY_AGAIN, "cannot send", why, NULL);
}

static void tell(const struct sending *s)
{
	_cleanup_(buf_fini) struct buf clean = BUF_INIT(2 * REPLY_MAX);

	show_clean(buf_view(&s->reply), &clean);
	(void)printf("sent: %s\n", buf_cstr(&clean));
}

/* ---- sending ---- */

static bool set_tls(CURL *curl, const struct sending *s)
{
	const char *env = getenv("SSL_CERT_FILE");
	const char *ca_file = s->ca_file ? s->ca_file : env && *env ? env : NULL;
	bool by_name = !s->insecure && !s->pin;
	bool ok =
	    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, by_name ? 1L : 0L) == CURLE_OK &&
	    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, by_name ? 2L : 0L) == CURLE_OK &&
	    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
	    curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)(s->user ? CURLUSESSL_ALL : CURLUSESSL_TRY)) == CURLE_OK;

	if (ok && s->pin)
		ok = curl_easy_setopt(curl, CURLOPT_PINNEDPUBLICKEY, s->pin) == CURLE_OK;
	if (ok && by_name && ca_file)
		ok = curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file) == CURLE_OK &&
		     curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK;
	return ok;
}

static bool set_login(CURL *curl, const char *user)
{
	char password[PASSWORD_BYTES_MAX + 1] = {0};
	ssize_t n = read(PASSWORD_FD, password, PASSWORD_BYTES_MAX);
	bool ok = n > 0 && curl_easy_setopt(curl, CURLOPT_USERNAME, user) == CURLE_OK &&
		  curl_easy_setopt(curl, CURLOPT_PASSWORD, password) == CURLE_OK &&
		  curl_easy_setopt(curl, CURLOPT_SASL_IR, 1L) == CURLE_OK;

	explicit_bzero(password, sizeof password);
	return ok;
}

static bool set_callbacks(CURL *curl, struct sending *s)
{
	return curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, s->error) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_reply_line) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_HEADERDATA, s) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, on_debug) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_DEBUGDATA, s) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read) == CURLE_OK;
}

/* The URL's path is the name for EHLO: this machine's own name is nobody's business, and often no valid one. */
static bool set_target(CURL *curl, const struct sending *s)
{
	_cleanup_(buf_fini) struct buf url = BUF_INIT(1024);
	struct stat st;

	buf_printf(&url, "%s/localhost", s->url);
	return fstat(STDIN_FILENO, &st) == 0 && curl_easy_setopt(curl, CURLOPT_URL, buf_cstr(&url)) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)ANSWER_S) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)ANSWER_S) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_MAIL_FROM, s->from) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, s->to) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)st.st_size) == CURLE_OK;
}

static int send_message(struct sending *s)
{
	CURL *curl = curl_easy_init();
	int r = 0;

	if (!curl || !set_callbacks(curl, s) || !set_tls(curl, s) || !set_target(curl, s) ||
	    (s->user && !set_login(curl, s->user))) {
		r = cli_fail(CLI_OTHER, "cannot send", "libcurl does not take what it is told", NULL);
	} else {
		CURLcode code = curl_easy_perform(curl);

		if (code == CURLE_OK)
			tell(s);
		else
			r = fail(s, code);
	}
	curl_easy_cleanup(curl);
	return r;
}

/* ---- words ---- */

static bool add_recipient(struct sending *s, const char *address)
{
	struct curl_slist *longer = curl_slist_append(s->to, address);

	s->to = longer ? longer : s->to;
	return longer != NULL;
}

static bool take_words(struct sending *s, int argc, char **argv)
{
	static const struct option options[] = {
	    {"url", required_argument, NULL, 'l'},    {"from", required_argument, NULL, 'f'},
	    {"to", required_argument, NULL, 't'},     {"user", required_argument, NULL, 'u'},
	    {"cafile", required_argument, NULL, 'c'}, {"pin", required_argument, NULL, 'p'},
	    {"insecure", no_argument, NULL, 'i'},     {0}};
	const char **const values[] = {
	    ['l'] = &s->url, ['f'] = &s->from, ['u'] = &s->user, ['c'] = &s->ca_file, ['p'] = &s->pin};
	int letter;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (letter == '?' || (letter == 't' && !add_recipient(s, optarg)))
			return false;
		if (letter == 'i')
			s->insecure = true;
		else if (letter != 't')
			*values[letter] = optarg;
	}
	return optind == argc && s->url && s->from && s->to;
}

int main(int argc, char **argv)
{
	struct sending s = {.recipient = BUF_INIT(REPLY_MAX), .reply = BUF_INIT(REPLY_MAX)};
	int r;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return cli_fail(CLI_OTHER, "cannot send", "libcurl does not start", NULL);
	r = take_words(&s, argc, argv) ? send_message(&s)
				       : cli_fail(CLI_USAGE, "pombo-send", "this program is for 'pombo send'", NULL);
	curl_slist_free_all(s.to);
	curl_global_cleanup();
	buf_fini(&s.recipient);
	buf_fini(&s.reply);
	return r;
}
