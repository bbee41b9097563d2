/* SPDX-License-Identifier: ISC
 * Senders' addresses rewritten by a forwarder, and back. */
#include "mail/srs.h"

#include "base/map.h"
#include "mail/address.h"

#include <assert.h>
#include <string.h>

enum { DAY_S = 86400, DAYS_MODULO = 1024, TAG_BYTES = 5, LOCAL_MAX = 1024 };

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static uint64_t half(const uint64_t secret[4], uint8_t which)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(64);

	buf_append_cstr(&text, "sender rewriting ");
	buf_append_char(&text, (char)which);
	buf_append(&text, &secret[2], 16);
	return map_hash_keyed(secret, buf_view(&text));
}

struct srs_key srs_key_from(struct view secret)
{
	uint64_t words[4];

	assert(secret.n == sizeof words);
	memcpy(words, secret.p, sizeof words);
	return (struct srs_key){{half(words, '1'), half(words, '2')}};
}

static bool is_separator(char c)
{
	return c == '=' || c == '+' || c == '-';
}

bool srs_is(struct view local)
{
	return local.n > TAG_BYTES &&
	       (view_starts_with_nocase(local, VIEW_LIT("SRS0")) || view_starts_with_nocase(local, VIEW_LIT("SRS1"))) &&
	       is_separator(local.p[TAG_BYTES - 1]);
}

/* Over what follows the hash, in lower case: mail systems on the way may have changed that. `tag` keeps the two forms apart. */
static void put_hash(struct buf *out, const struct srs_key *key, char tag, struct view rest)
{
	_cleanup_(buf_fini) struct buf lower = BUF_INIT(LOCAL_MAX), text = BUF_INIT(32);
	uint64_t hash;
	uint8_t bytes[8];

	buf_append_char(&lower, tag);
	buf_append_lower(&lower, rest);
	hash = map_hash_keyed(key->halves, buf_view(&lower));
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(hash >> (8 * i));
	for (size_t i = 0; i < SRS_HASH_CHARS; i++)
		buf_append_char(&text, digits[bytes[i] & 31]);
	buf_append_view(out, buf_view(&text));
	out->overflow |= lower.overflow;
}

static bool is_hash(const struct srs_key *key, char tag, struct view hash, struct view rest)
{
	_cleanup_(buf_fini) struct buf want = BUF_INIT(32);
	unsigned differs = 0;

	put_hash(&want, key, tag, rest);
	if (want.overflow || hash.n != want.n)
		return false;
	for (size_t i = 0; i < hash.n; i++)
		differs |= (unsigned)(ascii_upper(hash.p[i]) ^ want.p[i]);
	return differs == 0;
}

static void put_day(struct buf *out, int64_t wall_s)
{
	uint64_t day = (uint64_t)(wall_s / DAY_S) % DAYS_MODULO;

	buf_append_char(out, digits[day >> 5]);
	buf_append_char(out, digits[day & 31]);
}

static bool read_digit(char c, unsigned *ret)
{
	for (unsigned i = 0; i < 32; i++)
		if (ascii_upper(c) == digits[i]) {
			*ret = i;
			return true;
		}
	return false;
}

static bool is_in_time(struct view day, int64_t wall_s)
{
	unsigned high, low, age;

	if (day.n != 2 || !read_digit(day.p[0], &high) || !read_digit(day.p[1], &low))
		return false;
	age = ((unsigned)((wall_s / DAY_S) % DAYS_MODULO) + DAYS_MODULO - (high << 5 | low)) % DAYS_MODULO;
	return age <= SRS_DAYS || age >= DAYS_MODULO - SRS_CLOCKS_DIFFER_DAYS;
}

/* ---- there ---- */

/* "SRSn=" HASH "=" rest */
static void put_local(struct buf *out, const struct srs_key *key, char tag, struct view rest)
{
	buf_append_cstr(out, "SRS");
	buf_append_char(out, tag);
	buf_append_char(out, '=');
	put_hash(out, key, tag, rest);
	buf_append_char(out, '=');
	buf_append_view(out, rest);
}

