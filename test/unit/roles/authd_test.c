/* SPDX-License-Identifier: ISC
 * authd between a front end and a store that the test plays, all on one loop. */
#include "authd/authd.h"
#include "authd/exchange.h"
#include "base/clock.h"
#include "base/encode.h"
#include "ipc/verifier.h"

#include <event2/event.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

static struct verifier pencil; /* of "pencil": made once, it takes its time */

struct rig {
	struct event_base *base;
	struct authd authd;
	struct channel *front;
	struct channel *store;
	/* the store's state */
	uint64_t generation;
	bool disabled;
	bool silent; /* answers nothing */
	unsigned wants, grants;
	struct buf grant;
	const char *seen_from; /* account 1 logged in from there before */
	/* what the front end heard last */
	struct buf heard;
	uint64_t exchange;
	struct buf challenge;
	unsigned answers;
};

/* ---- the store ---- */

static void store_says_who(struct rig *r, struct channel *c, uint32_t id, struct view user)
{
	struct cred_is is = {.account = 1,
			     .address = VIEW_LIT("user@example.org"),
			     .argon2 = view_from_cstr(pencil.argon2),
			     .scram_salt = view_from(pencil.scram_salt, VERIFIER_SALT_BYTES),
			     .scram_iterations = pencil.scram_iterations,
			     .scram_stored_key = view_from(pencil.scram_stored_key, 32),
			     .scram_server_key = view_from(pencil.scram_server_key, 32),
			     .disabled = r->disabled,
			     .generation = r->generation};
	struct cred_none none = {.name = user};

	r->wants++;
	if (view_eq_lit(user, "user") || view_eq_lit(user, "user@example.org"))
		(void)cred_send_is(c, id, &is);
	else
		(void)cred_send_none(c, id, &none);
}

static void store_keeps(struct rig *r, struct channel *c, uint32_t id, const struct cred_grant *m)
{
	r->grants++;
	assert_int_equal(m->account, 1);
	assert_true(m->service.n > 0 && m->client_ip.n > 0 && m->grant.n == 32);
	buf_reset(&r->grant);
	buf_append_view(&r->grant, m->grant);
	if (m->generation == r->generation)
		(void)cred_send_grant_kept(c, id, &(struct cred_grant_kept){0});
	else
		(void)cred_send_none(c, id, &(struct cred_none){0});
}

static void on_store(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	static const char secret[32] = "the secret of this store is this";
	struct rig *r = ctx;
	const struct cred_msg *m = msg;
	struct cred_seen seen = {
	    .account = 1, .network = view_from_cstr(r->seen_from ? r->seen_from : ""), .wall_s = 1};
	struct cred_seen_page page = {.items = &seen, .n_items = r->seen_from ? 1 : 0};

	if (r->silent)
		return;
	if (m->type == CRED_WANT)
		store_says_who(r, c, id, m->want.user);
	else if (m->type == CRED_GRANT)
		store_keeps(r, c, id, &m->grant);
	else if (m->type == CRED_SECRET_ASK)
		(void)cred_send_secret(c, id, &(struct cred_secret){view_from(secret, 32)});
	else if (m->type == CRED_SEEN_ASK)
		(void)cred_send_seen_page(c, id, &page);
}

static void on_store_close(void *ctx, struct channel *c)
{
	(void)c;
	((struct rig *)ctx)->store = NULL;
}

static void store_connect(struct rig *r)
{
	static const struct channel_handlers handlers = {on_store, on_store_close, NULL};
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	authd_set_store(&r->authd, pair[0]);
	r->store = channel_new(r->base, pair[1], &cred_proto, CRED_PEER_STORE, CRED_PEER_AUTH, &handlers, r);
}

/* ---- the front end ---- */

