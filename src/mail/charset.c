/* SPDX-License-Identifier: ISC
 * Text in the charsets of mail to UTF-8, and text folded for comparing. */
#include "mail/charset.h"

#include "charset_table.inc"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum kind { KIND_UTF8, KIND_TABLE, KIND_ICONV };
enum { REPLACEMENT = 0xfffd, NAME_BYTES_MAX = 40, PIECE_BYTES = 2048 };

/* What iconv knows. Only these names ever reach it. GB2312 and its kin are read as GB18030, which holds them all. */
static const struct {
	const char *name;
	const char *iconv_name;
	size_t unit; /* every character is some of so many bytes; 0: of one */
} iconv_names[] = {
    {"gb18030", "GB18030"},
    {"gb2312", "GB18030"},
    {"gbk", "GB18030"},
    {"cp936", "GB18030"},
    {"xgbk", "GB18030"},
    {"euccn", "GB18030"},
    {"big5", "BIG5-HKSCS"},
    {"big5hkscs", "BIG5-HKSCS"},
    {"cp950", "BIG5-HKSCS"},
    {"shiftjis", "CP932"},
    {"sjis", "CP932"},
    {"xsjis", "CP932"},
    {"cp932", "CP932"},
    {"windows31j", "CP932"},
    {"mskanji", "CP932"},
    {"eucjp", "EUC-JP"},
    {"xeucjp", "EUC-JP"},
    {"iso2022jp", "ISO-2022-JP-2"},
    {"iso2022jp1", "ISO-2022-JP-2"},
    {"iso2022jp2", "ISO-2022-JP-2"},
    {"iso2022jpms", "ISO-2022-JP-2"},
    {"euckr", "UHC"},
    {"ksc56011987", "UHC"},
    {"ksc5601", "UHC"},
    {"cp949", "UHC"},
    {"uhc", "UHC"},
    {"iso2022kr", "ISO-2022-KR"},
    {"euctw", "EUC-TW"},
    {"iso2022cn", "ISO-2022-CN"},
    {"utf7", "UTF-7"},
    {"utf16", "UTF-16", 2},
    {"utf16le", "UTF-16LE", 2},
    {"utf16be", "UTF-16BE", 2},
    {"utf32", "UTF-32", 4},
    {"utf32le", "UTF-32LE", 4},
    {"utf32be", "UTF-32BE", 4},
    {"ucs2", "UTF-16", 2},
    {"unicode11utf7", "UTF-7"},
};

enum { ICONV_NAMES = ARRAY_LEN(iconv_names) };

/* The name in small letters and digits only: "x-GBK", "ISO_8859-1:1987". */
static struct view plain_name(struct view charset, char room[NAME_BYTES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < charset.n; i++) {
		if (!ascii_is_alnum(charset.p[i]))
			continue;
		if (n == NAME_BYTES_MAX)
			return VIEW_EMPTY;
		room[n++] = ascii_lower(charset.p[i]);
	}
	return view_from(room, n);
}

static const uint16_t *find_table(struct view name)
{
	for (size_t i = 0; i < ARRAY_LEN(table_names); i++)
		if (view_eq_lit(name, table_names[i].name))
			return tables[table_names[i].table];
	return NULL;
}

/* Its place in the table, or ICONV_NAMES. */
static size_t find_name(struct view name)
{
	size_t i = 0;

	while (i < ICONV_NAMES && !view_eq_lit(name, iconv_names[i].name))
		i++;
	return i;
}

/* Where a converter stands first in the table. */
static size_t find_iconv(const char *iconv_name)
{
	size_t i = 0;

	while (strcmp(iconv_names[i].iconv_name, iconv_name) != 0)
		i++;
	return i;
}

void charset_preload(void)
{
	/* An open descriptor keeps its module, and the way to it, in memory: opening another reads no file. They stay for
	 * the life of the process. */
	static iconv_t kept[ICONV_NAMES];

	for (size_t i = 0; i < ICONV_NAMES; i++)
		if (!kept[i] && find_iconv(iconv_names[i].iconv_name) == i)
			kept[i] = iconv_open("UTF-8", iconv_names[i].iconv_name);
}

bool charset_stream_init(struct charset_stream *s, struct view charset)
{
	char room[NAME_BYTES_MAX]; /* checked in plain_name() */
	struct view name = plain_name(charset, room);
	size_t at;

	*s = (struct charset_stream){.kind = KIND_UTF8};
	if (view_eq_lit(name, "utf8"))
		return true;
	s->table = find_table(name);
	if (s->table) {
		s->kind = KIND_TABLE;
		return true;
	}
	at = find_name(name);
	if (at == ICONV_NAMES)
		return false;
	s->kind = KIND_ICONV;
	s->unit = iconv_names[at].unit ? iconv_names[at].unit : 1;
	s->iconv = iconv_open("UTF-8", iconv_names[at].iconv_name);
	return s->iconv != (void *)-1;
}

