/* SPDX-License-Identifier: ISC
 * The base subject, by the rules of RFC 5256 §2.1 and §5. */
#include "mail/base_subject.h"

/* Step 1: tabs and line ends become spaces, several spaces one. */
static void normalize(struct view in, struct buf *out)
{
	bool blank = false;

	for (size_t i = 0; i < in.n; i++) {
		char c = in.p[i];

		if (c == '\t' || c == '\r' || c == '\n' || c == ' ') {
			blank = true;
			continue;
		}
		if (blank)
			buf_append_char(out, ' ');
		blank = false;
		buf_append_char(out, c);
	}
	if (blank)
		buf_append_char(out, ' ');
}

static struct view skip(struct view v, size_t n)
{
	return view_sub(v, n, v.n);
}

static size_t blanks(struct view v)
{
	size_t n = 0;

	while (n < v.n && v.p[n] == ' ')
		n++;
	return n;
}

/* subj-blob = "[" *BLOBCHAR "]" *WSP: its length, 0 for none */
static size_t blob(struct view v)
{
	size_t n = 1;

	if (v.n == 0 || v.p[0] != '[')
		return 0;
	while (n < v.n && v.p[n] != '[' && v.p[n] != ']' && v.p[n] != '\0')
		n++;
	if (n == v.n || v.p[n] != ']')
		return 0;
	return n + 1 + blanks(skip(v, n + 1));
}

/* subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":" */
static size_t refwd(struct view v)
{
	static const char *const words[] = {"re", "fwd", "fw"};
	size_t n = 0;

	for (size_t i = 0; i < sizeof words / sizeof words[0] && n == 0; i++)
		if (view_starts_with_nocase(v, view_from_cstr(words[i])))
			n = view_from_cstr(words[i]).n;
	if (n == 0)
		return 0;
	n += blanks(skip(v, n));
	n += blob(skip(v, n));
	return n < v.n && v.p[n] == ':' ? n + 1 : 0;
}

/* Step 2: *subj-trailer */
static struct view without_trailers(struct view v, bool *is_reply)
{
	for (;;) {
		if (v.n && v.p[v.n - 1] == ' ') {
			v.n--;
		} else if (view_ends_with_nocase(v, VIEW_LIT("(fwd)"))) {
			v.n -= 5;
			*is_reply = true;
		} else {
			return v;
		}
	}
}

/* Steps 3 to 5. Blobs are passed over once: when no refwd stands behind them, all go but the one that would leave nothing. */
static struct view without_leaders(struct view v, bool *is_reply)
{
	for (;;) {
		struct view rest = skip(v, blanks(v)), last = rest;
		size_t n;

		v = rest;
		while ((n = blob(rest))) {
			last = rest;
			rest = skip(rest, n);
		}
		n = refwd(rest);
		if (n == 0)
			return rest.n ? rest : last;
		*is_reply = true;
		v = skip(rest, n);
	}
}

/* Step 6 */
static bool unwrap(struct view *v)
{
	struct view head = VIEW_LIT("[fwd:");

	if (!view_starts_with_nocase(*v, head) || v->n <= head.n || v->p[v->n - 1] != ']')
		return false;
	*v = view_sub(*v, head.n, v->n - head.n - 1);
	return true;
}

bool base_subject(struct view utf8, struct buf *out)
{
	struct buf text = BUF_INIT(utf8.n + 1);
	bool is_reply = false;
	struct view v;

	normalize(utf8, &text);
	v = buf_view(&text);
	do {
		v = without_leaders(without_trailers(v, &is_reply), &is_reply);
	} while (unwrap(&v) && (is_reply = true));
	buf_append_view(out, v);
	buf_fini(&text);
	return is_reply;
}
