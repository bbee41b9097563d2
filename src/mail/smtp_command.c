/* SPDX-License-Identifier: ISC
 * One SMTP command line as a struct: verb by table, then its arguments. */
#include "mail/smtp_command.h"

#include "mail/smtp_param.h"

/* What a parser of arguments has in hand; on failure it leaves the reply in `error`. */
struct context {
	bool utf8_ok;
	struct arena *arena;
	struct verdict error;
};

static bool fail(struct context *c, struct verdict error)
{
	c->error = error;
	return false;
}

static bool fail_arguments(struct context *c)
{
	return fail(c, VERDICT(501, 5, 5, 4, "Syntax error in arguments"));
}

/* The next word; `*rest` starts behind the blanks that follow it. */
static struct view take_word(struct view *rest)
{
	size_t n = view_find_char(*rest, ' ');
	struct view word = view_sub(*rest, 0, n);

	while (n < rest->n && rest->p[n] == ' ')
		n++;
	*rest = view_sub(*rest, n, rest->n);
	return word;
}

static bool parse_nothing(struct context *c, struct view arg, struct smtp_command *ret)
{
	(void)ret;
	return arg.n ? fail(c, VERDICT(501, 5, 5, 4, "This command takes no arguments")) : true;
}

/* [ SP String ] */
static bool parse_text(struct context *c, struct view arg, struct smtp_command *ret)
{
	(void)c;
	ret->text = arg;
	return true;
}

static bool parse_needed_text(struct context *c, struct view arg, struct smtp_command *ret)
{
	if (arg.n == 0)
		return fail_arguments(c);
	return parse_text(c, arg, ret);
}

/* Domain / address-literal, leniently: older clients put text behind the literal (RFC 5321 §4.1.1.1). */
static bool parse_hello(struct context *c, struct view arg, struct smtp_command *ret)
{
	struct smtp_hello *hello = &ret->hello;
	struct ip ip;
	bool is_ip;

	hello->name = take_word(&arg);
	if (hello->name.n == 0)
		return fail(c, VERDICT(501, 5, 5, 4, "Your host name is missing"));
	if (hello->name.n > ADDRESS_DOMAIN_MAX || !view_is_ascii(hello->name))
		return fail(c, VERDICT(501, 5, 5, 4, "Your host name is not valid"));
	hello->is_literal = address_literal_parse(hello->name, &is_ip, &ip);
	hello->is_lenient = arg.n || (!hello->is_literal && !address_domain_valid(hello->name, 0));
	return true;
}

/* The bytes through the ">" that ends the path at the start of `text`, or 0. */
static size_t path_length(struct view text)
{
	bool in_quotes = false;

	if (text.n == 0 || text.p[0] != '<')
		return 0;
	for (size_t i = 1; i < text.n; i++) {
		if (text.p[i] == '"')
			in_quotes = !in_quotes;
		else if (text.p[i] == '\\' && in_quotes)
			i++;
		else if (text.p[i] == '>' && !in_quotes)
			return i + 1;
	}
	return 0;
}

/* A-d-l = At-domain *( "," At-domain ); At-domain = "@" Domain */
static bool route_valid(struct view route)
{
	struct view hop, rest = route;
	bool more = true;

	while (more) {
		more = view_cut(rest, ',', &hop, &rest);
		if (!more)
			hop = rest;
		if (hop.n == 0 || hop.p[0] != '@' || !address_domain_valid(view_sub(hop, 1, hop.n), ADDRESS_UTF8))
			return false;
	}
	return true;
}

/* Path = "<" [ A-d-l ":" ] Mailbox ">", or "<>" for MAIL, or "<Postmaster>" for RCPT; here without the brackets */
static bool parse_path(struct view content, enum smtp_verb verb, struct arena *a, struct smtp_path *ret)
{
	struct view route;

	if (content.n == 0) {
		ret->kind = SMTP_PATH_NULL;
		return verb == SMTP_MAIL;
	}
	if (verb == SMTP_RCPT && view_eq_lit_nocase(content, "postmaster")) {
		ret->kind = SMTP_PATH_POSTMASTER;
		return true;
	}
	if (content.p[0] == '@' && (!view_cut(content, ':', &route, &content) || !route_valid(route)))
		return false;
	ret->kind = SMTP_PATH_MAILBOX;
	return address_parse(content, ADDRESS_UTF8 | ADDRESS_LONG_LOCAL, a, &ret->address);
}

static bool fail_path(struct context *c, enum smtp_verb verb)
{
	return fail(c, verb == SMTP_MAIL ? VERDICT(501, 5, 1, 7, "Sender address is not valid")
					 : VERDICT(501, 5, 1, 3, "Recipient address is not valid"));
}