void charset_stream_fini(struct charset_stream *s)
{
	if (s->kind == KIND_ICONV && s->iconv && s->iconv != (void *)-1)
		(void)iconv_close(s->iconv);
	*s = (struct charset_stream){.kind = KIND_UTF8};
}

static void put_code_point(struct buf *out, int32_t c)
{
	utf8proc_uint8_t bytes[4];

	buf_append(out, bytes, (size_t)utf8proc_encode_char(c, bytes));
}

static bool is_ascii(char c)
{
	return (unsigned char)c < 0x80;
}

static size_t ascii_bytes(struct view v)
{
	size_t n = 0;

	while (n < v.n && is_ascii(v.p[n]))
		n++;
	return n;
}

/* Bytes that a character which starts with `first` has; 1 for what cannot start one. */
static size_t char_bytes(char first)
{
	unsigned char c = (unsigned char)first;

	return c >= 0xf0 && c <= 0xf4 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc2 && c < 0xe0 ? 2 : 1;
}

/* The start of a character whose rest is missing? */
static bool is_cut_char(struct view v)
{
	if (v.n == 0 || v.n >= char_bytes(v.p[0]))
		return false;
	for (size_t i = 1; i < v.n; i++)
		if (((unsigned char)v.p[i] & 0xc0) != 0x80)
			return false;
	return true;
}

size_t charset_whole_chars(struct view v)
{
	for (size_t back = 1; back <= 3 && back <= v.n; back++)
		if (is_cut_char(view_sub(v, v.n - back, back)))
			return v.n - back;
	return v.n;
}

/* The character at the start of `v`, REPLACEMENT for one byte that is none; its bytes in `*ret_bytes`. */
static int32_t next_char(struct view v, size_t *ret_bytes)
{
	utf8proc_int32_t c;
	utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)v.p, v.n > 4 ? 4 : (utf8proc_ssize_t)v.n, &c);

	*ret_bytes = n > 0 ? (size_t)n : 1;
	return n > 0 ? c : REPLACEMENT;
}

static void copy_utf8(struct view v, struct buf *out)
{
	while (v.n) {
		size_t n = ascii_bytes(v);

		buf_append_view(out, view_sub(v, 0, n));
		v = view_sub(v, n, v.n);
		if (v.n == 0)
			return;
		put_code_point(out, next_char(v, &n));
		v = view_sub(v, n, v.n);
	}
}

static void copy_table(const uint16_t *table, struct view v, struct buf *out)
{
	while (v.n) {
		size_t n = ascii_bytes(v);

		buf_append_view(out, view_sub(v, 0, n));
		v = view_sub(v, n, v.n);
		if (v.n == 0)
			return;
		put_code_point(out, table[(unsigned char)v.p[0] - 0x80]);
		v = view_sub(v, 1, v.n);
	}
}

/* Converts what it can; returns the bytes taken: all but the start of a character at the end. */
static size_t copy_iconv(struct charset_stream *s, struct view v, struct buf *out)
{
	char *in = (char *)(uintptr_t)v.p;
	size_t left = v.n;

	while (left) {
		char piece[PIECE_BYTES], *to = piece;
		size_t room = sizeof piece;
		size_t r = iconv(s->iconv, &in, &left, &to, &room);

		buf_append(out, piece, sizeof piece - room);
		if (r != (size_t)-1 || errno == E2BIG)
			continue;
		if (errno == EINVAL)
			break;
		put_code_point(out, REPLACEMENT);
		/* Half a unit would put all that follows out of step. */
		in += left < s->unit ? left : s->unit;
		left -= left < s->unit ? left : s->unit;
	}
	return v.n - left;
}

static size_t copy(struct charset_stream *s, struct view v, struct buf *out)
{
	size_t n = v.n;

	switch ((enum kind)s->kind) {
	case KIND_UTF8:
		n = charset_whole_chars(v);
		copy_utf8(view_sub(v, 0, n), out);
		break;
	case KIND_TABLE:
		copy_table(s->table, v, out);
		break;
	case KIND_ICONV:
		n = copy_iconv(s, v, out);
		break;
	}
	return n;
}