static void on_answer(void *ctx, const struct auth_msg *m)
{
	struct rig *r = ctx;

	r->answers++;
	buf_reset(&r->heard);
	if (!m) {
		buf_append_cstr(&r->heard, "nothing");
	} else if (m->type == AUTH_CHALLENGE) {
		r->exchange = m->challenge.exchange;
		buf_reset(&r->challenge);
		buf_append_view(&r->challenge, m->challenge.challenge);
		buf_printf(&r->heard, "challenge");
	} else if (m->type == AUTH_GRANTED) {
		buf_printf(&r->heard, "granted %.*s", VIEW_FMT(m->granted.address));
		if (!view_eq(m->granted.grant, buf_view(&r->grant)) || m->granted.grant.n != 32)
			buf_append_cstr(&r->heard, " with another grant than the store's");
		if (m->granted.final.n > 0)
			buf_printf(&r->heard, " final %.2s", m->granted.final.p);
	} else if (m->type == AUTH_DENIED) {
		buf_printf(&r->heard, "denied%s%s%s%s", m->denied.temporary ? " temporary" : "",
			   m->denied.malformed ? " malformed" : "", m->denied.tls_needed ? " tls" : "",
			   m->denied.unknown_mechanism ? " mechanism" : "");
	}
}

static void ignore_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	(void)ctx;
	(void)c;
	(void)id;
	(void)msg;
}

static void on_front_close(void *ctx, struct channel *c)
{
	(void)c;
	((struct rig *)ctx)->front = NULL;
}

static void front_connect(struct rig *r)
{
	static const struct channel_handlers handlers = {ignore_msg, on_front_close, NULL};
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	authd_add_client(&r->authd, pair[0], AUTH_PEER_IMAP);
	r->front = channel_new(r->base, pair[1], &auth_proto, AUTH_PEER_IMAP, AUTH_PEER_AUTH, &handlers, r);
}

/* At least some turns, however long this process had to wait meanwhile. */
static void turn(struct rig *r, unsigned answers, uint64_t ms)
{
	struct timeval step = {0, 2000};
	uint64_t end_ms = clock_mono_ms() + ms;

	for (int n = 0; r->answers < answers && (n < 5 || clock_mono_ms() < end_ms); n++) {
		(void)event_base_loopexit(r->base, &step);
		assert_true(event_base_dispatch(r->base) >= 0);
	}
}

static void rig_init(struct rig *r, const char *seen_from)
{
	memset(r, 0, sizeof *r);
	r->base = event_base_new();
	r->generation = 7;
	r->seen_from = seen_from;
	buf_init(&r->heard, 1000);
	buf_init(&r->challenge, 10000);
	buf_init(&r->grant, 100);
	authd_init(&r->authd, r->base, 2);
	store_connect(r);
	front_connect(r);
	turn(r, 1, 20);
}

static void rig_fini(struct rig *r)
{
	channel_free(&r->front);
	turn(r, r->answers + 1, 10);
	assert_int_equal(r->authd.exchanges.count, 0);
	authd_fini(&r->authd);
	channel_free(&r->store);
	event_base_free(r->base);
	buf_fini(&r->heard);
	buf_fini(&r->challenge);
	buf_fini(&r->grant);
}

static void start(struct rig *r, const char *mechanism, struct view initial, bool has_initial, const char *ip)
{
	struct auth_start m = {.mechanism = view_from_cstr(mechanism),
			       .client_ip = view_from_cstr(ip),
			       .tls = true,
			       .tls_exporter = VIEW_LIT("0123456789abcdef0123456789abcdef"),
			       .has_initial = has_initial,
			       .initial = initial};

	assert_true(auth_call_start(r->front, &m, 20000, on_answer, r));
}

static const char *start_and_hear(struct rig *r, const char *mechanism, struct view initial, bool has_initial)
{
	start(r, mechanism, initial, has_initial, "192.0.2.1");
	turn(r, r->answers + 1, 5000);
	return buf_cstr(&r->heard);
}

static const char *plain(struct rig *r, struct view initial)
{
	return start_and_hear(r, "PLAIN", initial, true);
}

static const char *step(struct rig *r, struct view response)
{
	struct auth_step m = {.exchange = r->exchange, .response = response};

	assert_true(auth_call_step(r->front, &m, 20000, on_answer, r));
	turn(r, r->answers + 1, 5000);
	return buf_cstr(&r->heard);
}

static const char *login(struct rig *r, const char *user, const char *password, bool tls)
{
	struct auth_login m = {.client_ip = VIEW_LIT("192.0.2.1"),
			       .tls = tls,
			       .user = view_from_cstr(user),
			       .password = view_from_cstr(password)};

	assert_true(auth_call_login(r->front, &m, 20000, on_answer, r));
	turn(r, r->answers + 1, 5000);
	return buf_cstr(&r->heard);
}

/* ---- tests ---- */

