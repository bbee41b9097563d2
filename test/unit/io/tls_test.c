/* SPDX-License-Identifier: ISC
 * Streams under TLS with OpenSSL's own client at the other end. */
#include "io/stream.h"

#include "base/clock.h"
#include "tls_fixture.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct event_base *base;

struct rig {
	struct stream *stream;
	struct tls_fixture *key;
	struct tls_server *server;
	SSL_CTX *client_ctx;
	SSL *client;
	int peer;
	struct buf log;
	struct buf text;
	bool starttls;
	bool closed;
};

static void on_input(void *ctx)
{
	struct rig *r = ctx;

	for (;;) {
		struct view in = stream_input(r->stream);
		size_t at = view_find_char(in, '\n');
		struct view line = view_sub(in, 0, at);

		if (at == in.n)
			return;
		if (view_eq_lit(line, "starttls")) {
			stream_consume(r->stream, at + 1);
			assert_int_equal(stream_input(r->stream).n, 0);
			stream_write(r->stream, VIEW_LIT("go\n"));
			stream_start_tls(r->stream, r->server);
			return;
		}
		stream_write(r->stream, view_sub(in, 0, at + 1));
		stream_consume(r->stream, at + 1);
		if (view_eq_lit(line, "quit")) {
			stream_close(r->stream);
			return;
		}
	}
}

static void on_tls(void *ctx, const char *error)
{
	struct rig *r = ctx;

	buf_printf(&r->log, "tls:%s ", error ? error : "ok");
	if (!error)
		buf_append_view(&r->text, stream_tls_text(r->stream));
}

static void on_closed(void *ctx, enum stream_end end)
{
	static const char *const names[] = {"us", "peer", "error", "timeout"};
	struct rig *r = ctx;

	r->closed = true;
	buf_printf(&r->log, "closed:%s", names[end]);
}

static const struct stream_handlers handlers = {on_input, NULL, on_tls, on_closed, NULL};

