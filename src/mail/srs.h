/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_SRS_H
#define POMBO_MAIL_SRS_H

#include "base/arena.h"
#include "base/mem.h"

/* The Sender Rewriting Scheme (Meng Weng Wong 2003; Shevek 2004): a forwarder sends under an address of its own, which leads bounces back
 * to who sent it first.
 *
 *     alice@a.example, forwarded by b.example     SRS0=HASH=TT=a.example=alice@b.example
 *     that, forwarded by c.example                SRS1=HASH=b.example==HASH=TT=a.example=alice@c.example
 *     that, forwarded by d.example                SRS1=HASH=b.example==HASH=TT=a.example=alice@d.example
 *
 * TT: the day, modulo 1024, in base 32. HASH: SRS_HASH_CHARS characters over all behind it, keyed, letters of both cases the same; nobody but
 * its maker needs to understand it. Pure. */
enum { SRS_HASH_CHARS = 8, SRS_DAYS = 21, SRS_CLOCKS_DIFFER_DAYS = 1 };

struct srs_key {
	uint64_t halves[2];
};
/* Made from the 32 bytes of a secret that outlives the addresses given out. */
struct srs_key srs_key_from(struct view secret);

/* "SRS0" or "SRS1" and one of "=+-". */
bool srs_is(struct view local);

/* The address to send under, as it goes into MAIL FROM: for `sender` (parts of an address, unquoted) by way of our `domain`. False: it would be
 * too long, or `a` is full. */
must_check bool srs_forward(const struct srs_key *key, struct view local, struct view sender_domain, struct view domain,
			    int64_t wall_s, struct arena *a, struct view *ret);

enum srs_verdict {
	SRS_GOOD, /* *ret is where it leads, as it goes into RCPT TO */
	SRS_NONE, /* it does not have the form */
	SRS_FORGED, /* the hash is not ours */
	SRS_EXPIRED, /* older than SRS_DAYS */
};
/* Where a bounce to such an address of ours goes: from SRS0 to the sender, from SRS1 to the first forwarder's SRS0. */
must_check enum srs_verdict srs_reverse(const struct srs_key *key, struct view local, int64_t wall_s, struct arena *a,
					struct view *ret);

#endif
