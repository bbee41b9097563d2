/* SPDX-License-Identifier: ISC
 * A message handed in by smtpd or the command line: received, judged, resolved, kept.
 *
 *     begin ─▶ incoming (bytes, spool, policyd) ─▶ resolve (memory, else a reader) ─▶ deliver job ─▶ kept
 *                  └───────────── refused ◀────────────────┴──────────────────────────────┘
 */
#include "stored/handed_in.h"

#include "base/clock.h"
#include "mail/message_id.h"
#include "mail/smtp_command.h"
#include "stored/arrival.h"
#include "stored/copy_prefix.h"
#include "stored/handed_in_private.h"
#include "stored/signer.h"

#include "base/id.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
	MESSAGES_MAX = 4096, /* per channel */
	ARENA_MAX = 8 * 1024 * 1024,
	MESSAGE_ID_MAX = 255,
};

struct handed_in_table {
	struct stored *sd;
	struct peer *peer;
	const struct handed_in_answers *answers;
	struct map by_id;
};

static const struct verdict no_space = VERDICT_INIT(452, 4, 3, 1, "the server's disk is nearly full; try again later");
static const struct verdict temporary = HANDED_IN_TEMPORARY;
static const struct verdict too_big = VERDICT_INIT(552, 5, 3, 4, "the message is bigger than this server takes");

struct handed_in_table *handed_in_table_new(struct stored *sd, struct peer *peer,
					    const struct handed_in_answers *answers)
{
	struct handed_in_table *t = xcalloc(1, sizeof *t);

	t->sd = sd;
	t->peer = peer;
	t->answers = answers;
	map_init(&t->by_id);
	return t;
}

static void handed_in_free(struct handed_in *h, bool kept)
{
	if (h->table)
		(void)map_u64_remove(&h->table->by_id, h->reply.id);
	client_name_cancel(&h->naming);
	incoming_free(&h->incoming, kept);
	store_job_fini(&h->job.job);
	map_fini(&h->seen);
	arena_fini(&h->arena);
	reply_end(&h->reply);
	free(h);
}

void handed_in_table_free(struct handed_in_table **tp)
{
	struct handed_in_table *t = *tp;
	struct map_entry *e;

	while ((e = map_first(&t->by_id)))
		handed_in_free(map_value(e), false);
	map_fini(&t->by_id);
	free(t);
	*tp = NULL;
}

static void refuse(struct handed_in *h, const struct verdict *v)
{
	struct channel *c = reply_channel(&h->reply);

	_cleanup_(buf_fini) struct buf message_id = BUF_INIT(MESSAGE_ID_MAX);

	if (c && h->incoming)
		(void)!message_id_of(incoming_head(h->incoming), &message_id);
	if (c)
		h->answers->refused(c, h->reply.id, v, buf_view(&message_id));
	handed_in_free(h, false);
}

/* ---- keeping ---- */

static struct verdict verdict_of(enum store_outcome outcome)
{
	switch (outcome) {
	case STORE_OVER_QUOTA:
		return VERDICT(452, 4, 2, 2, "a recipient's mailbox is full; try again later");
	case STORE_NO_SPACE:
		return no_space;
	case STORE_TOO_BIG:
		return too_big;
	case STORE_STALE:
	case STORE_NO_ACCOUNT:
		return VERDICT(451, 4, 3, 0, "a recipient changed meanwhile; try again");
	case STORE_OK:
	case STORE_TEMPORARY:
	case STORE_NO_MAILBOX:
	case STORE_EXISTS:
	case STORE_NOT_ALLOWED:
	case STORE_NO_MESSAGE:
	case STORE_IN_USE:
	case STORE_BAD_REQUEST:
	case STORE_LIMIT:
	case STORE_NO_DOMAIN:
	case STORE_NO_ALIAS:
		return temporary;
	}
	return temporary;
}

