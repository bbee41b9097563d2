/* SPDX-License-Identifier: ISC
 * The daily reports of how TLS with other domains went (RFC 8460): for each domain and past day with counts, one at a time.
 *
 *   counts (reader) ─▶ who wants them? (dnsd) ─nobody▶ forgotten
 *                            └▶ JSON, gzip ─▶ https: handed to fetchd; nobody took it, and there is no mailto: ─▶ again, for a day ─▶ forgotten
 *                                          └▶ mailto: message ─▶ policyd ─▶ recipients resolved (reader) ─▶ kept ─▶ forgotten
 *
 * A crash between the last two sends a report twice, with the same id. */
#include "stored/tls_reports.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/random.h"
#include "ipc/msgs/dns_msgs.h"
#include "ipc/msgs/fetch_msgs.h"
#include "mail/date.h"
#include "mail/dns_record.h"
#include "mail/tls_report.h"
#include "store/tls_count.h"
#include "stored/arrival.h"
#include "stored/copy_prefix.h"
#include "stored/incoming.h"
#include "stored/recipients.h"
#include "stored/signer.h"

#include <stddef.h>
#include <stdlib.h>
#include <zlib.h>

enum {
	ARENA_MAX = 16 * 1024 * 1024,
	JSON_MAX = 4 * 1024 * 1024,
	GZIP_MAX = 500 * 1024,
	MAIL_MAX = 1024 * 1024,
	FIRST_AFTER_S = 5, /* after the start */
	EVERY_S = 600,
	DAY_S = 86400,
	DELAY_MIN_S = 3600, /* §4.1: not everybody at midnight */
	DELAY_SPREAD_S = 3 * 3600,
	AGAIN_S = DAY_S, /* §5.5 */
	DNS_MS = 20000,
	POST_MS = 60000,
	GZIP_WINDOW_BITS = 15 + 16,
};

struct report {
	struct task task;
	struct write write;
	struct tls_reports *owner;
	struct deliver_job deliver;
	struct tls_forget_job forget;
	struct arena arena;
	enum store_outcome outcome;
	struct tls_day day;
	struct tls_report what;
	struct view gzip;
	struct view to[TLS_REPORT_RUA_MAX];
	struct recipient recipients[TLS_REPORT_RUA_MAX];
	size_t to_count;
	unsigned posts; /* under way, where it goes by HTTPS alone */
	bool posted;
	struct incoming *incoming;
	struct smtp_rcpt rcpts[TLS_REPORT_RUA_MAX];
	struct smtp_begin envelope;
	struct view message_id, signatures; /* of its message, for `pombo trace` */
	int64_t before_day;
};

struct tls_reports {
	struct stored *sd;
	struct report *current;
	int64_t delay_s;
	uint64_t look_next_ms;
	int64_t after_day; /* those up to here could not be sent: the next time */
	struct buf after_domain;
};

static void look(struct tls_reports *rs);

static struct report *of_write(void *w)
{
	return (struct report *)((char *)w - offsetof(struct report, write));
}

/* `done` false: it is looked at again the next time. */
static void report_over(struct report *r, bool more)
{
	struct tls_reports *rs = r->owner;

	if (more) {
		rs->after_day = r->day.day;
		buf_reset(&rs->after_domain);
		buf_append_view(&rs->after_domain, r->day.domain);
	} else {
		rs->after_day = 0;
		buf_reset(&rs->after_domain);
	}
	store_job_fini(&r->deliver.job);
	store_job_fini(&r->forget.job);
	arena_fini(&r->arena);
	free(r);
	rs->current = NULL;
	if (more)
		look(rs);
}

static void log_report(const struct report *r, enum log_level level, const char *event, struct view to)
{
	struct log_line l;

	log_begin(&l, level, event);
	log_str(&l, "domain", r->day.domain);
	log_str(&l, "report", r->what.id.p ? r->what.id : VIEW_EMPTY);
	log_str(&l, "to", to);
	log_end(&l);
}

/* ---- the end ---- */

