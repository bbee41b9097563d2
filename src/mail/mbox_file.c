/* SPDX-License-Identifier: ISC
 * mbox files, of all flavours: where messages begin and end, what is quoted, flags in header fields. */
#include "mail/mbox_file.h"

#include "mail/date.h"
#include "mail/header.h"

#include <string.h>
#include <time.h>

enum { FROM_LINE_MAX = 512, FROM_WORDS_MAX = 16 };

static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

/* The line at `at` without its line end; *ret_next is behind it. */
static struct view line_at(struct view in, size_t at, size_t *ret_next)
{
	struct view rest = view_sub(in, at, in.n);
	size_t n = view_find_char(rest, '\n');

	*ret_next = n < rest.n ? at + n + 1 : in.n;
	if (n > 0 && n < rest.n && rest.p[n - 1] == '\r')
		n--;
	return view_sub(rest, 0, n);
}

/* ---- From_ lines ---- */

static size_t split_words(struct view line, struct view *words, size_t max)
{
	size_t n = 0, i = 0;

	while (i < line.n) {
		size_t start;

		while (i < line.n && (line.p[i] == ' ' || line.p[i] == '\t'))
			i++;
		start = i;
		while (i < line.n && line.p[i] != ' ' && line.p[i] != '\t')
			i++;
		if (i > start && n == max)
			return max + 1;
		if (i > start)
			words[n++] = view_sub(line, start, i - start);
	}
	return n;
}

static bool is_one_of(struct view word, const char (*names)[4], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (view_eq_lit_nocase(word, names[i]))
			return true;
	return false;
}

/* "hh:mm" or "hh:mm:ss" */
static bool is_time(struct view w)
{
	if (w.n != 5 && w.n != 8)
		return w.n == 7 && w.p[1] == ':' && w.p[4] == ':';
	for (size_t i = 0; i < w.n; i++)
		if (i % 3 == 2 ? w.p[i] != ':' : !ascii_is_digit(w.p[i]))
			return false;
	return true;
}

static bool is_year(struct view w)
{
	uint32_t year;

	return w.n == 4 && view_to_u32(w, 9999, &year) && year >= 1970;
}

static bool is_zone(struct view w)
{
	if (w.n == 5 && (w.p[0] == '+' || w.p[0] == '-'))
		return view_to_u32(view_sub(w, 1, 4), 9999, &(uint32_t){0});
	if (w.n < 1 || w.n > 5)
		return false;
	for (size_t i = 0; i < w.n; i++)
		if (!ascii_is_alpha(w.p[i]))
			return false;
	return true;
}

/* Words from `i` on: DAY MONTH DD TIME [ZONE] YEAR [ZONE]. */
static bool read_asctime(const struct view *w, size_t n, size_t i, int64_t *ret_s)
{
	struct view zone = VIEW_EMPTY, year;
	struct buf b = BUF_INIT(96);
	struct date date;
	uint32_t day;
	size_t at = i + 4;
	bool ok;

	if (n < i + 5 || !is_one_of(w[i], days, 7) || !is_one_of(w[i + 1], months, 12) ||
	    !view_to_u32(w[i + 2], 31, &day) || day == 0 || !is_time(w[i + 3]))
		return false;
	if (!is_year(w[at]) && is_zone(w[at]))
		zone = w[at++];
	if (at >= n || !is_year(w[at]))
		return false;
	year = w[at++];
	if (at < n && zone.n == 0 && is_zone(w[at]))
		zone = w[at];
	buf_printf(&b, "%u %.*s %.*s %.*s %.*s", day, VIEW_FMT(w[i + 1]), VIEW_FMT(year), VIEW_FMT(w[i + 3]),
		   VIEW_FMT(zone.n ? zone : VIEW_LIT("+0000")));
	ok = date_parse(buf_view(&b), &date);
	buf_fini(&b);
	*ret_s = ok ? date.utc_s : 0;
	return ok;
}

bool mbox_from_line_parse(struct view line, int64_t *ret_date_s, struct view *ret_sender)
{
	struct view words[FROM_WORDS_MAX];
	size_t n;

	if (line.n > FROM_LINE_MAX || !view_starts_with(line, VIEW_LIT("From ")))
		return false;
	n = split_words(view_sub(line, 5, line.n), words, FROM_WORDS_MAX);
	if (n > FROM_WORDS_MAX)
		return false;
	/* The sender is one word as a rule, none or several in old files. */
	for (size_t i = 0; i + 5 <= n; i++)
		if (read_asctime(words, n, i, ret_date_s)) {
			*ret_sender = i ? words[0] : VIEW_EMPTY;
			return true;
		}
	return false;
}

