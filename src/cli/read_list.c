/* SPDX-License-Identifier: ISC
 * Lists of messages, and searching. */
#include "cli/read.h"

#include "cli/show.h"
#include "mail/header.h"
#include "mail/rfc2047.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FLAGS = 1, INTERNALDATE = 4, SIZE = 8, HEADER = 16, FROM_COLUMNS = 24, RANGES_MAX = 8192, VALUE_MAX = 4096 };

/* ---- words ---- */

static void put_quoted(struct buf *out, struct view text)
{
	buf_append_char(out, '"');
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '"' || text.p[i] == '\\')
			buf_append_char(out, '\\');
		buf_append_char(out, text.p[i] == '\r' || text.p[i] == '\n' ? ' ' : text.p[i]);
	}
	buf_append_char(out, '"');
}

/* "2026-01-31" → "31-Jan-2026" */
static bool put_day(struct buf *out, const char *text)
{
	struct tm tm = {0};
	char day[32];
	const char *end = strptime(text, "%Y-%m-%d", &tm);
	static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

	if (!end || *end)
		return false;
	(void)snprintf(day, sizeof day, "%d-%s-%04d", tm.tm_mday, months[tm.tm_mon % 12], tm.tm_year + 1900);
	buf_append_cstr(out, day);
	return true;
}

static int put_word(struct buf *out, const char *word)
{
	static const struct {
		const char *word, *key;
		enum { NOTHING, TEXT, DAY, BYTES } value;
	} keys[] = {
	    {"unread", "UNSEEN", NOTHING},
	    {"read", "SEEN", NOTHING},
	    {"flagged", "FLAGGED", NOTHING},
	    {"answered", "ANSWERED", NOTHING},
	    {"from:", "FROM ", TEXT},
	    {"to:", "TO ", TEXT},
	    {"cc:", "CC ", TEXT},
	    {"subject:", "SUBJECT ", TEXT},
	    {"body:", "BODY ", TEXT},
	    {"since:", "SINCE ", DAY},
	    {"before:", "BEFORE ", DAY},
	    {"larger:", "LARGER ", BYTES},
	};
	uint64_t bytes = 0;
	bool ok = true;

	if (out->n)
		buf_append_char(out, ' ');
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		size_t len = strlen(keys[i].word);
		const char *value = word + len;

		if (keys[i].value == NOTHING ? strcmp(word, keys[i].word) != 0 : strncmp(word, keys[i].word, len) != 0)
			continue;
		buf_append_cstr(out, keys[i].key);
		if (keys[i].value == TEXT)
			put_quoted(out, view_from_cstr(value));
		else if (keys[i].value == DAY)
			ok = put_day(out, value);
		else if (keys[i].value == BYTES) {
			ok = show_parse_size(value, &bytes) && bytes < UINT32_MAX;
			buf_append_u64(out, bytes);
		}
		return ok ? 0
			  : cli_fail(CLI_USAGE, word, "this cannot be searched for",
				     "write since:2026-01-31, larger:1M");
	}
	buf_append_cstr(out, "TEXT ");
	put_quoted(out, view_from_cstr(word));
	return 0;
}

int search_program(char *const *words, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		int r = view_is_utf8(view_from_cstr(words[i])) && *words[i]
			    ? put_word(out, words[i])
			    : cli_fail(CLI_USAGE, "SEARCH", "a word is empty or no UTF-8", NULL);

		if (r)
			return r;
	}
	if (out->n == 0)
		buf_append_cstr(out, "ALL");
	return out->overflow ? cli_fail(CLI_USAGE, "SEARCH", "this is too long", NULL) : 0;
}

