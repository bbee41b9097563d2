/* SPDX-License-Identifier: ISC
 * What is read can be written and read back to the same moment and zone. */
#include "mail/date.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const struct date *a, const struct date *b)
{
	assert(a->utc_s == b->utc_s && a->zone_min == b->zone_min && a->zone_known == b->zone_known);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view text = view_from(data, size);
	struct buf out = BUF_INIT(256);
	struct date date, back;
	int64_t day;

	if (date_parse(text, &date)) {
		date_format(&out, &date);
		/* ":60" on the last day of 9999 would be the year 10000 */
		if (date.utc_s + date.zone_min * 60 < 253402300800) {
			assert(date_parse(buf_view(&out), &back));
			same(&date, &back);
		}
	}
	buf_reset(&out);
	if (date_parse_imap(text, &date)) {
		date_format_imap(&out, &date);
		if (date.utc_s + date.zone_min * 60 < 253402300800) {
			assert(date_parse_imap(buf_view(&out), &back));
			same(&date, &back);
		}
	}
	(void)!date_parse_imap_day(text, &day);
	buf_fini(&out);
	return 0;
}
