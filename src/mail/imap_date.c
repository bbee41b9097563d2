/* SPDX-License-Identifier: ISC
 * Dates as IMAP writes them. */
#include "mail/imap_date.h"

static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct day {
	int32_t year;
	uint32_t month, mday; /* from 1 */
};

enum { DAY_S = 86400 };

static bool is_leap(int32_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static uint32_t days_in_month(int32_t year, uint32_t month)
{
	static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

/* Days before 1 January of `year` (>= 0), counted from 1 January of year 0. */
static int32_t days_before_year(int32_t year)
{
	return year * 365 + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
}

static int32_t days_since_1970(struct day d)
{
	int32_t n = days_before_year(d.year) - days_before_year(1970) + (int32_t)d.mday - 1;

	for (uint32_t m = 1; m < d.month; m++)
		n += (int32_t)days_in_month(d.year, m);
	return n;
}

static struct day day_from_days(int32_t days)
{
	int32_t left = days + days_before_year(1970);
	struct day d = {left / 366, 1, 1};

	while (days_before_year(d.year + 1) <= left)
		d.year++;
	left -= days_before_year(d.year);
	while (left >= (int32_t)days_in_month(d.year, d.month))
		left -= (int32_t)days_in_month(d.year, d.month++);
	d.mday = (uint32_t)left + 1;
	return d;
}

/* Exactly `n` digits at `at`. */
static bool digits(struct view v, size_t at, size_t n, uint32_t max, uint32_t *ret)
{
	return v.n >= at + n && view_to_u32(view_sub(v, at, n), max, ret);
}

static bool parse_month(struct view v, uint32_t *ret)
{
	for (uint32_t i = 0; i < 12; i++) {
		if (view_eq_lit_nocase(v, months[i])) {
			*ret = i + 1;
			return true;
		}
	}
	return false;
}

/* date-text = date-day "-" date-month "-" date-year */
static bool parse_day(struct view text, struct view *ret_rest, struct day *ret)
{
	struct view mday, month, rest;
	struct day d;
	uint32_t year;

	if (!view_cut(text, '-', &mday, &rest) || !view_cut(rest, '-', &month, &rest))
		return false;
	if (mday.n > 2 || !view_to_u32(mday, 31, &d.mday) || !parse_month(month, &d.month) ||
	    !digits(rest, 0, 4, 9999, &year))
		return false;
	d.year = (int32_t)year;
	if (d.mday == 0 || d.mday > days_in_month(d.year, d.month))
		return false;
	*ret = d;
	*ret_rest = view_sub(rest, 4, rest.n);
	return true;
}

bool imap_date_parse(struct view text, int32_t *ret_days)
{
	struct view rest;
	struct day d;

	if (!parse_day(text, &rest, &d) || rest.n)
		return false;
	*ret_days = days_since_1970(d);
	return true;
}

/* zone = ("+" / "-") 4DIGIT */
static bool parse_zone(struct view v, int16_t *ret)
{
	uint32_t hours, minutes;

	if (v.n != 5 || (v.p[0] != '+' && v.p[0] != '-') || !digits(v, 1, 2, 23, &hours) ||
	    !digits(v, 3, 2, 59, &minutes))
		return false;
	minutes += hours * 60;
	*ret = (int16_t)(v.p[0] == '-' ? -(int32_t)minutes : (int32_t)minutes);
	return true;
}

/* date-time = date-day-fixed "-" date-month "-" date-year SP time SP zone */
bool imap_date_time_parse(struct view text, int64_t *ret_wall_s, int16_t *ret_zone_minutes)
{
	uint32_t hour, minute, second;
	int16_t zone;
	struct view rest;
	struct day d;

	if (text.n && text.p[0] == ' ')
		text = view_sub(text, 1, text.n);
	if (!parse_day(text, &rest, &d) || rest.n != 15 || rest.p[0] != ' ' || rest.p[3] != ':' || rest.p[6] != ':' ||
	    rest.p[9] != ' ')
		return false;
	if (!digits(rest, 1, 2, 23, &hour) || !digits(rest, 4, 2, 59, &minute) || !digits(rest, 7, 2, 60, &second) ||
	    !parse_zone(view_sub(rest, 10, rest.n), &zone))
		return false;
	*ret_wall_s = (int64_t)days_since_1970(d) * DAY_S + hour * 3600 + minute * 60 + second - zone * 60;
	*ret_zone_minutes = zone;
	return true;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0 ? 1 : 0);
}

int32_t imap_date_day(int64_t wall_s, int16_t zone_minutes)
{
	static const int64_t limit = (int64_t)INT32_MAX * DAY_S / 2;

	if (wall_s > limit)
		wall_s = limit;
	if (wall_s < -limit)
		wall_s = -limit;
	return (int32_t)floor_div(wall_s + zone_minutes * 60, DAY_S);
}

void imap_date_time_format(struct buf *out, int64_t wall_s, int16_t zone_minutes)
{
	static const struct day first_day = {0, 1, 1}, last_day = {9999, 12, 31};
	int32_t day = imap_date_day(wall_s, zone_minutes);
	int32_t first = days_since_1970(first_day), last = days_since_1970(last_day);
	uint32_t zone = (uint32_t)(zone_minutes < 0 ? -zone_minutes : zone_minutes) % (24 * 60);
	uint32_t second_of_day;
	struct day d;

	second_of_day = (uint32_t)(wall_s + zone_minutes * 60 - floor_div(wall_s + zone_minutes * 60, DAY_S) * DAY_S);
	d = day_from_days(day < first ? first : day > last ? last : day);
	buf_printf(out, "\"%2u-%s-%04d %02u:%02u:%02u %c%02u%02u\"", d.mday, months[d.month - 1], d.year,
		   second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60, zone_minutes < 0 ? '-' : '+',
		   zone / 60, zone % 60);
}
