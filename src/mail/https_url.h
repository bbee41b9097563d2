/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_HTTPS_URL_H
#define POMBO_MAIL_HTTPS_URL_H

#include "base/mem.h"
#include "base/view.h"

/* "https://host[:port][/path][?query]" (RFC 3986, RFC 9110 §4.2.2). Views point into the text. */
struct https_url {
	struct view host; /* a name with a dot in it, A-labels; no address */
	uint16_t port; /* 0: not said */
	struct view target; /* path and query: "/" at least */
};

enum { HTTPS_URL_MAX = 2048 };

/* False: another scheme, a user or a password, an address instead of a name, a byte that must not stand there. A fragment is left out. */
must_check bool https_url_parse(struct view text, struct https_url *ret);

/* Why a fetch failed (fetch.def). */
enum fetch_failure {
	FETCH_BAD_URL,
	FETCH_NO_ADDRESS, /* no such name, or nobody knows now */
	FETCH_UNREACHABLE, /* no address answered */
	FETCH_NOT_VERIFIED, /* TLS: no handshake, or the certificate is not the host's */
	FETCH_BAD_ANSWER, /* not HTTP, or broken off */
	FETCH_TOO_BIG,
	FETCH_TIMEOUT,
	FETCH_BUSY, /* too many at once */
	FETCH_FAILURES
};

#endif
