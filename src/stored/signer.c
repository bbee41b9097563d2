/* SPDX-License-Identifier: ISC
 * Asks keyd for the DKIM signatures of a message, and puts the fields in front of it. */
#include "stored/signer.h"

#include "base/clock.h"
#include "ipc/msgs/dkim_msgs.h"
#include "mail/dkim_sign.h"
#include "mail/mime_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS_ARENA_MAX = 64 * 1024 * 1024, KEYD_MS = 10000, SIGNATURES_MAX = 4, SAID_MAX = 640 };

#define NO_KEY_TEXT "not signed: there is no DKIM key for the domain in its From"

struct signer {
	struct channel *key;
	struct arena arena; /* of the rows */
	const struct dkim_row *rows;
	size_t n;
	bool refreshing, again;
};

/* ---- the keys ---- */

static int read_keys(struct store_reader *r, struct arena *a, const struct dkim_row **ret, size_t *ret_count)
{
	return dkim_list(r, VIEW_EMPTY, a, ret, ret_count) == STORE_OK ? 0 : -EIO;
}

int signer_new(struct stored *sd, struct signer **ret)
{
	struct signer *s = *ret ? *ret : xcalloc(1, sizeof *s);

	arena_init(&s->arena, KEYS_ARENA_MAX);
	*ret = s;
	return read_keys(sd->reader_connections[0], &s->arena, &s->rows, &s->n);
}

struct refresh {
	struct task task;
	struct stored *sd;
	struct arena arena;
	const struct dkim_row *rows;
	size_t n;
	int result;
};

static void run_refresh(struct task *t, unsigned thread_index)
{
	struct refresh *f = (struct refresh *)t;

	f->result = read_keys(f->sd->reader_connections[thread_index], &f->arena, &f->rows, &f->n);
}

static void refreshed(struct completion *c)
{
	struct refresh *f = (struct refresh *)c;
	struct signer *s = f->sd->signer;

	s->refreshing = false;
	if (f->result == 0) {
		arena_fini(&s->arena);
		s->arena = f->arena;
		s->rows = f->rows;
		s->n = f->n;
	} else {
		arena_fini(&f->arena);
		s->again = true;
		log_event(LOG_LEVEL_ERROR, "dkim-keys-not-read", "the former ones stay in use");
	}
	if (s->again && f->result == 0)
		signer_refresh(f->sd);
	free(f);
}

void signer_refresh(struct stored *sd)
{
	struct signer *s = sd->signer;
	struct refresh *f;

	s->again = s->refreshing;
	if (s->refreshing)
		return;
	f = xcalloc(1, sizeof *f);
	f->task.completion.done = refreshed;
	f->task.run = run_refresh;
	f->sd = sd;
	arena_init(&f->arena, KEYS_ARENA_MAX);
	s->refreshing = pool_put(sd->readers, &f->task);
	if (!s->refreshing) {
		s->again = true; /* too many wait for a thread */
		arena_fini(&f->arena);
		free(f);
	}
}

void signer_tick(struct stored *sd)
{
	if (sd->signer->again && !sd->signer->refreshing)
		signer_refresh(sd);
}

const struct dkim_row *signer_keys(const struct stored *sd, size_t *ret_count)
{
	*ret_count = sd->signer->n;
	return sd->signer->rows;
}

