/* SPDX-License-Identifier: ISC
 * Which TLSA records count, and what they ask for (RFC 7672 §3.1). */
#include "policy/dane.h"

enum {
	USAGE_TA = 2,
	USAGE_EE = 3,
	SELECTOR_SPKI = 1,
	FULL = 0,
	SHA256 = 1,
	SHA512 = 2,
	SHA256_BYTES = 32,
	SHA512_BYTES = 64
};

/* A certificate or a key is a SEQUENCE in DER, of just this length. */
static bool is_sequence(struct view v)
{
	enum { SEQUENCE = 0x30, LONG_LENGTH = 0x80, LENGTH_BYTES_MAX = 3 };
	size_t n, bytes;

	if (v.n < 2 || (unsigned char)v.p[0] != SEQUENCE)
		return false;
	n = (unsigned char)v.p[1];
	v = view_sub(v, 2, v.n);
	if (n < LONG_LENGTH)
		return v.n == n;
	bytes = n - LONG_LENGTH;
	if (bytes == 0 || bytes > LENGTH_BYTES_MAX || v.n < bytes)
		return false;
	n = 0;
	for (size_t i = 0; i < bytes; i++)
		n = n << 8 | (unsigned char)v.p[i];
	return v.n - bytes == n;
}

bool dane_is_usable(const struct dane_record *r)
{
	if ((r->usage != USAGE_TA && r->usage != USAGE_EE) || r->selector > SELECTOR_SPKI)
		return false;
	switch (r->matching) {
	case FULL:
		return is_sequence(r->data);
	case SHA256:
		return r->data.n == SHA256_BYTES;
	case SHA512:
		return r->data.n == SHA512_BYTES;
	default: /* of 253 numbers */
		return false;
	}
}

enum dane_demand dane_demand_of(const struct dane_record *records, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (dane_is_usable(&records[i]))
			return DANE_VERIFY;
	return n ? DANE_ENCRYPT : DANE_NOTHING;
}