int reading_ranges(const char *text, struct mailbox_range **ret, uint32_t *ret_n)
{
	struct view rest = view_from_cstr(text), part, first, last;
	struct mailbox_range *ranges = xcalloc(RANGES_MAX, sizeof *ranges);
	uint32_t n = 0;
	bool ok = rest.n > 0;

	while (ok && rest.n) {
		if (!view_cut(rest, ',', &part, &rest)) {
			part = rest;
			rest = VIEW_EMPTY;
		}
		if (!view_cut(part, ':', &first, &last))
			first = last = part;
		ok = n < RANGES_MAX && view_to_u32(first, UINT32_MAX, &ranges[n].first) &&
		     view_to_u32(last, UINT32_MAX, &ranges[n].last) && ranges[n].first > 0 &&
		     ranges[n].first <= ranges[n].last;
		n++;
	}
	if (!ok) {
		free(ranges);
		return cli_fail(CLI_USAGE, text, "this is no list of messages",
				"write numbers from the list: 3 or 3,5:9");
	}
	*ret = ranges;
	*ret_n = n;
	return 0;
}

/* ---- folders ---- */

int reading_open(struct reading *rd, const char *folder)
{
	const struct mailbox_open open = {rd->mail.session, view_from_cstr(folder)};
	struct mailbox_msg answer;
	int r = mail_client_ask(&rd->mail, mailbox_put_open(&rd->mail.payload, &open), MAILBOX_OPEN, folder,
				MAILBOX_OPENED, &answer);

	if (r)
		return r;
	rd->mailbox = answer.opened.mailbox;
	rd->exists = answer.opened.exists;
	if (rd->folder != folder) {
		char *copy = xstrdup(folder);

		free(rd->folder);
		rd->folder = copy;
	}
	return 0;
}

/* ---- lists ---- */

/* UIDs that the program finds, ascending. */
static int search(struct reading *rd, struct view program, uint32_t **ret, size_t *ret_n)
{
	struct mailbox_range all = {1, UINT32_MAX};
	const struct mailbox_search s = {rd->mail.session, rd->mailbox, &all, 1, program};
	struct mailbox_msg answer;
	size_t n = 0, cap = 0;
	uint32_t *uids = NULL;
	int r =
	    mail_client_call(&rd->mail, mailbox_put_search(&rd->mail.payload, &s), MAILBOX_SEARCH, rd->folder, &answer);

	while (r == 0) {
		if (answer.type != MAILBOX_MATCHES) {
			r = mail_client_failed(&answer, rd->folder);
			break;
		}
		for (uint32_t i = 0; i < answer.matches.n_ranges; i++)
			for (uint64_t u = answer.matches.ranges[i].first; u <= answer.matches.ranges[i].last; u++) {
				if (n == cap) {
					cap = cap ? cap * 2 : 256;
					uids = xrealloc(uids, cap * sizeof *uids);
				}
				uids[n++] = (uint32_t)u;
			}
		if (!answer.matches.more)
			break;
		r = mail_client_next(&rd->mail, &answer);
	}
	*ret = uids;
	*ret_n = n;
	return r;
}

static void field(struct view header, const char *name, struct buf *out)
{
	struct header_field f;

	if (header_find(header, name, &f))
		rfc2047_decode(view_trim(f.value), out);
}

static json_t *in_json(const struct mailbox_row *row)
{
	_cleanup_(buf_fini) struct buf from = BUF_INIT(VALUE_MAX), to = BUF_INIT(VALUE_MAX),
				       subject = BUF_INIT(VALUE_MAX), id = BUF_INIT(VALUE_MAX);

	field(row->header, "From", &from);
	field(row->header, "To", &to);
	field(row->header, "Subject", &subject);
	field(row->header, "Message-ID", &id);
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:I, s:b, s:b, s:b, s:o}", "uid", (json_int_t)row->uid, "date",
			 show_json_time(row->internaldate_s), "from", show_json_text(buf_view(&from)), "to",
			 show_json_text(buf_view(&to)), "subject", show_json_text(buf_view(&subject)), "message_id",
			 show_json_text(buf_view(&id)), "size", (json_int_t)row->size_bytes, "seen",
			 (row->flags & MAIL_SEEN) != 0, "flagged", (row->flags & MAIL_FLAGGED) != 0, "answered",
			 (row->flags & MAIL_ANSWERED) != 0, "keywords", show_json_text(row->keywords));
}