/* The domain's first row; the rows are in the order of domains. */
static size_t find_domain(const struct signer *s, struct view domain)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (view_cmp(s->rows[middle].domain, domain) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Whose keys sign for an author: his domain's; notices and reports come from our own host name, which as a rule has no keys: those of the nearest
 * domain above it. */
static struct view signing_domain(const struct stored *sd, struct view author)
{
	const struct signer *s = sd->signer;
	bool ours = view_eq_nocase(author, view_from_cstr(role_conf(sd->role)->hostname));
	struct view domain = author, label;

	do {
		size_t at = find_domain(s, domain);

		if (at < s->n && view_eq(s->rows[at].domain, domain))
			return domain;
	} while (ours && view_cut(domain, '.', &label, &domain));
	return author;
}

/* ---- keyd ---- */

int signer_add(struct stored *sd, int fd)
{
	if (!sd->signer)
		sd->signer = xcalloc(1, sizeof *sd->signer);
	return channel_renew(&sd->signer->key, role_base(sd->role), fd, &dkim_proto, DKIM_PEER_STORE, DKIM_PEER_KEY);
}

/* ---- a message ---- */

struct signing {
	struct new_message *message;
	struct arena *arena;
	signer_done_fn *done;
	void *ctx;
	struct view domain; /* in the arena */
	bool failed;
	unsigned open; /* answers that are due, and one for ourselves */
	struct part {
		struct signing *signing;
		struct buf begun;
		struct view field, selector; /* finished, in the arena */
	} parts[SIGNATURES_MAX];
};

static uint64_t lines_of(struct view v)
{
	uint64_t n = 0;

	for (size_t i = 0; i < v.n; i++)
		n += v.p[i] == '\n';
	return n;
}

/* A message whose index, or header, would grow too big stays unsigned. */
static bool put_in_front(struct new_message *m, struct view fields, struct arena *a)
{
	_cleanup_(buf_fini) struct buf index = BUF_INIT(STORE_INDEX_MAX), add = BUF_INIT(65536);
	struct view new_index, new_add;

	buf_append_view(&add, fields);
	buf_append_view(&add, m->header_add);
	if (!mime_index_grow(m->index, fields.n, lines_of(fields), &index) || add.overflow ||
	    add.n + m->header.n > STORE_HEADER_MAX)
		return false;
	new_index = arena_copy(a, buf_view(&index));
	new_add = arena_copy(a, buf_view(&add));
	if (!new_index.p || !new_add.p)
		return false;
	m->index = new_index;
	m->header_add = new_add;
	return true;
}

/* "signed for example.org: selectors a, b" */
static struct view say_signed(const struct signing *g)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(SAID_MAX);
	size_t n = 0;

	for (size_t i = 0; i < SIGNATURES_MAX; i++)
		n += g->parts[i].field.n > 0;
	buf_append_cstr(&text, "signed for ");
	buf_append_view(&text, g->domain);
	buf_append_cstr(&text, n > 1 ? ": selectors" : ": selector");
	for (size_t i = 0, said = 0; i < SIGNATURES_MAX; i++)
		if (g->parts[i].field.n) {
			buf_append_cstr(&text, said++ ? ", " : " ");
			buf_append_view(&text, g->parts[i].selector);
		}
	return arena_copy(g->arena, buf_view(&text));
}

static struct view say_unsigned(struct arena *a, const char *why, struct view domain)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(SAID_MAX);

	buf_append_cstr(&text, "not signed: ");
	buf_append_cstr(&text, why);
	buf_append_view(&text, domain);
	return arena_copy(a, buf_view(&text));
}

static void finish(struct signing *g)
{
	_cleanup_(buf_fini) struct buf fields = BUF_INIT(SIGNATURES_MAX * DKIM_FIELD_MAX);
	signer_done_fn *done = g->done;
	void *ctx = g->ctx;
	bool ok = !g->failed, asked = g->parts[0].signing != NULL;
	struct view said;

	for (size_t i = 0; i < SIGNATURES_MAX; i++) {
		buf_append_view(&fields, g->parts[i].field);
		buf_fini(&g->parts[i].begun);
	}
	if (!ok)
		said = VIEW_EMPTY;
	else if (fields.n == 0)
		said =
		    asked ? say_unsigned(g->arena, "keys/dkim lacks the keys of ", g->domain) : VIEW_LIT(NO_KEY_TEXT);
	else if (put_in_front(g->message, buf_view(&fields), g->arena))
		said = say_signed(g);
	else
		said = say_unsigned(g->arena, "the header would be too long", VIEW_EMPTY);
	free(g);
	done(ctx, ok, said);
}

static void close_one(struct signing *g)
{
	if (--g->open == 0)
		finish(g);
}

