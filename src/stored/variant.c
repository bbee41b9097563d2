/* SPDX-License-Identifier: ISC
 * Leased messages made 7-bit for servers that take no other. */
#include "stored/variant.h"

#include "base/clock.h"
#include "base/id.h"
#include "ipc/msgs/relay_msgs.h"
#include "mail/sevenbit.h"
#include "store/content.h"
#include "store/dkim.h"
#include "store/queue.h"
#include "stored/bound.h"
#include "stored/forward.h"
#include "stored/judge.h"
#include "stored/outbound_private.h"
#include "stored/signer.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	ARENA_MAX = 16 * 1024 * 1024,
	WINDOW = 65536,
	PENDING_MAX = 2 * 1024 * 1024,
	HEADER_MAX = 1024 * 1024,
	TAGS_MAX = 4096,
	BYTES_MAX = 1024 * 1024 * 1024, /* of all that relayd has */
};

static const char is_signed[] =
    "the other server does not take 8-bit messages (8BITMIME), and this one is signed as it is";
static const char is_impossible[] = "the other server does not take 8-bit messages (8BITMIME), and this one cannot be "
				    "made 7-bit without changing what it says";

/* One that relayd has. */
struct given_variant {
	LIST_ENTRY(given_variant) link;
	uint64_t token, reserved;
	struct content_file *file;
};

struct variant {
	struct task task;
	struct stored *sd;
	struct reply reply;
	struct arena arena;
	uint64_t token, id;
	enum store_outcome outcome;
	const char *never; /* why there is none */
	struct content_file *file;
	struct new_message message; /* what signer.h fills */
	bool own;
	uint64_t reserved; /* of outbound.variant_bytes */
	bool full;
	/* On the reader thread: the message, and what is not yet in the file. */
	struct view head;
	int content;
	uint64_t content_offset;
	struct buf window, pending;
	const struct dkim_row *keys;
	size_t key_count;
};

/* ---- on a reader thread ---- */

static int read_message(void *ctx, uint64_t off, size_t max, struct view *ret)
{
	struct variant *v = ctx;
	ssize_t n;
	char *p;

	*ret = view_sub(v->head, off < v->head.n ? (size_t)off : v->head.n, max);
	if (ret->n)
		return 0;
	buf_reset(&v->window);
	p = buf_reserve(&v->window, max < WINDOW ? max : WINDOW);
	if (!p || v->content < 0)
		return -EIO;
	n = pread(v->content, p, max < WINDOW ? max : WINDOW, (off_t)(v->content_offset + (off - v->head.n)));
	if (n <= 0)
		return -EIO;
	buf_commit(&v->window, (size_t)n);
	*ret = buf_view(&v->window);
	return 0;
}

static int write_pending(struct variant *v)
{
	int r = v->pending.n ? content_append(v->file, buf_view(&v->pending)) : 0;

	buf_reset(&v->pending);
	return r;
}

static int put_variant(void *ctx, struct view bytes)
{
	struct variant *v = ctx;

	buf_append_view(&v->pending, bytes);
	return v->pending.overflow ? -EMSGSIZE : v->pending.n >= WINDOW ? write_pending(v) : 0;
}

static bool is_signature(const struct header_field *f)
{
	return view_eq_lit_nocase(f->name, "DKIM-Signature");
}

/* The d= of a DKIM-Signature (RFC 6376 §3.5) is a domain that we have keys of. */
static bool is_our_signature(const struct variant *v, const struct header_field *f)
{
	_cleanup_(buf_fini) struct buf tags = BUF_INIT(TAGS_MAX);
	struct view rest, tag, name, value;

	header_unfold(&tags, view_sub(f->value, 0, TAGS_MAX));
	rest = buf_view(&tags);
	while (rest.n) {
		if (!view_cut(rest, ';', &tag, &rest)) {
			tag = rest;
			rest = VIEW_EMPTY;
		}
		if (!view_cut(tag, '=', &name, &value) || !view_eq_lit(view_trim(name), "d"))
			continue;
		for (size_t i = 0; i < v->key_count; i++)
			if (view_eq_nocase(view_trim(value), v->keys[i].domain))
				return true;
		return false;
	}
	return false;
}

static bool drops(void *ctx, const struct header_field *f)
{
	const struct variant *v = ctx;

	return v->own && is_signature(f) && is_our_signature(v, f);
}

static bool is_signed_by_others(struct variant *v)
{
	struct header_field f;
	struct header h;

	header_init(&h, v->head);
	while (header_next(&h, &f) == PARSE_DONE)
		if (view_eq_lit_nocase(f.name, "ARC-Message-Signature") || (is_signature(&f) && !drops(v, &f)))
			return true;
	return false;
}

