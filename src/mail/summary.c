/* SPDX-License-Identifier: ISC
 * The summary of what became of a message: how many recipients it went well for, then a line for each. */
#include "mail/summary.h"

#include "mail/date.h"
#include "mail/header.h"
#include "mail/rfc2047.h"

enum { SUBJECT_MAX = 200, WORDS_MAX = 300, ADDRESS_MAX = 320, ID_MAX = 900 };

static bool went_well(const struct summary_line *l)
{
	return l->fate >= SUMMARY_ACCEPTED;
}

/* On one line, as UTF-8, at most `max` bytes. */
static void put(struct buf *out, struct view text, size_t max)
{
	size_t n = text.n;
	bool utf8 = view_is_utf8(text);

	if (n > max)
		for (n = max; n > 0 && ((unsigned char)text.p[n] & 0xc0) == 0x80; n--)
			;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		buf_append_char(out, c < ' ' || c == 127 ? ' ' : c >= 128 && !utf8 ? '?' : (char)c);
	}
	if (n < text.n)
		buf_append_cstr(out, "...");
}

/* The value of a field of the message, decoded. */
static void decode_field(struct buf *out, const struct summary *s, const char *name)
{
	struct header_field f;

	if (header_find(s->header, name, &f))
		rfc2047_decode(view_sub(f.value, 0, out->max / 4), out);
}

/* ---- the header ---- */

static void put_date(struct buf *out, const struct summary *s, int64_t at_s)
{
	date_format(out, &(struct date){.utc_s = at_s, .zone_min = s->zone_min, .zone_known = true});
}

static size_t count_bad(const struct summary *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++)
		n += !went_well(&s->lines[i]);
	return n;
}

static void put_subject(struct buf *out, const struct summary *s)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(4096), subject = BUF_INIT(4096);
	size_t bad = count_bad(s), all = s->count + s->left_out;

	if (bad && all > 1)
		buf_printf(&text, "Not accepted for %zu of %zu recipients: ", bad, all);
	else if (all > 1)
		buf_printf(&text, "Accepted for all %zu recipients: ", all);
	else
		buf_append_cstr(&text, bad ? "Not accepted: " : "Accepted: ");
	decode_field(&subject, s, "Subject");
	put(&text, view_trim(buf_view(&subject)), SUBJECT_MAX);
	buf_append_cstr(out, "Subject: ");
	rfc2047_encode(view_trim(buf_view(&text)), sizeof "Subject: " - 1, out);
	buf_append_cstr(out, "\r\n");
}

/* In-Reply-To and References (RFC 5322 §3.6.4), where the message has a Message-ID that can be named. */
static void put_references(struct buf *out, const struct summary *s)
{
	struct header_field f;
	struct view value, id;
	_cleanup_(buf_fini) struct buf line = BUF_INIT(ID_MAX);

	if (!header_find(s->header, "Message-ID", &f))
		return;
	header_unfold(&line, f.value);
	value = view_trim(buf_view(&line));
	if (line.overflow || value.n < 3 || value.p[0] != '<' || value.p[value.n - 1] != '>' || !view_is_ascii(value))
		return;
	id = view_sub(value, 1, value.n - 2);
	for (size_t i = 0; i < id.n; i++)
		if (id.p[i] <= ' ' || id.p[i] == 127 || id.p[i] == '<' || id.p[i] == '>')
			return;
	buf_printf(out, "In-Reply-To: %.*s\r\nReferences: %.*s\r\n", VIEW_FMT(value), VIEW_FMT(value));
}

static void put_head(struct buf *out, const struct summary *s, bool eightbit)
{
	buf_append_cstr(out, "Date: ");
	put_date(out, s, s->now_s);
	buf_printf(out, "\r\nFrom: Mail Delivery System <postmaster@%.*s>\r\nTo: <", VIEW_FMT(s->hostname));
	put(out, s->to, ADDRESS_MAX);
	buf_append_cstr(out, ">\r\n");
	put_subject(out, s);
	buf_printf(out, "Message-ID: <%.*s@%.*s>\r\n", VIEW_FMT(s->summary_id), VIEW_FMT(s->hostname));
	put_references(out, s);
	buf_printf(out,
		   "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
		   "Content-Transfer-Encoding: %s\r\n\r\n",
		   eightbit ? "8bit" : "7bit");
}

/* ---- the text ---- */

/* "over a UNIX socket" stays; "TLSv1.3 TLS_AES_256_GCM_SHA384 (DANE verified)" -> " over TLS 1.3, DANE verified" */
static void put_tls(struct buf *out, struct view tls)
{
	struct view version = tls, rest = VIEW_EMPTY, how;

	if (tls.n == 0) {
		buf_append_cstr(out, ", without encryption");
		return;
	}
	if (view_starts_with(tls, VIEW_LIT("over "))) {
		buf_append_char(out, ' ');
		put(out, tls, 40);
		return;
	}
	(void)view_cut(tls, ' ', &version, &rest);
	buf_append_cstr(out, " over ");
	if (view_starts_with(version, VIEW_LIT("TLSv"))) {
		buf_append_cstr(out, "TLS ");
		version = view_sub(version, 4, version.n);
	}
	put(out, version, 40);
	how = view_sub(rest, view_find_char(rest, '(') + 1, rest.n);
	how = view_sub(how, 0, view_find_char(how, ')'));
	how = view_sub(how, 0, view_find_char(how, ':')); /* why not: of no use to people */
	if (how.n) {
		buf_append_cstr(out, ", ");
		put(out, how, 60);
	}
}