static void plain_mechanism(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	assert_string_equal(plain(&r, VIEW_LIT("\0user\0pencil")), "granted user@example.org");
	assert_string_equal(plain(&r, VIEW_LIT("\0user\0pencil")), "granted user@example.org"); /* from the cache */
	assert_string_equal(plain(&r, VIEW_LIT("\0user\0Pencil")), "denied");
	assert_string_equal(plain(&r, VIEW_LIT("\0nobody\0pencil")), "denied");
	assert_string_equal(plain(&r, VIEW_LIT("\0user\0")), "denied");
	assert_string_equal(plain(&r, VIEW_LIT("\0user\0\a")), "denied"); /* no password at all to SASLprep */
	assert_string_equal(plain(&r, VIEW_LIT("user pencil")), "denied malformed");
	assert_string_equal(plain(&r, VIEW_LIT("")), "denied malformed");
	/* acting for oneself, for another */
	assert_string_equal(plain(&r, VIEW_LIT("user\0user\0pencil")), "granted user@example.org");
	assert_string_equal(plain(&r, VIEW_LIT("User@Example.ORG\0user\0pencil")), "granted user@example.org");
	assert_string_equal(plain(&r, VIEW_LIT("boss@example.org\0user\0pencil")), "denied");
	/* without an initial response */
	assert_string_equal(start_and_hear(&r, "plain", VIEW_EMPTY, false), "challenge");
	assert_int_equal(r.challenge.n, 0);
	assert_string_equal(step(&r, VIEW_LIT("\0user\0pencil")), "granted user@example.org");
	assert_string_equal(step(&r, VIEW_LIT("\0user\0pencil")), "denied temporary"); /* over */
	rig_fini(&r);
}

static void login_mechanism(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	assert_string_equal(start_and_hear(&r, "LOGIN", VIEW_EMPTY, false), "challenge");
	assert_true(view_eq_lit(buf_view(&r.challenge), "Username:"));
	assert_string_equal(step(&r, VIEW_LIT("user")), "challenge");
	assert_true(view_eq_lit(buf_view(&r.challenge), "Password:"));
	assert_string_equal(step(&r, VIEW_LIT("pencil")), "granted user@example.org");
	/* the name as initial response, as some do */
	assert_string_equal(start_and_hear(&r, "LOGIN", VIEW_LIT("user"), true), "challenge");
	assert_true(view_eq_lit(buf_view(&r.challenge), "Password:"));
	assert_string_equal(step(&r, VIEW_LIT("wrong")), "denied");
	assert_string_equal(start_and_hear(&r, "LOGIN", VIEW_LIT(""), true), "denied malformed");
	assert_string_equal(login(&r, "user@example.org", "pencil", true), "granted user@example.org");
	assert_string_equal(login(&r, "user@example.org", "wrong", true), "denied");
	assert_string_equal(login(&r, "", "wrong", true), "denied malformed");
	rig_fini(&r);
}

static void refused_at_once(void **state)
{
	struct auth_start m = {.mechanism = VIEW_LIT("PLAIN"),
			       .client_ip = VIEW_LIT("192.0.2.1"),
			       .has_initial = true,
			       .initial = VIEW_LIT("\0user\0pencil")};
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	assert_string_equal(start_and_hear(&r, "CRAM-MD5", VIEW_EMPTY, false), "denied mechanism");
	assert_string_equal(login(&r, "user", "pencil", false), "denied tls");
	assert_true(auth_call_start(r.front, &m, 20000, on_answer, &r));
	turn(&r, r.answers + 1, 5000);
	assert_string_equal(buf_cstr(&r.heard), "denied tls");
	assert_int_equal(r.wants, 0);
	m.plaintext_allowed = true;
	assert_true(auth_call_start(r.front, &m, 20000, on_answer, &r));
	turn(&r, r.answers + 1, 5000);
	assert_string_equal(buf_cstr(&r.heard), "granted user@example.org");
	rig_fini(&r);
}

