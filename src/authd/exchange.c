/* SPDX-License-Identifier: ISC
 * The conversation of a login: mechanisms, challenges, answers to the front end. */
#include "authd/exchange.h"

#include "authd/plain.h"
#include "authd/seen.h"
#include "base/clock.h"
#include "ipc/verifier.h"

#include <event2/event.h>
#include <sodium.h>
#include <stdlib.h>

enum { USER_MAX = 512, RESPONSE_MAX = 12288, ADDRESS_MAX = 320, NAME_BYTES = 640, KEY_BYTES = 64, ARGON2_MAX = 256 };

struct mechanism {
	const char *name;
	bool plus;
	/* Each message of the client's, the initial one included; may end the exchange. */
	void (*message)(struct exchange *x, struct view message);
	/* What to ask for when the client sent no initial response. */
	const char *prompt;
};

/* ---- life ---- */

static void wipe(struct buf *b)
{
	if (b->p)
		sodium_memzero(b->p, b->cap);
	buf_fini(b);
}

static void identity_init(struct identity *i)
{
	buf_init(&i->name, NAME_BYTES);
	buf_init(&i->address, ADDRESS_MAX);
	buf_init(&i->argon2, ARGON2_MAX);
	buf_init(&i->scram_salt, KEY_BYTES);
	buf_init(&i->scram_stored_key, KEY_BYTES);
	buf_init(&i->scram_server_key, KEY_BYTES);
}

static void identity_fini(struct identity *i)
{
	buf_fini(&i->name);
	buf_fini(&i->address);
	wipe(&i->argon2);
	wipe(&i->scram_salt);
	wipe(&i->scram_stored_key);
	wipe(&i->scram_server_key);
}

static void on_timer(evutil_socket_t fd, short what, void *arg);

static struct exchange *exchange_new(struct client *c, uint32_t request, const struct mechanism *mechanism,
				     struct view client_ip)
{
	struct exchange *x = xcalloc(1, sizeof *x);
	struct authd *a = c->authd;

	x->authd = a;
	x->client = c;
	x->id = a->next_exchange++;
	x->request = x->began_with = request;
	x->mechanism = mechanism;
	x->state = EXCHANGE_NEW;
	x->timer = event_new(a->base, -1, 0, on_timer, x);
	buf_init(&x->client_ip, SEEN_NETWORK_MAX);
	buf_init(&x->network, SEEN_NETWORK_MAX + 8);
	buf_init(&x->user, USER_MAX);
	buf_init(&x->authzid, USER_MAX);
	buf_init(&x->password, VERIFIER_PREPARED_MAX);
	buf_init(&x->response, RESPONSE_MAX);
	buf_init(&x->final, RESPONSE_MAX);
	buf_init(&x->exporter, KEY_BYTES);
	buf_init(&x->unique, KEY_BYTES);
	buf_init(&x->end_point, 2 * KEY_BYTES);
	scram_init(&x->scram);
	identity_init(&x->identity);
	buf_append_view(&x->client_ip, client_ip);
	seen_network(client_ip, &x->network);
	x->next = c->exchanges;
	x->at = &c->exchanges;
	if (x->next)
		x->next->at = &x->next;
	c->exchanges = x;
	(void)map_u64_set(&a->exchanges, x->id, x);
	return x;
}

static bool is_idle(enum exchange_state state)
{
	return state == EXCHANGE_CLIENT || state == EXCHANGE_SLOWED;
}

void exchange_enter(struct exchange *x, enum exchange_state state)
{
	bool was = is_idle(x->state), is = is_idle(state);

	if (was && !is)
		TAILQ_REMOVE(&x->authd->idle, x, idle);
	else if (is && !was)
		TAILQ_INSERT_TAIL(&x->authd->idle, x, idle);
	x->state = state;
}

static void exchange_free(struct exchange *x)
{
	attempt_abandon(x);
	exchange_enter(x, EXCHANGE_NEW);
	*x->at = x->next;
	if (x->next)
		x->next->at = x->at;
	(void)map_u64_remove(&x->authd->exchanges, x->id);
	event_free(x->timer);
	buf_fini(&x->client_ip);
	buf_fini(&x->network);
	buf_fini(&x->user);
	buf_fini(&x->authzid);
	wipe(&x->password);
	wipe(&x->response);
	wipe(&x->final);
	buf_fini(&x->exporter);
	buf_fini(&x->unique);
	buf_fini(&x->end_point);
	scram_fini(&x->scram);
	identity_fini(&x->identity);
	free(x);
}