static void rig_init(struct rig *r, struct tls_fixture *key, unsigned min_version)
{
	const struct stream_limits limits = {
	    .in_max = 3000, .out_max = 1 << 21, .out_high = 1 << 20, .out_low = 1 << 14};
	struct buf error = BUF_INIT(1000);
	int pair[2];

	memset(r, 0, sizeof *r);
	r->key = key;
	buf_init(&r->log, 1 << 20);
	buf_init(&r->text, 1 << 10);
	assert_int_equal(tls_server_new(buf_view(&key->pem), min_version, tls_fixture_sign, key, &r->server, &error),
			 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	r->peer = pair[1];
	assert_int_equal(fcntl(r->peer, F_SETFL, O_NONBLOCK), 0);
	r->stream = stream_new(base, pair[0], &limits, &handlers, r);
	r->client_ctx = SSL_CTX_new(TLS_client_method());
	r->client = SSL_new(r->client_ctx);
	assert_int_equal(SSL_set_tlsext_host_name(r->client, "mail.example.org"), 1);
	SSL_set_fd(r->client, r->peer);
	SSL_set_connect_state(r->client);
}

static void turns(int n)
{
	for (int i = 0; i < n; i++)
		assert_true(event_base_loop(base, EVLOOP_NONBLOCK) >= 0);
}

static void rig_fini(struct rig *r)
{
	if (!r->closed)
		stream_close(r->stream);
	SSL_free(r->client);
	SSL_CTX_free(r->client_ctx);
	(void)close(r->peer);
	for (int i = 0; i < 100 && !r->closed; i++)
		turns(1);
	assert_true(r->closed);
	tls_server_unref(&r->server);
	buf_fini(&r->log);
	buf_fini(&r->text);
}

static int client_error(struct rig *r, int rc)
{
	int e = SSL_get_error(r->client, rc);

	return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? 0 : e;
}

static bool client_handshake(struct rig *r)
{
	for (int i = 0; i < 100; i++) {
		int rc;

		ERR_clear_error();
		rc = SSL_do_handshake(r->client);
		if (rc == 1)
			return true;
		if (client_error(r, rc))
			return false;
		turns(1);
	}
	return false;
}

static void client_say(struct rig *r, struct view text)
{
	assert_int_equal(SSL_write(r->client, text.p, (int)text.n), text.n);
}

/* What the client hears within some turns; "$" for a close_notify, "!" for an end without. */
static void assert_heard(struct rig *r, const char *want)
{
	struct buf out = BUF_INIT(1 << 22);
	char bytes[8192];

	for (int i = 0; i < 30; i++) {
		int n;

		turns(1);
		ERR_clear_error();
		n = SSL_read(r->client, bytes, sizeof bytes);
		if (n > 0) {
			buf_append(&out, bytes, (size_t)n);
		} else if (client_error(r, n)) {
			buf_append_char(&out, client_error(r, n) == SSL_ERROR_ZERO_RETURN ? '$' : '!');
			break;
		}
	}
	assert_string_equal(buf_cstr(&out), want);
	buf_fini(&out);
}

static void versions_and_keys(void **state)
{
	static const struct {
		const char *key;
		int version;
		const char *ciphers;
		const char *text;
		uint16_t scheme;
	} cases[] = {
	    {"P-256", TLS1_3_VERSION, "", "TLSv1.3 TLS_AES_128_GCM_SHA256", 0x0403},
	    {"P-384", TLS1_3_VERSION, "", "TLSv1.3 TLS_AES_128_GCM_SHA256", 0x0503},
	    {"RSA", TLS1_3_VERSION, "", "TLSv1.3 TLS_AES_128_GCM_SHA256", 0x0804},
	    {"ED25519", TLS1_3_VERSION, "", "TLSv1.3 TLS_AES_128_GCM_SHA256", 0x0807},
	    {"P-256", TLS1_2_VERSION, "ALL", "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256", 0x0403},
	    {"P-384", TLS1_2_VERSION, "ALL", "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256", 0x0403},
	    {"RSA", TLS1_2_VERSION, "ALL", "TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256", 0x0804},
	    {"ED25519", TLS1_2_VERSION, "ALL", "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256", 0x0807},
	    {"RSA", TLS1_2_VERSION, "ECDHE-RSA-CHACHA20-POLY1305", "TLSv1.2 ECDHE-RSA-CHACHA20-POLY1305", 0x0804},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tls_fixture key;
		struct rig r;
		unsigned char *der = NULL;
		int n;

		tls_fixture_init(&key, cases[i].key);
		rig_init(&r, &key, 12);
		assert_int_equal(SSL_set_min_proto_version(r.client, cases[i].version), 1);
		assert_int_equal(SSL_set_max_proto_version(r.client, cases[i].version), 1);
		if (*cases[i].ciphers)
			assert_int_equal(SSL_set_cipher_list(r.client, cases[i].ciphers), 1);
		stream_start_tls(r.stream, r.server);
		assert_true(client_handshake(&r));
		client_say(&r, VIEW_LIT("h\xc3\xa9llo\xff\n"));
		assert_heard(&r, "h\xc3\xa9llo\xff\n");
		assert_string_equal(buf_cstr(&r.log), "tls:ok ");
		assert_string_equal(buf_cstr(&r.text), cases[i].text);
		assert_true(view_eq_lit(stream_tls_sni(r.stream), "mail.example.org"));
		assert_int_equal(key.calls, 1);
		assert_int_equal(key.scheme, cases[i].scheme);
		n = i2d_PUBKEY(key.key, &der);
		assert_true(view_eq(buf_view(&key.spki), view_from(der, (size_t)n)));
		OPENSSL_free(der);
		if (cases[i].version == TLS1_3_VERSION)
			assert_true(view_find(buf_view(&key.tbs), VIEW_LIT("TLS 1.3, server CertificateVerify")) == 64);
		else
			assert_int_equal(key.tbs.p[64], 3); /* named_curve after the randoms */
		rig_fini(&r);
		tls_fixture_fini(&key);
	}
}

/* TLS 1.2 with a client that knows no PSS. */
static void rsa_pkcs1(void **state)
{
	struct tls_fixture key;
	struct rig r;

	(void)state;
	tls_fixture_init(&key, "RSA");
	rig_init(&r, &key, 12);
	assert_int_equal(SSL_set_max_proto_version(r.client, TLS1_2_VERSION), 1);
	assert_int_equal(SSL_set1_sigalgs_list(r.client, "RSA+SHA384"), 1);
	stream_start_tls(r.stream, r.server);
	assert_true(client_handshake(&r));
	assert_int_equal(key.scheme, 0x0501);
	rig_fini(&r);
	tls_fixture_fini(&key);
}

static void old_and_weak_are_refused(void **state)
{
	static const struct {
		unsigned server_min;
		int client_max;
		const char *ciphers;
	} cases[] = {
	    {12, TLS1_1_VERSION, "ALL:@SECLEVEL=0"},           {13, TLS1_2_VERSION, "ALL"},
	    {12, TLS1_2_VERSION, "AES128-GCM-SHA256"}, /* no forward secrecy */
	    {12, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA"}, /* CBC */
	    {12, TLS1_2_VERSION, "DHE-RSA-AES128-GCM-SHA256"},
	};
	struct tls_fixture key;

	(void)state;
	tls_fixture_init(&key, "P-256");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rig r;

		rig_init(&r, &key, cases[i].server_min);
		assert_int_equal(SSL_set_max_proto_version(r.client, cases[i].client_max), 1);
		assert_int_equal(SSL_set_cipher_list(r.client, cases[i].ciphers), 1);
		stream_start_tls(r.stream, r.server);
		assert_false(client_handshake(&r));
		turns(3);
		assert_int_equal(key.calls, 0);
		assert_true(view_starts_with(buf_view(&r.log), VIEW_LIT("tls:")));
		assert_true(view_find(buf_view(&r.log), VIEW_LIT("tls:ok")) == r.log.n);
		rig_fini(&r);
	}
	tls_fixture_fini(&key);
}

/* STARTTLS; then everything one byte at a time, both ways through a relay that the test plays. */
static void starttls_byte_by_byte(void **state)
{
	static const char go[] = "go\n";
	struct tls_fixture key;
	struct rig r;
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	char c;
	bool plain = true;
	struct buf heard = BUF_INIT(1000);
	struct buf plain_heard = BUF_INIT(1000);
	bool said = false;

	(void)state;
	tls_fixture_init(&key, "P-256");
	rig_init(&r, &key, 12);
	BIO_set_mem_eof_return(in, -1);
	BIO_set_mem_eof_return(out, -1);
	SSL_set_bio(r.client, in, out);
	assert_int_equal(send(r.peer, "starttls\n", 9, 0), 9);
	for (int i = 0; i < 20000 && heard.n < 10; i++) {
		turns(1);
		if (recv(r.peer, &c, 1, 0) == 1) {
			if (plain)
				buf_append_char(&plain_heard, c);
			else
				assert_int_equal(BIO_write(in, &c, 1), 1);
			if (plain && plain_heard.n == 3)
				plain = false;
		}
		if (plain)
			continue;
		ERR_clear_error();
		if (!SSL_is_init_finished(r.client)) {
			(void)SSL_do_handshake(r.client);
		} else if (!said) {
			client_say(&r, VIEW_LIT("alpha\nbeta"));
			client_say(&r, VIEW_LIT("\n"));
			said = true;
		} else {
			char bytes[100];
			int n = SSL_read(r.client, bytes, sizeof bytes);

			if (n > 0)
				buf_append(&heard, bytes, (size_t)n);
		}
		if (BIO_read(out, &c, 1) == 1)
			assert_int_equal(send(r.peer, &c, 1, 0), 1);
	}
	assert_string_equal(buf_cstr(&plain_heard), go);
	assert_string_equal(buf_cstr(&heard), "alpha\nbeta\n");
	assert_true(stream_is_tls(r.stream));
	buf_fini(&heard);
	buf_fini(&plain_heard);
	rig_fini(&r);
	tls_fixture_fini(&key);
}

/* More than the input buffer holds, in large records: what waits inside OpenSSL is not forgotten. */
static void records_larger_than_the_buffer(void **state)
{
	struct tls_fixture key;
	struct rig r;
	struct buf text = BUF_INIT(1 << 20);

	(void)state;
	for (int i = 0; i < 4000; i++)
		buf_printf(&text, "line %d\n", i);
	tls_fixture_init(&key, "P-256");
	rig_init(&r, &key, 12);
	stream_start_tls(r.stream, r.server);
	assert_true(client_handshake(&r));
	stream_pause(r.stream);
	client_say(&r, buf_view(&text));
	turns(10);
	assert_heard(&r, "");
	stream_resume(r.stream);
	assert_heard(&r, buf_cstr(&text));
	/* and a large answer */
	buf_reset(&text);
	for (int i = 0; i < 60000; i++)
		buf_printf(&text, "answer %d\n", i);
	stream_write(r.stream, buf_view(&text));
	stream_close(r.stream);
	for (int i = 0; i < 1000 && text.n > 0; i++) {
		char bytes[5000];
		int n;

		turns(1);
		ERR_clear_error();
		n = SSL_read(r.client, bytes, sizeof bytes);
		if (n > 0) {
			assert_memory_equal(bytes, text.p, (size_t)n);
			buf_consume(&text, (size_t)n);
		}
	}
	assert_int_equal(text.n, 0);
	assert_heard(&r, "$");
	turns(2);
	assert_string_equal(buf_cstr(&r.log), "tls:ok closed:us");
	buf_fini(&text);
	rig_fini(&r);
	tls_fixture_fini(&key);
}

static void ends(void **state)
{
	struct tls_fixture key;
	struct rig r;

	(void)state;
	tls_fixture_init(&key, "P-256");
	/* ours: the reply and close_notify */
	rig_init(&r, &key, 12);
	stream_start_tls(r.stream, r.server);
	assert_true(client_handshake(&r));
	client_say(&r, VIEW_LIT("quit\n"));
	assert_heard(&r, "quit\n$");
	assert_string_equal(buf_cstr(&r.log), "tls:ok closed:us");
	rig_fini(&r);
	/* theirs, behind a last command */
	rig_init(&r, &key, 12);
	stream_start_tls(r.stream, r.server);
	assert_true(client_handshake(&r));
	client_say(&r, VIEW_LIT("noop\n"));
	assert_true(SSL_shutdown(r.client) >= 0);
	assert_heard(&r, "noop\n$");
	assert_string_equal(buf_cstr(&r.log), "tls:ok closed:peer");
	rig_fini(&r);
	/* cut off without */
	rig_init(&r, &key, 12);
	stream_start_tls(r.stream, r.server);
	assert_true(client_handshake(&r));
	client_say(&r, VIEW_LIT("noop\n"));
	assert_int_equal(shutdown(r.peer, SHUT_WR), 0);
	assert_heard(&r, "noop\n$");
	rig_fini(&r);
	/* in the handshake */
	rig_init(&r, &key, 12);
	stream_start_tls(r.stream, r.server);
	(void)SSL_do_handshake(r.client);
	assert_int_equal(shutdown(r.peer, SHUT_WR), 0);
	turns(3);
	assert_string_equal(buf_cstr(&r.log), "closed:peer");
	rig_fini(&r);
	/* rubbish instead of a handshake: an alert, then the end; what was written meanwhile stays here */
	rig_init(&r, &key, 12);
	stream_start_tls(r.stream, r.server);
	stream_write(r.stream, VIEW_LIT("secret"));
	assert_int_equal(send(r.peer, "EHLO mail.example.org\r\n", 23, 0), 23);
	turns(3);
	assert_true(view_starts_with(buf_view(&r.log), VIEW_LIT("tls:")));
	assert_true(view_ends_with_nocase(buf_view(&r.log), VIEW_LIT("closed:error")));
	char bytes[100];
	ssize_t n = recv(r.peer, bytes, sizeof bytes, 0);
	assert_true(n <= 7 &&
		    view_find(view_from(bytes, n > 0 ? (size_t)n : 0), VIEW_LIT("secret")) == (n > 0 ? (size_t)n : 0));
	rig_fini(&r);
	tls_fixture_fini(&key);
}

/* An alert in plaintext, before anything is encrypted: that is no TLS, and what was written meanwhile stays here. */
static void ends_in_the_handshake(void **state)
{
	static const struct view close_notify = {"\x15\x03\x03\x00\x02\x01\x00", 7};
	struct tls_fixture key;
	struct rig r;

	(void)state;
	tls_fixture_init(&key, "P-256");
	for (int hello = 0; hello < 2; hello++) {
		rig_init(&r, &key, 12);
		stream_start_tls(r.stream, r.server);
		stream_write(r.stream, VIEW_LIT("220 mail.example.org\r\n"));
		if (hello) {
			(void)SSL_do_handshake(r.client);
			turns(3);
		}
		assert_int_equal(send(r.peer, close_notify.p, close_notify.n, 0), close_notify.n);
		turns(3);
		assert_true(view_starts_with(buf_view(&r.log), hello ? VIEW_LIT("tls:the peer ended the handshake")
								     : VIEW_LIT("tls:unexpected message")));
		assert_true(view_ends_with_nocase(buf_view(&r.log), VIEW_LIT("closed:error")));
		rig_fini(&r);
	}
	tls_fixture_fini(&key);
}

/* Output that waits for a slow reader when the end is said: what the role adds behind the close_notify is dropped, not tried for ever. */
static void late_words(void **state)
{
	static char much[250 * 1024]; /* more than the socket holds */
	char bytes[8192];
	struct tls_fixture key;
	struct rig r;
	uint64_t began_ms = clock_mono_ms();
	size_t heard = 0;
	int n = 1;

	(void)state;
	tls_fixture_init(&key, "P-256");
	rig_init(&r, &key, 12);
	stream_start_tls(r.stream, r.server);
	assert_true(client_handshake(&r));
	turns(2); /* it hears the client's last message */
	memset(much, 'x', sizeof much);
	stream_write(r.stream, view_from(much, sizeof much));
	stream_close(r.stream);
	turns(1);
	assert_false(r.closed);
	buf_append_cstr(stream_out(r.stream), "late");
	stream_flush(r.stream);
	for (int i = 0; i < 1000 && (n > 0 || !client_error(&r, n)); i++) {
		turns(1);
		ERR_clear_error();
		n = SSL_read(r.client, bytes, sizeof bytes);
		heard += n > 0 ? (size_t)n : 0;
	}
	assert_int_equal(heard, sizeof much);
	assert_int_equal(client_error(&r, n), SSL_ERROR_ZERO_RETURN);
	turns(10);
	assert_string_equal(buf_cstr(&r.log), "tls:ok closed:us");
	assert_true(clock_mono_ms() - began_ms <
		    9000); /* not by the deadline of 10 s, until which the loop did nothing else */
	rig_fini(&r);
	tls_fixture_fini(&key);
}

static void signing_fails(void **state)
{
	struct tls_fixture key;
	struct rig r;

	(void)state;
	tls_fixture_init(&key, "P-256");
	rig_init(&r, &key, 12);
	key.fail_with = -ENOTCONN;
	stream_start_tls(r.stream, r.server);
	assert_false(client_handshake(&r));
	turns(2);
	assert_int_equal(key.calls, 1);
	assert_true(view_starts_with(buf_view(&r.log), VIEW_LIT("tls:")));
	rig_fini(&r);
	/* a key that does not fit the certificate never gets through */
	struct tls_fixture other;
	tls_fixture_init(&other, "P-256");
	EVP_PKEY *swapped = key.key;
	key.key = other.key;
	key.fail_with = 0;
	rig_init(&r, &key, 12);
	stream_start_tls(r.stream, r.server);
	assert_false(client_handshake(&r));
	rig_fini(&r);
	key.key = swapped;
	tls_fixture_fini(&other);
	tls_fixture_fini(&key);
}

static void bindings(void **state)
{
	static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION};
	struct tls_fixture key;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct rig r;
		struct buf binding = BUF_INIT(100);
		unsigned char want[EVP_MAX_MD_SIZE];
		unsigned n;

		tls_fixture_init(&key, "P-384");
		rig_init(&r, &key, 12);
		assert_int_equal(SSL_set_max_proto_version(r.client, versions[i]), 1);
		assert_false(stream_tls_exporter(r.stream, &binding));
		assert_false(stream_tls_server_end_point(r.stream, &binding));
		stream_start_tls(r.stream, r.server);
		assert_true(client_handshake(&r));
		turns(2);
		assert_true(stream_tls_exporter(r.stream, &binding));
		assert_int_equal(SSL_export_keying_material(r.client, want, 32, "EXPORTER-Channel-Binding", 24,
							    (const unsigned char *)"", 0, 1),
				 1);
		assert_int_equal(binding.n, 32);
		assert_memory_equal(binding.p, want, 32);
		buf_reset(&binding);
		assert_int_equal(stream_tls_unique(r.stream, &binding), versions[i] == TLS1_2_VERSION);
		if (versions[i] == TLS1_2_VERSION) {
			n = (unsigned)SSL_get_finished(r.client, want, sizeof want);
			assert_true(view_eq(buf_view(&binding), view_from(want, n)));
		}
		buf_reset(&binding);
		assert_true(stream_tls_server_end_point(r.stream, &binding));
		assert_int_equal(X509_digest(key.cert, EVP_sha256(), want, &n), 1);
		assert_int_equal(binding.n, n);
		assert_memory_equal(binding.p, want, n);
		buf_fini(&binding);
		rig_fini(&r);
		tls_fixture_fini(&key);
	}
}

