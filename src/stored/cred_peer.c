/* SPDX-License-Identifier: ISC
 * authd's channel: verifiers out, grants in, where accounts logged in from. */
#include "ipc/msgs/cred_msgs.h"
#include "mail/address_canon.h"
#include "mail/ip.h"
#include "store/credential.h"
#include "store/directory.h"
#include "stored/op.h"
#include "stored/session.h"

#include "base/clock.h"
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

enum {
	SEEN_PAGE = 1000,
	SEEN_REMEMBERED_MAX = 100000, /* logins of the last hour that need not be written again */
	SEEN_AGAIN_S = 3600,
	KNOWN_ACCOUNTS_MAX = 200000,
	KEY_MAX = 640,
};

struct cred_link {
	struct stored *sd;
	struct peer *peer;
	struct cred_link *next;
};

/* Accounts as last read: a grant for the current generation needs no SQL. */
struct known_account {
	uint64_t generation;
	char address[];
};
static struct map known_accounts; /* account id → struct known_account */
/* "account network" → hour, so that a mail program that logs in every minute does not write every minute. */
static struct map seen_lately;

static void forget_known(void)
{
	for (struct map_entry *e = map_first(&known_accounts); e; e = map_next(&known_accounts, e))
		free(map_value(e));
	map_fini(&known_accounts);
}

static void learn_account(uint64_t account, uint64_t generation, struct view address)
{
	const struct known_account *old = map_u64_get(&known_accounts, account);
	struct known_account *fresh;

	/* Generations rise: an answer that was overtaken by a change teaches nothing. */
	if (old && (old->generation > generation || (old->generation == generation && old->address[0])))
		return;
	if (known_accounts.count >= KNOWN_ACCOUNTS_MAX)
		forget_known();
	fresh = xcalloc(1, sizeof *fresh + address.n + 1);
	fresh->generation = generation;
	memcpy(fresh->address, address.p, address.n);
	free(map_u64_set(&known_accounts, account, fresh));
}

void cred_peers_tell_changed(struct stored *sd, uint64_t account, uint64_t generation)
{
	/* Without an address: the next login reads it anew. */
	learn_account(account, generation, VIEW_EMPTY);
	for (struct cred_link *cp = sd->cred_peers; cp; cp = cp->next)
		(void)cred_send_changed(cp->peer->channel, 0, &(struct cred_changed){account, generation});
}

/* ---- want ---- */

struct want_op {
	struct op op;
	struct view user;
	struct credential result;
};

/* A user name as the directory's key; false: no account can have it. */
static bool user_key(struct view typed, struct arena *a, struct view *ret)
{
	_cleanup_(buf_fini) struct buf key = BUF_INIT(KEY_MAX);
	struct address address;
	bool ok;

	if (view_find_char(typed, '@') == typed.n)
		ok = typed.n > 0 && address_local_canon(typed, &key);
	else
		ok = address_parse(typed, ADDRESS_UTF8 | ADDRESS_LONG_LOCAL, a, &address) &&
		     address_canon(address.local, address.domain, &key);
	if (ok)
		*ret = arena_copy(a, buf_view(&key));
	return ok && ret->p;
}

static void want_run(struct op *op, struct store_reader *r)
{
	struct want_op *w = (struct want_op *)op;
	struct view key;

	op->outcome =
	    user_key(w->user, &op->arena, &key) ? credential_read(r, key, &op->arena, &w->result) : STORE_NO_ACCOUNT;
}

