/* SPDX-License-Identifier: ISC
 * Notices to senders: for each message with recipients of whom there is something to tell, one notice, delivered or queued in the commit that
 * ends them. One at a time; whatever is left by a crash is found again.
 *
 *     next message with notices (reader) ─▶ text ─▶ policyd (MIME index) ─▶ sender resolved ─▶ deliver job, the recipients' end in it
 *     none left: next message whose summary is due ─▶ the same way
 *                      └─ nobody to tell (null sender, no such address, notice refused) ─▶ settle job */
#include "stored/stored.h"

#include "base/clock.h"
#include "base/encode.h"
#include "base/id.h"
#include "base/random.h"
#include "mail/dsn.h"
#include "store/queue.h"
#include "stored/arrival.h"
#include "stored/copy_prefix.h"
#include "stored/incoming.h"
#include "stored/recipients.h"
#include "stored/signer.h"
#include "stored/summary.h"

#include <stddef.h>
#include <stdlib.h>
#include <time.h>

enum {
	ARENA_MAX = 24 * 1024 * 1024,
	SUMMARY_MAX = 3 * 1024 * 1024,
	WHOLE_MAX = 50000,
	NOTICE_BYTES_MAX = 400 * 1024 + WHOLE_MAX + 65536,
	AGE_EVERY_MS = 20000,
	AHEAD_EVERY = 30, /* times that */
	PRUNE_EVENTS = 500,
	AGE_ARENA_MAX = 2 * 1024 * 1024
};

/* The notice under way. */
struct notice {
	struct task task;
	struct write write;
	struct deliver_job deliver;
	struct queue_settle_job settle;
	struct notices *owner;
	struct arena arena;
	enum store_outcome outcome;
	bool sums_up; /* not a notice about some recipients: the summary of all */
	struct queue_sum sum;
	struct queue_notices about; /* of a summary: the envelope */
	struct view to; /* whom to tell */
	struct recipient sender; /* what that means here */
	uint64_t id;
	struct incoming *incoming;
	struct view message;
	struct smtp_rcpt rcpt;
	struct smtp_begin envelope;
	struct view message_id; /* of the notice, as its header has it */
	struct view signatures; /* signer.h */
	struct trace_event event;
};

struct notices {
	struct stored *sd;
	struct notice *current;
	bool dirty;
	uint64_t after, after_sum; /* messages up to here could not be told of: next time */
	struct queue_age_job age;
	struct write age_write;
	struct arena age_arena;
	bool aging;
	unsigned aged; /* so often */
	uint64_t age_next_ms;
};

static struct notices *notices_of(struct stored *sd)
{
	if (!sd->notices) {
		sd->notices = xcalloc(1, sizeof *sd->notices);
		sd->notices->sd = sd;
		sd->notices->dirty = true;
	}
	return sd->notices;
}

static void look(struct notices *ns);

static void notice_over(struct notice *n, bool kept)
{
	struct notices *ns = n->owner;

	incoming_free(&n->incoming, kept);
	store_job_fini(&n->deliver.job);
	store_job_fini(&n->settle.job);
	arena_fini(&n->arena);
	free(n);
	ns->current = NULL;
	look(ns);
}

/* It could not be made now: the next tick tries again. */
static void put_off(struct notice *n)
{
	*(n->sums_up ? &n->owner->after_sum : &n->owner->after) = n->about.envelope.message;
	notice_over(n, false);
}

/* ---- nobody is told ---- */

static struct notice *of_write(void *w)
{
	return (struct notice *)((char *)w - offsetof(struct notice, write));
}

static void log_notice(const struct notice *n, const char *event, const char *why)
{
	char id[ID_TEXT_BYTES + 1], about[ID_TEXT_BYTES + 1];
	struct log_line l;

	id_format(n->id, id);
	id_format(n->about.envelope.message, about);
	log_begin(&l, LOG_LEVEL_INFO, event);
	log_cstr(&l, "id", id);
	log_cstr(&l, "about", about);
	log_str(&l, "to", n->to);
	if (!n->sums_up)
		log_u64(&l, "recipients", n->about.count);
	if (why)
		log_cstr(&l, "why", why);
	log_end(&l);
}

static void settled(struct completion *c)
{
	struct notice *n = of_write(c);

	if (n->settle.job.outcome != STORE_OK) {
		log_event(LOG_LEVEL_ERROR, "notice-not-settled", store_outcome_name(n->settle.job.outcome));
		put_off(n);
		return;
	}
	notice_over(n, false);
}