static void print_row(const struct mailbox_row *row)
{
	_cleanup_(buf_fini) struct buf from = BUF_INIT(VALUE_MAX), subject = BUF_INIT(VALUE_MAX), when = BUF_INIT(64);

	field(row->header, "From", &from);
	field(row->header, "Subject", &subject);
	show_time(row->internaldate_s, &when);
	(void)printf("%8u %c%c%c %.10s  ", row->uid, row->flags & MAIL_SEEN ? ' ' : 'N',
		     row->flags & MAIL_ANSWERED ? 'r' : ' ', row->flags & MAIL_FLAGGED ? '*' : ' ', buf_cstr(&when));
	show_cut_column(show_sender(buf_view(&from)), FROM_COLUMNS);
	(void)printf("  ");
	show_rest(buf_view(&subject), 8 + 1 + 3 + 1 + 10 + 2 + FROM_COLUMNS + 2);
}

/* Pages of rows for these UIDs. */
static int list_rows(struct reading *rd, const uint32_t *uids, size_t n, json_t *all, size_t *listed)
{
	struct mailbox_range *ranges = xcalloc(n + 1, sizeof *ranges);
	struct mailbox_rows_want want = {.session = rd->mail.session,
					 .mailbox = rd->mailbox,
					 .ranges = ranges,
					 .fields = FLAGS | INTERNALDATE | SIZE | HEADER};
	struct mailbox_msg answer;
	int r = 0;

	for (size_t i = 0; i < n; i++)
		if (want.n_ranges && ranges[want.n_ranges - 1].last + 1 == uids[i])
			ranges[want.n_ranges - 1].last++;
		else
			ranges[want.n_ranges++] = (struct mailbox_range){uids[i], uids[i]};
	while (r == 0 && want.n_ranges) {
		r = mail_client_ask(&rd->mail, mailbox_put_rows_want(&rd->mail.payload, &want), MAILBOX_ROWS_WANT,
				    rd->folder, MAILBOX_ROWS, &answer);
		for (uint32_t i = 0; r == 0 && i < answer.rows.n_rows; i++) {
			if (answer.rows.rows[i].expunged)
				continue;
			++*listed;
			if (all)
				(void)json_array_append_new(all, in_json(&answer.rows.rows[i]));
			else
				print_row(&answer.rows.rows[i]);
		}
		want.uid_from = r == 0 ? answer.rows.next : 0;
		if (want.uid_from == 0)
			break;
	}
	free(ranges);
	return r;
}

int reading_list(struct reading *rd, char *const *words, size_t n_words)
{
	_cleanup_(buf_fini) struct buf program = BUF_INIT(65536);
	json_t *all = rd->c->json ? json_array() : NULL;
	uint32_t *uids = NULL;
	size_t n = 0, from, listed = 0;
	int r = search_program(words, n_words, &program);

	if (r == 0)
		r = search(rd, buf_view(&program), &uids, &n);
	from = rd->limit && n > rd->limit ? n - rd->limit : 0;
	/* A request holds so many ranges. */
	for (size_t i = from; r == 0 && i < n; i += RANGES_MAX)
		r = list_rows(rd, uids + i, n - i < RANGES_MAX ? n - i : RANGES_MAX, all, &listed);
	free(uids);
	if (r == 0 && all)
		return show_json(all);
	if (r == 0)
		(void)printf("%s: %zu of %u %s%s\n", rd->folder, listed, rd->exists,
			     show_noun(rd->exists, "message", "messages"),
			     from ? ", the newest; --limit 0 lists all" : "");
	json_decref(all);
	return r;
}