static bool prepend_mark(struct variant *v, struct view via, uint64_t *size)
{
	struct view mark = forward_mark(via, &v->arena);
	_cleanup_(buf_fini) struct buf head = BUF_INIT(v->head.n + mark.n);

	buf_append_view(&head, mark);
	buf_append_view(&head, v->head);
	v->head = arena_copy(&v->arena, buf_view(&head));
	*size += mark.n;
	return v->head.p != NULL;
}

static enum store_outcome write_variant(struct variant *v, uint64_t size)
{
	const struct sevenbit s = {
	    .read = read_message, .bytes = size, .put = put_variant, .drops = v->own ? drops : NULL, .ctx = v};

	if (content_create(v->sd->store, v->id, &v->file) < 0)
		return STORE_TEMPORARY;
	switch (sevenbit_make(&s)) {
	case SEVENBIT_MADE:
		return write_pending(v) < 0 ? STORE_TEMPORARY : STORE_OK;
	case SEVENBIT_SIGNED:
		v->never = is_signed;
		return STORE_OK;
	case SEVENBIT_IMPOSSIBLE:
		v->never = is_impossible;
		return STORE_OK;
	case SEVENBIT_FAILED:
		return STORE_TEMPORARY;
	}
	abort();
}

/* base64 is a third longer, and there are lines. False: too much is out; but one always may be. */
static bool reserve(struct variant *v, uint64_t size)
{
	_Atomic uint64_t *all = &outbound_of(v->sd)->variant_bytes;
	uint64_t others;

	v->reserved = size + size / 2 + WINDOW;
	others = atomic_fetch_add(all, v->reserved);
	v->full = others > 0 && others + v->reserved > BYTES_MAX;
	return !v->full;
}

static enum store_outcome make(struct variant *v, struct store_reader *r)
{
	struct queue_envelope e;
	struct queue_bytes bytes;
	struct view via;
	enum store_outcome outcome = queue_leased_message(r, v->token, &v->arena, &e, &via);

	if (outcome == STORE_OK && !reserve(v, e.size_bytes))
		return STORE_NO_SPACE;
	if (outcome == STORE_OK)
		outcome = dkim_list(r, VIEW_EMPTY, &v->arena, &v->keys, &v->key_count);
	if (outcome == STORE_OK)
		outcome = queue_read(r, &e, &v->arena, &bytes);
	if (outcome != STORE_OK)
		return outcome;
	v->own = e.own;
	v->head = bytes.head;
	v->content = bytes.content_fd;
	v->content_offset = bytes.content_offset;
	if (!prepend_mark(v, via, &e.size_bytes))
		return STORE_TEMPORARY;
	if (is_signed_by_others(v)) {
		v->never = is_signed;
		return STORE_OK;
	}
	return write_variant(v, e.size_bytes);
}

static void run_make(struct task *t, unsigned thread_index)
{
	struct variant *v = (struct variant *)t;

	v->outcome = make(v, v->sd->reader_connections[thread_index]);
	fd_close(&v->content);
	buf_fini(&v->window);
	buf_fini(&v->pending);
}

/* ---- on the loop ---- */

static void variant_free(struct variant *v)
{
	content_free(&v->file, false);
	atomic_fetch_sub(&outbound_of(v->sd)->variant_bytes, v->reserved);
	arena_fini(&v->arena);
	reply_end(&v->reply);
	free(v);
}

static void answer_never(struct variant *v, struct view why)
{
	struct channel *c = reply_channel(&v->reply);

	if (c)
		(void)relay_send_variant_never(c, v->reply.id, &(struct relay_variant_never){view_sub(why, 0, 512)});
	variant_free(v);
}

static void answer_later(struct variant *v)
{
	struct channel *c = reply_channel(&v->reply);

	if (c)
		(void)relay_send_variant_later(c, v->reply.id, &(struct relay_variant_later){0});
	variant_free(v);
}

static void given_free(struct outbound *o, struct given_variant *g)
{
	LIST_REMOVE(g, link);
	atomic_fetch_sub(&o->variant_bytes, g->reserved);
	content_empty(g->file);
	content_free(&g->file, false);
	free(g);
}

void variant_over(struct stored *sd, uint64_t token)
{
	struct outbound *o = outbound_of(sd);
	struct given_variant *g, *next;

	for (g = LIST_FIRST(&o->variants); g; g = next) {
		next = LIST_NEXT(g, link);
		if (g->token == token)
			given_free(o, g);
	}
}

