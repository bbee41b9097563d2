/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_DKIM_SIGN_H
#define POMBO_MAIL_DKIM_SIGN_H

#include "base/buf.h"
#include "base/mem.h"

/* Making a DKIM-Signature (RFC 6376 §5, RFC 8463), relaxed/relaxed. Pure: what is hashed comes out, what signs it is elsewhere.
 *
 * Signed are From and what else a reader sees or a mail program acts upon (§5.4.1), each as often as it stands there; those of which a second
 * one would mislead somebody are named once more than they stand there, so that nobody can add one. */
enum dkim_algorithm { DKIM_RSA_SHA256, DKIM_ED25519_SHA256, DKIM_ALGORITHMS };
extern const char *const dkim_algorithm_names[DKIM_ALGORITHMS]; /* "rsa-sha256" */

enum {
	DKIM_NAMES_MAX = 4096, /* bytes of h= */
	DKIM_INPUT_MAX = 262144, /* bytes of the fields that are hashed */
	DKIM_BODY_HASH_BYTES = 32,
	DKIM_SELECTOR_MAX = 63,
	DKIM_FIELD_MAX = 8192, /* bytes of the finished field */
};

/* The fields of `add` and then `block` (header blocks, the second may hold the whole message): `names` becomes the value of h=, `input` the
 * canonical fields in that order. False: there is not just one From field, or something does not fit. */
must_check bool dkim_sign_fields(struct view add, struct view block, struct buf *names, struct buf *input);

/* The domain of the first author, canonical (address_canon.h); false when there is none. */
must_check bool dkim_sign_domain(struct view block, struct buf *ret);

struct dkim_to_sign {
	enum dkim_algorithm algorithm;
	struct view domain, selector;
	int64_t wall_s; /* t= */
	struct view names; /* h= */
	struct view body_hash; /* DKIM_BODY_HASH_BYTES */
};

/* The field up to and with "b=", folded. */
void dkim_sign_begin(struct buf *out, const struct dkim_to_sign *s);
/* What is signed: `input`, then the begun field in canonical form without a line end (§3.7). */
void dkim_sign_input(struct buf *out, struct view input, struct view begun);
/* The whole field, with its line end. */
void dkim_sign_finish(struct buf *out, struct view begun, struct view signature);

/* What DNS has to show under SELECTOR._domainkey.DOMAIN: "v=DKIM1; k=…; p=…". `public_key`: RSA: SubjectPublicKeyInfo in DER; Ed25519: the 32
 * bytes (RFC 8463 §4). */
void dkim_record_format(struct buf *out, enum dkim_algorithm algorithm, struct view public_key);
/* Whether a record's text says that key, however it is spelt. */
must_check bool dkim_record_is(struct view record, enum dkim_algorithm algorithm, struct view public_key);

#endif
