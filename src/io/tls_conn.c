/* SPDX-License-Identifier: ISC
 * The TLS of one connection as a transformation of bytes, with OpenSSL between two ends of memory. */
#include "io/tls_conn.h"

#include "io/tls_internal.h"

#include <assert.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT_MAX = 256 * 1024, TEXT_MAX = 128, EXPORTER_BYTES = 32 };

struct tls_conn {
	SSL *ssl; /* NULL until the client said something: one that never does costs little */
	struct tls_server *server; /* NULL: we are the client */
	struct tls_client *client;
	bool dane;
	struct buf *wire;
	struct view feed; /* not read yet, lent */
	struct buf kept; /* not read yet, our own; before `feed` */
	size_t kept_at;
	struct buf text;
	enum tls_state state;
	const char *error; /* OpenSSL's: lives for ever */
};

/* ---- the two ends of memory ---- */

static int bio_read(BIO *bio, char *p, size_t n, size_t *ret_n)
{
	struct tls_conn *c = BIO_get_data(bio);
	struct view from = view_sub(buf_view(&c->kept), c->kept_at, n);

	BIO_clear_retry_flags(bio);
	if (from.n > 0) {
		c->kept_at += from.n;
	} else {
		from = view_sub(c->feed, 0, n);
		c->feed = view_sub(c->feed, from.n, c->feed.n);
	}
	if (from.n == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	memcpy(p, from.p, from.n);
	*ret_n = from.n;
	return 1;
}

static int bio_write(BIO *bio, const char *p, size_t n, size_t *ret_n)
{
	const struct tls_conn *c = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	buf_append(c->wire, p, n);
	*ret_n = n;
	return !c->wire->overflow;
}

static long bio_ctrl(BIO *bio, int command, long number, void *p)
{
	(void)bio;
	(void)number;
	(void)p;
	return command == BIO_CTRL_FLUSH;
}

static BIO *bio_new(struct tls_conn *c)
{
	static BIO_METHOD *method;
	BIO *bio;

	if (!method) {
		method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "memory of a stream");
		if (!method || !BIO_meth_set_read_ex(method, bio_read) || !BIO_meth_set_write_ex(method, bio_write) ||
		    !BIO_meth_set_ctrl(method, bio_ctrl))
			abort();
	}
	bio = BIO_new(method);
	if (!bio)
		abort();
	BIO_set_data(bio, c);
	BIO_set_init(bio, 1);
	return bio;
}

/* ---- life ---- */

struct tls_conn *tls_conn_new(struct tls_server *server, struct buf *wire)
{
	struct tls_conn *c = xcalloc(1, sizeof *c);

	c->server = tls_server_ref(server);
	c->wire = wire;
	c->feed = VIEW_EMPTY;
	buf_init(&c->kept, KEPT_MAX);
	buf_init(&c->text, TEXT_MAX);
	return c;
}

struct tls_conn *tls_conn_new_client(struct tls_client *client, const struct tls_target *target, struct buf *wire)
{
	struct tls_conn *c = xcalloc(1, sizeof *c);
	BIO *bio = bio_new(c);

	c->client = tls_client_ref(client);
	c->wire = wire;
	c->feed = VIEW_EMPTY;
	buf_init(&c->kept, KEPT_MAX);
	buf_init(&c->text, TEXT_MAX);
	c->ssl = SSL_new(tls_client_ctx(client));
	if (!c->ssl)
		abort(); /* memory */
	SSL_set_bio(c->ssl, bio, bio);
	SSL_set_connect_state(c->ssl);
	c->dane = target->tlsa_count > 0;
	if (!tls_client_aim(c->ssl, target)) {
		c->state = TLS_FAILED;
		c->error = "no usable TLSA record";
	}
	return c;
}

enum tls_verified tls_conn_verified(const struct tls_conn *c, const char **ret_why)
{
	long result = SSL_get_verify_result(c->ssl);

