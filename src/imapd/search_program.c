/* SPDX-License-Identifier: ISC
 * A client's search program in the form that stored takes. */
#include "imapd/search_program.h"

#include "mail/charset.h"

#include <assert.h>
#include <time.h>

enum { TEXT_MAX = 65536 };

static const char nothing[] = "NOT ALL";

struct writer {
	const struct selected *selected;
	struct view charset;
	struct arena *arena;
	struct buf *out;
	enum search_program fault; /* the first one */
};

static void fail(struct writer *w, enum search_program fault)
{
	if (w->fault == SEARCH_PROGRAM_OK)
		w->fault = fault;
}

/* Line ends match no text that is searched: a blank does what is meant. */
static void put_quoted(struct writer *w, struct view text)
{
	buf_append_char(w->out, '"');
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (c == '"' || c == '\\')
			buf_append_char(w->out, '\\');
		buf_append_char(w->out, c == '\r' || c == '\n' || c == '\0' ? ' ' : c);
	}
	buf_append_char(w->out, '"');
}

static void put_text(struct writer *w, struct view text)
{
	struct view charset = w->charset.n ? w->charset : VIEW_LIT("US-ASCII");
	struct buf utf8 = BUF_INIT(TEXT_MAX);

	/* Clients that send UTF-8 without saying so mean it. */
	if (view_is_utf8(text) && (w->charset.n == 0 || view_eq_lit_nocase(charset, "UTF-8")))
		put_quoted(w, text);
	else if (!charset_to_utf8(charset, text, &utf8))
		fail(w, SEARCH_PROGRAM_CHARSET);
	else
		put_quoted(w, buf_view(&utf8));
	if (utf8.overflow)
		fail(w, SEARCH_PROGRAM_TOO_LONG);
	buf_fini(&utf8);
}

static void put_set(struct writer *w, const struct imap_search *key)
{
	struct imap_set set = key->set;
	struct imap_set_writer sets;
	struct mailbox_range *spans;
	uint32_t n;

	if (!selected_known(w->selected, &set, key->kind == IMAP_SEARCH_UID, w->arena, &spans, &n)) {
		fail(w, SEARCH_PROGRAM_TOO_LONG);
		return;
	}
	if (n == 0) {
		buf_append_cstr(w->out, nothing);
		return;
	}
	buf_append_cstr(w->out, "UID ");
	imap_set_writer_init(&sets, w->out);
	for (uint32_t i = 0; i < n; i++)
		imap_set_writer_add_span(&sets, spans[i].first, spans[i].last);
	imap_set_writer_end(&sets);
}

static void put_flag(struct writer *w, uint64_t flag)
{
	static const struct {
		enum imap_flag flag;
		const char *key;
	} keys[] = {
	    {IMAP_SEEN, "SEEN"},       {IMAP_ANSWERED, "ANSWERED"}, {IMAP_FLAGGED, "FLAGGED"},
	    {IMAP_DELETED, "DELETED"}, {IMAP_DRAFT, "DRAFT"},       {IMAP_RECENT, nothing}, /* no message is \Recent */
	};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i].flag == (enum imap_flag)flag)
			buf_append_cstr(w->out, keys[i].key);
}

static void put_date(struct writer *w, const char *key, int64_t days)
{
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t t = (time_t)days * 86400;
	struct tm tm;

	if (!gmtime_r(&t, &tm))
		return;
	buf_printf(w->out, "%s %d-%s-%04d", key, tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900);
}

static void put_number(struct writer *w, const char *key, uint64_t number)
{
	buf_printf(w->out, "%s %llu", key, (unsigned long long)number);
}

static void put_keyed_text(struct writer *w, const char *key, struct view text)
{
	buf_printf(w->out, "%s ", key);
	put_text(w, text);
}

static void put_header(struct writer *w, const struct imap_search *key)
{
	buf_append_cstr(w->out, "HEADER ");
	put_quoted(w, key->name);
	buf_append_char(w->out, ' ');
	put_text(w, key->text);
}

