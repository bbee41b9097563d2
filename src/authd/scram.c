/* SPDX-License-Identifier: ISC
 * The server's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS.
 *
 * Written here rather than taken from libgsasl: its server has no tls-server-end-point binding, no verdict for a "y" of a
 * client that was shown no -PLUS, and wants salt and keys by callbacks while it runs, where ours come from another process. */
#include "authd/scram.h"

#include "base/encode.h"

#include <sodium.h>
#include <string.h>

enum { AUTH_MESSAGE_MAX = 3 * SCRAM_MESSAGE_MAX, NONCE_MAX = 1024, NAME_MAX_BYTES = 512 };

void scram_init(struct scram *s)
{
	memset(s, 0, sizeof *s);
	buf_init(&s->user, NAME_MAX_BYTES);
	buf_init(&s->authzid, NAME_MAX_BYTES);
	buf_init(&s->binding, SCRAM_MESSAGE_MAX);
	buf_init(&s->nonce, NONCE_MAX);
	buf_init(&s->auth_message, AUTH_MESSAGE_MAX);
}

void scram_fini(struct scram *s)
{
	buf_fini(&s->user);
	buf_fini(&s->authzid);
	buf_fini(&s->binding);
	buf_fini(&s->nonce);
	buf_fini(&s->auth_message);
	sodium_memzero(s->stored_key, sizeof s->stored_key);
	sodium_memzero(s->server_key, sizeof s->server_key);
}

/* ---- grammar (RFC 5802 §7) ---- */

/* Takes the text up to the next comma, and the comma. False when there is no comma. */
static bool take(struct view *rest, struct view *ret)
{
	return view_cut(*rest, ',', ret, rest);
}

/* "X=value" with this X: true with the value. */
static bool attribute(struct view part, char name, struct view *ret_value)
{
	if (part.n < 2 || part.p[0] != name || part.p[1] != '=')
		return false;
	*ret_value = view_sub(part, 2, part.n);
	return true;
}

/* saslname: "=2C" is a comma, "=3D" is "=", any other "=" is an error. Never empty. */
static bool decode_name(struct view v, struct buf *out)
{
	for (size_t i = 0; i < v.n; i++) {
		struct view escape = view_sub(v, i, 3);

		if (v.p[i] != '=') {
			buf_append_char(out, v.p[i]);
			continue;
		}
		if (!view_eq_lit(escape, "=2C") && !view_eq_lit(escape, "=3D"))
			return false;
		buf_append_char(out, escape.p[1] == '2' ? ',' : '=');
		i += 2;
	}
	return v.n > 0 && !out->overflow && view_is_utf8(v) && !view_has_nul(v);
}

static bool is_printable(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] < 0x21 || v.p[i] > 0x7e || v.p[i] == ',')
			return false;
	return v.n > 0;
}

/* [","] and whatever extensions: ALPHA "=" value, parted by commas. None is known, all are ignored (§5.1). */
static bool are_extensions(struct view rest)
{
	struct view part;

	while (rest.n > 0) {
		if (!take(&rest, &part)) {
			part = rest;
			rest = VIEW_EMPTY;
		}
		if (part.n < 3 || !ascii_is_alpha(part.p[0]) || part.p[1] != '=')
			return false;
	}
	return true;
}

/* ---- the first message ---- */

/* gs2-cbind-flag: what the client says about the channel, and what it must repeat in "c=" behind the header. */
static enum scram_verdict judge_flag(struct view flag, const struct scram_channel *channel, struct view *ret_data)
{
	bool to_be_had =
	    channel->tls_exporter.n > 0 || channel->tls_unique.n > 0 || channel->tls_server_end_point.n > 0;
	struct view name;

	*ret_data = VIEW_EMPTY;
	if (view_eq_lit(flag, "n"))
		return channel->plus ? SCRAM_MALFORMED : SCRAM_OK;
	if (view_eq_lit(flag, "y")) {
		if (channel->plus)
			return SCRAM_MALFORMED;
		return to_be_had ? SCRAM_REFUSED : SCRAM_OK;
	}
	if (!attribute(flag, 'p', &name) || name.n == 0 || !channel->plus)
		return SCRAM_MALFORMED;
	if (view_eq_lit(name, "tls-exporter"))
		*ret_data = channel->tls_exporter;
	else if (view_eq_lit(name, "tls-unique"))
		*ret_data = channel->tls_unique;
	else if (view_eq_lit(name, "tls-server-end-point"))
		*ret_data = channel->tls_server_end_point;
	return ret_data->n > 0 ? SCRAM_OK : SCRAM_REFUSED;
}

/* client-first-message-bare = username "," nonce ["," extensions]; "m=" in front is for extensions nobody may ignore. */
static bool parse_bare(struct scram *s, struct view bare)
{
	struct view user, nonce, name, value, rest = bare;

	if (!take(&rest, &user) || !attribute(user, 'n', &name) || !decode_name(name, &s->user))
		return false;
	if (!take(&rest, &nonce)) {
		nonce = rest;
		rest = VIEW_EMPTY;
	} else if (rest.n == 0) {
		return false; /* a comma at the end */
	}
	if (!attribute(nonce, 'r', &value) || !is_printable(value) || !are_extensions(rest))
		return false;
	buf_append_view(&s->nonce, value);
	return s->nonce.n <= NONCE_MAX / 2 && !s->nonce.overflow;
}

