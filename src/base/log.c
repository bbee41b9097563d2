/* SPDX-License-Identifier: ISC
 * One event a line on stderr, as logfmt or JSON. */
#include "base/log.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TAIL_RESERVE = 4 }; /* closing quote, brace and newline always fit */

static const char *the_role = "pombo";
static enum log_level the_min = LOG_LEVEL_INFO;
static enum log_format the_format = LOG_FORMAT_LOGFMT;
static const char *const level_names[] = {"debug", "info", "warning", "error"};

void log_init(const char *role, enum log_level min_level, enum log_format format)
{
	the_role = role;
	log_set(min_level, format);
}

void log_set(enum log_level min_level, enum log_format format)
{
	the_min = min_level;
	the_format = format;
}

bool log_enabled(enum log_level level)
{
	return level >= the_min;
}

static bool put(struct log_line *l, const char *p, size_t n)
{
	if (n > sizeof l->bytes - TAIL_RESERVE - l->n)
		return false;
	memcpy(l->bytes + l->n, p, n);
	l->n += n;
	return true;
}

static void put_cstr(struct log_line *l, const char *s)
{
	(void)put(l, s, strlen(s));
}

static bool put_code(struct log_line *l, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char esc[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

	return put(l, esc, sizeof esc);
}

/* Bytes of the character that begins with `c`, in UTF-8. */
static size_t char_bytes(unsigned char c)
{
	return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

static void put_escaped(struct log_line *l, struct view v)
{
	bool utf8 = view_is_utf8(v);

	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];
		bool fits;

		if (c == '"' || c == '\\')
			fits = put(l, (char[]){'\\', (char)c}, 2);
		else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
			fits = put_code(l, c);
		else if (c == 0xc2 &&
			 (unsigned char)v.p[i + 1] < 0xa0) /* U+0080 to U+009F: controls, terminals obey them */
			fits = put_code(l, (unsigned char)v.p[++i]);
		else { /* whole characters: a line that is cut within one is no JSON */
			fits = put(l, v.p + i, char_bytes(c));
			i += char_bytes(c) - 1;
		}
		if (!fits)
			return;
	}
}

static bool needs_quotes(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] <= ' ' || (unsigned char)v.p[i] >= 0x7f || v.p[i] == '"' || v.p[i] == '=' ||
		    v.p[i] == '\\')
			return true;
	return v.n == 0;
}

static void put_key(struct log_line *l, const char *key)
{
	if (the_format == LOG_FORMAT_JSON) {
		(void)put(l, ",\"", 2);
		(void)put(l, key, strlen(key));
		(void)put(l, "\":", 2);
	} else {
		(void)put(l, " ", 1);
		(void)put(l, key, strlen(key));
		(void)put(l, "=", 1);
	}
}

static void put_value(struct log_line *l, struct view v)
{
	bool quote = the_format == LOG_FORMAT_JSON || needs_quotes(v);

	if (!quote) {
		(void)put(l, v.p, v.n);
		return;
	}
	if (!put(l, "\"", 1))
		return;
	put_escaped(l, v);
	if (!put(l, "\"", 1))
		l->bytes[l->n++] = '"';
}

void log_begin(struct log_line *l, enum log_level level, const char *event)
{
	char when[CLOCK_RFC3339_BYTES];

	l->enabled = log_enabled(level);
	l->n = 0;
	if (!l->enabled)
		return;
	clock_format_rfc3339(clock_wall_us(), when);
	if (the_format == LOG_FORMAT_JSON) {
		put_cstr(l, "{\"time\":\"");
		put_cstr(l, when);
		put_cstr(l, "\"");
	} else {
		put_cstr(l, "time=");
		put_cstr(l, when);
	}
	log_cstr(l, "level", level_names[level]);
	log_cstr(l, "role", the_role);
	log_cstr(l, "event", event);
}

void log_str(struct log_line *l, const char *key, struct view value)
{
	/* Keys are ours and short; without room for key and quotes the field is left out. */
	if (!l->enabled || l->n + strlen(key) + 8 + TAIL_RESERVE > sizeof l->bytes)
		return;
	put_key(l, key);
	put_value(l, value);
}

void log_cstr(struct log_line *l, const char *key, const char *value)
{
	log_str(l, key, view_from_cstr(value));
}

/* 2^64 has 20 digits. */
static void log_number(struct log_line *l, const char *key, bool negative, uint64_t value)
{
	char digits[21];
	size_t at = sizeof digits;

	if (!l->enabled || l->n + strlen(key) + sizeof digits + 8 + TAIL_RESERVE > sizeof l->bytes)
		return;
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	if (negative)
		digits[--at] = '-';
	put_key(l, key);
	(void)put(l, digits + at, sizeof digits - at);
}

void log_u64(struct log_line *l, const char *key, uint64_t value)
{
	log_number(l, key, false, value);
}

void log_i64(struct log_line *l, const char *key, int64_t value)
{
	log_number(l, key, value < 0, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void log_errno(struct log_line *l, int error)
{
	char text[128]; /* longest GNU message is under 60 bytes */

	log_cstr(l, "error", strerror_r(error < 0 ? -error : error, text, sizeof text));
}

void log_end(struct log_line *l)
{
	if (!l->enabled)
		return;
	if (the_format == LOG_FORMAT_JSON)
		l->bytes[l->n++] = '}';
	l->bytes[l->n++] = '\n';
	(void)!write(STDERR_FILENO, l->bytes, l->n);
}

void log_event(enum log_level level, const char *event, const char *message)
{
	struct log_line l;

	log_begin(&l, level, event);
	if (message)
		log_cstr(&l, "message", message);
	log_end(&l);
}