static void hear(void *ctx, const struct dkim_msg *answer)
{
	struct part *p = ctx;
	struct signing *g = p->signing;
	_cleanup_(buf_fini) struct buf field = BUF_INIT(DKIM_FIELD_MAX);

	if (!answer) {
		g->failed = true;
	} else if (answer->type == DKIM_SIGNATURE) {
		dkim_sign_finish(&field, buf_view(&p->begun), answer->signature.signature);
		if (!field.overflow)
			p->field = arena_copy(g->arena, buf_view(&field));
	} else if (answer->type == DKIM_REFUSED) {
		/* Unsigned mail is better than none: keyd's file and the store do not fit together. */
		struct log_line l;

		log_begin(&l, LOG_LEVEL_ERROR, "not-signed");
		log_str(&l, "why", answer->refused.why);
		log_cstr(&l, "message", "keys/dkim lacks a key, or the server has not been reloaded");
		log_end(&l);
	}
	close_one(g);
}

static void ask(struct signer *s, struct signing *g, struct part *p, const struct dkim_row *key,
		const struct judge_judged *judged)
{
	_cleanup_(buf_fini) struct buf input = BUF_INIT(DKIM_INPUT_MAX + DKIM_FIELD_MAX);
	const struct dkim_to_sign what = {
	    .algorithm = (enum dkim_algorithm)key->algorithm,
	    .domain = key->domain,
	    .selector = key->selector,
	    .wall_s = clock_wall_s(),
	    .names = judged->sign_names,
	    .body_hash = judged->body_hash,
	};
	struct dkim_sign m;

	p->signing = g;
	p->selector = arena_copy(g->arena, key->selector); /* the rows may go meanwhile */
	buf_init(&p->begun, DKIM_FIELD_MAX);
	dkim_sign_begin(&p->begun, &what);
	dkim_sign_input(&input, judged->sign_input, buf_view(&p->begun));
	m = (struct dkim_sign){key->domain, key->selector, buf_view(&input)};
	if (p->begun.overflow || input.overflow)
		return;
	g->open++;
	if (!dkim_call_sign(s->key, &m, KEYD_MS, hear, p)) {
		g->open--;
		g->failed = true;
	}
}

static bool can_sign(const struct dkim_row *key)
{
	return key->state == DKIM_SIGNS && key->algorithm < DKIM_ALGORITHMS;
}

/* NULL: it is to be signed. */
static const char *say_why_not(const struct stored *sd, const struct judge_judged *judged)
{
	if (!role_conf(sd->role)->dkim_sign)
		return "not signed: dkim-sign is off";
	if (judged->sign_domain.n == 0 || judged->body_hash.n != DKIM_BODY_HASH_BYTES)
		return NO_KEY_TEXT; /* policyd was not asked, or found no domain */
	return NULL;
}

bool signer_would_sign(const struct stored *sd, struct view head)
{
	_cleanup_(buf_fini) struct buf author = BUF_INIT(255);
	const struct signer *s = sd->signer;
	struct view domain;

	if (!role_conf(sd->role)->dkim_sign || !dkim_sign_domain(head, &author))
		return false;
	domain = signing_domain(sd, buf_view(&author));
	for (size_t i = find_domain(s, domain); i < s->n && view_eq(s->rows[i].domain, domain); i++)
		if (can_sign(&s->rows[i]))
			return true;
	return false;
}

void signer_sign(struct stored *sd, const struct judge_judged *judged, struct new_message *message, struct arena *a,
		 signer_done_fn *done, void *ctx)
{
	struct signer *s = sd->signer;
	struct signing *g;
	const char *why_not = say_why_not(sd, judged);
	size_t parts = 0;

	if (why_not) {
		done(ctx, true, view_from_cstr(why_not));
		return;
	}
	g = xcalloc(1, sizeof *g);
	*g = (struct signing){.message = message, .arena = a, .done = done, .ctx = ctx, .open = 1};
	for (size_t i = 0; i < SIGNATURES_MAX; i++)
		g->parts[i].field = VIEW_EMPTY;
	g->domain = arena_copy(a, signing_domain(sd, judged->sign_domain));
	for (size_t i = find_domain(s, g->domain);
	     i < s->n && view_eq(s->rows[i].domain, g->domain) && parts < SIGNATURES_MAX; i++)
		if (can_sign(&s->rows[i]))
			ask(s, g, &g->parts[parts++], &s->rows[i], judged);
	close_one(g);
}
