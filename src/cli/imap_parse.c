/* SPDX-License-Identifier: ISC
 * What an IMAP server says, for a client. */
#include "cli/imap_parse.h"

#include "base/encode.h"

#include <stdlib.h>
#include <string.h>

enum { URL_MAX = 1000 };

/* ---- URL ---- */

static char *decode_percent(struct view v)
{
	struct buf out = BUF_INIT(1024);

	for (size_t i = 0; i < v.n; i++) {
		struct buf byte = BUF_INIT(4);

		if (v.p[i] == '%' && i + 2 < v.n && decode_hex(&byte, view_sub(v, i + 1, 2))) {
			buf_append_view(&out, buf_view(&byte));
			i += 2;
		} else {
			buf_append_char(&out, v.p[i]);
		}
		buf_fini(&byte);
	}
	(void)buf_cstr(&out);
	return buf_take(&out, NULL);
}

/* Neither empty nor with bytes that a command cannot carry. */
static bool is_sane(const char *s)
{
	if (!s || !*s)
		return false;
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

bool imap_url_parse(const char *text, struct imap_url *ret)
{
	struct view rest = view_from_cstr(text), host;
	size_t at;

	*ret = (struct imap_url){.tls_at_start = view_starts_with(rest, VIEW_LIT("imaps://"))};
	if (!ret->tls_at_start && !view_starts_with(rest, VIEW_LIT("imap://")))
		return false;
	rest = view_sub(rest, ret->tls_at_start ? 8 : 7, rest.n);
	while (rest.n && rest.p[rest.n - 1] == '/')
		rest.n--;
	for (at = rest.n; at > 0 && rest.p[at - 1] != '@'; at--)
		continue;
	host = view_sub(rest, at, rest.n);
	if (at < 2 || host.n == 0 || rest.n > URL_MAX || view_find_char(host, '/') < host.n)
		return false;
	ret->user = decode_percent(view_sub(rest, 0, at - 1));
	if (host.p[0] == '[') { /* IPv6 */
		size_t end = view_find_char(host, ']');

		ret->host = view_to_cstr(view_sub(host, 1, end - 1));
		rest = view_sub(host, end + 1, host.n);
	} else {
		size_t end = view_find_char(host, ':');

		ret->host = view_to_cstr(view_sub(host, 0, end));
		rest = view_sub(host, end, host.n);
	}
	ret->port = rest.n > 1 ? view_to_cstr(view_sub(rest, 1, rest.n)) : xstrdup(ret->tls_at_start ? "993" : "143");
	return is_sane(ret->user) && is_sane(ret->host) && (rest.n == 0 || rest.p[0] == ':');
}

void imap_url_fini(struct imap_url *u)
{
	free(u->user);
	free(u->host);
	free(u->port);
}

/* ---- words ---- */

struct view imap_response_text(struct view response)
{
	if (view_ends_with_nocase(response, VIEW_LIT("\n")))
		response.n--;
	if (view_ends_with_nocase(response, VIEW_LIT("\r")))
		response.n--;
	return response;
}

bool imap_ends_in_literal(struct view v, uint64_t *ret)
{
	size_t i;

	v = view_trim(v);
	if (v.n < 3 || v.p[v.n - 1] != '}')
		return false;
	for (i = v.n - 1; i > 0 && v.p[i - 1] != '{'; i--)
		continue;
	return i > 0 && view_to_u64(view_sub(v, i, v.n - 1 - i), UINT64_MAX / 2, ret);
}

enum imap_word_kind imap_word(struct view *in, struct view *ret)
{
	size_t n = 0;
	uint64_t literal;

	while (in->n && (in->p[0] == ' ' || in->p[0] == '\r' || in->p[0] == '\n'))
		*in = view_sub(*in, 1, in->n);
	*ret = VIEW_EMPTY;
	if (in->n == 0)
		return IMAP_WORD_END;
	if (in->p[0] == '(' || in->p[0] == ')') {
		char c = in->p[0];

		*in = view_sub(*in, 1, in->n);
		return c == '(' ? IMAP_WORD_OPEN : IMAP_WORD_CLOSE;
	}
	if (in->p[0] == '"') {
		for (n = 1; n < in->n && in->p[n] != '"'; n++)
			n += in->p[n] == '\\';
		if (n >= in->n)
			return IMAP_WORD_BAD;
		*ret = view_sub(*in, 1, n - 1);
		*in = view_sub(*in, n + 1, in->n);
		return IMAP_WORD_QUOTED;
	}
	if (in->p[0] == '{') {
		size_t end = view_find_char(*in, '\n');

		if (end == in->n || !imap_ends_in_literal(view_sub(*in, 0, end), &literal) || literal > in->n - end - 1)
			return IMAP_WORD_BAD;
		*ret = view_sub(*in, end + 1, literal);
		*in = view_sub(*in, end + 1 + literal, in->n);
		return IMAP_WORD_LITERAL;
	}
	while (n < in->n && !strchr(" ()\r\n\"", in->p[n] ? in->p[n] : ' '))
		n++;
	if (n == 0)
		return IMAP_WORD_BAD;
	*ret = view_sub(*in, 0, n);
	*in = view_sub(*in, n, in->n);
	return IMAP_WORD_ATOM;
}

void imap_word_text(enum imap_word_kind kind, struct view word, struct buf *out)
{
	if (kind != IMAP_WORD_QUOTED) {
		buf_append_view(out, word);
		return;
	}
	for (size_t i = 0; i < word.n; i++) {
		if (word.p[i] == '\\' && i + 1 < word.n)
			i++;
		buf_append_char(out, word.p[i]);
	}
}

static bool is_string(enum imap_word_kind k)
{
	return k == IMAP_WORD_ATOM || k == IMAP_WORD_QUOTED || k == IMAP_WORD_LITERAL;
}

/* ---- LIST ---- */

static uint32_t attribute_of(struct view word)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} known[] = {{"\\Noselect", IMAP_NOSELECT}, {"\\NonExistent", IMAP_NOSELECT},
		     {"\\Drafts", IMAP_DRAFTS},     {"\\Sent", IMAP_SENT},
		     {"\\Junk", IMAP_JUNK},         {"\\Trash", IMAP_TRASH},
		     {"\\Archive", IMAP_ARCHIVE}};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (view_eq_lit_nocase(word, known[i].name))
			return known[i].bit;
	return 0;
}