enum scram_verdict scram_first(struct scram *s, struct view message, const struct scram_channel *channel)
{
	struct view flag, authzid, name, data, rest = message;
	enum scram_verdict v;

	if (message.n > SCRAM_MESSAGE_MAX || !take(&rest, &flag) || !take(&rest, &authzid))
		return SCRAM_MALFORMED;
	/* "a=" alone is no saslname, but some clients say so that they want none. */
	if (authzid.n > 0 && (!attribute(authzid, 'a', &name) || (name.n > 0 && !decode_name(name, &s->authzid))))
		return SCRAM_MALFORMED;
	v = judge_flag(flag, channel, &data);
	if (v == SCRAM_MALFORMED || !parse_bare(s, rest))
		return SCRAM_MALFORMED;
	buf_append_view(&s->binding, view_sub(message, 0, message.n - rest.n));
	buf_append_view(&s->binding, data);
	buf_append_view(&s->auth_message, rest);
	return s->binding.overflow || s->auth_message.overflow ? SCRAM_MALFORMED : v;
}

/* ---- the answer ---- */

static void set_key(uint8_t key[SCRAM_KEY_BYTES], struct view from)
{
	if (from.n == SCRAM_KEY_BYTES)
		memcpy(key, from.p, SCRAM_KEY_BYTES);
	else
		randombytes_buf(key, SCRAM_KEY_BYTES);
}

void scram_challenge(struct scram *s, struct view salt, uint32_t iterations, struct view stored_key,
		     struct view server_key, struct view server_nonce, struct buf *out)
{
	size_t from = out->n;

	set_key(s->stored_key, stored_key);
	set_key(s->server_key, server_key);
	encode_base64(&s->nonce, server_nonce);
	buf_printf(out, "r=%.*s,s=", VIEW_FMT(buf_view(&s->nonce)));
	encode_base64(out, salt);
	buf_printf(out, ",i=%u", (unsigned)iterations);
	buf_append_char(&s->auth_message, ',');
	buf_append_view(&s->auth_message, view_sub(buf_view(out), from, out->n));
}

/* ---- the proof ---- */

struct final_message {
	struct view without_proof;
	struct view binding;
	struct view nonce;
	struct view proof;
};

/* client-final-message = "c=" base64 "," nonce ["," extensions] ",p=" base64 */
static bool parse_final(struct view message, struct final_message *ret)
{
	struct view part, rest = message;
	size_t proof_at = message.n;

	for (size_t i = 0; i < message.n; i++)
		if (message.p[i] == ',')
			proof_at = i;
	ret->without_proof = view_sub(message, 0, proof_at);
	if (!attribute(view_sub(message, proof_at + 1, message.n), 'p', &ret->proof))
		return false;
	rest = ret->without_proof;
	if (!take(&rest, &part) || !attribute(part, 'c', &ret->binding))
		return false;
	if (!take(&rest, &part)) {
		part = rest;
		rest = VIEW_EMPTY;
	}
	return attribute(part, 'r', &ret->nonce) && are_extensions(rest);
}

static bool decodes_to(struct view base64, struct view want)
{
	struct buf b = BUF_INIT(SCRAM_MESSAGE_MAX);
	bool same = decode_base64(&b, base64) && view_eq(buf_view(&b), want);

	buf_fini(&b);
	return same;
}

static void hmac(uint8_t ret[SCRAM_KEY_BYTES], const uint8_t key[SCRAM_KEY_BYTES], struct view message)
{
	(void)crypto_auth_hmacsha256(ret, (const unsigned char *)message.p, message.n, key);
}

/* H(ClientProof XOR HMAC(StoredKey, AuthMessage)) is StoredKey (§3). */
static bool proves(const struct scram *s, const uint8_t proof[SCRAM_KEY_BYTES])
{
	uint8_t client_key[SCRAM_KEY_BYTES], hash[SCRAM_KEY_BYTES];
	bool right;

	hmac(client_key, s->stored_key, buf_view(&s->auth_message));
	for (size_t i = 0; i < SCRAM_KEY_BYTES; i++)
		client_key[i] ^= proof[i];
	(void)crypto_hash_sha256(hash, client_key, sizeof client_key);
	right = sodium_memcmp(hash, s->stored_key, sizeof hash) == 0;
	sodium_memzero(client_key, sizeof client_key);
	return right;
}

enum scram_verdict scram_final(struct scram *s, struct view message, struct buf *out)
{
	struct buf proof = BUF_INIT(SCRAM_KEY_BYTES);
	uint8_t signature[SCRAM_KEY_BYTES];
	struct final_message m;
	bool ok;

	if (message.n > SCRAM_MESSAGE_MAX || !parse_final(message, &m))
		return SCRAM_MALFORMED;
	buf_append_char(&s->auth_message, ',');
	buf_append_view(&s->auth_message, m.without_proof);
	if (s->auth_message.overflow || !decode_base64(&proof, m.proof) || proof.n != SCRAM_KEY_BYTES) {
		buf_fini(&proof);
		return SCRAM_MALFORMED;
	}
	ok = proves(s, (const uint8_t *)proof.p);
	buf_fini(&proof);
	if (!decodes_to(m.binding, buf_view(&s->binding)) || !view_eq(m.nonce, buf_view(&s->nonce)) || !ok)
		return SCRAM_REFUSED;
	hmac(signature, s->server_key, buf_view(&s->auth_message));
	buf_append_cstr(out, "v=");
	encode_base64(out, view_from(signature, sizeof signature));
	return SCRAM_OK;
}