	*ret_why = "";
	if (result != X509_V_OK) {
		*ret_why = X509_verify_cert_error_string(result);
		return TLS_NOT_VERIFIED;
	}
	if (SSL_get0_peername(c->ssl) == NULL && !c->dane) {
		*ret_why = "no name to verify";
		return TLS_NOT_VERIFIED;
	}
	return c->dane ? TLS_VERIFIED_DANE : TLS_VERIFIED_NAME;
}

enum tls_flaw tls_conn_flaw(const struct tls_conn *c)
{
	switch (SSL_get_verify_result(c->ssl)) {
	case X509_V_OK:
		return TLS_FLAW_NONE;
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return TLS_FLAW_EXPIRED;
	case X509_V_ERR_HOSTNAME_MISMATCH:
		return TLS_FLAW_NAME;
	case X509_V_ERR_DANE_NO_MATCH:
		return TLS_FLAW_TLSA;
	default: /* of some eighty */
		return TLS_FLAW_UNTRUSTED;
	}
}

static void begin(struct tls_conn *c)
{
	BIO *bio = bio_new(c);

	c->ssl = SSL_new(tls_server_ctx(c->server));
	if (!c->ssl)
		abort(); /* memory */
	SSL_set_bio(c->ssl, bio, bio);
	SSL_set_accept_state(c->ssl);
}

void tls_conn_free(struct tls_conn **cp)
{
	struct tls_conn *c = *cp;

	*cp = NULL;
	if (!c)
		return;
	SSL_free(c->ssl);
	tls_server_unref(&c->server);
	tls_client_unref(&c->client);
	buf_fini(&c->kept);
	buf_fini(&c->text);
	free(c);
}

enum tls_state tls_conn_state(const struct tls_conn *c)
{
	return c->state;
}

const char *tls_conn_error(const struct tls_conn *c)
{
	return c->error ? c->error : "TLS error";
}

/* What a call of OpenSSL that did not succeed means for the connection. */
static void after_call(struct tls_conn *c, int rc)
{
	unsigned long code;

	switch (SSL_get_error(c->ssl, rc)) {
	case SSL_ERROR_NONE:
	case SSL_ERROR_WANT_READ:
		return;
	case SSL_ERROR_ZERO_RETURN:
		c->state = TLS_PEER_DONE;
		return;
	default:
		code = ERR_peek_error();
		c->error = code ? ERR_reason_error_string(code) : NULL;
		c->state = TLS_FAILED;
		ERR_clear_error();
	}
}

/* ---- bytes ---- */

void tls_conn_feed(struct tls_conn *c, struct view cipher)
{
	assert(c->feed.n == 0);
	c->feed = cipher;
}

void tls_conn_keep(struct tls_conn *c)
{
	if (c->kept_at == c->kept.n)
		buf_fini(&c->kept);
	else
		buf_consume(&c->kept, c->kept_at);
	c->kept_at = 0;
	if (c->feed.n > 0)
		buf_append_view(&c->kept, c->feed);
	assert(!c->kept.overflow);
	c->feed = VIEW_EMPTY;
}

static bool has_cipher(const struct tls_conn *c)
{
	return c->feed.n > 0 || c->kept.n > c->kept_at;
}

bool tls_conn_has_more(const struct tls_conn *c)
{
	return c->state <= TLS_OPEN && (has_cipher(c) || (c->ssl && SSL_pending(c->ssl) > 0));
}

void tls_conn_handshake(struct tls_conn *c)
{
	int rc;

	if (c->state != TLS_HANDSHAKE)
		return;
	if (!c->ssl)
		begin(c);
	ERR_clear_error();
	rc = SSL_do_handshake(c->ssl);
	if (rc == 1) {
		c->state = TLS_OPEN;
		return;
	}
	after_call(c, rc);
	/* RFC 8446 §6.1: who has nothing more to say before anything was agreed has agreed to nothing. */
	if (c->state == TLS_PEER_DONE) {
		c->error = "the peer ended the handshake (close_notify)";
		c->state = TLS_FAILED;
	}
}