static void disabled_and_changed(void **state)
{
	struct rig r;
	struct cred_changed changed = {.account = 1, .generation = 9};

	(void)state;
	rig_init(&r, NULL);
	assert_string_equal(plain(&r, VIEW_LIT("\0user\0pencil")), "granted user@example.org");
	assert_int_equal(r.authd.cache.entries.count, 1);
	/* disabled: as if the password were wrong, in the cache or not */
	r.disabled = true;
	r.generation = 8;
	assert_string_equal(plain(&r, VIEW_LIT("\0user\0pencil")), "denied");
	r.disabled = false;
	r.generation = 9;
	assert_true(cred_send_changed(r.store, 0, &changed));
	turn(&r, r.answers + 1, 20);
	assert_int_equal(r.authd.cache.entries.count, 0);
	assert_string_equal(plain(&r, VIEW_LIT("\0user\0pencil")), "granted user@example.org");
	rig_fini(&r);
}

/* A fake salt is always the same, differs between names, and looks like a real one. */
static void scram_salts(void **state)
{
	struct rig r;
	struct buf salts[4];
	static const char *const names[] = {"n,,n=nobody,r=abc", "n,,n=nobody,r=def", "n,,n=other,r=abc",
					    "n,,n=user,r=abc"};

	(void)state;
	rig_init(&r, NULL);
	for (size_t i = 0; i < 4; i++) {
		struct view nonce = VIEW_EMPTY, rest, salt = VIEW_EMPTY, iterations = VIEW_EMPTY;

		assert_string_equal(start_and_hear(&r, "SCRAM-SHA-256", view_from_cstr(names[i]), true), "challenge");
		assert_true(view_cut(buf_view(&r.challenge), ',', &nonce, &rest));
		assert_true(view_cut(rest, ',', &salt, &iterations));
		assert_int_equal(nonce.n, 2 + 3 + 24);
		assert_true(view_eq_lit(iterations, "i=200000"));
		buf_init(&salts[i], 100);
		assert_true(decode_base64(&salts[i], view_sub(salt, 2, salt.n)));
		assert_int_equal(salts[i].n, VERIFIER_SALT_BYTES);
	}
	assert_true(view_eq(buf_view(&salts[0]), buf_view(&salts[1])));
	assert_false(view_eq(buf_view(&salts[0]), buf_view(&salts[2])));
	assert_memory_equal(salts[3].p, pencil.scram_salt, VERIFIER_SALT_BYTES);
	for (size_t i = 0; i < 4; i++)
		buf_fini(&salts[i]);
	/* "y" though -PLUS was there; -PLUS with a binding we have */
	assert_string_equal(start_and_hear(&r, "SCRAM-SHA-256", VIEW_LIT("y,,n=user,r=abc"), true), "denied");
	assert_string_equal(start_and_hear(&r, "SCRAM-SHA-256-PLUS", VIEW_LIT("p=tls-exporter,,n=user,r=abc"), true),
			    "challenge");
	assert_string_equal(step(&r, VIEW_LIT("c=biws,r=x,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")), "denied");
	assert_string_equal(start_and_hear(&r, "SCRAM-SHA-256", VIEW_LIT("rubbish"), true), "denied malformed");
	rig_fini(&r);
}

/* A whole SCRAM login; the proof is made as a client makes it. */
static const char *scram(struct rig *r, const char *user, const char *password)
{
	struct buf first = BUF_INIT(1000), message = BUF_INIT(1000), final = BUF_INIT(1000);
	uint8_t salted[32], client_key[32], stored[32], mac[32];
	crypto_auth_hmacsha256_state st;
	struct view nonce;
	const char *heard;

	buf_printf(&first, "n,,n=%s,r=abc", user);
	heard = start_and_hear(r, "SCRAM-SHA-256", buf_view(&first), true);
	assert_string_equal(heard, "challenge");
	/* PBKDF2 with the account's salt: the client knows it from the challenge */
	(void)crypto_auth_hmacsha256_init(&st, (const unsigned char *)password, strlen(password));
	(void)crypto_auth_hmacsha256_update(&st, pencil.scram_salt, VERIFIER_SALT_BYTES);
	(void)crypto_auth_hmacsha256_update(&st, (const unsigned char *)"\0\0\0\1", 4);
	(void)crypto_auth_hmacsha256_final(&st, mac);
	memcpy(salted, mac, 32);
	for (uint32_t n = 1; n < pencil.scram_iterations; n++) {
		(void)crypto_auth_hmacsha256_init(&st, (const unsigned char *)password, strlen(password));
		(void)crypto_auth_hmacsha256_update(&st, mac, 32);
		(void)crypto_auth_hmacsha256_final(&st, mac);
		for (int k = 0; k < 32; k++)
			salted[k] ^= mac[k];
	}
	(void)crypto_auth_hmacsha256(client_key, (const unsigned char *)"Client Key", 10, salted);
	(void)crypto_hash_sha256(stored, client_key, 32);
	nonce = view_sub(buf_view(&r->challenge), 0, view_find_char(buf_view(&r->challenge), ','));
	buf_printf(&final, "c=biws,%.*s", VIEW_FMT(nonce));
	buf_printf(&message, "n=%s,r=abc,%.*s,%.*s", user, VIEW_FMT(buf_view(&r->challenge)),
		   VIEW_FMT(buf_view(&final)));
	(void)crypto_auth_hmacsha256(mac, (const unsigned char *)message.p, message.n, stored);
	for (int k = 0; k < 32; k++)
		client_key[k] ^= mac[k];
	buf_append_cstr(&final, ",p=");
	encode_base64(&final, view_from(client_key, 32));
	heard = step(r, buf_view(&final));
	buf_fini(&first);
	buf_fini(&message);
	buf_fini(&final);
	return heard;
}