static void forgotten(struct completion *c)
{
	struct report *r = of_write(c);

	if (r->forget.job.outcome != STORE_OK)
		log_report(r, LOG_LEVEL_ERROR, "tls-counts-not-forgotten", VIEW_EMPTY);
	report_over(r, true);
}

static void forget(struct report *r)
{
	r->forget.day = r->day.day;
	r->forget.domain = r->day.domain;
	r->write = (struct write){.completion.done = forgotten, .job = &r->forget.job};
	write_put(r->owner->sd->writer, &r->write);
}

/* ---- by mail ---- */

static void delivered(struct completion *c)
{
	struct report *r = of_write(c);
	bool kept = r->deliver.job.outcome == STORE_OK;

	incoming_free(&r->incoming, kept);
	log_report(r, kept ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, kept ? "tls-report" : "tls-report-not-kept", r->to[0]);
	if (kept)
		forget(r);
	else
		report_over(r, true);
}

static void add_target(struct report *r, size_t i, const struct directory_target *t, struct deliver_local *locals,
		       struct deliver_remote *remotes)
{
	struct deliver_job *j = &r->deliver;

	if (t->account)
		locals[j->local_count++] = (struct deliver_local){
		    .account = t->account, .ignore_quota = true, .mailbox = t->address, .prefix = r->to[i]};
	else
		remotes[j->remote_count++] = (struct deliver_remote){.address = t->address,
								     .domain = recipient_domain(t->address, &r->arena),
								     .orcpt = VIEW_EMPTY,
								     .notify = 1 /* NEVER */};
}

/* "report on TLS with far.example on 2026-01-31" */
static bool note_events(struct report *r)
{
	_cleanup_(buf_fini) struct buf what = BUF_INIT(500);
	char day[CLOCK_RFC3339_BYTES];
	struct trace_event made = {.message = r->deliver.message.id,
				   .kind = TRACE_MADE,
				   .address = r->to[0],
				   .words = r->message_id,
				   .notes = r->signatures,
				   .at_ms = clock_wall_us() / 1000};

	clock_format_rfc3339(r->day.day * DAY_S * 1000000, day);
	day[sizeof "2026-01-31" - 1] = '\0';
	buf_printf(&what, "report on TLS with %.*s on %s", VIEW_FMT(r->day.domain), day);
	made.peer = arena_copy(&r->arena, buf_view(&what));
	return arrival_made(&r->deliver, &made, 1, &r->arena);
}

/* One target each: a list that wants reports gives its own address. */
static void keep(struct report *r)
{
	struct deliver_job *j = &r->deliver;
	const char *hostname = role_conf(r->owner->sd->role)->hostname;
	struct deliver_local *locals = arena_array(&r->arena, TLS_REPORT_RUA_MAX, sizeof *locals);
	struct deliver_remote *remotes = arena_array(&r->arena, TLS_REPORT_RUA_MAX, sizeof *remotes);

	for (size_t i = 0; locals && remotes && i < r->to_count; i++)
		if (r->recipients[i].answer == RECIPIENT_TAKEN && r->recipients[i].target_count)
			add_target(r, i, &r->recipients[i].targets[0], locals, remotes);
	j->locals = locals;
	j->remotes = remotes;
	j->wall_s = clock_wall_s();
	j->sender = j->envid = VIEW_EMPTY;
	j->own = true;
	j->until_s = j->wall_s + AGAIN_S;
	r->envelope =
	    (struct smtp_begin){.protocol = VIEW_LIT("local"), .rcpts = r->rcpts, .n_rcpts = (uint32_t)r->to_count};
	for (size_t i = 0; i < r->to_count; i++)
		r->rcpts[i].address = r->to[i];
	if (j->local_count + j->remote_count == 0 || !note_events(r) ||
	    !copy_prefixes(j, &r->envelope, hostname, VIEW_EMPTY, &r->arena)) {
		log_report(r, LOG_LEVEL_WARNING, "tls-report-not-kept", r->to[0]);
		incoming_free(&r->incoming, false);
		forget(r); /* it would be no better tomorrow */
		return;
	}
	r->write = (struct write){.completion.done = delivered, .job = &j->job};
	write_put(r->owner->sd->writer, &r->write);
}