static struct trace_event event_of(const struct notice *n, enum trace_kind kind, struct view words)
{
	return (struct trace_event){.message = n->about.envelope.message,
				    .kind = kind,
				    .address = n->to,
				    .words = words,
				    .at_ms = clock_wall_us() / 1000};
}

static void tell_nobody(struct notice *n, const char *why)
{
	log_notice(n, "no-notice", why);
	n->event = event_of(n, TRACE_NO_NOTICE, view_from_cstr(why));
	n->settle.message = n->about.envelope.message;
	n->settle.told = n->about.items;
	n->settle.count = n->about.count;
	n->settle.summary = n->sums_up;
	n->settle.events = &n->event;
	n->settle.event_count = 1;
	n->write.completion.done = settled;
	n->write.job = &n->settle.job;
	write_put(n->owner->sd->writer, &n->write);
}

/* ---- the sender is told ---- */

static void delivered(struct completion *c)
{
	struct notice *n = of_write(c);
	enum store_outcome outcome = n->deliver.job.outcome;

	if (outcome == STORE_OK) {
		log_notice(n, n->sums_up ? "summary" : "notice", NULL);
		notice_over(n, true);
		return;
	}
	log_event(LOG_LEVEL_WARNING, "notice-not-kept", store_outcome_name(outcome));
	put_off(n);
}

static bool add_target(struct notice *n, const struct directory_target *t)
{
	struct deliver_job *j = &n->deliver;

	if (t->account) {
		struct deliver_local *l = arena_alloc(&n->arena, sizeof *l);

		if (!l || j->local_count)
			return l != NULL;
		*l = (struct deliver_local){
		    .account = t->account, .ignore_quota = true, .mailbox = t->address, .prefix = n->to};
		j->locals = l;
		j->local_count = 1;
	} else {
		struct deliver_remote *r = arena_alloc(&n->arena, sizeof *r);

		if (!r || j->remote_count)
			return r != NULL;
		*r = (struct deliver_remote){.address = t->address,
					     .domain = recipient_domain(t->address, &n->arena),
					     .orcpt = VIEW_EMPTY,
					     .notify = 1 /* NEVER: no notice of a notice */};
		j->remotes = r;
		j->remote_count = 1;
	}
	return true;
}

static bool leaves_here(const struct notice *n)
{
	for (size_t i = 0; i < n->sender.target_count; i++)
		if (!n->sender.targets[i].account)
			return true;
	return false;
}

/* An ASCII address elsewhere: its server need not know SMTPUTF8 (RFC 6533 §4.5). */
static bool goes_without_utf8(const struct notice *n)
{
	for (size_t i = 0; i < n->sender.target_count; i++)
		if (!n->sender.targets[i].account && !view_is_ascii(n->sender.targets[i].address))
			return false;
	return leaves_here(n) && view_is_ascii(n->to);
}

static bool is_failure(enum queue_notice notice)
{
	return notice == QUEUE_FAILED || notice == QUEUE_EXPIRED || notice == QUEUE_RETURNED;
}

/* "delay notice about 03q2v9x8k0001", or, without an id, "delay notice about bob@far.example and 2 more" */
static struct view what_it_is(struct notice *n, bool by_id)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(800);
	const struct queue_notices *q = &n->about;
	bool failure = false, delay = false;
	char about[ID_TEXT_BYTES + 1];

	for (size_t i = 0; i < q->count; i++) {
		failure |= is_failure(q->items[i].notice);
		delay |= q->items[i].notice == QUEUE_DELAYED;
	}
	id_format(q->envelope.message, about);
	buf_append_cstr(&text, n->sums_up ? "summary"
			       : failure  ? "failure notice"
			       : delay    ? "delay notice"
					  : "success notice");
	buf_append_cstr(&text, " about ");
	if (by_id)
		buf_append_cstr(&text, about);
	else if (q->count)
		buf_append_view(&text, q->items[0].recipient);
	if (!by_id && q->count > 1)
		buf_printf(&text, " and %zu more", q->count - 1);
	return arena_copy(&n->arena, buf_view(&text));
}