static void scram_login(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	assert_string_equal(scram(&r, "user", "pencil"), "granted user@example.org final v=");
	assert_string_equal(scram(&r, "user", "pen"), "denied");
	assert_string_equal(scram(&r, "nobody", "pencil"), "denied");
	r.disabled = true;
	assert_string_equal(scram(&r, "user", "pencil"), "denied");
	rig_fini(&r);
}

static bool heard_grant(const struct rig *r)
{
	return view_starts_with(buf_view(&r->heard), VIEW_LIT("granted"));
}

/* Whoever is held up has been so for as long as may be. */
static void patience_is_over(struct rig *r)
{
	for (struct map_entry *e = map_first(&r->authd.exchanges); e; e = map_next(&r->authd.exchanges, e)) {
		struct exchange *x = map_value(e);

		x->give_up_ms = 1;
		if (x->state == EXCHANGE_SLOWED)
			exchange_set_timer(x, 1);
	}
}

/* Wrong passwords from a strange network are slowed down; the user's own network is not. Nothing here depends on how fast the machine
 * hashes: the waits end when what they wait for has come. */
static void slowed_down(void **state)
{
	struct rig r;
	unsigned before, all;

	(void)state;
	rig_init(&r, "192.0.2.1");
	r.authd.slowed_max_ms = 3600000;
	before = r.answers;
	all = before + 40;
	for (int i = 0; i < 40; i++) {
		char initial[40];
		int len = snprintf(initial, sizeof initial, "%cuser%cguess%d", 0, 0, i);

		start(&r, "PLAIN", view_from(initial, (size_t)len), true, "198.51.100.9");
	}
	turn(&r, before + 20, 60000);
	assert_true(r.answers >= before + 20 && r.answers < all); /* the others wait */
	/* meanwhile the user logs in from where it always does */
	start(&r, "PLAIN", VIEW_LIT("\0user\0pencil"), true, "192.0.2.1");
	all++;
	while (!heard_grant(&r) && r.answers < all)
		turn(&r, r.answers + 1, 60000);
	assert_true(heard_grant(&r));
	assert_true(r.answers < all); /* before those guesses were through */
	/* a right guess from elsewhere waits like the others while the budget is empty, cached though it is */
	start(&r, "PLAIN", VIEW_LIT("\0user\0pencil"), true, "198.51.100.10");
	all++;
	turn(&r, r.answers + 1, 300);
	assert_true(r.answers < all);
	/* in the end all have heard, and nothing is kept of them */
	patience_is_over(&r);
	turn(&r, all, 60000);
	assert_int_equal(r.answers, all);
	assert_int_equal(r.authd.exchanges.count, 0);
	rig_fini(&r);
}

/* Ten connections of one program at once: one argon2, ten grants. */
static void together(void **state)
{
	struct rig r;
	unsigned n;

	(void)state;
	rig_init(&r, NULL);
	n = r.answers;
	for (int i = 0; i < 30; i++)
		start(&r, "PLAIN", VIEW_LIT("\0user\0pencil"), true, "192.0.2.1");
	turn(&r, n + 30, 5000);
	assert_int_equal(r.answers, n + 30);
	assert_int_equal(r.grants, 30);
	assert_int_equal(r.authd.cache.entries.count, 1);
	rig_fini(&r);
}