static void resolve_run(struct task *t, unsigned thread_index)
{
	struct report *r = (struct report *)t;
	struct stored *sd = r->owner->sd;

	for (size_t i = 0; i < r->to_count; i++)
		r->recipients[i] =
		    recipient_resolve(sd->store, sd->reader_connections[thread_index], r->to[i], true, 0, &r->arena);
}

static void resolved(struct completion *c)
{
	keep((struct report *)c);
}

/* §3: a report is signed. */
static void is_signed(void *ctx, bool ok, struct view said)
{
	struct report *r = ctx;

	r->signatures = said;
	r->task = (struct task){.completion.done = resolved, .run = resolve_run};
	if (!ok || !pool_put(r->owner->sd->readers, &r->task)) {
		incoming_free(&r->incoming, false);
		report_over(r, true);
	}
}

static void judged(void *ctx, struct incoming *in, enum incoming_end end, const struct judge_msg *answer)
{
	struct report *r = ctx;

	if (end != INCOMING_JUDGED || !incoming_message(in, &answer->judged, &r->arena, &r->deliver.message)) {
		log_report(r, LOG_LEVEL_WARNING, "tls-report-not-kept", r->to[0]);
		incoming_free(&r->incoming, false);
		report_over(r, true);
		return;
	}
	r->message_id = arena_copy(&r->arena, answer->judged.message_id_text);
	signer_sign(r->owner->sd, &answer->judged, &r->deliver.message, &r->arena, is_signed, r);
}

static void on_more(void *ctx, struct incoming *in, uint32_t bytes)
{
	(void)ctx;
	(void)in;
	(void)bytes;
}

static void send_mail(struct report *r)
{
	static const struct incoming_handlers handlers = {.done = judged, .more = on_more};
	const struct conf *conf = role_conf(r->owner->sd->role);
	_cleanup_(buf_fini) struct buf out = BUF_INIT(MAIL_MAX), date = BUF_INIT(64);
	struct tls_report_mail m = {.report = &r->what,
				    .to = r->to[0],
				    .from = r->what.contact,
				    .hostname = view_from_cstr(conf->hostname),
				    .gzip = r->gzip};

	date_format(&date, &(struct date){.utc_s = clock_wall_s(), .zone_known = true});
	m.date = buf_view(&date);
	if (!tls_report_message(&out, &m)) {
		forget(r);
		return;
	}
	r->incoming = incoming_new(r->owner->sd, store_next_id(r->owner->sd->store), UINT32_MAX, &handlers, r);
	incoming_data(r->incoming, buf_view(&out));
	incoming_finish(r->incoming, &(struct judge_judge){
					 .purpose = 3,
					 .sender = VIEW_EMPTY,
					 .hostname = view_from_cstr(conf->hostname),
					 .wall_s = clock_wall_s(),
					 .max_hops = (uint32_t)conf->max_hops,
					 .max_header_bytes = (uint32_t)conf->max_header_size,
					 .sign = conf->dkim_sign,
				     });
}

/* ---- by HTTPS (§5.4) ---- */

static bool is_taken(const struct fetch_msg *answer)
{
	bool taken = answer && answer->type == FETCH_RESPONSE && answer->response.status / 100 == 2;

	log_event(taken ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, taken ? "tls-report-posted" : "tls-report-not-posted",
		  NULL);
	return taken;
}

static void on_posted(void *ctx, const struct fetch_msg *answer)
{
	(void)ctx;
	(void)is_taken(answer);
}

/* §5.5: the first attempt was when the day's reports were due. */
static bool is_worth_another_post(const struct report *r)
{
	return clock_wall_s() < (r->day.day + 1) * DAY_S + r->owner->delay_s + AGAIN_S;
}

static void one_post_over(struct report *r)
{
	if (--r->posts)
		return;
	if (!r->posted && is_worth_another_post(r))
		report_over(r, true);
	else
		forget(r);
}

