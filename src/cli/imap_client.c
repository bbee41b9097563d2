/* SPDX-License-Identifier: ISC
 * A small IMAP client. */
#include "cli/imap_client.h"

#include "base/encode.h"
#include "cli/cli.h"
#include "cli/imap_parse.h"
#include "cli/imap_wire.h"
#include "cli/show.h"
#include "cli/spool.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
	IN_BYTES = 65536,
	COMMAND_MAX = 1 << 16,
	LINE_MAX_BYTES = 1 << 20,
	LITERAL_IN_MEMORY = 256 * 1024,
	RESPONSE_MAX = 2 * LINE_MAX_BYTES,
	ANSWERS_MAX = 50 * 1000 * 1000
};

struct imap_client {
	struct imap_wire wire;
	struct buf in; /* read and not taken */
	struct buf response; /* the one given last */
	struct spool large; /* its large literal, if has_large */
	bool has_large;
	uint64_t max_literal;
	unsigned tag, answers; /* to the command under way */
	bool plain; /* AUTH=PLAIN */
	char *refusal; /* how the last command was refused; or NULL */
};

/* ---- bytes ---- */

static int read_more(struct imap_client *c)
{
	return imap_wire_read(&c->wire, &c->in, IN_BYTES);
}

/* `n` bytes from c->in to c->response. */
static int take(struct imap_client *c, size_t n)
{
	while (n) {
		size_t part = c->in.n < n ? c->in.n : n;
		int r;

		buf_append(&c->response, c->in.p, part);
		buf_consume(&c->in, part);
		n -= part;
		r = n ? read_more(c) : 0;
		if (r)
			return r;
	}
	return c->response.overflow ? imap_wire_broken("a response is too long") : 0;
}

/* The literal that was announced, out of the response. */
static int take_large(struct imap_client *c, uint64_t n)
{
	if (c->has_large || n > c->max_literal)
		return imap_wire_broken("a response is too long");
	c->has_large = true;
	spool_reset(&c->large);
	while (n) {
		size_t part = c->in.n < n ? c->in.n : n;
		int r;

		spool_append(&c->large, view_from(c->in.p, part));
		buf_consume(&c->in, part);
		n -= part;
		r = n ? read_more(c) : 0;
		if (r)
			return r;
	}
	return 0;
}

/* "{12345}" at the response's end becomes "{0}". */
static void empty_literal(struct imap_client *c)
{
	while (c->response.p[c->response.n - 1] != '{')
		buf_truncate(&c->response, c->response.n - 1);
	buf_append_cstr(&c->response, "0}\r\n");
}

/* A line with its end. */
static int take_line(struct imap_client *c)
{
	size_t looked = 0;

	for (;;) {
		struct view rest = view_sub(buf_view(&c->in), looked, c->in.n);
		size_t at = view_find_char(rest, '\n');
		int r;

		if (at < rest.n)
			return take(c, looked + at + 1);
		if (c->in.n > LINE_MAX_BYTES)
			return imap_wire_broken("a line without an end");
		looked = c->in.n;
		r = read_more(c);
		if (r)
			return r;
	}
}

/* One response, literals and all. */
static int read_response(struct imap_client *c)
{
	buf_reset(&c->response);
	c->has_large = false;
	for (;;) {
		size_t start = c->response.n;
		uint64_t literal;
		int r = take_line(c);

		if (r)
			return r;
		if (!imap_ends_in_literal(view_sub(buf_view(&c->response), start, c->response.n), &literal))
			return 0;
		if (literal > LITERAL_IN_MEMORY) {
			empty_literal(c);
			r = take_large(c, literal);
		} else {
			r = take(c, literal);
		}
		if (r)
			return r;
	}
}

int imap_client_send(struct imap_client *c, const char *command)
{
	_cleanup_(buf_fini) struct buf line = BUF_INIT(COMMAND_MAX);
	int r;

	buf_printf(&line, "p%u %s\r\n", ++c->tag, command);
	r = line.overflow ? imap_wire_broken("a command is too long") : imap_wire_write(&c->wire, buf_view(&line));
	if (line.n)
		explicit_bzero(line.p, line.n); /* LOGIN holds a password */
	c->answers = 0;
	return r;
}

int imap_client_next(struct imap_client *c, struct view *ret, bool *ret_done)
{
	_cleanup_(buf_fini) struct buf tag = BUF_INIT(32);
	int r = read_response(c);

	*ret_done = false;
	if (r)
		return r;
	if (++c->answers > ANSWERS_MAX)
		return imap_wire_broken("it answers without end");
	*ret = imap_response_text(buf_view(&c->response));
	if (view_starts_with_nocase(*ret, VIEW_LIT("* BYE")))
		return imap_wire_broken("it said goodbye");
	buf_printf(&tag, "p%u ", c->tag);
	if (!view_starts_with(*ret, buf_view(&tag)))
		return 0;
	*ret = view_sub(*ret, tag.n, ret->n);
	*ret_done = true;
	patience_answered(&c->wire.patience);
	free(c->refusal);
	c->refusal = NULL;
	if (!view_starts_with_nocase(*ret, VIEW_LIT("OK"))) {
		c->refusal = view_to_cstr(view_sub(*ret, 0, 500));
		c->refusal = c->refusal ? c->refusal : xstrdup("?");
	}
	return 0;
}

