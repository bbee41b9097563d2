/* SPDX-License-Identifier: ISC
 * Whether a login succeeds: who the user is, how fast may be guessed, whether the password is right, the grant.
 *
 * Known and unknown users go the same way at the same cost: the store is asked, budgets are drawn on, argon2 runs (over a hash that
 * nothing fits) or SCRAM's proof is checked (against keys that nothing fits, with a salt that is always the same for the name). */
#include "authd/exchange.h"

#include "authd/seen.h"
#include "base/clock.h"
#include "base/random.h"
#include "ipc/verifier.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { STORE_MS = 10000, GRANT_BYTES = 32, FAKE_SALT_BYTES = VERIFIER_SALT_BYTES };

/* One argon2 run, and everybody who waits for the same password of the same account: a mail program that opens ten connections
 * costs one. */
struct verification {
	struct work work;
	struct authd *authd;
	struct verification *next;
	struct exchange *waiting;
	struct throttle_ticket ticket;
	uint8_t mac[CACHE_MAC_BYTES];
	struct buf phc;
	struct buf password;
	uint64_t account; /* 0: none that may log in */
	bool right;
};

static struct throttle_subject subject_of(struct exchange *x)
{
	return (struct throttle_subject){.network = buf_view(&x->network),
					 .account = buf_view(&x->identity.name),
					 .known = x->identity.exists &&
						  seen_has(x->authd, x->identity.account, buf_view(&x->network))};
}

static bool may_log_in(const struct exchange *x)
{
	return x->identity.exists && !x->identity.disabled;
}

static const char *why_wrong(const struct exchange *x)
{
	if (!x->identity.exists)
		return "no such user";
	return x->identity.disabled ? "disabled" : "wrong password";
}

/* ---- the grant ---- */

static void on_grant(void *ctx, const struct cred_msg *m)
{
	struct exchange *x = ctx;
	struct view grant = buf_view(&x->response);

	x->call = 0;
	if (!m) {
		exchange_temporary(x, "no answer from the store");
	} else if (m->type != CRED_GRANT_KEPT) {
		exchange_temporary(x, "the account changed meanwhile");
	} else {
		seen_add(x->authd, x->identity.account, buf_view(&x->network), clock_wall_s());
		exchange_granted(x, grant);
	}
}

/* The client is who it says, and may be the one it wants to be. */
static void succeed(struct exchange *x)
{
	struct view authzid = buf_view(&x->authzid);
	uint8_t handle[GRANT_BYTES];
	struct cred_grant m = {.grant = view_from(handle, sizeof handle),
			       .account = x->identity.account,
			       .generation = x->identity.generation,
			       .service = view_from_cstr(x->client->service),
			       .client_ip = buf_view(&x->client_ip)};

	if (authzid.n > 0 && !view_eq(authzid, buf_view(&x->user)) &&
	    !view_eq_nocase(authzid, buf_view(&x->identity.address))) {
		exchange_wrong(x, "may not act for another");
		return;
	}
	random_bytes(handle, sizeof handle);
	buf_reset(&x->response); /* SCRAM's last message; it carries the handle from here */
	buf_append(&x->response, handle, sizeof handle);
	exchange_enter(x, EXCHANGE_GRANT);
	if (x->authd->store && cred_call_grant(x->authd->store, &m, STORE_MS, on_grant, x))
		x->call = channel_call_id(x->authd->store);
	else
		exchange_temporary(x, "the store is away");
	sodium_memzero(handle, sizeof handle);
}

/* ---- passwords ---- */

static void run(struct work *w)
{
	struct verification *v = (struct verification *)w;

	v->right = verifier_check_argon2(buf_view(&v->phc), buf_view(&v->password));
}

static void verification_free(struct verification *v)
{
	struct verification **at = &v->authd->verifications;

	while (*at != v)
		at = &(*at)->next;
	*at = v->next;
	sodium_memzero(v->phc.p, v->phc.cap);
	buf_fini(&v->phc);
	if (v->password.p)
		sodium_memzero(v->password.p, v->password.cap);
	buf_fini(&v->password);
	free(v);
}

