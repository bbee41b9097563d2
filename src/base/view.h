/* SPDX-License-Identifier: ISC */
#ifndef POMBO_BASE_VIEW_H
#define POMBO_BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A borrowed run of bytes. Not NUL-terminated; may hold any byte. Copied by value; owns nothing. */
struct view {
	const char *p;
	size_t n;
};

/* What an incremental parser says of the bytes it was given. */
enum parse { PARSE_DONE, PARSE_MORE, PARSE_BAD };

#define VIEW_LIT(s) ((struct view){(s), sizeof(s) - 1})
#define VIEW_EMPTY ((struct view){"", 0})
/* For printf's "%.*s". */
#define VIEW_FMT(v) (int)(v).n, (v).p

static inline struct view view_from_cstr(const char *s)
{
	return (struct view){s, strlen(s)};
}
static inline struct view view_from(const void *p, size_t n)
{
	return (struct view){p, n};
}

static inline bool view_eq(struct view a, struct view b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
bool view_eq_nocase(struct view a, struct view b); /* ASCII only */
static inline bool view_eq_lit(struct view a, const char *lit)
{
	return view_eq(a, view_from_cstr(lit));
}
static inline bool view_eq_lit_nocase(struct view a, const char *lit)
{
	return view_eq_nocase(a, view_from_cstr(lit));
}
bool view_starts_with(struct view v, struct view prefix);
bool view_starts_with_nocase(struct view v, struct view prefix);
bool view_ends_with_nocase(struct view v, struct view suffix);
/* memcmp order, the shorter first when one is the other's prefix. */
int view_cmp(struct view a, struct view b);

/* The bytes from `off` on, at most `n`; both are clamped to what is there. */
static inline struct view view_sub(struct view v, size_t off, size_t n)
{
	if (off > v.n)
		off = v.n;
	if (n > v.n - off)
		n = v.n - off;
	return (struct view){v.p ? v.p + off : v.p, n};
}
/* Offset of the first `c` (or of `needle`), or v.n when absent. */
static inline size_t view_find_char(struct view v, char c)
{
	const char *hit = v.n ? (const char *)memchr(v.p, c, v.n) : NULL;

	return hit ? (size_t)(hit - v.p) : v.n;
}
size_t view_find(struct view v, struct view needle);
/* Splits at the first `c`: true with both sides (without `c`), false (and nothing written) when there is none. */
bool view_cut(struct view v, char c, struct view *ret_left, struct view *ret_right);
/* Without blanks (SP, HTAB, CR, LF) at both ends. */
struct view view_trim(struct view v);
bool view_has_nul(struct view v);
bool view_is_ascii(struct view v);
/* True for well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates). */
bool view_is_utf8(struct view v);

/* Decimal digits only, no sign, no blanks; false on anything else or above `max`. */
bool view_to_u64(struct view v, uint64_t max, uint64_t *ret);
bool view_to_u32(struct view v, uint32_t max, uint32_t *ret);

/* A NUL-terminated heap copy for a system boundary; NULL when the view holds a NUL. Caller frees. */
char *view_to_cstr(struct view v);

static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}
static inline char ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}
static inline bool ascii_is_digit(char c)
{
	return c >= '0' && c <= '9';
}
static inline bool ascii_is_alpha(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}
static inline bool ascii_is_alnum(char c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c);
}

#endif
