/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_DNS_RECORD_H
#define POMBO_MAIL_DNS_RECORD_H

#include "base/buf.h"
#include "base/mem.h"

/* DNS records as dnsd gives them to the others: checked, without compression, names as text (lower case, no dot at the
 * end, "" is the root), the strings of a TXT joined. Each type has a reader here; views point into the data.
 *
 *   A, AAAA       4 or 16 bytes               MX    u16 preference, name
 *   NS CNAME PTR  name                        SRV   u16 priority, u16 weight, u16 port, name
 *   TXT           the strings joined          SOA   u32 serial, u32 minimum, name of the primary server
 *   TLSA          u8 usage, u8 selector, u8 matching, bytes (RFC 6698 §2.1)
 *   CAA           u8 flags, u8 length of the tag, tag, value (RFC 8659 §4.1)
 *   DS, DNSKEY    as on the wire
 *
 * Numbers are big-endian. Names of hosts hold letters, digits, '-' and '_' only: records with others are left out. */
enum dns_rrtype {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_SOA = 6,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_DS = 43,
	DNS_DNSKEY = 48,
	DNS_TLSA = 52,
	DNS_CAA = 257,
};

/* Why there is no answer (dns.def, failed). */
enum dns_failure {
	DNS_TIMEOUT, /* nobody answered within the deadline */
	DNS_SERVER_FAILURE, /* those that answered could not say */
	DNS_BOGUS, /* the answer contradicts DNSSEC: forged, or a zone that is broken */
	DNS_BUSY, /* too many questions at once */
	DNS_BAD_NAME, /* the question is none: not a name, or a type that is not known */
	DNS_BAD_ANSWER, /* there are records, and none of them makes sense */
	DNS_FAILURES
};

enum {
	DNS_NAME_MAX = 253, /* as text */
	DNS_RECORDS_MAX = 4096, /* in one answer */
};

bool dns_type_is_known(uint16_t type);
/* "MX" and so on; NULL for one that is not known. */
const char *dns_type_name(uint16_t type);
bool dns_type_find(struct view name, uint16_t *ret); /* in any case of letters */
/* "timeout" and so on. */
const char *dns_failure_name(enum dns_failure why);

struct dns_mx {
	uint16_t preference;
	struct view exchange; /* "": RFC 7505, there is no mail here */
};
struct dns_srv {
	uint16_t priority, weight, port;
	struct view target;
};
struct dns_soa {
	uint32_t serial, minimum;
	struct view primary;
};
struct dns_tlsa {
	uint8_t usage, selector, matching;
	struct view data;
};
struct dns_caa {
	uint8_t flags;
	struct view tag, value;
};

/* False when the data is not of this form. */
must_check bool dns_read_a(struct view data, uint8_t ret[4]);
must_check bool dns_read_aaaa(struct view data, uint8_t ret[16]);
must_check bool dns_read_name(struct view data, struct view *ret); /* NS, CNAME, PTR */
must_check bool dns_read_mx(struct view data, struct dns_mx *ret);
must_check bool dns_read_srv(struct view data, struct dns_srv *ret);
must_check bool dns_read_soa(struct view data, struct dns_soa *ret);
must_check bool dns_read_tlsa(struct view data, struct dns_tlsa *ret);
must_check bool dns_read_caa(struct view data, struct dns_caa *ret);

/* "4.3.2.1.in-addr.arpa" or its like under ip6.arpa (RFC 1035 §3.5, RFC 3596 §2.5) of an address as text; an IPv4 address within IPv6
 * counts as IPv4. False: not an address. */
must_check bool dns_reverse_name(struct view address, struct buf *ret);

#endif