static void put_words(struct buf *out, const char *before, struct view words)
{
	if (words.n == 0)
		return;
	buf_append_cstr(out, before);
	put(out, words, WORDS_MAX);
}

static void put_fate(struct buf *out, const struct summary_line *l)
{
	switch (l->fate) {
	case SUMMARY_REFUSED:
		buf_append_cstr(out, l->mta.n ? "refused by " : "could not be sent");
		put(out, l->mta, 255);
		put_words(out, ": ", l->words);
		return;
	case SUMMARY_EXPIRED:
		buf_append_cstr(out, "given up after many attempts");
		put_words(out, "; the last answer was: ", l->words);
		return;
	case SUMMARY_REMOVED:
		buf_append_cstr(out, "taken out of the queue by the administrator");
		return;
	case SUMMARY_ACCEPTED:
		buf_append_cstr(out, l->behind ? "passed on, accepted by " : "accepted by ");
		put(out, l->mta.n ? l->mta : VIEW_LIT("another server"), 255);
		put_tls(out, l->tls);
		put_words(out, ": ", l->words);
		return;
	case SUMMARY_DELIVERED:
		if (l->mailboxes > 1)
			buf_printf(out, "delivered into %zu mailboxes here", l->mailboxes);
		else
			buf_append_cstr(out, "delivered into the mailbox here");
		return;
	}
}

/* The lines of those for whom it went well, or not. */
static void put_group(struct buf *out, const struct summary *s, bool well, size_t *room)
{
	size_t n = well ? s->count - count_bad(s) : count_bad(s), all = s->count + s->left_out, shown = 0;

	if (n == 0)
		return;
	buf_append_cstr(out, well ? "Went well" : "Did NOT go well");
	if (all > 1)
		buf_printf(out, " (%zu of %zu)", n, all);
	buf_append_cstr(out, ":\r\n\r\n");
	for (size_t i = 0; i < s->count; i++) {
		const struct summary_line *l = &s->lines[i];

		if (went_well(l) != well || *room == 0)
			continue;
		--*room;
		shown++;
		buf_append_cstr(out, "  ");
		put(out, l->address, ADDRESS_MAX);
		buf_append_cstr(out, !well && l->behind ? ": one of those behind it: " : ": ");
		put_fate(out, l);
		buf_append_cstr(out, "\r\n");
	}
	if (shown < n)
		buf_printf(out, "  and %zu more\r\n", n - shown);
	buf_append_cstr(out, "\r\n");
}

static void put_about(struct buf *out, const struct summary *s)
{
	_cleanup_(buf_fini) struct buf subject = BUF_INIT(4096), date = BUF_INIT(400);

	decode_field(&subject, s, "Subject");
	decode_field(&date, s, "Date");
	buf_append_cstr(out, "What became of your message");
	if (view_trim(buf_view(&subject)).n) {
		buf_append_cstr(out, " \"");
		put(out, view_trim(buf_view(&subject)), SUBJECT_MAX);
		buf_append_char(out, '"');
	}
	buf_append_cstr(out, "\r\nof ");
	if (view_trim(buf_view(&date)).n)
		put(out, view_trim(buf_view(&date)), 100);
	else
		put_date(out, s, s->arrived_s);
	buf_append_cstr(out, ":\r\n\r\n");
}

static bool any_elsewhere(const struct summary *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->lines[i].fate == SUMMARY_ACCEPTED)
			return true;
	return false;
}

void summary_format(struct buf *out, const struct summary *s)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(2 << 20);
	size_t room = SUMMARY_LINES_MAX;

	put_about(&text, s);
	put_group(&text, s, false, &room);
	put_group(&text, s, true, &room);
	if (s->left_out)
		buf_printf(&text, "and %zu more, not listed here.\r\n\r\n", s->left_out);
	if (any_elsewhere(s))
		buf_append_cstr(&text,
				"\"Accepted\" means that the other server has taken the message over and answers\r\n"
				"for it. Whether it reached a mailbox there is not known here.\r\n\r\n");
	if (count_bad(s))
		buf_append_cstr(&text,
				"Where you asked to hear of failures, or did not say, a notice of its own brings\r\n"
				"the message back.\r\n\r\n");
	buf_printf(&text, "The message's name at %.*s: %.*s\r\n", VIEW_FMT(s->hostname), VIEW_FMT(s->id));
	put_head(out, s, !view_is_ascii(buf_view(&text)));
	buf_append_view(out, buf_view(&text));
	out->overflow |= text.overflow;
}