static void on_posted_alone(void *ctx, const struct fetch_msg *answer)
{
	struct report *r = ctx;

	r->posted |= is_taken(answer);
	one_post_over(r);
}

/* False: fetchd is away. */
static bool post(const struct report *r, struct view uri, fetch_answer_fn *fn, void *ctx)
{
	const struct fetch_post m = {uri, VIEW_LIT("application/tlsrpt+gzip"), r->gzip, POST_MS};
	struct stored *sd = r->owner->sd;

	return sd->fetch && fetch_call_post(sd->fetch, &m, POST_MS + 1000, fn, ctx);
}

static bool is_https(struct view uri)
{
	return view_starts_with_nocase(uri, VIEW_LIT("https:"));
}

/* Beside mail, which will be tried again itself. */
static void post_also(const struct report *r, const struct tls_report_record *wanted)
{
	for (size_t i = 0; i < wanted->count; i++)
		if (is_https(wanted->rua[i]))
			(void)post(r, wanted->rua[i], on_posted, r->owner->sd);
}

/* The report's end comes with the last answer. */
static void post_alone(struct report *r, const struct tls_report_record *wanted)
{
	bool any = false;

	r->posts = 1; /* this loop */
	for (size_t i = 0; i < wanted->count; i++) {
		if (!is_https(wanted->rua[i]))
			continue;
		any = true;
		r->posts += post(r, wanted->rua[i], on_posted_alone, r);
	}
	r->posted |= !any; /* it could go nowhere, tomorrow neither */
	one_post_over(r);
}

/* ---- the report ---- */