static void ends_in_the_middle(void **state)
{
	struct rig r;
	struct auth_cancel cancel;
	struct channel *other;

	(void)state;
	rig_init(&r, NULL);
	/* cancelled by the client */
	assert_string_equal(start_and_hear(&r, "LOGIN", VIEW_EMPTY, false), "challenge");
	cancel.exchange = r.exchange;
	assert_true(auth_send_cancel(r.front, 0, &cancel));
	assert_string_equal(step(&r, VIEW_LIT("user")), "denied temporary");
	/* before it has heard anything, while the store thinks; by no other request's id */
	r.silent = true;
	start(&r, "PLAIN", VIEW_LIT("\0user\0pencil"), true, "192.0.2.1");
	turn(&r, r.answers + 1, 20);
	assert_int_equal(r.authd.exchanges.count, 1);
	cancel.exchange = 0;
	assert_true(auth_send_cancel(r.front, channel_call_id(r.front) + 1, &cancel));
	turn(&r, r.answers + 1, 20);
	assert_int_equal(r.authd.exchanges.count, 1);
	assert_true(auth_send_cancel(r.front, channel_call_id(r.front), &cancel));
	turn(&r, r.answers + 1, 20);
	assert_int_equal(r.authd.exchanges.count, 0);
	r.silent = false;
	/* not by another front end, nor continued by it */
	assert_string_equal(start_and_hear(&r, "LOGIN", VIEW_EMPTY, false), "challenge");
	other = r.front;
	front_connect(&r);
	cancel.exchange = r.exchange;
	assert_true(auth_send_cancel(r.front, 0, &cancel));
	assert_string_equal(step(&r, VIEW_LIT("user")), "denied temporary");
	channel_free(&r.front);
	r.front = other;
	assert_string_equal(step(&r, VIEW_LIT("user")), "challenge");
	/* nobody says anything for too long */
	r.authd.life_ms = 50;
	assert_string_equal(start_and_hear(&r, "LOGIN", VIEW_EMPTY, false), "challenge");
	assert_int_equal(r.authd.exchanges.count, 2);
	turn(&r, r.answers + 1, 150);
	assert_int_equal(r.authd.exchanges.count, 1); /* the former one has its minute */
	assert_string_equal(step(&r, VIEW_LIT("user")), "denied temporary");
	/* the front end goes while argon2 runs, while the store thinks, between messages */
	start(&r, "PLAIN", VIEW_LIT("\0user\0pencil"), true, "192.0.2.1");
	turn(&r, r.answers + 1, 4);
	channel_free(&r.front);
	turn(&r, r.answers + 1, 200);
	assert_int_equal(r.authd.exchanges.count, 0);
	front_connect(&r);
	r.silent = true;
	start(&r, "PLAIN", VIEW_LIT("\0user\0pencil"), true, "192.0.2.1");
	turn(&r, r.answers + 1, 20);
	channel_free(&r.front);
	turn(&r, r.answers + 1, 20);
	assert_int_equal(r.authd.exchanges.count, 0);
	rig_fini(&r);
}

static void store_goes_and_comes(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	r.silent = true;
	start(&r, "PLAIN", VIEW_LIT("\0user\0pencil"), true, "192.0.2.1");
	turn(&r, r.answers + 1, 20);
	channel_free(&r.store);
	turn(&r, r.answers + 1, 1000);
	assert_string_equal(buf_cstr(&r.heard), "denied temporary");
	assert_string_equal(plain(&r, VIEW_LIT("\0user\0pencil")), "denied temporary");
	r.silent = false;
	store_connect(&r);
	assert_string_equal(plain(&r, VIEW_LIT("\0user\0pencil")), "granted user@example.org");
	rig_fini(&r);
}

/* Clients that say nothing after their first line. */
static void fill_with_idle(struct rig *r, unsigned count)
{
	unsigned n = r->answers;

	r->authd.life_ms = 3600000;
	for (unsigned i = 0; i < count; i++) {
		start(r, "LOGIN", VIEW_EMPTY, false, "192.0.2.1");
		if (i % 100 == 0)
			turn(r, n + i + 1, 2000);
	}
	while (r->answers < n + count)
		turn(r, n + count, 5000);
}