static void log_kept(const struct handed_in *h)
{
	struct log_line l;
	char id[ID_TEXT_BYTES + 1];

	id_format(h->job.message.id, id);
	log_begin(&l, LOG_LEVEL_INFO, "kept");
	log_cstr(&l, "id", id);
	log_str(&l, "from", h->envelope.sender);
	log_str(&l, "to", h->envelope.rcpts[0].address);
	log_u64(&l, "recipients", h->envelope.n_rcpts);
	log_u64(&l, "mailboxes", h->job.local_count);
	log_u64(&l, "queued", h->job.remote_count);
	log_u64(&l, "size", incoming_bytes(h->incoming));
	log_str(&l, "client", h->envelope.client_ip);
	log_end(&l);
}

static void committed(struct completion *c)
{
	struct handed_in *h = (struct handed_in *)c;
	struct channel *channel = reply_channel(&h->reply);
	struct verdict v;

	outbound_kept(h->sd, &h->job, &h->offer);
	if (h->job.job.outcome != STORE_OK) {
		v = verdict_of(h->job.job.outcome);
		refuse(h, &v);
		return;
	}
	h->sd->messages++;
	log_kept(h);
	if (channel)
		h->answers->kept(channel, h->reply.id, h->job.message.id);
	handed_in_free(h, true);
}

/* ---- keeping, once the client's name is known ---- */

static void keep(struct handed_in *h);

static void is_named(struct client_name_wait *w)
{
	keep((struct handed_in *)((char *)w - offsetof(struct handed_in, naming)));
}

/* False: it is not known yet, and keep() comes again. */
static bool name_client(struct handed_in *h)
{
	struct view name;

	if (h->by != BY_STRANGER && h->by != BY_TRUSTED_NETWORK)
		return true;
	h->naming.done = is_named;
	if (!client_name_get(h->sd, h->envelope.client_ip, &h->naming, &name))
		return false;
	h->envelope.client_name = arena_copy(&h->arena, name);
	return true;
}

static void keep(struct handed_in *h)
{
	struct deliver_job *j = &h->job;
	const struct arrival how = {.envelope = &h->envelope,
				    .login = h->login,
				    .message_id = h->message_id_text,
				    .by = h->by,
				    .signatures = h->signatures,
				    .looped = h->looped,
				    .looped_count = h->looped_count};

	if (!name_client(h))
		return;

	j->remotes = h->remotes;
	j->wall_s = clock_wall_s();
	if (!arrival_events(j, &how, &h->arena)) {
		refuse(h, &temporary);
		return;
	}
	j->sender = h->envelope.sender;
	j->envid = h->envelope.envid;
	j->account = h->account;
	j->ret = h->envelope.ret;
	j->body = h->envelope.body;
	j->smtputf8 = h->envelope.smtputf8;
	j->requiretls = h->envelope.requiretls;
	j->own = h->by != BY_STRANGER;
	if (!copy_prefixes(j, &h->envelope, role_conf(h->sd->role)->hostname, h->separator, &h->arena)) {
		refuse(h, &temporary);
		return;
	}
	outbound_offer(h->sd, j, &h->offer);
	h->write.completion.done = committed;
	h->write.job = &j->job;
	write_put(h->sd->writer, &h->write);
}

/* ---- resolving: on the loop out of memory, or on a reader thread ---- */

static void is_signed(void *ctx, bool ok, struct view said)
{
	struct handed_in *h = ctx;

	if (h->by != BY_STRANGER)
		h->signatures = said;
	if (ok)
		keep(h);
	else
		refuse(h, &temporary);
}

/* Only what another server gets is signed; a local copy of it then carries the signatures too. */
static void resolved(struct handed_in *h)
{
	if (h->verdict.code)
		refuse(h, &h->verdict);
	else if (!handed_in_leaves_here(h))
		keep(h);
	else
		signer_sign(h->sd, &h->to_sign, &h->job.message, &h->arena, is_signed, h);
}

static struct handed_in *of_resolving(void *task)
{
	return (struct handed_in *)((char *)task - offsetof(struct handed_in, resolving));
}

static void resolve_run(struct task *t, unsigned thread_index)
{
	struct handed_in *h = of_resolving(t);

	handed_in_resolve(h, h->sd->reader_connections[thread_index]);
}

