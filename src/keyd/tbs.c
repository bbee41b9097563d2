/* SPDX-License-Identifier: ISC
 * Recognises what a TLS server signs in a handshake. */
#include "keyd/tbs.h"

enum {
	PAD_BYTES = 64, /* RFC 8446 §4.4.3: that many spaces, so that no TLS 1.2 content looks alike */
	RANDOMS_BYTES = 64,
	NAMED_CURVE = 3, /* RFC 8422 §5.4 */
};

/* 64 spaces, "TLS 1.3, server CertificateVerify", a zero byte, the transcript's hash (SHA-256 or SHA-384). */
static bool is_tls13(struct view v)
{
	static const struct view context = {"TLS 1.3, server CertificateVerify", 34}; /* with its zero byte */
	size_t hash = v.n - PAD_BYTES - context.n;

	if (v.n < PAD_BYTES + context.n || (hash != 32 && hash != 48))
		return false;
	for (size_t i = 0; i < PAD_BYTES; i++)
		if (v.p[i] != ' ')
			return false;
	return view_eq(view_sub(v, PAD_BYTES, context.n), context);
}

/* client random, server random, then ServerECDHParams: named_curve, the curve, a point of the curve's length. */
static bool is_tls12(struct view v)
{
	static const struct {
		unsigned curve; /* RFC 8422 §5.1.1 */
		size_t point_bytes;
		bool uncompressed; /* §5.4.1: the point begins with 4 */
	} curves[] = {{23, 65, true}, {24, 97, true}, {29, 32, false}};
	struct view params = view_sub(v, RANDOMS_BYTES, v.n);
	const unsigned char *p = (const unsigned char *)params.p;

	if (params.n < 5 || p[0] != NAMED_CURVE)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(curves); i++)
		if (((unsigned)p[1] << 8 | p[2]) == curves[i].curve)
			return p[3] == curves[i].point_bytes && params.n == 4 + curves[i].point_bytes &&
			       (!curves[i].uncompressed || p[4] == 4);
	return false;
}

enum tbs_kind tbs_recognise(struct view tbs)
{
	if (is_tls13(tbs))
		return TBS_TLS13;
	return is_tls12(tbs) ? TBS_TLS12 : TBS_OTHER;
}

const struct tbs_scheme *tbs_scheme_find(uint16_t scheme)
{
	static const struct tbs_scheme schemes[] = {
	    {0x0403, "EC", "SHA256", false, true},   {0x0503, "EC", "SHA384", false, true},
	    {0x0603, "EC", "SHA512", false, true},   {0x0807, "ED25519", NULL, false, true},
	    {0x0804, "RSA", "SHA256", true, true},   {0x0805, "RSA", "SHA384", true, true},
	    {0x0806, "RSA", "SHA512", true, true},   {0x0401, "RSA", "SHA256", false, false},
	    {0x0501, "RSA", "SHA384", false, false}, {0x0601, "RSA", "SHA512", false, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (schemes[i].scheme == scheme)
			return &schemes[i];
	return NULL;
}