static void without_extended_master_secret(void **state)
{
	struct tls_fixture key;
	struct rig r;
	struct buf binding = BUF_INIT(100);

	(void)state;
	tls_fixture_init(&key, "P-256");
	rig_init(&r, &key, 12);
	assert_int_equal(SSL_set_max_proto_version(r.client, TLS1_2_VERSION), 1);
	SSL_set_options(r.client, SSL_OP_NO_EXTENDED_MASTER_SECRET);
	stream_start_tls(r.stream, r.server);
	assert_true(client_handshake(&r));
	turns(2);
	assert_true(stream_is_tls(r.stream));
	assert_false(stream_tls_exporter(r.stream, &binding));
	assert_false(stream_tls_unique(r.stream, &binding));
	rig_fini(&r);
	tls_fixture_fini(&key);
}

static SSL_SESSION *ticket;

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(ticket);
	ticket = session;
	return 1;
}

/* tls-unique is what was sent first: by the client, or by the server where a session is resumed. */
static void assert_first_finished(struct rig *r)
{
	struct buf binding = BUF_INIT(100);
	unsigned char want[EVP_MAX_MD_SIZE];
	size_t n = SSL_session_reused(r->client) ? SSL_get_peer_finished(r->client, want, sizeof want)
						 : SSL_get_finished(r->client, want, sizeof want);

	if (SSL_version(r->client) == TLS1_2_VERSION) {
		assert_true(stream_tls_unique(r->stream, &binding));
		assert_true(n > 0 && view_eq(buf_view(&binding), view_from(want, n)));
	}
	buf_fini(&binding);
}