static bool compress_gzip(struct view in, struct buf *out)
{
	z_stream z = {0};
	char *room = buf_reserve(out, GZIP_MAX);
	int e;

	if (!room ||
	    deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW_BITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	z.next_in = (unsigned char *)(uintptr_t)in.p;
	z.avail_in = (unsigned)in.n;
	z.next_out = (unsigned char *)room;
	z.avail_out = GZIP_MAX;
	e = deflate(&z, Z_FINISH);
	(void)deflateEnd(&z);
	if (e != Z_STREAM_END)
		return false;
	buf_commit(out, GZIP_MAX - z.avail_out);
	return true;
}

static bool make(struct report *r)
{
	const char *hostname = role_conf(r->owner->sd->role)->hostname;
	struct tls_report_row *rows = arena_array(&r->arena, r->day.count + 1, sizeof *rows);
	_cleanup_(buf_fini) struct buf json = BUF_INIT(JSON_MAX), gzip = BUF_INIT(GZIP_MAX), text = BUF_INIT(1024);

	for (size_t i = 0; rows && i < r->day.count; i++) {
		const struct tls_count *c = &r->day.counts[i];

		rows[i] = (struct tls_report_row){(enum tls_report_policy)(c->policy_type % 3),
						  c->policy,
						  c->result,
						  c->mx,
						  c->mx_ip,
						  c->sending_ip,
						  c->reason,
						  c->sessions,
						  c->tlsa_base};
	}
	buf_printf(&text, "postmaster@%s", hostname);
	r->what.contact = arena_copy(&r->arena, buf_view(&text));
	buf_reset(&text);
	buf_printf(&text, "%lld.%016llx", (long long)r->day.day,
		   (unsigned long long)map_hash_keyed((const uint64_t[2]){1, 2}, r->day.domain));
	r->what.id = arena_copy(&r->arena, buf_view(&text));
	r->what.organization = view_from_cstr(hostname);
	r->what.domain = r->day.domain;
	r->what.day = r->day.day;
	r->what.rows = rows;
	r->what.count = rows ? r->day.count : 0;
	if (!tls_report_json(&json, &r->what) || !compress_gzip(buf_view(&json), &gzip))
		return false;
	r->gzip = arena_copy(&r->arena, buf_view(&gzip));
	return r->gzip.p != NULL;
}

static void serve(struct report *r, const struct tls_report_record *wanted)
{
	if (!make(r)) {
		log_report(r, LOG_LEVEL_WARNING, "tls-report-too-long", VIEW_EMPTY);
		forget(r);
		return;
	}
	for (size_t i = 0; i < wanted->count; i++) {
		_cleanup_(buf_fini) struct buf address = BUF_INIT(512);

		if (tls_report_mailto(wanted->rua[i], &address))
			r->to[r->to_count++] = arena_copy(&r->arena, buf_view(&address));
	}
	if (r->to_count == 0) {
		post_alone(r, wanted);
		return;
	}
	post_also(r, wanted);
	send_mail(r);
}

static void on_record(void *ctx, const struct dns_msg *m)
{
	struct report *r = ctx;
	struct tls_report_record wanted;
	struct view txts[32];
	size_t n = 0;

	if (!m || m->type == DNS_FAILED) {
		report_over(r, true);
		return;
	}
	for (; m->type == DNS_FOUND && n < m->found.n_records && n < ARRAY_LEN(txts); n++)
		txts[n] = m->found.records[n].data;
	if (tls_report_record_find(txts, n, &wanted))
		serve(r, &wanted);
	else
		forget(r);
}

static void ask(struct report *r)
{
	_cleanup_(buf_fini) struct buf name = BUF_INIT(300);
	struct stored *sd = r->owner->sd;

	buf_printf(&name, "_smtp._tls.%.*s", VIEW_FMT(r->day.domain));
	if (name.overflow || name.n > 255)
		forget(r);
	else if (!sd->dns || !dns_call_ask(sd->dns, &(struct dns_ask){buf_view(&name), DNS_TXT, DNS_MS}, DNS_MS + 1000,
					   on_record, r))
		report_over(r, false);
}

/* ---- finding them ---- */

static void find_run(struct task *t, unsigned thread_index)
{
	struct report *r = (struct report *)t;
	const struct buf *after = &r->owner->after_domain;

	r->outcome = tls_day_next(r->owner->sd->reader_connections[thread_index], r->before_day, r->owner->after_day,
				  after->n ? buf_view(after) : VIEW_EMPTY, &r->arena, &r->day);
}

static void found(struct completion *c)
{
	struct report *r = (struct report *)c;

	if (r->outcome == STORE_OK) {
		ask(r);
		return;
	}
	if (r->outcome != STORE_NO_MESSAGE)
		log_event(LOG_LEVEL_ERROR, "tls-counts-not-read", store_outcome_name(r->outcome));
	report_over(r, false);
}

static void look(struct tls_reports *rs)
{
	struct report *r = xcalloc(1, sizeof *r);

	r->owner = rs;
	r->before_day = (clock_wall_s() - rs->delay_s) / DAY_S;
	arena_init(&r->arena, ARENA_MAX);
	deliver_job_init(&r->deliver);
	tls_forget_job_init(&r->forget);
	r->task = (struct task){.completion.done = found, .run = find_run};
	rs->current = r;
	if (!pool_put(rs->sd->readers, &r->task))
		report_over(r, false);
}

static struct tls_reports *reports_of(struct stored *sd)
{
	uint32_t r;

	if (!sd->tls_reports) {
		struct tls_reports *rs = sd->tls_reports = xcalloc(1, sizeof *rs);

		random_bytes(&r, sizeof r);
		rs->sd = sd;
		rs->delay_s = DELAY_MIN_S + (int64_t)(r % DELAY_SPREAD_S);
		rs->look_next_ms = clock_mono_ms() + 1000 * FIRST_AFTER_S;
		buf_init(&rs->after_domain, 256);
	}
	return sd->tls_reports;
}

void tls_reports_tick(struct stored *sd)
{
	struct tls_reports *rs = reports_of(sd);
	uint64_t now_ms = clock_mono_ms();

	if (rs->current || !role_conf(sd->role)->tls_reports || now_ms < rs->look_next_ms)
		return;
	rs->look_next_ms = now_ms + 1000 * EVERY_S;
	look(rs);
}