void exchange_end_all(struct client *c)
{
	while (c->exchanges)
		exchange_free(c->exchanges);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct exchange *x = arg;

	(void)fd;
	(void)what;
	if (x->state == EXCHANGE_SLOWED)
		attempt_retry(x);
	else
		exchange_free(x); /* the client said nothing for too long; its front end hears so when it asks */
}

void exchange_set_timer(struct exchange *x, uint64_t ms)
{
	struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

	(void)event_add(x->timer, &tv);
}

/* ---- answers ---- */

static void log_end_of(const struct exchange *x, const char *event, const char *reason)
{
	struct log_line l;

	log_begin(&l, LOG_LEVEL_INFO, event);
	log_str(&l, "user", buf_view(&x->user));
	log_str(&l, "client", buf_view(&x->client_ip));
	log_cstr(&l, "service", x->client->service);
	log_cstr(&l, "mechanism", x->mechanism->name);
	log_cstr(&l, "reason", reason);
	log_end(&l);
}

void exchange_challenge(struct exchange *x, struct view challenge)
{
	struct auth_challenge m = {.exchange = x->id, .challenge = challenge};

	exchange_enter(x, EXCHANGE_CLIENT);
	(void)auth_send_challenge(x->client->channel, x->request, &m);
	x->request = 0;
	exchange_set_timer(x, x->authd->life_ms);
}

void exchange_granted(struct exchange *x, struct view grant)
{
	struct auth_granted m = {
	    .grant = grant, .address = buf_view(&x->identity.address), .final = buf_view(&x->final)};

	(void)auth_send_granted(x->client->channel, x->request, &m);
	exchange_free(x);
}

static void deny(struct exchange *x, const struct auth_denied *m, const char *reason)
{
	log_end_of(x, "login_failed", reason);
	(void)auth_send_denied(x->client->channel, x->request, m);
	exchange_free(x);
}

void exchange_wrong(struct exchange *x, const char *reason)
{
	static const struct auth_denied m = {.temporary = false};

	deny(x, &m, reason);
}

void exchange_malformed(struct exchange *x, const char *reason)
{
	static const struct auth_denied m = {.malformed = true};

	deny(x, &m, reason);
}

void exchange_temporary(struct exchange *x, const char *reason)
{
	static const struct auth_denied m = {.temporary = true};

	deny(x, &m, reason);
}

/* ---- mechanisms ---- */

/* A password that can be nobody's is verified like any other, at the same cost. */
static void set_password(struct exchange *x, struct view typed)
{
	if (!verifier_prepare_password(typed, &x->password))
		buf_reset(&x->password);
}

static void plain_message(struct exchange *x, struct view message)
{
	struct plain p;

	if (!plain_parse(message, &p)) {
		exchange_malformed(x, "no PLAIN message");
		return;
	}
	buf_append_view(&x->user, p.user);
	buf_append_view(&x->authzid, p.authzid);
	set_password(x, p.password);
	attempt_begin(x);
}

/* draft-murchison-sasl-login: never an RFC, asked for by old clients. */
static void login_message(struct exchange *x, struct view message)
{
	if (x->stage++ == 0) {
		buf_append_view(&x->user, message);
		if (message.n == 0 || x->user.overflow || !view_is_utf8(message) || view_has_nul(message))
			exchange_malformed(x, "no user name");
		else
			exchange_challenge(x, VIEW_LIT("Password:"));
		return;
	}
	set_password(x, message);
	attempt_begin(x);
}

static void scram_message(struct exchange *x, struct view message)
{
	const struct scram_channel channel = {x->mechanism->plus, buf_view(&x->exporter), buf_view(&x->unique),
					      buf_view(&x->end_point)};

	if (x->stage++ > 0) {
		buf_append_view(&x->response, message);
		attempt_prove(x);
		return;
	}
	switch (scram_first(&x->scram, message, &channel)) {
	case SCRAM_OK:
		buf_append_view(&x->user, buf_view(&x->scram.user));
		buf_append_view(&x->authzid, buf_view(&x->scram.authzid));
		attempt_begin(x);
		break;
	case SCRAM_MALFORMED:
		exchange_malformed(x, "no SCRAM message");
		break;
	case SCRAM_REFUSED:
		buf_append_view(&x->user, buf_view(&x->scram.user));
		exchange_wrong(x, "channel binding");
		break;
	}
}