static void want_answer(struct op *op, struct channel *c)
{
	const struct credential *cr = &((struct want_op *)op)->result;

	if (op->outcome == STORE_OK) {
		if (!cr->disabled)
			learn_account(cr->account, cr->generation, cr->address);
		(void)cred_send_is(c, op->reply.id,
				   &(struct cred_is){
				       .account = cr->account,
				       .address = cr->address,
				       .argon2 = cr->verifiers.argon2,
				       .scram_salt = cr->verifiers.scram_salt,
				       .scram_iterations = cr->verifiers.scram_iterations,
				       .scram_stored_key = cr->verifiers.scram_stored_key,
				       .scram_server_key = cr->verifiers.scram_server_key,
				       .disabled = cr->disabled,
				       .generation = cr->generation,
				   });
	} else if (op->outcome == STORE_NO_ACCOUNT || op->outcome == STORE_NO_DOMAIN) {
		(void)cred_send_none(c, op->reply.id, &(struct cred_none){.name = cr->name});
	}
	/* Trouble is silence: authd hears its deadline and says "temporary". */
	arena_wipe(&op->arena);
}

static void on_want(struct cred_link *cp, uint32_t id, const struct cred_want *m)
{
	struct want_op *w = op_new(cp->sd, sizeof *w, cp->peer, id);

	w->op.run = want_run;
	w->op.answer = want_answer;
	w->user = arena_copy(&w->op.arena, m->user);
	op_read(&w->op);
}

/* ---- grant ---- */

struct grant_op {
	struct op op;
	uint8_t handle[GRANT_BYTES_MAX];
	size_t handle_n;
	uint64_t account, generation;
	struct view client_ip;
	struct directory_account result;
};

/* What a login came from, as coarse as networks hand addresses out: an IPv4 address, an IPv6 /64. */
static bool network_of(struct view client_ip, struct buf *out)
{
	struct ip ip;

	if (!ip_parse(client_ip, &ip))
		return false;
	for (size_t i = 8; ip.is_v6 && i < sizeof ip.bytes; i++)
		ip.bytes[i] = 0;
	ip_format(out, &ip);
	if (ip.is_v6)
		buf_append_cstr(out, "/64");
	return true;
}

struct seen_op {
	struct op op;
	struct login_seen_job job;
};

static void seen_answer(struct op *op, struct channel *c)
{
	(void)op;
	(void)c;
}

static void remember_login(struct stored *sd, struct peer *peer, uint64_t account, struct view client_ip)
{
	_cleanup_(buf_fini) struct buf network = BUF_INIT(64), key = BUF_INIT(100);
	uintptr_t hour = (uintptr_t)(clock_wall_s() / SEEN_AGAIN_S);
	struct seen_op *o;

	if (!network_of(client_ip, &network))
		return;
	buf_printf(&key, "%llu %.*s", (unsigned long long)account, VIEW_FMT(buf_view(&network)));
	if (seen_lately.count >= SEEN_REMEMBERED_MAX)
		map_fini(&seen_lately);
	if ((uintptr_t)map_set(&seen_lately, buf_view(&key), (void *)hour) == hour)
		return;
	o = op_new(sd, sizeof *o, peer, 0);
	login_seen_job_init(&o->job);
	o->job.account = account;
	o->job.network = arena_copy(&o->op.arena, buf_view(&network));
	o->job.wall_s = clock_wall_s();
	o->op.answer = seen_answer;
	op_write(&o->op, &o->job.job);
}

static void grant_run(struct op *op, struct store_reader *r)
{
	struct grant_op *g = (struct grant_op *)op;

	op->outcome = directory_account_by_id(r, g->account, &op->arena, &g->result);
}

static void grant_answer(struct op *op, struct channel *c)
{
	struct grant_op *g = (struct grant_op *)op;
	const struct directory_account *acc = &g->result;
	bool ok = op->outcome == STORE_OK && !acc->disabled && acc->generation == g->generation &&
		  sessions_grant(op->sd->sessions, view_from(g->handle, g->handle_n), g->account, g->generation,
				 acc->address);

	explicit_bzero(g->handle, sizeof g->handle);
	if (!c)
		return;
	if (!ok) {
		(void)cred_send_none(c, op->reply.id, &(struct cred_none){0});
		return;
	}
	(void)cred_send_grant_kept(c, op->reply.id, &(struct cred_grant_kept){0});
	remember_login(op->sd, op->reply.peer, g->account, g->client_ip);
}