/* What MAIL and RCPT share behind "FROM:" and "TO:"; a blank there is a common mistake of clients and harmless. */
static bool parse_envelope(struct context *c, struct view keyword, struct view arg, struct smtp_command *ret)
{
	bool utf8_ok = c->utf8_ok;
	size_t n;

	if (!view_starts_with_nocase(arg, keyword))
		return fail_arguments(c);
	arg = view_trim(view_sub(arg, keyword.n, arg.n));
	n = path_length(arg);
	if (n == 0 || !parse_path(view_sub(arg, 1, n - 2), ret->verb, c->arena, &ret->path))
		return fail_path(c, ret->verb);
	arg = view_sub(arg, n, arg.n);
	if (arg.n && arg.p[0] != ' ')
		return fail_path(c, ret->verb);
	if (!smtp_param_parse(view_trim(arg), ret->verb == SMTP_MAIL, c->arena, &ret->params))
		return fail(c, VERDICT(501, 5, 5, 4, "Syntax error in parameters"));
	if (ret->verb == SMTP_MAIL)
		utf8_ok = ret->params.present & SMTP_PARAM_SMTPUTF8;
	if (ret->path.kind == SMTP_PATH_MAILBOX && ret->path.address.is_utf8 && !utf8_ok)
		return fail(c, VERDICT(553, 5, 6, 7, "An address beyond ASCII needs SMTPUTF8"));
	return true;
}

/* mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] */
static bool parse_mail(struct context *c, struct view arg, struct smtp_command *ret)
{
	return parse_envelope(c, VIEW_LIT("FROM:"), arg, ret);
}

/* rcpt = "RCPT TO:" ( "<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path ) [SP Rcpt-parameters] */
static bool parse_rcpt(struct context *c, struct view arg, struct smtp_command *ret)
{
	return parse_envelope(c, VIEW_LIT("TO:"), arg, ret);
}

/* bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ] (RFC 3030 §2) */
static bool parse_bdat(struct context *c, struct view arg, struct smtp_command *ret)
{
	struct view size = take_word(&arg);

	if (!view_to_u64(size, UINT64_MAX, &ret->chunk_bytes))
		return fail_arguments(c);
	ret->is_last = view_eq_lit_nocase(arg, "LAST");
	return ret->is_last || arg.n == 0 ? true : fail_arguments(c);
}

/* sasl-mech = 1*20mech-char (RFC 4422 §3.1), case taken either way */
static bool mechanism_valid(struct view name)
{
	if (name.n == 0 || name.n > 20)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!ascii_is_alnum(name.p[i]) && name.p[i] != '-' && name.p[i] != '_')
			return false;
	return true;
}

static bool base64_alphabet(struct view text)
{
	for (size_t i = 0; i < text.n; i++)
		if (!ascii_is_alnum(text.p[i]) && text.p[i] != '+' && text.p[i] != '/' && text.p[i] != '=')
			return false;
	return true;
}

/* auth-command = "AUTH" SP sasl-mech [SP initial-response]; initial-response = base64 / "=" (RFC 4954 §8) */
static bool parse_auth(struct context *c, struct view arg, struct smtp_command *ret)
{
	ret->mechanism = take_word(&arg);
	if (!mechanism_valid(ret->mechanism))
		return fail_arguments(c);
	ret->has_initial = arg.n > 0;
	if (!base64_alphabet(arg))
		return fail(c, VERDICT(501, 5, 5, 2, "The initial response is not base64"));
	ret->initial = view_eq_lit(arg, "=") ? VIEW_EMPTY : arg;
	return true;
}

static const struct {
	const char *name;
	bool (*parse)(struct context *c, struct view arg, struct smtp_command *ret);
} verbs[] = {
    [SMTP_EHLO] = {"EHLO", parse_hello},
    [SMTP_HELO] = {"HELO", parse_hello},
    [SMTP_MAIL] = {"MAIL", parse_mail},
    [SMTP_RCPT] = {"RCPT", parse_rcpt},
    [SMTP_DATA] = {"DATA", parse_nothing},
    [SMTP_BDAT] = {"BDAT", parse_bdat},
    [SMTP_RSET] = {"RSET", parse_nothing},
    [SMTP_NOOP] = {"NOOP", parse_text},
    [SMTP_VRFY] = {"VRFY", parse_needed_text},
    [SMTP_EXPN] = {"EXPN", parse_needed_text},
    [SMTP_HELP] = {"HELP", parse_text},
    [SMTP_QUIT] = {"QUIT", parse_nothing},
    [SMTP_STARTTLS] = {"STARTTLS", parse_nothing},
    [SMTP_AUTH] = {"AUTH", parse_auth},
};

const char *smtp_verb_name(enum smtp_verb verb)
{
	return verbs[verb].name;
}

static bool has_control(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] < 32 || v.p[i] == 127)
			return true;
	return false;
}

bool smtp_command_parse(struct view line, bool utf8_ok, struct arena *a, struct smtp_command *ret,
			struct verdict *ret_error)
{
	struct context c = {.utf8_ok = utf8_ok, .arena = a};
	struct smtp_command command = {.verb = SMTP_EHLO};
	struct view word;
	size_t i;

	while (line.n && (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\t'))
		line.n--;
	word = take_word(&line);
	for (i = 0; i < ARRAY_LEN(verbs); i++)
		if (view_eq_lit_nocase(word, verbs[i].name))
			break;
	if (i == ARRAY_LEN(verbs)) {
		*ret_error = VERDICT(500, 5, 5, 1, "Command not recognized");
		return false;
	}
	command.verb = (enum smtp_verb)i;
	if (has_control(line)) {
		*ret_error = VERDICT(501, 5, 5, 2, "Control characters are not allowed in commands");
		return false;
	}
	if (!verbs[i].parse(&c, line, &command)) {
		*ret_error = c.error;
		return false;
	}
	*ret = command;
	return true;
}
