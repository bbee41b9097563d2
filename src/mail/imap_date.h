/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_IMAP_DATE_H
#define POMBO_MAIL_IMAP_DATE_H

#include "base/buf.h"
#include "base/mem.h"

/* IMAP's two ways to write a date (RFC 9051 §9 date, date-time). */

/* "1-Feb-2026": days since 1970-01-01. */
must_check bool imap_date_parse(struct view text, int32_t *ret_days);
/* " 1-Feb-2026 12:00:00 +0100" (without quotes): seconds since 1970 UTC, and the zone in minutes east. */
must_check bool imap_date_time_parse(struct view text, int64_t *ret_wall_s, int16_t *ret_zone_minutes);
/* The same with quotes. Years outside 0..9999 are brought to the nearest. */
void imap_date_time_format(struct buf *out, int64_t wall_s, int16_t zone_minutes);
/* The day of a moment as SEARCH compares it: the date as it reads in its zone (RFC 9051 §6.4.4 "disregarding time and
 * timezone"). */
int32_t imap_date_day(int64_t wall_s, int16_t zone_minutes);

#endif