size_t tls_conn_read(struct tls_conn *c, char *p, size_t max)
{
	size_t got = 0;

	while (got < max && tls_conn_has_more(c)) {
		size_t n = 0;
		int rc;

		ERR_clear_error();
		rc = SSL_read_ex(c->ssl, p + got, max - got, &n);
		if (rc != 1) {
			after_call(c, rc);
			break;
		}
		got += n;
	}
	return got;
}

void tls_conn_write(struct tls_conn *c, struct view plain)
{
	while (plain.n > 0 && (c->state == TLS_OPEN || c->state == TLS_PEER_DONE)) {
		size_t n = 0;
		int rc;

		ERR_clear_error();
		rc = SSL_write_ex(c->ssl, plain.p, plain.n, &n);
		if (rc != 1) {
			after_call(c, rc);
			c->state = TLS_FAILED; /* memory takes all: nothing will come of trying again */
			return;
		}
		plain = view_sub(plain, n, plain.n);
	}
}

void tls_conn_close_notify(struct tls_conn *c)
{
	if (c->state != TLS_OPEN && c->state != TLS_PEER_DONE)
		return;
	ERR_clear_error();
	(void)SSL_shutdown(c->ssl); /* 0: sent, and nobody waits for the peer's */
	ERR_clear_error();
}

/* ---- what was agreed ---- */

struct view tls_conn_text(struct tls_conn *c)
{
	if (c->text.n == 0)
		buf_printf(&c->text, "%s %s", SSL_get_version(c->ssl), SSL_get_cipher_name(c->ssl));
	return buf_view(&c->text);
}

struct view tls_conn_sni(const struct tls_conn *c)
{
	const char *name = SSL_get_servername(c->ssl, TLSEXT_NAMETYPE_host_name);

	return name ? view_from_cstr(name) : VIEW_EMPTY;
}

/* A binding is of this connection alone only with TLS 1.3 or the extended master secret (RFC 7627). */
static bool binds(const struct tls_conn *c)
{
	return SSL_version(c->ssl) >= TLS1_3_VERSION || SSL_get_extms_support(c->ssl) == 1;
}

bool tls_conn_exporter(const struct tls_conn *c, struct buf *out)
{
	unsigned char bytes[EXPORTER_BYTES];
	static const char label[] = "EXPORTER-Channel-Binding";

	/* RFC 9266 §3. The context is empty. */
	if (!binds(c))
		return false;
	if (SSL_export_keying_material(c->ssl, bytes, sizeof bytes, label, sizeof label - 1, (const unsigned char *)"",
				       0, 1) != 1) {
		ERR_clear_error();
		return false;
	}
	buf_append(out, bytes, sizeof bytes);
	return !out->overflow;
}

/* RFC 5929 §3.1: the first Finished message of the handshake; not defined for TLS 1.3. */
bool tls_conn_unique(const struct tls_conn *c, struct buf *out)
{
	unsigned char finished[EVP_MAX_MD_SIZE];
	size_t n;

	if (SSL_version(c->ssl) >= TLS1_3_VERSION || !binds(c))
		return false;
	if (SSL_session_reused(c->ssl))
		n = SSL_get_finished(c->ssl, finished, sizeof finished); /* then the server is first */
	else
		n = SSL_get_peer_finished(c->ssl, finished, sizeof finished);
	buf_append(out, finished, n < sizeof finished ? n : sizeof finished);
	return n > 0 && !out->overflow;
}

bool tls_conn_server_end_point(const struct tls_conn *c, struct buf *out)
{
	struct view hash = c->server ? tls_server_end_point(c->server) : VIEW_EMPTY;

	buf_append_view(out, hash);
	return hash.n > 0 && !out->overflow;
}