/* In the trace of the message that it is about, and its own from the start. */
static bool note_events(struct notice *n)
{
	_cleanup_(buf_fini) struct buf words = BUF_INIT(1000);
	struct trace_event first[2];
	char id[ID_TEXT_BYTES + 1];

	id_format(n->id, id);
	buf_append_cstr(&words, id);
	if (!n->sums_up) {
		buf_append_cstr(&words, ", ");
		buf_append_view(&words, what_it_is(n, false));
	}
	first[0] = event_of(n, n->sums_up ? TRACE_SUMMARY : TRACE_NOTICE, arena_copy(&n->arena, buf_view(&words)));
	first[1] = event_of(n, TRACE_MADE, n->message_id);
	first[1].message = n->id;
	first[1].peer = what_it_is(n, true);
	first[1].notes = n->signatures;
	return arrival_made(&n->deliver, first, ARRAY_LEN(first), &n->arena);
}

static void keep(struct notice *n)
{
	struct deliver_job *j = &n->deliver;
	struct stored *sd = n->owner->sd;

	for (size_t i = 0; i < n->sender.target_count; i++)
		if (!add_target(n, &n->sender.targets[i])) {
			tell_nobody(n, "too much");
			return;
		}
	j->wall_s = clock_wall_s();
	j->sender = j->envid = VIEW_EMPTY;
	j->body = !view_is_ascii(n->message);
	j->smtputf8 = n->about.envelope.smtputf8 && !goes_without_utf8(n);
	j->requiretls = n->about.envelope.requiretls; /* RFC 8689 §5 */
	j->own = true;
	if (n->sums_up) {
		j->summary_of = n->about.envelope.message;
	} else {
		j->notices_of = n->about.envelope.message;
		j->told = n->about.items;
		j->told_count = n->about.count;
	}
	n->rcpt.address = n->to;
	n->envelope = (struct smtp_begin){.protocol = VIEW_LIT("local"), .rcpts = &n->rcpt, .n_rcpts = 1};
	if (!note_events(n) || !copy_prefixes(j, &n->envelope, role_conf(sd->role)->hostname, VIEW_EMPTY, &n->arena)) {
		tell_nobody(n, "too much");
		return;
	}
	n->write.completion.done = delivered;
	n->write.job = &j->job;
	write_put(sd->writer, &n->write);
}

static void is_signed(void *ctx, bool ok, struct view said)
{
	struct notice *n = ctx;

	n->signatures = said;
	if (ok)
		keep(n);
	else
		put_off(n);
}

static void take_judged(struct notice *n, const struct judge_judged *judged)
{
	n->message_id = arena_copy(&n->arena, judged->message_id_text);
	if (leaves_here(n))
		signer_sign(n->owner->sd, judged, &n->deliver.message, &n->arena, is_signed, n);
	else
		keep(n);
}

static void judged(void *ctx, struct incoming *in, enum incoming_end end, const struct judge_msg *answer)
{
	struct notice *n = ctx;

	/* A refusal for now (4xx) is none: policyd could not judge. */
	if (end == INCOMING_REFUSED && answer->refused.code >= 500)
		tell_nobody(n, "the notice itself was refused");
	else if (end != INCOMING_JUDGED || !incoming_message(in, &answer->judged, &n->arena, &n->deliver.message))
		put_off(n);
	else
		take_judged(n, &answer->judged);
}

static void more(void *ctx, struct incoming *in, uint32_t bytes)
{
	(void)ctx;
	(void)in;
	(void)bytes;
}

static enum dsn_action action_of(enum queue_notice notice)
{
	static const enum dsn_action actions[] = {
	    [QUEUE_FAILED] = DSN_FAILED,       [QUEUE_EXPIRED] = DSN_EXPIRED,   [QUEUE_RELAYED] = DSN_RELAYED,
	    [QUEUE_DELIVERED] = DSN_DELIVERED, [QUEUE_EXPANDED] = DSN_EXPANDED, [QUEUE_DELAYED] = DSN_DELAYED,
	    [QUEUE_RETURNED] = DSN_RETURNED,
	};

	return actions[notice];
}