void variants_over(struct stored *sd)
{
	struct outbound *o = outbound_of(sd);
	struct given_variant *g;

	while ((g = LIST_FIRST(&o->variants)))
		given_free(o, g);
}

/* What it holds is given back with its lease. */
static void note_given(struct variant *v)
{
	struct given_variant *g = xcalloc(1, sizeof *g);

	variant_over(v->sd, v->token); /* a former one of the same lease */
	*g = (struct given_variant){.token = v->token, .reserved = v->reserved, .file = v->file};
	v->reserved = 0;
	v->file = NULL;
	LIST_INSERT_HEAD(&outbound_of(v->sd)->variants, g, link);
}

static void answer_variant(struct variant *v)
{
	struct channel *c = reply_channel(&v->reply);
	bool leased = map_u64_get(&outbound_of(v->sd)->lanes.tokens, v->token) != NULL;
	int fd = c && leased ? content_open_fd(v->file) : -1;

	if (fd < 0) {
		answer_later(v);
		return;
	}
	(void)relay_send_variant(c, v->reply.id,
				 &(struct relay_variant){v->message.header_add, content_bytes(v->file), fd});
	note_given(v);
	variant_free(v);
}

static void signed_anew(void *ctx, bool ok, struct view said)
{
	(void)said;
	if (ok)
		answer_variant(ctx);
	else
		answer_later(ctx);
}

static void judged(void *ctx, const struct judge_msg *answer)
{
	struct variant *v = ctx;
	const struct judge_judged *j = answer && answer->type == JUDGE_JUDGED ? &answer->judged : NULL;

	if (answer && answer->type == JUDGE_REFUSED && answer->refused.code >= 500) {
		answer_never(v, answer->refused.text);
		return;
	}
	if (!j) {
		answer_later(v);
		return;
	}
	v->message.header_add = arena_copy(&v->arena, j->header_add);
	v->message.index = arena_copy(&v->arena, j->index);
	if (!v->message.header_add.p || !v->message.index.p)
		answer_later(v);
	else
		signer_sign(v->sd, j, &v->message, &v->arena, signed_anew, v);
}

/* policyd lays out what is to be signed. */
static void ask_judge(struct variant *v)
{
	const struct conf *conf = role_conf(v->sd->role);
	int fd = content_open_fd(v->file);

	if (fd < 0 || judges_ask_file(v->sd->judges,
				      &(struct judge_judge_file){
					  .message_id = v->id,
					  .purpose = 3,
					  .sender = VIEW_EMPTY,
					  .client_ip = VIEW_EMPTY,
					  .helo = VIEW_EMPTY,
					  .hostname = view_from_cstr(conf->hostname),
					  .wall_s = clock_wall_s(),
					  .max_hops = UINT32_MAX, /* it was let in with as many as it has */
					  .max_header_bytes = HEADER_MAX,
					  .sign = true,
					  .size_bytes = content_bytes(v->file),
					  .message = fd,
				      },
				      judged, v) != JUDGES_ASKED)
		answer_later(v);
}

static void log_made(const struct variant *v)
{
	struct log_line l;

	log_begin(&l, v->outcome == STORE_OK ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "seven-bit");
	log_u64(&l, "lease", v->token);
	log_cstr(&l, "outcome", v->outcome != STORE_OK ? store_outcome_name(v->outcome) : v->never ? "none" : "made");
	if (v->never)
		log_cstr(&l, "why", v->never);
	log_end(&l);
}

static void made(struct completion *c)
{
	struct variant *v = (struct variant *)c;

	log_made(v);
	if (v->full)
		bound_reached(v->sd, BOUND_VARIANTS, 1);
	if (v->outcome != STORE_OK)
		answer_later(v);
	else if (v->never)
		answer_never(v, view_from_cstr(v->never));
	else if (v->own && role_conf(v->sd->role)->dkim_sign)
		ask_judge(v);
	else
		answer_variant(v);
}

void variant_make(struct stored *sd, struct peer *peer, uint32_t id, uint64_t token)
{
	struct variant *v = xcalloc(1, sizeof *v);

	v->task.completion.done = made;
	v->task.run = run_make;
	v->sd = sd;
	v->reply = reply_to(peer, id);
	v->token = token;
	v->id = store_next_id(sd->store);
	v->content = -1;
	v->message.header_add = v->message.header = VIEW_EMPTY;
	arena_init(&v->arena, ARENA_MAX);
	buf_init(&v->window, WINDOW);
	buf_init(&v->pending, PENDING_MAX);
	if (sd->space_is_low || !pool_put(sd->readers, &v->task))
		answer_later(v);
}