/* A key without children. */
static void put_leaf(struct writer *w, const struct imap_search *key)
{
	switch (key->kind) {
	case IMAP_SEARCH_ALL:
		buf_append_cstr(w->out, "ALL");
		break;
	case IMAP_SEARCH_NUMBERS:
	case IMAP_SEARCH_UID:
		put_set(w, key);
		break;
	case IMAP_SEARCH_FLAG:
		put_flag(w, key->number);
		break;
	case IMAP_SEARCH_KEYWORD:
		buf_printf(w->out, "KEYWORD %.*s", VIEW_FMT(key->text));
		break;
	case IMAP_SEARCH_BEFORE:
		put_date(w, "BEFORE", key->days);
		break;
	case IMAP_SEARCH_ON:
		put_date(w, "ON", key->days);
		break;
	case IMAP_SEARCH_SINCE:
		put_date(w, "SINCE", key->days);
		break;
	case IMAP_SEARCH_SENTBEFORE:
		put_date(w, "SENTBEFORE", key->days);
		break;
	case IMAP_SEARCH_SENTON:
		put_date(w, "SENTON", key->days);
		break;
	case IMAP_SEARCH_SENTSINCE:
		put_date(w, "SENTSINCE", key->days);
		break;
	case IMAP_SEARCH_SAVEDBEFORE:
		put_date(w, "SAVEDBEFORE", key->days);
		break;
	case IMAP_SEARCH_SAVEDON:
		put_date(w, "SAVEDON", key->days);
		break;
	case IMAP_SEARCH_SAVEDSINCE:
		put_date(w, "SAVEDSINCE", key->days);
		break;
	case IMAP_SEARCH_EMAILID:
		buf_printf(w->out, "EMAILID %.*s", VIEW_FMT(key->text));
		break;
	case IMAP_SEARCH_THREADID:
		buf_printf(w->out, "THREADID %.*s", VIEW_FMT(key->text));
		break;
	case IMAP_SEARCH_OLDER:
		put_number(w, "OLDER", key->number);
		break;
	case IMAP_SEARCH_YOUNGER:
		put_number(w, "YOUNGER", key->number);
		break;
	case IMAP_SEARCH_LARGER:
		put_number(w, "LARGER", key->number);
		break;
	case IMAP_SEARCH_SMALLER:
		put_number(w, "SMALLER", key->number);
		break;
	case IMAP_SEARCH_MODSEQ:
		put_number(w, "MODSEQ", key->number);
		break;
	case IMAP_SEARCH_HEADER:
		put_header(w, key);
		break;
	case IMAP_SEARCH_BODY:
		put_keyed_text(w, "BODY", key->text);
		break;
	case IMAP_SEARCH_TEXT:
		put_keyed_text(w, "TEXT", key->text);
		break;
	case IMAP_SEARCH_AND:
	case IMAP_SEARCH_OR:
	case IMAP_SEARCH_NOT:
		assert(!"a key with children");
	}
}

/* At most IMAP_SEARCH_DEPTH_MAX deep. */
static void put_key(struct writer *w, const struct imap_search *key);

static void put_children(struct writer *w, const struct imap_search *parent)
{
	for (const struct imap_search *key = parent->first; key; key = key->next) {
		if (w->fault != SEARCH_PROGRAM_OK || w->out->overflow)
			return; /* there may be thousands more, each as long as "$" is */
		put_key(w, key);
		if (key->next)
			buf_append_char(w->out, ' ');
	}
}

static void put_key(struct writer *w, const struct imap_search *key)
{
	switch ((int)key->kind) {
	case IMAP_SEARCH_AND:
		buf_append_char(w->out, '(');
		put_children(w, key);
		buf_append_char(w->out, ')');
		break;
	case IMAP_SEARCH_OR:
		buf_append_cstr(w->out, "OR ");
		put_children(w, key);
		break;
	case IMAP_SEARCH_NOT:
		buf_append_cstr(w->out, "NOT ");
		put_children(w, key);
		break;
	default:
		put_leaf(w, key);
	}
}

enum search_program search_program_format(const struct imap_search_program *p, const struct selected *x,
					  struct arena *a, struct buf *out)
{
	struct writer w = {x, p->charset, a, out, SEARCH_PROGRAM_OK};

	if (p->charset.n && !charset_is_known(p->charset))
		return SEARCH_PROGRAM_CHARSET;
	put_children(&w, p->root);
	return w.fault == SEARCH_PROGRAM_OK && out->overflow ? SEARCH_PROGRAM_TOO_LONG : w.fault;
}