static void resolve_done(struct completion *c)
{
	resolved(of_resolving(c));
}

static void resolve_somewhere(struct handed_in *h)
{
	handed_in_resolve(h, NULL);
	if (!h->unknown) {
		resolved(h);
		return;
	}
	h->resolving.completion.done = resolve_done;
	h->resolving.run = resolve_run;
	if (!pool_put(h->sd->readers, &h->resolving))
		refuse(h, &temporary);
}

/* ---- judged ---- */

/* The envelope's too: smtpd asked about it, and is not believed to have heeded the answer. */
static bool copy_senders(struct handed_in *h, const struct judge_judged *judged)
{
	h->from = arena_array(&h->arena, (size_t)judged->n_from + 1, sizeof *h->from);
	if (!h->from)
		return false;
	h->from[h->from_count++] = h->envelope.sender;
	for (uint32_t i = 0; i < judged->n_from; i++)
		h->from[h->from_count++] = arena_copy(&h->arena, judged->from[i].address);
	return true;
}

static bool copy_to_sign(struct handed_in *h, const struct judge_judged *judged)
{
	struct judge_judged *to = &h->to_sign;

	*to = (struct judge_judged){
	    .sign_domain = arena_copy(&h->arena, judged->sign_domain),
	    .sign_names = arena_copy(&h->arena, judged->sign_names),
	    .sign_input = arena_copy(&h->arena, judged->sign_input),
	    .body_hash = arena_copy(&h->arena, judged->body_hash),
	};
	return to->sign_domain.p && to->sign_names.p && to->sign_input.p && to->body_hash.p;
}

static void refuse_as_judged(struct handed_in *h, const struct judge_refused *refused)
{
	struct verdict v = {.code = refused->code, .text = refused->text};

	v.class = (enum verdict_class)(refused->code / 100);
	if ((v.class != VERDICT_TEMPORARY && v.class != VERDICT_PERMANENT) ||
	    !dsn_status_parse(refused->enhanced, &v.enhanced))
		v = temporary; /* policyd is odd; nobody bounces for that */
	refuse(h, &v);
}

static void on_done(void *ctx, struct incoming *in, enum incoming_end end, const struct judge_msg *answer)
{
	struct handed_in *h = ctx;

	switch (end) {
	case INCOMING_REFUSED:
		refuse_as_judged(h, &answer->refused);
		return;
	case INCOMING_TEMPORARY:
		refuse(h, &temporary);
		return;
	case INCOMING_NO_SPACE:
		refuse(h, &no_space);
		return;
	case INCOMING_TOO_BIG:
		refuse(h, &too_big);
		return;
	case INCOMING_JUDGED:
		break;
	}
	/* From here on it runs to its end whether or not the channel stays. */
	(void)map_u64_remove(&h->table->by_id, h->reply.id);
	h->table = NULL;
	/* Whatever was said of it (RFC 6152 §2): the next server is told what the message is, gets no 8-bit bytes that it did not offer to take,
	 * and none is made 7-bit that is so already. */
	h->envelope.body = answer->judged.eightbit ? SMTP_BODY_8BITMIME : SMTP_BODY_7BIT;
	h->job.long_lines = h->by != BY_STRANGER && answer->judged.has_lines_over_998;
	h->separator = arena_copy(&h->arena, answer->judged.separator);
	h->message_id_text = arena_copy(&h->arena, answer->judged.message_id_text);
	if (!incoming_message(in, &answer->judged, &h->arena, &h->job.message) || !copy_to_sign(h, &answer->judged) ||
	    (h->by == BY_ACCOUNT && !copy_senders(h, &answer->judged)))
		refuse(h, &temporary);
	else
		resolve_somewhere(h);
}

static void on_more(void *ctx, struct incoming *in, uint32_t bytes)
{
	struct handed_in *h = ctx;
	struct channel *c = reply_channel(&h->reply);

	(void)in;
	if (c)
		h->answers->more(c, h->reply.id, bytes);
}

/* ---- from the channel ---- */