static bool write_notice(struct notice *n, struct buf *out)
{
	const struct conf *conf = role_conf(n->owner->sd->role);
	const struct queue_notices *q = &n->about;
	struct dsn_recipient *recipients = arena_array(&n->arena, q->count, sizeof *recipients);
	_cleanup_(buf_fini) struct buf boundary = BUF_INIT(64);
	char id[ID_TEXT_BYTES + 1], about[ID_TEXT_BYTES + 1];
	uint8_t noise[12];
	time_t now = (time_t)clock_wall_s();
	struct tm tm;
	bool any_failure = false;
	struct dsn d;

	if (!recipients)
		return false;
	for (size_t i = 0; i < q->count; i++) {
		const struct queue_noticed *r = &q->items[i];

		any_failure |= is_failure(r->notice);
		recipients[i] = (struct dsn_recipient){.address = r->recipient,
						       .orcpt = r->orcpt,
						       .action = action_of(r->notice),
						       .status = r->status,
						       .mta = r->mta,
						       .code = r->code,
						       .reply = r->last_reply,
						       .attempts = r->attempts};
	}
	random_bytes(noise, sizeof noise);
	encode_hex(&boundary, view_from(noise, sizeof noise));
	id_format(n->id, id);
	id_format(q->envelope.message, about);
	(void)localtime_r(&now, &tm);
	d = (struct dsn){
	    .hostname = view_from_cstr(conf->hostname),
	    .to = q->envelope.sender,
	    .id = view_from(about, ID_TEXT_BYTES),
	    .notice_id = view_from(id, ID_TEXT_BYTES),
	    .envid = q->envelope.envid,
	    .boundary = buf_view(&boundary),
	    .now_s = now,
	    .arrived_s = q->envelope.queued_s,
	    .give_up_s = q->envelope.queued_s + (int64_t)(conf->queue_lifetime / 1000),
	    .zone_min = (int32_t)(tm.tm_gmtoff / 60),
	    .utf8 = q->envelope.smtputf8,
	    .sevenbit = goes_without_utf8(n),
	    .header = q->header,
	    .content = q->content,
	    /* RFC 3461 §6.2, §4.3: headers alone where nothing failed, and where the sender said so; or asked for TLS (RFC 8689 §5). */
	    .whole_message = any_failure && q->envelope.ret != 2 && !q->envelope.requiretls && q->content.n > 0 &&
			     q->content.n <= WHOLE_MAX,
	    .recipients = recipients,
	    .count = q->count,
	};
	dsn_format(out, &d);
	return !out->overflow;
}

static bool write_summary(struct notice *n, struct buf *out)
{
	const struct conf *conf = role_conf(n->owner->sd->role);
	const struct queue_envelope *e = &n->about.envelope;
	char id[ID_TEXT_BYTES + 1], about[ID_TEXT_BYTES + 1];
	time_t now = (time_t)clock_wall_s();
	struct tm tm;
	struct summary s = {.hostname = view_from_cstr(conf->hostname),
			    .to = view_is_ascii(e->sender) ? e->sender : n->to,
			    .now_s = now,
			    .arrived_s = e->queued_s,
			    .header = n->sum.header};

	id_format(n->id, id);
	id_format(e->message, about);
	(void)localtime_r(&now, &tm);
	s.zone_min = (int32_t)(tm.tm_gmtoff / 60);
	s.id = view_from(about, ID_TEXT_BYTES);
	s.summary_id = view_from(id, ID_TEXT_BYTES);
	if (!summary_lines(&n->sum, &n->arena, &s))
		return false;
	summary_format(out, &s);
	return !out->overflow;
}

static void make(struct notice *n)
{
	static const struct incoming_handlers handlers = {.done = judged, .more = more};
	const struct conf *conf = role_conf(n->owner->sd->role);
	_cleanup_(buf_fini) struct buf out = BUF_INIT(n->sums_up ? SUMMARY_MAX : NOTICE_BYTES_MAX);

	while (!(n->sums_up ? write_summary(n, &out) : write_notice(n, &out))) {
		if (n->sums_up || n->about.count <= 1) {
			tell_nobody(n, n->sums_up ? "the summary would be too long" : "the notice would be too long");
			return;
		}
		n->about.count /= 2; /* the others are found again, for a notice of their own */
		buf_reset(&out);
	}
	n->message = arena_copy(&n->arena, buf_view(&out));
	n->incoming = incoming_new(n->owner->sd, n->id, UINT32_MAX, &handlers, n);
	incoming_data(n->incoming, n->message);
	incoming_finish(n->incoming, &(struct judge_judge){
					 .purpose = 3,
					 .sender = VIEW_EMPTY,
					 .hostname = view_from_cstr(conf->hostname),
					 .wall_s = clock_wall_s(),
					 .max_hops = (uint32_t)conf->max_hops,
					 .max_header_bytes = (uint32_t)conf->max_header_size,
					 .sign = leaves_here(n) && conf->dkim_sign,
				     });
}

/* ---- finding them ---- */

