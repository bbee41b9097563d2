/* SPDX-License-Identifier: ISC */
#ifndef POMBO_KEYD_TBS_H
#define POMBO_KEYD_TBS_H

#include "base/mem.h"
#include "base/view.h"

/* What a TLS server signs in a handshake, and nothing else: the shapes that keyd signs. Pure. */
enum tbs_kind {
	TBS_OTHER, /* refuse */
	TBS_TLS13, /* CertificateVerify, RFC 8446 §4.4.3 */
	TBS_TLS12, /* ServerKeyExchange, RFC 8422 §5.4 */
};

enum tbs_kind tbs_recognise(struct view tbs);

/* How a scheme (RFC 8446 §4.2.3) signs; NULL for one that is not used here. */
struct tbs_scheme {
	uint16_t scheme;
	const char *key_type; /* "EC", "RSA", "ED25519" */
	const char *digest; /* NULL: the algorithm's own */
	bool pss;
	bool tls13;
};
const struct tbs_scheme *tbs_scheme_find(uint16_t scheme);

#endif