/* More exchanges than there may be: those that wait for their clients make room for those that have all they need. */
static void bounded(void **state)
{
	struct rig r;
	uint64_t last;

	(void)state;
	rig_init(&r, NULL);
	fill_with_idle(&r, EXCHANGES_MAX + 10);
	assert_int_equal(r.authd.exchanges.count, EXCHANGES_MAX);
	last = r.exchange;
	assert_string_equal(plain(&r, VIEW_LIT("\0user\0pencil")), "granted user@example.org");
	/* the latest is there, the first is not */
	r.exchange = last;
	assert_string_equal(step(&r, VIEW_LIT("user")), "challenge");
	r.exchange = last - EXCHANGES_MAX - 9;
	assert_string_equal(step(&r, VIEW_LIT("user")), "denied temporary");
	rig_fini(&r);
}

static void enter_all(struct rig *r, enum exchange_state state)
{
	for (struct map_entry *e = map_first(&r->authd.exchanges); e; e = map_next(&r->authd.exchanges, e))
		exchange_enter(map_value(e), state);
}

/* Those that are slowed down make room too; where none is idle, there is none. */
static void nobody_idles_in_the_way(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	fill_with_idle(&r, EXCHANGES_MAX);
	enter_all(&r, EXCHANGE_GRANT);
	assert_string_equal(plain(&r, VIEW_LIT("\0user\0pencil")), "denied temporary");
	enter_all(&r, EXCHANGE_SLOWED);
	assert_string_equal(plain(&r, VIEW_LIT("\0user\0pencil")), "granted user@example.org");
	assert_int_equal(r.authd.exchanges.count, EXCHANGES_MAX - 1);
	rig_fini(&r);
}

struct ordered {
	struct work work;
	sem_t *wait_for;
	char name;
};
static struct buf order = BUF_INIT(10);

static void wait_in_thread(struct work *w)
{
	struct ordered *o = (struct ordered *)w;

	while (o->wait_for && sem_wait(o->wait_for) < 0)
		;
}

static void note_order(struct work *w)
{
	buf_append_char(&order, ((struct ordered *)w)->name);
}

/* One thread, which is busy until all are queued. */
static void who_is_known_comes_first(void **state)
{
	struct event_base *base = event_base_new();
	struct workers *w = workers_new(base, 1, 3);
	struct ordered works[] = {{.name = '0'}, {.name = 'a'}, {.name = 'b'}, {.name = 'c'},
				  {.name = 'd'}, {.name = 'K'}, {.name = 'L'}};
	sem_t go;

	(void)state;
	assert_int_equal(sem_init(&go, 0, 0), 0);
	for (size_t i = 0; i < ARRAY_LEN(works); i++) {
		works[i].work = (struct work){.run = wait_in_thread, .done = note_order};
		works[i].wait_for = i == 0 ? &go : NULL;
	}
	assert_true(workers_add(w, &works[0].work, false));
	for (size_t i = 1; i <= 3; i++)
		while (!workers_add(w, &works[i].work, false)) /* until the thread has taken the first */
			(void)sched_yield();
	if (workers_add(w, &works[4].work, false))
		fail_msg("a queue of 3 takes 4");
	assert_true(workers_add(w, &works[5].work, true));
	assert_true(workers_add(w, &works[6].work, true));
	assert_int_equal(sem_post(&go), 0);
	while (order.n < 6)
		(void)event_base_loop(base, EVLOOP_ONCE);
	assert_string_equal(buf_cstr(&order), "0KLabc");
	workers_free(&w);
	event_base_free(base);
	buf_fini(&order);
	(void)sem_destroy(&go);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(plain_mechanism),
	    cmocka_unit_test(login_mechanism),
	    cmocka_unit_test(refused_at_once),
	    cmocka_unit_test(disabled_and_changed),
	    cmocka_unit_test(scram_salts),
	    cmocka_unit_test(scram_login),
	    cmocka_unit_test(slowed_down),
	    cmocka_unit_test(together),
	    cmocka_unit_test(ends_in_the_middle),
	    cmocka_unit_test(store_goes_and_comes),
	    cmocka_unit_test(bounded),
	    cmocka_unit_test(nobody_idles_in_the_way),
	    cmocka_unit_test(who_is_known_comes_first),
	};

	log_set(LOG_LEVEL_WARNING, LOG_FORMAT_LOGFMT);
	if (verifier_make(VIEW_LIT("pencil"), &pencil) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
