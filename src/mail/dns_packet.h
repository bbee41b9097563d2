/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_DNS_PACKET_H
#define POMBO_MAIL_DNS_PACKET_H

#include "base/arena.h"
#include "mail/dns_record.h"

/* DNS messages (RFC 1035 §4). Pure. */

enum { DNS_PACKET_MAX = 65535, DNS_QUERY_BYTES_MAX = 12 + 255 + 4 + 11 };

/* A name as somebody asks for it: lower-cased, without the dot at the end. False when it is none: labels of 1 to 63 bytes, 253 in all,
 * of letters, digits, '-', '_' and '/' (RFC 2317); "" and "." are the root. */
must_check bool dns_name_canon(struct view name, struct buf *ret);

/* A query for `name` (see dns_name_canon) and `type`; recursion is not asked for; EDNS tells how much UDP may bring (RFC 6891).
 * False: not a name. */
must_check bool dns_query_format(struct buf *out, uint16_t id, struct view name, uint16_t type);

/* What a response says about a question. Data in the form of dns_record.h, in the arena. */
struct dns_answer {
	uint8_t rcode;
	bool truncated; /* TC: ask again by TCP; what is here is no answer */
	bool authoritative;
	uint32_t ttl_s; /* least of the steps; of a denial: RFC 2308 §5 */
	struct view canonical;
	struct view *records;
	uint32_t n_records;
	uint32_t dropped; /* of the asked type at that name, but malformed */
};

/* False: not a well-formed response to this question, or more than the arena holds. CNAMEs are followed within the response, at most 16. */
must_check bool dns_answer_parse(struct view packet, struct view name, uint16_t type, struct arena *a,
				 struct dns_answer *ret);
/* The response's id; the response must be 12 bytes at least. */
uint16_t dns_packet_id(struct view packet);

#endif