static bool copy_envelope(struct handed_in *h, const struct smtp_begin *m)
{
	struct smtp_begin *e = &h->envelope;
	struct view *const views[] = {&e->sender,   &e->client_ip, &e->client_name, &e->helo,
				      &e->protocol, &e->tls,       &e->listener,    &e->envid};

	*e = *m;
	e->grant = VIEW_EMPTY;
	for (size_t i = 0; i < ARRAY_LEN(views); i++)
		*views[i] = arena_copy(&h->arena, *views[i]);
	e->rcpts = arena_array(&h->arena, m->n_rcpts, sizeof *e->rcpts);
	h->may_relay = arena_array(&h->arena, m->n_rcpts, sizeof *h->may_relay);
	if (!e->rcpts || !h->may_relay)
		return false;
	for (uint32_t i = 0; i < m->n_rcpts; i++) {
		e->rcpts[i] = m->rcpts[i];
		e->rcpts[i].address = arena_copy(&h->arena, m->rcpts[i].address);
		e->rcpts[i].orcpt = arena_copy(&h->arena, m->rcpts[i].orcpt);
		h->may_relay[i] =
		    h->by != BY_STRANGER || recipient_is_backup(role_conf(h->sd->role), m->rcpts[i].address);
	}
	return true;
}

void handed_in_begin(struct handed_in_table *t, uint32_t id, enum handed_in_by by, uint64_t account, struct view login,
		     const struct smtp_begin *m)
{
	static const struct incoming_handlers handlers = {.done = on_done, .more = on_more};
	const struct verdict *why_not =
	    t->sd->space_is_low                                                               ? &no_space
	    : t->by_id.count >= MESSAGES_MAX || m->n_rcpts == 0 || map_u64_get(&t->by_id, id) ? &temporary
											      : NULL;
	struct handed_in *h;

	if (why_not) {
		t->answers->refused(t->peer->channel, id, why_not, VIEW_EMPTY);
		return;
	}
	h = xcalloc(1, sizeof *h);
	h->table = t;
	h->sd = t->sd;
	h->answers = t->answers;
	h->reply = reply_to(t->peer, id);
	h->by = by;
	h->account = account;
	arena_init(&h->arena, ARENA_MAX);
	h->login = arena_copy(&h->arena, login);
	map_init(&h->seen);
	deliver_job_init(&h->job);
	(void)map_u64_set(&t->by_id, id, h);
	if (!copy_envelope(h, m)) {
		refuse(h, &temporary);
		return;
	}
	h->incoming =
	    incoming_new(t->sd, store_next_id(t->sd->store), role_conf(t->sd->role)->max_message_size, &handlers, h);
}

void handed_in_piece(struct handed_in_table *t, uint32_t id, struct view bytes)
{
	struct handed_in *h = map_u64_get(&t->by_id, id);

	/* One that was refused already may still be on its way here: let it pass. */
	if (h)
		incoming_data(h->incoming, bytes);
}

void handed_in_end(struct handed_in_table *t, uint32_t id)
{
	static const uint8_t purposes[] = {
	    [BY_STRANGER] = 0, [BY_ACCOUNT] = 1, [BY_TRUSTED_NETWORK] = 3, [BY_OPERATOR] = 1};
	const struct conf *conf = role_conf(t->sd->role);
	struct handed_in *h = map_u64_get(&t->by_id, id);

	if (!h)
		return;
	incoming_finish(h->incoming,
			&(struct judge_judge){
			    .purpose = purposes[h->by],
			    .sender = h->envelope.sender,
			    .client_ip = h->envelope.client_ip,
			    .helo = h->envelope.helo,
			    .hostname = view_from_cstr(conf->hostname),
			    .wall_s = clock_wall_s(),
			    .max_hops = (uint32_t)conf->max_hops,
			    .max_header_bytes = (uint32_t)conf->max_header_size,
			    .sign = h->by != BY_STRANGER && signer_would_sign(h->sd, incoming_head(h->incoming)),
			});
}

void handed_in_abort(struct handed_in_table *t, uint32_t id)
{
	struct handed_in *h = map_u64_get(&t->by_id, id);

	if (h)
		handed_in_free(h, false);
}