/* A session is resumed without the private key, also over a new SSL_CTX (after a reload). */
static void tickets(void **state)
{
	static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION};
	struct tls_fixture key;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		tls_fixture_init(&key, "P-256");
		for (int round = 0; round < 2; round++) {
			struct rig r;

			rig_init(&r, &key, 12);
			assert_int_equal(SSL_set_max_proto_version(r.client, versions[i]), 1);
			SSL_CTX_set_session_cache_mode(r.client_ctx,
						       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
			SSL_CTX_sess_set_new_cb(r.client_ctx, on_session);
			SSL_free(r.client);
			r.client = SSL_new(r.client_ctx);
			assert_int_equal(SSL_set_max_proto_version(r.client, versions[i]), 1);
			SSL_set_fd(r.client, r.peer);
			SSL_set_connect_state(r.client);
			if (round == 1)
				assert_int_equal(SSL_set_session(r.client, ticket), 1);
			stream_start_tls(r.stream, r.server);
			assert_true(client_handshake(&r));
			assert_heard(&r, "");
			assert_non_null(ticket);
			assert_int_equal(SSL_session_reused(r.client), round);
			assert_first_finished(&r);
			assert_int_equal(key.calls, 1);
			(void)SSL_shutdown(r.client); /* or the session counts as bad */
			rig_fini(&r);
		}
		SSL_SESSION_free(ticket);
		ticket = NULL;
		tls_fixture_fini(&key);
	}
}