static void on_verified(struct work *w)
{
	struct verification *v = (struct verification *)w;
	uint64_t now_ms = clock_mono_ms();
	bool ok = v->right && v->account != 0;

	throttle_end(&v->authd->throttle, &v->ticket, !ok, now_ms);
	if (ok)
		cache_add(&v->authd->cache, v->mac, v->account, now_ms);
	while (v->waiting) {
		struct exchange *x = v->waiting;

		v->waiting = x->verify_next;
		x->verification = NULL;
		if (ok)
			succeed(x);
		else
			exchange_wrong(x, why_wrong(x));
	}
	verification_free(v);
}

static void join(struct verification *v, struct exchange *x)
{
	exchange_enter(x, EXCHANGE_VERIFY);
	x->verification = v;
	x->verify_next = v->waiting;
	v->waiting = x;
}

static struct verification *find_verification(struct authd *a, const uint8_t mac[CACHE_MAC_BYTES])
{
	for (struct verification *v = a->verifications; v; v = v->next)
		if (sodium_memcmp(v->mac, mac, CACHE_MAC_BYTES) == 0)
			return v;
	return NULL;
}

static void verify(struct exchange *x, const uint8_t mac[CACHE_MAC_BYTES], const struct throttle_ticket *ticket)
{
	struct verification *v = xcalloc(1, sizeof *v);
	struct authd *a = x->authd;

	v->work.run = run;
	v->work.done = on_verified;
	v->authd = a;
	v->ticket = *ticket;
	memcpy(v->mac, mac, sizeof v->mac);
	buf_init(&v->phc, x->identity.argon2.max);
	buf_init(&v->password, x->password.max);
	buf_append_view(&v->phc,
			x->identity.argon2.n > 0 ? buf_view(&x->identity.argon2) : verifier_argon2_of_nobody());
	buf_append_view(&v->password, buf_view(&x->password));
	v->account = may_log_in(x) && x->password.n > 0 ? x->identity.account : 0;
	v->next = a->verifications;
	a->verifications = v;
	/* Guesses from many strange networks hold up nobody who is where it logged in before. */
	if (workers_add(a->workers, &v->work, subject_of(x).known)) {
		join(v, x);
		return;
	}
	throttle_end(&a->throttle, ticket, false, clock_mono_ms());
	verification_free(v);
	exchange_temporary(x, "too many logins at once");
}

/* ---- guessing is slowed ---- */

static void slow(struct exchange *x, uint64_t wait_ms, uint64_t now_ms)
{
	if (x->give_up_ms == 0)
		x->give_up_ms = now_ms + x->authd->slowed_max_ms;
	if (now_ms >= x->give_up_ms) {
		exchange_temporary(x, "slowed down");
		return;
	}
	exchange_enter(x, EXCHANGE_SLOWED);
	exchange_set_timer(x, wait_ms < x->give_up_ms - now_ms ? wait_ms : x->give_up_ms - now_ms);
}

/* Budgets come first: a full one must not let a guess be tried against the cache. */
static void try_password(struct exchange *x)
{
	struct throttle_subject who = subject_of(x);
	uint64_t now_ms = clock_mono_ms();
	struct authd *a = x->authd;
	struct throttle_ticket ticket;
	struct verification *same;
	uint8_t mac[CACHE_MAC_BYTES];
	uint64_t wait_ms;

	cache_mac(&a->cache, buf_view(&x->identity.name), x->identity.generation, buf_view(&x->password), mac);
	same = find_verification(a, mac);
	if (same) {
		join(same, x); /* no further guess */
		return;
	}
	wait_ms = throttle_begin(&a->throttle, &who, now_ms, &ticket);
	if (wait_ms > 0) {
		slow(x, wait_ms, now_ms);
	} else if (may_log_in(x) && cache_has(&a->cache, mac, now_ms)) {
		throttle_end(&a->throttle, &ticket, false, now_ms);
		succeed(x);
	} else {
		verify(x, mac, &ticket);
	}
}

/* ---- SCRAM ---- */

/* The same salt for the same name, for as long as the store lives (RFC 5802 has no way to say "no such user"). */
static void fake_salt(const struct authd *a, struct view name, uint8_t ret[FAKE_SALT_BYTES])
{
	(void)crypto_generichash(ret, FAKE_SALT_BYTES, (const unsigned char *)name.p, name.n, a->secret,
				 sizeof a->secret);
}