struct spool *imap_client_large(struct imap_client *c)
{
	return c->has_large ? &c->large : NULL;
}

const char *imap_client_refusal(const struct imap_client *c)
{
	return c->refusal;
}

int imap_client_check(const struct imap_client *c)
{
	_cleanup_(buf_fini) struct buf clean = BUF_INIT(4096);

	if (!c->refusal)
		return 0;
	show_clean(view_from_cstr(c->refusal), &clean);
	return cli_fail(CLI_NOT_ALLOWED, "the other server refuses", buf_cstr(&clean), NULL);
}

static int finish(struct imap_client *c)
{
	bool done = false;
	struct view line;
	int r = 0;

	while (r == 0 && !done) {
		r = imap_client_next(c, &line, &done);
		c->plain |= r == 0 && view_find(line, VIEW_LIT("AUTH=PLAIN")) < line.n;
	}
	return r ? r : imap_client_check(c);
}

static int run(struct imap_client *c, const char *command)
{
	int r = imap_client_send(c, command);

	return r ? r : finish(c);
}

/* ---- open ---- */

static void put_quoted(struct buf *out, struct view v)
{
	buf_append_char(out, '"');
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '"' || v.p[i] == '\\')
			buf_append_char(out, '\\');
		buf_append_char(out, v.p[i]);
	}
	buf_append_char(out, '"');
}

static int authenticate_plain(struct imap_client *c, struct view user, struct view password)
{
	_cleanup_(buf_fini) struct buf plain = BUF_INIT(4096), line = BUF_INIT(8192);
	int r = imap_client_send(c, "AUTHENTICATE PLAIN");
	struct view answer = VIEW_EMPTY;
	bool done = false;

	while (r == 0 && !done && !view_starts_with(answer, VIEW_LIT("+")))
		r = imap_client_next(c, &answer, &done);
	if (r == 0 && done)
		r = c->refusal ? imap_client_check(c) : imap_wire_broken("it takes no AUTHENTICATE PLAIN");
	if (r)
		return r;
	buf_append_char(&plain, '\0');
	buf_append_view(&plain, user);
	buf_append_char(&plain, '\0');
	buf_append_view(&plain, password);
	encode_base64(&line, buf_view(&plain));
	buf_append_cstr(&line, "\r\n");
	r = imap_wire_write(&c->wire, buf_view(&line));
	explicit_bzero(plain.p, plain.n);
	explicit_bzero(line.p, line.n);
	return r ? r : finish(c);
}

static int log_in(struct imap_client *c, const struct imap_url *u, struct view password)
{
	_cleanup_(buf_fini) struct buf line = BUF_INIT(8192);
	int r = run(c, "CAPABILITY");

	if (r)
		return r;
	if (c->plain)
		return authenticate_plain(c, view_from_cstr(u->user), password);
	buf_append_cstr(&line, "LOGIN ");
	put_quoted(&line, view_from_cstr(u->user));
	buf_append_char(&line, ' ');
	put_quoted(&line, password);
	r = run(c, buf_cstr(&line) ? buf_cstr(&line) : "LOGIN");
	if (line.n)
		explicit_bzero(line.p, line.n);
	return r;
}

/* The greeting has to be OK: PREAUTH would take STARTTLS away. */
static int greet(struct imap_client *c)
{
	int r = read_response(c);

	if (r == 0 && !view_starts_with_nocase(buf_view(&c->response), VIEW_LIT("* OK")))
		return imap_wire_broken("it does not greet as an IMAP server that lets one log in");
	return r;
}

int imap_client_open(const struct imap_url *u, struct view password, const struct imap_client_options *o,
		     struct imap_client **ret)
{
	struct imap_client *c = xcalloc(1, sizeof *c);
	int r;

	*ret = c;
	(void)signal(SIGPIPE, SIG_IGN);
	c->in = BUF_INIT(LINE_MAX_BYTES + 2 * IN_BYTES);
	c->response = BUF_INIT(RESPONSE_MAX);
	c->large = SPOOL_INIT;
	c->max_literal = o->max_literal;
	r = imap_wire_connect(&c->wire, u, o->idle_s);
	if (r == 0 && u->tls_at_start)
		r = imap_wire_tls(&c->wire, u, o->ca_file, o->insecure);
	if (r == 0)
		r = greet(c);
	if (r == 0 && !u->tls_at_start)
		r = run(c, "STARTTLS");
	if (r == 0 && !u->tls_at_start) {
		buf_reset(&c->in); /* what came before TLS counts for nothing */
		c->plain = false;
		r = imap_wire_tls(&c->wire, u, o->ca_file, o->insecure);
	}
	return r ? r : log_in(c, u, password);
}

void imap_client_close(struct imap_client **cp)
{
	struct imap_client *c = *cp;

	if (!c)
		return;
	imap_wire_close(&c->wire);
	buf_fini(&c->in);
	buf_fini(&c->response);
	spool_fini(&c->large);
	free(c->refusal);
	free(c);
	*cp = NULL;
}