static const struct mechanism mechanisms[] = {
    {"PLAIN", false, plain_message, ""},
    {"LOGIN", false, login_message, "Username:"},
    {"SCRAM-SHA-256", false, scram_message, ""},
    {"SCRAM-SHA-256-PLUS", true, scram_message, ""},
};

static const struct mechanism *find_mechanism(struct view name)
{
	for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++)
		if (view_eq_lit_nocase(name, mechanisms[i].name))
			return &mechanisms[i];
	return NULL;
}

/* ---- messages of a front end ---- */

/* Its client hears so at once, or when it goes on. */
static void make_room(struct authd *a)
{
	struct exchange *x = TAILQ_FIRST(&a->idle);

	if (x && x->state == EXCHANGE_SLOWED)
		exchange_temporary(x, "too many logins at once");
	else if (x)
		exchange_free(x);
}

static bool may_begin(struct client *c, uint32_t request, bool tls, bool plaintext_allowed)
{
	struct auth_denied no = {0};

	if (!tls && !plaintext_allowed) {
		no.tls_needed = true;
	} else {
		if (c->authd->exchanges.count >= EXCHANGES_MAX)
			make_room(c->authd);
		if (c->authd->exchanges.count < EXCHANGES_MAX)
			return true;
		no.temporary = true;
	}
	(void)auth_send_denied(c->channel, request, &no);
	return false;
}

void exchange_start(struct client *c, uint32_t request, const struct auth_start *m)
{
	static const struct auth_denied unknown = {.unknown_mechanism = true};
	const struct mechanism *mechanism = find_mechanism(m->mechanism);
	struct exchange *x;

	if (!mechanism) {
		(void)auth_send_denied(c->channel, request, &unknown);
		return;
	}
	if (!may_begin(c, request, m->tls, m->plaintext_allowed))
		return;
	x = exchange_new(c, request, mechanism, m->client_ip);
	buf_append_view(&x->exporter, m->tls_exporter);
	buf_append_view(&x->unique, m->tls_unique);
	buf_append_view(&x->end_point, m->tls_server_end_point);
	if (m->has_initial)
		mechanism->message(x, m->initial);
	else
		exchange_challenge(x, view_from_cstr(mechanism->prompt));
}

void exchange_step(struct client *c, uint32_t request, const struct auth_step *m)
{
	static const struct auth_denied gone = {.temporary = true};
	struct exchange *x = map_u64_get(&c->authd->exchanges, m->exchange);

	if (!x || x->client != c || x->state != EXCHANGE_CLIENT) {
		(void)auth_send_denied(c->channel, request, &gone);
		return;
	}
	(void)event_del(x->timer);
	exchange_enter(x, EXCHANGE_NEW);
	x->request = request;
	x->mechanism->message(x, m->response);
}

void exchange_login(struct client *c, uint32_t request, const struct auth_login *m)
{
	static const struct mechanism plainly = {"password", false, NULL, NULL};
	struct exchange *x;

	if (!may_begin(c, request, m->tls, m->plaintext_allowed))
		return;
	x = exchange_new(c, request, &plainly, m->client_ip);
	buf_append_view(&x->user, m->user);
	set_password(x, m->password);
	if (m->user.n == 0 || !view_is_utf8(m->user) || view_has_nul(m->user))
		exchange_malformed(x, "no user name");
	else
		attempt_begin(x);
}

/* The latest come first, and who leaves has come lately as a rule. */
static struct exchange *find_begun(const struct client *c, uint32_t request)
{
	struct exchange *x = c->exchanges;

	while (x && x->began_with != request)
		x = x->next;
	return x;
}

void exchange_cancel(struct client *c, uint32_t request, uint64_t id)
{
	struct exchange *x = id ? map_u64_get(&c->authd->exchanges, id) : find_begun(c, request);

	if (x && x->client == c)
		exchange_free(x);
}