static void challenge(struct exchange *x)
{
	_cleanup_(buf_fini) struct buf out = BUF_INIT(SCRAM_MESSAGE_MAX);
	const struct identity *i = &x->identity;
	uint8_t nonce[SCRAM_SERVER_NONCE_BYTES], salt[FAKE_SALT_BYTES];
	bool real = i->exists && i->scram_salt.n > 0 && i->scram_iterations > 0;

	if (!real && !x->authd->has_secret) {
		exchange_temporary(x, "the store is away");
		return;
	}
	random_bytes(nonce, sizeof nonce);
	fake_salt(x->authd, buf_view(&i->name), salt);
	scram_challenge(&x->scram, real ? buf_view(&i->scram_salt) : view_from(salt, sizeof salt),
			real ? i->scram_iterations : VERIFIER_SCRAM_ITERATIONS,
			real ? buf_view(&i->scram_stored_key) : VIEW_EMPTY,
			real ? buf_view(&i->scram_server_key) : VIEW_EMPTY, view_from(nonce, sizeof nonce), &out);
	exchange_challenge(x, buf_view(&out));
}

void attempt_prove(struct exchange *x)
{
	struct throttle_subject who = subject_of(x);
	uint64_t now_ms = clock_mono_ms();
	struct authd *a = x->authd;
	struct throttle_ticket ticket;
	uint64_t wait_ms = throttle_begin(&a->throttle, &who, now_ms, &ticket);
	enum scram_verdict verdict;

	if (wait_ms > 0) {
		slow(x, wait_ms, now_ms);
		return;
	}
	verdict = scram_final(&x->scram, buf_view(&x->response), &x->final);
	if (verdict == SCRAM_OK && !may_log_in(x))
		verdict = SCRAM_REFUSED;
	throttle_end(&a->throttle, &ticket, verdict == SCRAM_REFUSED, now_ms);
	switch (verdict) {
	case SCRAM_OK:
		succeed(x);
		break;
	case SCRAM_MALFORMED:
		exchange_malformed(x, "no SCRAM message");
		break;
	case SCRAM_REFUSED:
		exchange_wrong(x, why_wrong(x));
		break;
	}
}

void attempt_retry(struct exchange *x)
{
	if (x->scram.nonce.n > 0)
		attempt_prove(x);
	else
		try_password(x);
}

/* ---- who is that? ---- */

static void set_identity(struct identity *i, const struct cred_is *m)
{
	i->exists = true;
	i->disabled = m->disabled;
	i->account = m->account;
	i->generation = m->generation;
	i->scram_iterations = m->scram_iterations;
	buf_printf(&i->name, "#%llu", (unsigned long long)m->account);
	buf_append_view(&i->address, m->address);
	buf_append_view(&i->argon2, m->argon2);
	buf_append_view(&i->scram_salt, m->scram_salt);
	buf_append_view(&i->scram_stored_key, m->scram_stored_key);
	buf_append_view(&i->scram_server_key, m->scram_server_key);
}

static void on_want(void *ctx, const struct cred_msg *m)
{
	struct exchange *x = ctx;

	x->call = 0;
	if (m && m->type == CRED_IS) {
		set_identity(&x->identity, &m->is);
	} else if (m && m->type == CRED_NONE) {
		/* A name no account could have: as it was typed. */
		buf_append_view(&x->identity.name, m->none.name.n > 0 ? m->none.name : buf_view(&x->user));
	} else {
		exchange_temporary(x, "no answer from the store");
		return;
	}
	if (x->scram.nonce.n > 0)
		challenge(x);
	else
		try_password(x);
}

void attempt_begin(struct exchange *x)
{
	struct cred_want m = {.user = buf_view(&x->user)};

	exchange_enter(x, EXCHANGE_STORE);
	if (x->authd->store && cred_call_want(x->authd->store, &m, STORE_MS, on_want, x))
		x->call = channel_call_id(x->authd->store);
	else
		exchange_temporary(x, "the store is away");
}

/* ---- the end ---- */

void attempt_abandon(struct exchange *x)
{
	struct exchange **at = x->verification ? &x->verification->waiting : NULL;

	if (x->call && x->authd->store)
		channel_call_cancel(x->authd->store, x->call);
	if (!at)
		return;
	while (*at != x)
		at = &(*at)->verify_next;
	*at = x->verify_next; /* the verification runs on: a guess is a guess */
}

void attempt_abandon_all(struct authd *a)
{
	while (a->verifications)
		verification_free(a->verifications);
}