/* Behind the hash of another's SRS1: the first forwarder's domain, and what it gave out. False: it is none. */
static bool first_forwarder(struct view local, struct view *ret)
{
	struct view hash, rest, domain, given;

	if (!view_starts_with_nocase(local, VIEW_LIT("SRS1")) ||
	    !view_cut(view_sub(local, TAG_BYTES, local.n), '=', &hash, &rest) ||
	    !view_cut(rest, '=', &domain, &given) || !address_domain_valid(domain, ADDRESS_UTF8) || given.n < 2 ||
	    !is_separator(given.p[0]))
		return false;
	*ret = rest;
	return true;
}

bool srs_forward(const struct srs_key *key, struct view local, struct view sender_domain, struct view domain,
		 int64_t wall_s, struct arena *a, struct view *ret)
{
	_cleanup_(buf_fini) struct buf rest = BUF_INIT(LOCAL_MAX), made = BUF_INIT(LOCAL_MAX),
				       out = BUF_INIT(LOCAL_MAX);
	struct view former;
	char tag = '1';

	if (srs_is(local) && first_forwarder(local, &former)) {
		buf_append_view(&rest, former);
	} else if (srs_is(local) && view_starts_with_nocase(local, VIEW_LIT("SRS0"))) {
		buf_append_view(&rest, sender_domain);
		buf_append_char(&rest, '=');
		buf_append_view(&rest, view_sub(local, TAG_BYTES - 1, local.n));
	} else {
		tag = '0';
		put_day(&rest, wall_s);
		buf_append_char(&rest, '=');
		buf_append_view(&rest, sender_domain);
		buf_append_char(&rest, '=');
		buf_append_view(&rest, local);
	}
	put_local(&made, key, tag, buf_view(&rest));
	address_format(&out, buf_view(&made), domain);
	if (rest.overflow || made.overflow || out.overflow || out.n > ADDRESS_MAILBOX_MAX)
		return false;
	*ret = arena_copy(a, buf_view(&out));
	return ret->p != NULL;
}

/* ---- and back ---- */

static bool give(struct view local, struct view domain, struct arena *a, struct view *ret)
{
	_cleanup_(buf_fini) struct buf out = BUF_INIT(LOCAL_MAX);
	struct address address;

	address_format(&out, local, domain);
	if (out.overflow || !address_parse(buf_view(&out), ADDRESS_UTF8 | ADDRESS_LONG_LOCAL, a, &address))
		return false;
	*ret = arena_copy(a, buf_view(&out));
	return ret->p != NULL;
}

static enum srs_verdict reverse_to_sender(struct view rest, int64_t wall_s, struct arena *a, struct view *ret)
{
	struct view day, domain, local, left;

	if (!view_cut(rest, '=', &day, &left) || !view_cut(left, '=', &domain, &local))
		return SRS_NONE;
	if (!is_in_time(day, wall_s))
		return SRS_EXPIRED;
	return give(local, domain, a, ret) ? SRS_GOOD : SRS_NONE;
}

static enum srs_verdict reverse_to_forwarder(struct view rest, struct arena *a, struct view *ret)
{
	_cleanup_(buf_fini) struct buf local = BUF_INIT(LOCAL_MAX);
	struct view domain, given;

	if (!view_cut(rest, '=', &domain, &given) || given.n < 2 || !is_separator(given.p[0]))
		return SRS_NONE;
	buf_append_cstr(&local, "SRS0");
	buf_append_view(&local, given);
	return give(buf_view(&local), domain, a, ret) ? SRS_GOOD : SRS_NONE;
}

enum srs_verdict srs_reverse(const struct srs_key *key, struct view local, int64_t wall_s, struct arena *a,
			     struct view *ret)
{
	struct view hash, rest;

	if (!srs_is(local) || !view_cut(view_sub(local, TAG_BYTES, local.n), '=', &hash, &rest))
		return SRS_NONE;
	if (!is_hash(key, local.p[TAG_BYTES - 2], hash, rest))
		return SRS_FORGED;
	if (local.p[TAG_BYTES - 2] == '0')
		return reverse_to_sender(rest, wall_s, a, ret);
	return reverse_to_forwarder(rest, a, ret);
}