/* A summary goes to the account that handed the message in, whatever address it sent as. */
static void find_summary(struct notice *n, struct store_reader *r)
{
	struct directory_account account;

	n->sums_up = true;
	n->outcome = queue_next_sum(r, n->owner->after_sum, &n->arena, &n->sum);
	if (n->outcome != STORE_OK)
		return;
	n->about.envelope = n->sum.envelope;
	n->outcome = directory_account_by_id(r, n->sum.envelope.account, &n->arena, &account);
	if (n->outcome == STORE_OK)
		n->to = account.address;
	else if (n->outcome == STORE_NO_ACCOUNT)
		n->outcome = STORE_OK; /* nobody is left to be told */
}

static void find_run(struct task *t, unsigned thread_index)
{
	struct notice *n = (struct notice *)t;
	struct stored *sd = n->owner->sd;
	struct store_reader *r = sd->reader_connections[thread_index];

	n->outcome = queue_next_notices(r, n->owner->after, &n->arena, &n->about);
	if (n->outcome == STORE_OK)
		n->to = n->about.envelope.sender;
	else if (n->outcome == STORE_NO_MESSAGE)
		find_summary(n, r);
	if (n->outcome == STORE_OK && n->to.n)
		n->sender = recipient_resolve(sd->store, r, n->to, true, 0, &n->arena);
}

static void found(struct completion *c)
{
	struct notice *n = (struct notice *)c;

	if (n->outcome != STORE_OK) {
		if (n->outcome != STORE_NO_MESSAGE)
			log_event(LOG_LEVEL_ERROR, "notices-not-read", store_outcome_name(n->outcome));
		n->owner->dirty = false; /* the next tick looks again, from the start */
		n->owner->after = n->owner->after_sum = 0;
		notice_over(n, false);
		return;
	}
	if (n->to.n == 0)
		tell_nobody(n, n->sums_up ? "the account is gone"
					  : "the sender is the null sender: no notice of a notice");
	else if (n->sender.answer != RECIPIENT_TAKEN)
		tell_nobody(n, "the sender's address leads nowhere");
	else
		make(n);
}

static void look(struct notices *ns)
{
	struct notice *n;

	if (ns->current || !ns->dirty || !ns->sd->writer)
		return;
	n = xcalloc(1, sizeof *n);
	n->owner = ns;
	n->id = store_next_id(ns->sd->store);
	arena_init(&n->arena, ARENA_MAX);
	deliver_job_init(&n->deliver);
	queue_settle_job_init(&n->settle);
	n->task.completion.done = found;
	n->task.run = find_run;
	ns->current = n;
	if (!pool_put(ns->sd->readers, &n->task)) {
		n->outcome = STORE_TEMPORARY;
		found(&n->task.completion);
	}
}

void notices_wake(struct stored *sd)
{
	struct notices *ns = notices_of(sd);

	ns->dirty = true;
	look(ns);
}

/* ---- age ---- */

static void aged(struct completion *c)
{
	struct notices *ns = (struct notices *)((char *)c - offsetof(struct notices, age_write));

	ns->aging = false;
	store_job_fini(&ns->age.job);
	arena_fini(&ns->age_arena);
}

/* Those we are the backup of; copied, as settings may change meanwhile. */
static void set_patient(struct notices *ns, const struct conf *conf)
{
	const struct conf_list *l = &conf->backup_mx;
	struct view *domains;

	arena_init(&ns->age_arena, AGE_ARENA_MAX);
	domains = arena_array(&ns->age_arena, l->n + 1, sizeof *domains);
	for (size_t i = 0; domains && i < l->n; i++)
		domains[i] = arena_copy(&ns->age_arena, l->items[i]);
	ns->age.patient = domains;
	ns->age.patient_count = domains ? l->n : 0;
	ns->age.patient_lifetime_s = (int64_t)(conf->backup_mx_lifetime / 1000);
}

void notices_tick(struct stored *sd)
{
	struct notices *ns = notices_of(sd);
	const struct conf *conf = role_conf(sd->role);
	uint64_t now_ms = clock_mono_ms();

	ns->dirty = true;
	look(ns);
	if (ns->aging || now_ms < ns->age_next_ms)
		return;
	ns->aging = true;
	ns->age_next_ms = now_ms + AGE_EVERY_MS;
	queue_age_job_init(&ns->age);
	ns->age.wall_s = clock_wall_s();
	ns->age.lifetime_s = (int64_t)(conf->queue_lifetime / 1000);
	ns->age.delay_after_s = (int64_t)(conf->delay_notice_after / 1000);
	ns->age.ahead = ns->aged++ % AHEAD_EVERY == 0;
	set_patient(ns, conf);
	ns->age_write.completion.done = aged;
	ns->age_write.job = &ns->age.job;
	write_put(sd->writer, &ns->age_write);
}
