/* SPDX-License-Identifier: ISC
 * Dates in mail: RFC 5322 leniently, IMAP strictly. */
#include "mail/date.h"

#include <string.h>

enum { DAY_S = 86400, ZONE_MAX_MIN = 1439 };

static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char weekdays[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

/* The parts as they stand in the text. */
struct civil {
	uint32_t year, month, day; /* month 1..12 */
	uint32_t hour, minute, second;
};

/* Days since 1970-01-01. Years are counted from March, so that the leap day comes last. */
static int64_t day_number(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month > 2 ? year : year - 1;
	int64_t m = month > 2 ? month - 3 : month + 9;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * m + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

/* The other way round. */
static void civil_of_day(int64_t days, int64_t *ret_year, uint32_t *ret_month, uint32_t *ret_day)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*ret_day = (uint32_t)(doy - (153 * mp + 2) / 5 + 1);
	*ret_month = (uint32_t)(mp < 10 ? mp + 3 : mp - 9);
	*ret_year = yoe + era * 400 + (*ret_month <= 2);
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static uint32_t days_in_month(uint32_t year, uint32_t month)
{
	static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

static bool day_exists(const struct civil *c)
{
	return c->year >= 1 && c->year <= 9999 && c->month >= 1 && c->month <= 12 && c->day >= 1 &&
	       c->day <= days_in_month(c->year, c->month);
}

static bool make(const struct civil *c, int32_t zone_min, bool zone_known, struct date *ret)
{
	if (!day_exists(c) || c->hour > 23 || c->minute > 59 || c->second > 60)
		return false;
	if (zone_min < -ZONE_MAX_MIN || zone_min > ZONE_MAX_MIN)
		zone_min = 0, zone_known = false;
	ret->utc_s =
	    day_number(c->year, c->month, c->day) * DAY_S + c->hour * 3600 + c->minute * 60 + c->second - zone_min * 60;
	ret->zone_min = zone_min;
	ret->zone_known = zone_known;
	return true;
}

/* 1..12 when the first three letters name a month, else 0. */
static uint32_t month_of(struct view word)
{
	for (uint32_t i = 0; word.n >= 3 && i < 12; i++)
		if (view_eq_lit_nocase(view_sub(word, 0, 3), months[i]))
			return i + 1;
	return 0;
}

/* --- RFC 5322, leniently --- */

/* Skips blanks, commas and comments; comments nest and are counted, not recursed into. */
static void skip(struct view *in)
{
	size_t i = 0, depth = 0;

	for (; i < in->n; i++) {
		char c = in->p[i];

		if (c == '(')
			depth++;
		else if (c == ')' && depth)
			depth--;
		else if (c == '\\' && depth)
			i++;
		else if (!depth && !(c && strchr(" \t\r\n,", c)))
			break;
	}
	*in = view_sub(*in, i, in->n);
}

static struct view take_word(struct view *in)
{
	struct view word;
	size_t n = 0;

	skip(in);
	while (n < in->n && (ascii_is_alpha(in->p[n]) || (unsigned char)in->p[n] >= 0x80))
		n++;
	word = view_sub(*in, 0, n);
	*in = view_sub(*in, n, in->n);
	return word;
}

static struct view take_digits(struct view *in)
{
	struct view digits;
	size_t n = 0;

	skip(in);
	while (n < in->n && ascii_is_digit(in->p[n]))
		n++;
	digits = view_sub(*in, 0, n);
	*in = view_sub(*in, n, in->n);
	return digits;
}

static bool take_number(struct view *in, uint32_t max, uint32_t *ret)
{
	return view_to_u32(take_digits(in), max, ret);
}

/* A separator that may stand between two parts. */
static bool take_char(struct view *in, const char *set)
{
	skip(in);
	if (in->n == 0 || in->p[0] == '\0' || !strchr(set, in->p[0]))
		return false;
	*in = view_sub(*in, 1, in->n);
	return true;
}

/* year = 4*DIGIT / obs-year of two or three digits (RFC 5322 §4.3) */
static bool take_year(struct view *in, uint32_t *ret)
{
	struct view digits = take_digits(in);
	uint32_t year;

	if (digits.n < 2 || !view_to_u32(digits, 9999, &year))
		return false;
	if (digits.n == 2)
		year += year < 50 ? 2000 : 1900;
	else if (digits.n == 3)
		year += 1900;
	*ret = year;
	return true;
}

/* time-of-day = hour ":" minute [ ":" second ], with "." for ":" too and a fraction that is dropped */
static bool take_time(struct view *in, struct civil *c)
{
	if (!take_number(in, 23, &c->hour) || !take_char(in, ":.") || !take_number(in, 59, &c->minute))
		return false;
	if (!take_char(in, ":."))
		return true;
	if (!take_number(in, 60, &c->second))
		return false;
	if (in->n && in->p[0] == '.') {
		(void)take_char(in, ".");
		(void)take_digits(in);
	}
	return true;
}

/* obs-zone; single letters have no reliable meaning but "Z" */
static const struct {
	const char *name;
	int32_t zone_min;
} zones[] = {
    {"UT", 0},     {"GMT", 0},    {"UTC", 0},    {"Z", 0},      {"EST", -300}, {"EDT", -240},
    {"CST", -360}, {"CDT", -300}, {"MST", -420}, {"MDT", -360}, {"PST", -480}, {"PDT", -420},
};

/* ("+" / "-") 4DIGIT, or hh ":" mm, or hh; `*ret_known` false for -0000 */
static bool take_offset(struct view *in, int32_t *ret_zone_min, bool *ret_known)
{
	bool negative = in->n && in->p[0] == '-';
	struct view digits;
	uint32_t value, hours, minutes;

	if (!take_char(in, "+-"))
		return false;
	digits = take_digits(in);
	if (digits.n < 1 || digits.n > 4 || !view_to_u32(digits, 9999, &value))
		return false;
	hours = digits.n > 2 ? value / 100 : value;
	minutes = digits.n > 2 ? value % 100 : 0;
	if (digits.n <= 2 && in->n && in->p[0] == ':') {
		*in = view_sub(*in, 1, in->n);
		if (!take_number(in, 59, &minutes))
			return false;
	}
	if (minutes > 59 || hours > 23)
		return false;
	*ret_zone_min = (int32_t)(hours * 60 + minutes) * (negative ? -1 : 1);
	*ret_known = !negative || *ret_zone_min != 0;
	return true;
}

/* Whatever stands where the zone should be: an offset, a name, a name with an offset ("GMT+0100"), nothing. */
static void take_zone(struct view *in, int32_t *ret_zone_min, bool *ret_known)
{
	struct view word = take_word(in);

	skip(in);
	if (take_offset(in, ret_zone_min, ret_known))
		return;
	for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
		if (view_eq_lit_nocase(word, zones[i].name)) {
			*ret_zone_min = zones[i].zone_min;
			*ret_known = true;
			return;
		}
	}
}

/* "Jan  1 10:00:00 [zone] 2019 [zone]", the month already taken (asctime order) */
static bool parse_asctime(struct view in, struct civil *c, int32_t *zone_min, bool *zone_known)
{
	if (!take_number(&in, 31, &c->day) || !take_time(&in, c))
		return false;
	skip(&in);
	if (in.n && !ascii_is_digit(in.p[0]))
		take_zone(&in, zone_min, zone_known);
	if (!take_year(&in, &c->year))
		return false;
	if (!*zone_known)
		take_zone(&in, zone_min, zone_known);
	return true;
}

/* date-time = [ day-of-week "," ] day month year time [zone] */
bool date_parse(struct view text, struct date *ret)
{
	struct civil c = {.second = 0};
	bool zone_known = false;
	int32_t zone_min = 0;
	struct view word = take_word(&text);

	c.month = month_of(word);
	if (word.n && !c.month) {
		(void)take_char(&text, ".");
		word = take_word(&text);
		c.month = month_of(word);
		if (word.n && !c.month)
			return false;
	}
	if (c.month) {
		if (!parse_asctime(text, &c, &zone_min, &zone_known))
			return false;
		return make(&c, zone_min, zone_known, ret);
	}
	if (!take_number(&text, 31, &c.day))
		return false;
	(void)take_char(&text, "-.");
	c.month = month_of(take_word(&text));
	(void)take_char(&text, "-.");
	if (!c.month || !take_year(&text, &c.year) || !take_time(&text, &c))
		return false;
	take_zone(&text, &zone_min, &zone_known);
	return make(&c, zone_min, zone_known, ret);
}

/* --- writing --- */

struct parts {
	int64_t days, year;
	uint32_t month, day, second_of_day;
	char sign;
	uint32_t zone_hours, zone_minutes;
};

static int64_t clamp(int64_t value, int64_t min, int64_t max)
{
	return value < min ? min : value > max ? max : value;
}

/* Seconds on its own clock; what lies outside the years 1 to 9999 is taken for their ends. */
static int64_t local_seconds(const struct date *date)
{
	int64_t first = day_number(1, 1, 1) * DAY_S, last = day_number(10000, 1, 1) * DAY_S - 1;
	int64_t zone_min = clamp(date->zone_min, -ZONE_MAX_MIN, ZONE_MAX_MIN);

	return clamp(clamp(date->utc_s, first - DAY_S, last + DAY_S) + zone_min * 60, first, last);
}

static struct parts parts_of(const struct date *date)
{
	int64_t local = local_seconds(date), zone_min = clamp(date->zone_min, -ZONE_MAX_MIN, ZONE_MAX_MIN);
	uint32_t zone = (uint32_t)(zone_min < 0 ? -zone_min : zone_min);
	struct parts p = {.days = floor_div(local, DAY_S)};

	p.second_of_day = (uint32_t)(local - p.days * DAY_S);
	civil_of_day(p.days, &p.year, &p.month, &p.day);
	p.sign = date->zone_min < 0 || !date->zone_known ? '-' : '+';
	p.zone_hours = zone / 60;
	p.zone_minutes = zone % 60;
	return p;
}

/* Without printf: FETCH writes a date a message. */
static char *put_number(char *p, uint32_t number, unsigned digits)
{
	for (unsigned i = digits; i > 0; i--, number /= 10)
		p[i - 1] = (char)('0' + number % 10);
	return p + digits;
}

static char *put_char(char *p, char c)
{
	*p = c;
	return p + 1;
}

static void format_time(struct buf *out, const struct parts *p)
{
	enum { BYTES = sizeof "12:00:00 +0000" - 1 };
	char *at = buf_reserve(out, BYTES);

	if (!at)
		return;
	at = put_char(put_number(at, p->second_of_day / 3600, 2), ':');
	at = put_char(put_number(at, p->second_of_day / 60 % 60, 2), ':');
	at = put_char(put_number(at, p->second_of_day % 60, 2), ' ');
	at = put_number(put_char(at, p->sign), p->zone_hours, 2);
	(void)put_number(at, p->zone_minutes, 2);
	buf_commit(out, BYTES);
}

void date_format(struct buf *out, const struct date *date)
{
	struct parts p = parts_of(date);
	int64_t weekday = (p.days % 7 + 7 + 4) % 7; /* 1970-01-01 was a Thursday */

	buf_printf(out, "%s, %02u %s %04lld ", weekdays[weekday], p.day, months[p.month - 1], (long long)p.year);
	format_time(out, &p);
}

int64_t date_local_day(const struct date *date)
{
	return floor_div(local_seconds(date), DAY_S);
}

/* --- IMAP, strictly --- */

static bool fixed_number(struct view text, size_t at, size_t digits, uint32_t *ret)
{
	struct view part = view_sub(text, at, digits);

	return part.n == digits && view_to_u32(part, 9999, ret);
}

/* "-Mon-yyyy" */
static bool month_and_year(struct view text, struct civil *c)
{
	if (text.n != 9 || text.p[0] != '-' || text.p[4] != '-')
		return false;
	c->month = month_of(view_sub(text, 1, 3));
	return c->month && fixed_number(text, 5, 4, &c->year);
}

/* date-day-fixed "-" date-month "-" date-year SP 2DIGIT ":" 2DIGIT ":" 2DIGIT SP ("+" / "-") 4DIGIT */
bool date_parse_imap(struct view text, struct date *ret)
{
	uint32_t zone_h, zone_m;
	struct civil c;
	int32_t zone_min;
	size_t pad;

	if (text.n != 26 || text.p[11] != ' ' || text.p[14] != ':' || text.p[17] != ':' || text.p[20] != ' ' ||
	    (text.p[21] != '+' && text.p[21] != '-'))
		return false;
	pad = text.p[0] == ' ' ? 1 : 0;
	if (!fixed_number(text, pad, 2 - pad, &c.day) || !month_and_year(view_sub(text, 2, 9), &c))
		return false;
	if (!fixed_number(text, 12, 2, &c.hour) || !fixed_number(text, 15, 2, &c.minute) ||
	    !fixed_number(text, 18, 2, &c.second))
		return false;
	if (!fixed_number(text, 22, 2, &zone_h) || !fixed_number(text, 24, 2, &zone_m) || zone_h > 23 || zone_m > 59)
		return false;
	zone_min = (int32_t)(zone_h * 60 + zone_m) * (text.p[21] == '-' ? -1 : 1);
	return make(&c, zone_min, zone_min || text.p[21] == '+', ret);
}

void date_format_imap(struct buf *out, const struct date *date)
{
	enum { BYTES = sizeof "01-Feb-2026 " - 1 };
	struct parts p = parts_of(date);
	char *at = buf_reserve(out, BYTES);

	if (!at)
		return;
	at = p.day < 10 ? put_number(put_char(at, ' '), p.day, 1) : put_number(at, p.day, 2);
	at = put_char(at, '-');
	memcpy(at, months[p.month - 1], 3);
	at = put_char(at + 3, '-');
	(void)put_char(put_number(at, (uint32_t)p.year, 4), ' ');
	buf_commit(out, BYTES);
	format_time(out, &p);
}

/* date-text = date-day "-" date-month "-" date-year; date-day = 1*2DIGIT */
bool date_parse_imap_day(struct view text, int64_t *ret_day)
{
	size_t digits = view_find_char(text, '-');
	struct civil c;

	if (digits < 1 || digits > 2 || !fixed_number(text, 0, digits, &c.day) ||
	    !month_and_year(view_sub(text, digits, text.n), &c) || !day_exists(&c))
		return false;
	*ret_day = day_number(c.year, c.month, c.day);
	return true;
}