static void on_grant(struct cred_link *cp, uint32_t id, const struct cred_grant *m)
{
	const struct known_account *known = map_u64_get(&known_accounts, m->account);
	struct grant_op *g = op_new(cp->sd, sizeof *g, cp->peer, id);

	g->op.run = grant_run;
	g->op.answer = grant_answer;
	g->handle_n = m->grant.n;
	memcpy(g->handle, m->grant.p, m->grant.n); /* at most 32: the list says so */
	g->account = m->account;
	g->generation = m->generation;
	g->client_ip = arena_copy(&g->op.arena, m->client_ip);
	if (!known || known->generation != m->generation || known->address[0] == '\0') {
		op_read(&g->op);
		return;
	}
	g->result = (struct directory_account){
	    .account = m->account, .address = view_from_cstr(known->address), .generation = known->generation};
	g->op.outcome = STORE_OK;
	op_finish(&g->op);
}

/* ---- where accounts logged in from ---- */

struct seen_list_op {
	struct op op;
	uint64_t after;
	const struct credential_seen *items;
	size_t count;
	uint64_t next;
};

static void seen_list_run(struct op *op, struct store_reader *r)
{
	struct seen_list_op *l = (struct seen_list_op *)op;

	op->outcome = credential_seen_list(r, l->after, SEEN_PAGE, &op->arena, &l->items, &l->count, &l->next);
}

static void seen_list_answer(struct op *op, struct channel *c)
{
	struct seen_list_op *l = (struct seen_list_op *)op;
	struct cred_seen *items = arena_array(&op->arena, l->count, sizeof *items);

	if (op->outcome != STORE_OK || !items)
		return;
	for (size_t i = 0; i < l->count; i++)
		items[i] = (struct cred_seen){l->items[i].account, l->items[i].network, l->items[i].wall_s};
	(void)cred_send_seen_page(c, op->reply.id, &(struct cred_seen_page){items, (uint32_t)l->count, l->next});
}

static void on_seen_ask(struct cred_link *cp, uint32_t id, const struct cred_seen_ask *m)
{
	struct seen_list_op *l = op_new(cp->sd, sizeof *l, cp->peer, id);

	l->op.run = seen_list_run;
	l->op.answer = seen_list_answer;
	l->after = m->after;
	op_read(&l->op);
}

/* ---- the channel ---- */

static void on_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct cred_link *cp = ctx;
	const struct cred_msg *m = msg;

	switch (m->type) {
	case CRED_WANT:
		on_want(cp, id, &m->want);
		return;
	case CRED_GRANT:
		on_grant(cp, id, &m->grant);
		return;
	case CRED_SECRET_ASK:
		(void)cred_send_secret(c, id, &(struct cred_secret){store_secret(cp->sd->store)});
		return;
	case CRED_SEEN_ASK:
		on_seen_ask(cp, id, &m->seen_ask);
		return;
	case CRED_IS:
	case CRED_NONE:
	case CRED_SECRET:
	case CRED_GRANT_KEPT:
	case CRED_SEEN_PAGE:
	case CRED_CHANGED:
		return; /* ours to send; the decoder refuses them from authd */
	}
}

static void on_close(void *ctx, struct channel *c)
{
	struct cred_link *cp = ctx;
	struct cred_link **link = &cp->sd->cred_peers;

	(void)c;
	while (*link != cp)
		link = &(*link)->next;
	*link = cp->next;
	cp->peer->channel = NULL;
	peer_unref(&cp->peer);
	free(cp);
}

int cred_peer_add(struct stored *sd, int fd)
{
	static const struct channel_handlers handlers = {.on_msg = on_msg, .on_close = on_close};
	struct cred_link *cp = xcalloc(1, sizeof *cp);

	cp->sd = sd;
	cp->peer = peer_new();
	cp->peer->channel =
	    channel_new(role_base(sd->role), fd, &cred_proto, CRED_PEER_STORE, CRED_PEER_AUTH, &handlers, cp);
	cp->next = sd->cred_peers;
	sd->cred_peers = cp;
	return 0;
}
