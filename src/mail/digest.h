/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_DIGEST_H
#define POMBO_MAIL_DIGEST_H

#include "base/buf.h"
#include "base/mem.h"
#include "mail/date.h"

/* What SEARCH, SORT and THREAD ask of a header block most often, in short records, one a column, so that each command reads what
 * it needs. Made once (when a message is indexed) or on the fly; both give the same. Pure. */
enum digest_column {
	DIGEST_DATE,
	DIGEST_SUBJECT, /* for SEARCH */
	DIGEST_ADDRESSES, /* for SEARCH */
	DIGEST_SORT,
	DIGEST_THREAD,
	DIGEST_COLUMNS,
};

enum {
	DIGEST_VALUE_MAX = 1000, /* bytes of a folded value that are kept, and of a string to sort by that count */
	DIGEST_RECORD_MAX = 6144, /* bytes of one record at most */
};

/* Appends one record to each column of `columns` (DIGEST_COLUMNS bufs). `key`: for the hashes. */
void digest_make(struct view header, const uint64_t key[2], struct buf *columns);

/* Records come back by these; false: not a record of that column. Views point into the record. */
struct digest_date {
	bool known; /* there is a Date field that says one */
	struct date date;
};
must_check bool digest_read_date(struct view record, struct digest_date *ret);

/* The values of a field as search_match_header() compares them, a line end between two. */
struct digest_values {
	bool present; /* there is such a field */
	bool cut; /* not all is here: the header must be asked */
	struct view folded;
};
must_check bool digest_read_subject(struct view record, struct digest_values *ret);
enum digest_address { DIGEST_FROM, DIGEST_TO, DIGEST_CC, DIGEST_BCC, DIGEST_ADDRESS_FIELDS };
must_check bool digest_read_addresses(struct view record, struct digest_values ret[DIGEST_ADDRESS_FIELDS]);

/* Strings for SORT (RFC 5256 §3, 5957 §3), by charset_casemap(). */
enum digest_key {
	DIGEST_KEY_SUBJECT,
	DIGEST_KEY_FROM,
	DIGEST_KEY_TO,
	DIGEST_KEY_CC,
	DIGEST_KEY_DISPLAYFROM,
	DIGEST_KEY_DISPLAYTO,
	DIGEST_KEYS
};
must_check bool digest_read_sort(struct view record, struct view ret[DIGEST_KEYS]);

/* Hashes for THREAD (thread.h). */
struct digest_thread {
	uint64_t id, subject;
	bool is_reply;
	uint32_t ref_count;
	struct view refs; /* 8 bytes each, little-endian; digest_ref() */
};
must_check bool digest_read_thread(struct view record, struct digest_thread *ret);
uint64_t digest_ref(const struct digest_thread *t, uint32_t i);

#endif