void mbox_from_line_format(struct buf *out, struct view sender, int64_t date_s)
{
	time_t t = (time_t)date_s;
	struct tm tm;
	bool fine = sender.n > 0 && sender.n < 320;

	for (size_t i = 0; i < sender.n && fine; i++)
		fine = (unsigned char)sender.p[i] > ' ' && sender.p[i] != 0x7f;
	if (date_s < 0 || !gmtime_r(&t, &tm) || tm.tm_year > 8099)
		(void)gmtime_r(&(time_t){0}, &tm);
	buf_printf(out, "From %.*s %s %s %2d %02d:%02d:%02d %d\n", VIEW_FMT(fine ? sender : VIEW_LIT("MAILER-DAEMON")),
		   days[tm.tm_wday], months[tm.tm_mon], tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		   tm.tm_year + 1900);
}

/* ---- messages ---- */

static bool is_from_line(struct view in, size_t at, size_t *ret_next)
{
	struct view line, sender;
	int64_t date_s;

	if (!view_starts_with(view_sub(in, at, 5), VIEW_LIT("From ")))
		return false;
	line = line_at(in, at, ret_next);
	return mbox_from_line_parse(line, &date_s, &sender);
}

bool mbox_file_is(struct view head)
{
	size_t next;

	return is_from_line(head, 0, &next);
}

void mbox_file_init(struct mbox_file *f, struct view whole)
{
	*f = (struct mbox_file){.in = whole};
}

/* Where a message whose Content-Length is right ends: at the end of the file, or before [an empty line and] a From_ line. */
static bool measured_end(struct view in, size_t start, size_t *ret_end, size_t *ret_next)
{
	struct view message = view_sub(in, start, in.n);
	struct header_field field;
	size_t end, next, behind;
	uint64_t length;

	if (!header_find(message, "Content-Length", &field) || !view_to_u64(view_trim(field.value), in.n, &length))
		return false;
	end = start + header_length(message);
	if (length > in.n - end)
		return false;
	end += (size_t)length;
	*ret_end = end;
	*ret_next = end;
	if (end == in.n || is_from_line(in, end, &behind))
		return true;
	if (line_at(in, end, &next).n != 0)
		return false;
	*ret_next = next;
	return next == in.n || is_from_line(in, next, &behind);
}

/* Where the From_ line behind the message stands; a From_ line behind an empty one, or the end. */
static size_t found_end(struct view in, size_t start, size_t *ret_end)
{
	size_t at = start, next, behind, empty_at = start;
	bool empty = false;

	while (at < in.n) {
		struct view line = line_at(in, at, &next);

		if (empty && is_from_line(in, at, &behind)) {
			*ret_end = empty_at;
			return at;
		}
		empty = line.n == 0;
		if (empty)
			empty_at = at;
		at = next;
	}
	/* The empty line at the end of the file is a separator too, unless it is the one that ends a header without a body. */
	*ret_end = empty && empty_at > start + header_length(view_sub(in, start, in.n)) - 1 ? empty_at : in.n;
	return in.n;
}

static bool holds_bare_from(struct view raw)
{
	size_t at = 0, next, behind;

	while (at < raw.n) {
		if (is_from_line(raw, at, &behind))
			return true;
		(void)line_at(raw, at, &next);
		at = next;
	}
	return false;
}

enum parse mbox_file_next(struct mbox_file *f, struct mbox_message *ret)
{
	size_t start, end, next;

	*ret = (struct mbox_message){.quoted = true};
	while (f->at < f->in.n && line_at(f->in, f->at, &next).n == 0)
		f->at = next;
	if (f->at >= f->in.n)
		return PARSE_MORE;
	if (!is_from_line(f->in, f->at, &start))
		return PARSE_BAD;
	ret->from_line = line_at(f->in, f->at, &start);
	ret->measured = measured_end(f->in, start, &end, &next);
	if (!ret->measured)
		next = found_end(f->in, start, &end);
	ret->raw = view_sub(f->in, start, end - start);
	ret->quoted = !ret->measured || !holds_bare_from(ret->raw);
	f->at = next;
	f->started = true;
	return PARSE_DONE;
}

/* ---- quoting ---- */

/* Is the line at `p` any number of ">" and "From "? */
static bool is_quotable(struct view line, size_t *ret_marks)
{
	size_t n = 0;

	while (n < line.n && line.p[n] == '>')
		n++;
	*ret_marks = n;
	return view_starts_with(view_sub(line, n, line.n), VIEW_LIT("From "));
}