static void renegotiation_is_refused(void **state)
{
	struct tls_fixture key;
	struct rig r;

	(void)state;
	tls_fixture_init(&key, "P-256");
	rig_init(&r, &key, 12);
	assert_int_equal(SSL_set_max_proto_version(r.client, TLS1_2_VERSION), 1);
	stream_start_tls(r.stream, r.server);
	assert_true(client_handshake(&r));
	assert_int_equal(SSL_renegotiate(r.client), 1);
	(void)client_handshake(&r);
	assert_int_equal(key.calls, 1);
	rig_fini(&r);
	tls_fixture_fini(&key);
}

static void bad_settings(void **state)
{
	struct tls_fixture key;
	struct tls_server *server = NULL;
	struct buf error = BUF_INIT(1000), cut = BUF_INIT(10000);

	(void)state;
	tls_fixture_init(&key, "P-256");
	assert_int_equal(tls_server_new(VIEW_EMPTY, 12, tls_fixture_sign, &key, &server, &error), -EINVAL);
	assert_true(error.n > 0);
	assert_int_equal(tls_server_new(VIEW_LIT("-----BEGIN CERTIFICATE-----\nrubbish\n"), 12, tls_fixture_sign, &key,
					&server, &error),
			 -EINVAL);
	/* a chain whose second certificate is damaged */
	buf_append_view(&cut, buf_view(&key.pem));
	buf_append_view(&cut, view_sub(buf_view(&key.pem), 0, key.pem.n / 2));
	assert_int_equal(tls_server_new(buf_view(&cut), 12, tls_fixture_sign, &key, &server, &error), -EINVAL);
	assert_null(server);
	buf_fini(&error);
	buf_fini(&cut);
	tls_fixture_fini(&key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(versions_and_keys),
	    cmocka_unit_test(rsa_pkcs1),
	    cmocka_unit_test(old_and_weak_are_refused),
	    cmocka_unit_test(starttls_byte_by_byte),
	    cmocka_unit_test(records_larger_than_the_buffer),
	    cmocka_unit_test(ends),
	    cmocka_unit_test(ends_in_the_handshake),
	    cmocka_unit_test(late_words),
	    cmocka_unit_test(signing_fails),
	    cmocka_unit_test(bindings),
	    cmocka_unit_test(without_extended_master_secret),
	    cmocka_unit_test(tickets),
	    cmocka_unit_test(renegotiation_is_refused),
	    cmocka_unit_test(bad_settings),
	};
	int failed;

	if (tls_prepare() < 0)
		return 1;
	base = event_base_new();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	event_base_free(base);
	return failed;
}
