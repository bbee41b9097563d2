/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_DATE_H
#define POMBO_MAIL_DATE_H

#include "base/buf.h"
#include "base/mem.h"

/* A moment and the clock it was read from. Gregorian, UTC; no leap seconds (":60" is the next second). */
struct date {
	int64_t utc_s; /* seconds since 1970 UTC */
	int32_t zone_min; /* minutes east of UTC, -1439..1439; 0 when not known */
	bool zone_known; /* false for "-0000" and for zones without a meaning (RFC 5322 §4.3) */
};

/* A Date field's value (RFC 5322 §3.3, §4.3), folds and comments included, and what real mail has instead: no or any
 * day name, month names written out, two- and three-digit years, no seconds, no zone, a colon in the zone, "." or "-"
 * between the parts, asctime order. The day name is not checked. What follows the zone is ignored.
 * False: no date, or one that does not exist. */
must_check bool date_parse(struct view text, struct date *ret);
/* "Tue, 01 Jan 2019 10:00:00 +0100". Here and below, a moment outside the years 1 to 9999 is written as their end. */
void date_format(struct buf *out, const struct date *date);

/* IMAP date-time without its quotes (RFC 9051 §9): "dd-Mon-yyyy hh:mm:ss +zzzz", strictly. */
must_check bool date_parse_imap(struct view text, struct date *ret);
void date_format_imap(struct buf *out, const struct date *date);
/* IMAP date-text (RFC 9051 §9): "1-Feb-1994", strictly; days since 1970-01-01. */
must_check bool date_parse_imap_day(struct view text, int64_t *ret_day);
/* The calendar day on its own clock, as SEARCH SENTON wants it; days since 1970-01-01. */
int64_t date_local_day(const struct date *date);

#endif