/* Completes the character that was held back, byte by byte. Returns the bytes of `in` that took. */
static size_t complete_held(struct charset_stream *s, struct view in, struct buf *out)
{
	size_t used = 0;

	while (s->held_n && used < in.n) {
		size_t taken;

		if (s->held_n == sizeof s->held) { /* no charset has such a character */
			put_code_point(out, REPLACEMENT);
			memmove(s->held, s->held + 1, --s->held_n);
		}
		s->held[s->held_n++] = in.p[used++];
		taken = copy(s, view_from(s->held, s->held_n), out);
		memmove(s->held, s->held + taken, s->held_n - taken);
		s->held_n -= taken;
	}
	return used;
}

void charset_stream_feed(struct charset_stream *s, struct view in, struct buf *out)
{
	size_t at = complete_held(s, in, out);

	at += copy(s, view_sub(in, at, in.n), out);
	while (at < in.n) {
		size_t n = in.n - at;

		if (n > sizeof s->held - s->held_n)
			n = sizeof s->held - s->held_n;
		memcpy(s->held + s->held_n, in.p + at, n);
		s->held_n += n;
		at += n;
		if (at < in.n) { /* more is held back than a character can have */
			put_code_point(out, REPLACEMENT);
			s->held_n = 0;
		}
	}
}

void charset_stream_finish(struct charset_stream *s, struct buf *out)
{
	if (s->held_n)
		put_code_point(out, REPLACEMENT);
	s->held_n = 0;
}

bool charset_is_known(struct view charset)
{
	struct charset_stream s;
	bool known = charset_stream_init(&s, charset);

	charset_stream_fini(&s);
	return known;
}

bool charset_to_utf8(struct view charset, struct view in, struct buf *out)
{
	struct charset_stream s;

	if (!charset_stream_init(&s, charset))
		return false;
	charset_stream_feed(&s, in, out);
	charset_stream_finish(&s, out);
	charset_stream_fini(&s);
	return true;
}

static void decompose(int32_t c, utf8proc_option_t options, struct buf *out)
{
	enum { POINTS_MAX = 32 }; /* U+FDFA takes 18, the most */
	utf8proc_int32_t points[POINTS_MAX];
	int last_boundclass = 0;
	utf8proc_ssize_t n;

	n = utf8proc_decompose_char(c, points, POINTS_MAX, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | options,
				    &last_boundclass);
	if (n < 0 || n > POINTS_MAX) {
		put_code_point(out, c);
		return;
	}
	for (utf8proc_ssize_t i = 0; i < n; i++)
		put_code_point(out, points[i]);
}

static void fold_ascii(struct view v, struct buf *out)
{
	char *p = buf_reserve(out, v.n);

	if (!p)
		return;
	for (size_t i = 0; i < v.n; i++)
		p[i] = ascii_lower(v.p[i]);
	buf_commit(out, v.n);
}

void charset_fold(struct view utf8, struct buf *out)
{
	while (utf8.n) {
		size_t n = ascii_bytes(utf8);

		if (n)
			fold_ascii(view_sub(utf8, 0, n), out);
		utf8 = view_sub(utf8, n, utf8.n);
		if (utf8.n == 0)
			return;
		decompose(next_char(utf8, &n), UTF8PROC_CASEFOLD, out);
		utf8 = view_sub(utf8, n, utf8.n);
	}
}

void charset_casemap(struct view utf8, struct buf *out)
{
	while (utf8.n) {
		size_t n = 1;

		if (is_ascii(utf8.p[0]))
			buf_append_char(out, ascii_upper(utf8.p[0]));
		else
			decompose(utf8proc_totitle(next_char(utf8, &n)), 0, out);
		utf8 = view_sub(utf8, n, utf8.n);
	}
}

/* To put marks in their order takes the square of their number. */
static bool has_many_marks(struct view utf8)
{
	unsigned marks = 0;

	while (utf8.n && marks <= CHARSET_MARKS_MAX) {
		size_t n;
		int32_t c = next_char(utf8, &n);

		marks = utf8proc_get_property(c)->combining_class ? marks + 1 : 0;
		utf8 = view_sub(utf8, n, utf8.n);
	}
	return marks > CHARSET_MARKS_MAX;
}

bool charset_nfc(struct view utf8, struct buf *out)
{
	utf8proc_uint8_t *composed = NULL;
	utf8proc_ssize_t n;

	if (view_is_ascii(utf8)) {
		buf_append_view(out, utf8);
		return !out->overflow;
	}
	if (!view_is_utf8(utf8) || has_many_marks(utf8))
		return false;
	n = utf8proc_map((const utf8proc_uint8_t *)utf8.p, (utf8proc_ssize_t)utf8.n, &composed,
			 UTF8PROC_STABLE | UTF8PROC_COMPOSE);
	if (n >= 0)
		buf_append(out, composed, (size_t)n);
	free(composed);
	return n >= 0 && !out->overflow;
}
