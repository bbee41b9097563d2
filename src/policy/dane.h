/* SPDX-License-Identifier: ISC */
#ifndef POMBO_POLICY_DANE_H
#define POMBO_POLICY_DANE_H

#include "base/view.h"

/* DANE for SMTP (RFC 7672): what a host's TLSA records ask for. Pure; the certificate is compared by OpenSSL (io/tls), to the strongest digest of
 * each usage and selector alone (RFC 7671 §9). */
struct dane_record {
	uint8_t usage, selector, matching; /* RFC 6698 §2.1 */
	struct view data;
};

/* RFC 7672 §3.1: DANE-TA(2) and DANE-EE(3) only, selectors and matching types that are known, a digest of its length, or what
 * may be a certificate or a key (RFC 7671 §9: "malformed records" are unusable). */
bool dane_is_usable(const struct dane_record *r);

enum dane_demand {
	DANE_NOTHING, /* no records: DANE says nothing of this host */
	DANE_ENCRYPT, /* records, none usable: TLS is mandatory, nobody is verified (§2.2) */
	DANE_VERIFY, /* one of the usable records must match */
};
enum dane_demand dane_demand_of(const struct dane_record *records, size_t n);

#endif