bool imap_read_list(struct view line, struct imap_list *ret)
{
	_cleanup_(buf_fini) struct buf delimiter = BUF_INIT(16);
	struct view word;
	enum imap_word_kind k;

	ret->attributes = 0;
	ret->delimiter = '\0';
	buf_reset(&ret->name);
	if (imap_word(&line, &word) != IMAP_WORD_ATOM || !view_eq_lit(word, "*") ||
	    imap_word(&line, &word) != IMAP_WORD_ATOM || !view_eq_lit_nocase(word, "LIST") ||
	    imap_word(&line, &word) != IMAP_WORD_OPEN)
		return false;
	while ((k = imap_word(&line, &word)) == IMAP_WORD_ATOM)
		ret->attributes |= attribute_of(word);
	if (k != IMAP_WORD_CLOSE)
		return false;
	k = imap_word(&line, &word); /* or NIL, an atom */
	if (k == IMAP_WORD_QUOTED)
		imap_word_text(k, word, &delimiter);
	if (delimiter.n == 1)
		ret->delimiter = delimiter.p[0];
	k = imap_word(&line, &word);
	if (!is_string(k))
		return false;
	imap_word_text(k, word, &ret->name);
	return ret->name.n > 0;
}

/* ---- FETCH ---- */

static bool read_flags(struct view *line, struct imap_fetch *ret)
{
	struct view word;
	enum imap_word_kind k;

	if (imap_word(line, &word) != IMAP_WORD_OPEN)
		return false;
	while ((k = imap_word(line, &word)) == IMAP_WORD_ATOM)
		if (ret->n_flags < IMAP_FETCH_WORDS)
			ret->flags[ret->n_flags++] = word;
	return k == IMAP_WORD_CLOSE;
}

/* The rest of a list that has been opened. */
static bool pass_list(struct view *line)
{
	struct view word;
	size_t depth = 1;

	while (depth) {
		enum imap_word_kind k = imap_word(line, &word);

		if (k == IMAP_WORD_END || k == IMAP_WORD_BAD)
			return false;
		depth += k == IMAP_WORD_OPEN;
		depth -= k == IMAP_WORD_CLOSE;
	}
	return true;
}

static bool read_item(struct view *line, struct view name, struct imap_fetch *ret)
{
	struct view value;
	enum imap_word_kind k;

	if (view_eq_lit_nocase(name, "FLAGS"))
		return read_flags(line, ret);
	k = imap_word(line, &value);
	if (k == IMAP_WORD_OPEN)
		return pass_list(line); /* "MODSEQ (7)": servers may say more than they were asked */
	if (!is_string(k))
		return false;
	if (view_eq_lit_nocase(name, "UID"))
		return view_to_u32(value, UINT32_MAX, &ret->uid);
	if (view_eq_lit_nocase(name, "RFC822.SIZE"))
		return ret->has_size = view_to_u64(value, UINT64_MAX, &ret->size);
	if (view_eq_lit_nocase(name, "INTERNALDATE"))
		ret->date = value;
	if (view_eq_lit_nocase(name, "BODY[]") && k != IMAP_WORD_ATOM) {
		ret->body = value;
		ret->body_kind = k;
	}
	return true;
}

bool imap_read_fetch(struct view line, struct imap_fetch *ret)
{
	struct view word;
	enum imap_word_kind k;

	ret->uid = 0;
	ret->n_flags = 0;
	ret->has_size = false;
	ret->size = 0;
	ret->date = ret->body = VIEW_EMPTY;
	ret->body_kind = IMAP_WORD_END;
	if (imap_word(&line, &word) != IMAP_WORD_ATOM || !view_eq_lit(word, "*") ||
	    imap_word(&line, &word) != IMAP_WORD_ATOM || imap_word(&line, &word) != IMAP_WORD_ATOM ||
	    !view_eq_lit_nocase(word, "FETCH") || imap_word(&line, &word) != IMAP_WORD_OPEN)
		return false;
	while ((k = imap_word(&line, &word)) == IMAP_WORD_ATOM)
		if (!read_item(&line, word, ret))
			return false;
	return k == IMAP_WORD_CLOSE && ret->uid > 0;
}