/* The header stays as it is: a From_ line in it parts nothing, and old programs left ">From " there. */
static void copy_lines(struct buf *out, struct view in, bool quote)
{
	size_t at = header_length(in), next, marks;

	buf_append_view(out, view_sub(in, 0, at));
	while (at < in.n) {
		struct view line = line_at(in, at, &next);
		size_t from = at;

		if (is_quotable(line, &marks)) {
			if (quote)
				buf_append_char(out, '>');
			else if (marks > 0)
				from++;
		}
		buf_append_view(out, view_sub(in, from, next - from));
		at = next;
	}
}

void mbox_quote(struct buf *out, struct view message)
{
	copy_lines(out, message, true);
}

void mbox_unquote(struct buf *out, struct view raw)
{
	copy_lines(out, raw, false);
}

/* ---- status ---- */

static bool is_any(struct view name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (view_eq_lit_nocase(name, names[i]))
			return true;
	return false;
}

static bool is_status_field(struct view name, bool measured)
{
	static const char *const names[] = {"Status",        "X-Status",   "X-Keywords",       "X-UID",
					    "X-IMAP",        "X-IMAPbase", "X-Mozilla-Status", "X-Mozilla-Status2",
					    "X-Mozilla-Keys"};

	return is_any(name, names, ARRAY_LEN(names)) || (measured && view_eq_lit_nocase(name, "Content-Length"));
}

static void read_letters(struct view value, struct mbox_status *s)
{
	for (size_t i = 0; i < value.n; i++) {
		s->seen |= value.p[i] == 'R';
		s->answered |= value.p[i] == 'A';
		s->flagged |= value.p[i] == 'F';
		s->draft |= value.p[i] == 'T';
		s->deleted |= value.p[i] == 'D';
	}
}

static void read_mozilla(struct view value, struct mbox_status *s)
{
	unsigned bits = 0;

	value = view_trim(value);
	for (size_t i = 0; i < value.n && i < 8; i++) {
		char c = ascii_lower(value.p[i]);

		bits = bits * 16 + (unsigned)(ascii_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0);
	}
	s->seen |= (bits & 1) != 0;
	s->answered |= (bits & 2) != 0;
	s->flagged |= (bits & 4) != 0;
	s->deleted |= (bits & 8) != 0;
}

void mbox_status_read(struct view message, struct mbox_status *ret)
{
	struct header h;
	struct header_field f;
	bool imap = false, internal = false;

	*ret = (struct mbox_status){0};
	header_init(&h, message);
	while (header_next(&h, &f) == PARSE_DONE) {
		if (view_eq_lit_nocase(f.name, "Status") || view_eq_lit_nocase(f.name, "X-Status"))
			read_letters(f.value, ret);
		else if (view_eq_lit_nocase(f.name, "X-Mozilla-Status"))
			read_mozilla(f.value, ret);
		else if (view_eq_lit_nocase(f.name, "X-Keywords") || view_eq_lit_nocase(f.name, "X-Mozilla-Keys"))
			ret->keywords = ret->keywords.n ? ret->keywords : view_trim(f.value);
		else if (view_eq_lit_nocase(f.name, "X-IMAP"))
			imap = true;
		else if (view_eq_lit_nocase(f.name, "Subject"))
			internal = view_find(f.value, VIEW_LIT("FOLDER INTERNAL DATA")) < f.value.n;
	}
	ret->is_pseudo = imap && internal;
}

void mbox_status_strip(struct buf *out, struct view message, bool measured)
{
	struct header h;
	struct header_field f;
	size_t copied = 0;

	header_init(&h, message);
	while (header_next(&h, &f) == PARSE_DONE) {
		size_t at = (size_t)(f.whole.p - message.p);

		if (!is_status_field(f.name, measured))
			continue;
		buf_append_view(out, view_sub(message, copied, at - copied));
		copied = at + f.whole.n;
	}
	buf_append_view(out, view_sub(message, copied, message.n));
}

void mbox_status_format(struct buf *out, const struct mbox_status *s)
{
	buf_printf(out, "Status: %sO\n", s->seen ? "R" : "");
	if (s->answered || s->flagged || s->draft || s->deleted)
		buf_printf(out, "X-Status: %s%s%s%s\n", s->answered ? "A" : "", s->flagged ? "F" : "",
			   s->draft ? "T" : "", s->deleted ? "D" : "");
	if (s->keywords.n)
		buf_printf(out, "X-Keywords: %.*s\n", VIEW_FMT(s->keywords));
}
