/* SPDX-License-Identifier: ISC
 * pombo trace: the life of messages, a line an event. */
#include "cli/commands.h"

#include "base/clock.h"
#include "base/id.h"
#include "cli/listing.h"
#include "cli/option.h"
#include "cli/queue.h"
#include "cli/show.h"
#include "cli/trace_refusal.h"
#include "conf/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { ID_BITS_BELOW_MS = 22, LAST_MAX = 1000000, MANY = 20 };

static bool next_line(struct view *rest, struct view *ret)
{
	if (rest->n == 0)
		return false;
	if (!view_cut(*rest, '\n', ret, rest)) {
		*ret = *rest;
		*rest = VIEW_EMPTY;
	}
	return true;
}

static json_t *notes_in_json(struct view notes)
{
	json_t *all = json_array();
	struct view line;

	while (next_line(&notes, &line))
		(void)json_array_append_new(all, show_json_text(line));
	return all;
}

static json_t *in_json(const struct admin_event *e)
{
	char id[ID_TEXT_BYTES + 1], at[CLOCK_RFC3339_BYTES];

	id_format(e->message_id, id);
	clock_format_rfc3339(e->at_ms * 1000, at);
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", id, "time", at, "event",
			 show_json_text(e->kind), "address", show_json_text(e->address), "peer",
			 show_json_text(e->peer), "tls", show_json_text(e->tls), "text", show_json_text(e->words),
			 "until", e->until_s ? show_json_time(e->until_s) : json_null(), "notes",
			 notes_in_json(e->notes));
}

/* What stands before the address, the other side and its words. */
struct form {
	const char *kind, *address, *peer, *words;
	const char *nobody; /* in the other side's place, where there is none */
};
static const struct form forms[] = {
    {"received", " from ", " by way of ", ", Message-ID ", NULL},
    {"delivered", " ", " into ", NULL, NULL},
    {"queued", " for ", ", whom the sender knows as ", ": ", NULL},
    {"sent", " ", " to ", ", which said: ", NULL},
    {"expired", " ", " by ", "; the last answer was: ", NULL},
    {"removed", " ", " by ", ": ", " by the operator"},
    {"held", " ", " by ", ": ", " by the operator"},
    {"released", " ", " by ", ": ", " by the operator"},
    {"retried", " ", " by ", ": ", " by the operator"},
    {"notice", " to ", " ", ": ", NULL},
    {"no-notice", " to ", " ", ": ", NULL},
    {"summary", " to ", " ", ": ", NULL},
    {"made", " for ", NULL, ", Message-ID ", NULL},
};
static const struct form other_form = {"", " ", " by ", ": ", NULL};

/* That there was none is worth a word, where there was a network. */
static struct view tls_of(const struct admin_event *e)
{
	bool sent = view_eq_lit(e->kind, "sent"), received = view_eq_lit(e->kind, "received");

	if (e->tls.n == 0 && (sent || (received && view_find_char(e->peer, '(') < e->peer.n)))
		return VIEW_LIT("without TLS");
	return e->tls;
}

/* What was handed in here, by `pombo send` or sendmail, came by no connection. */
static struct view peer_of(const struct admin_event *e)
{
	return view_eq_lit(e->kind, "received") && view_eq_lit(e->peer, "local")
		   ? VIEW_LIT("a program on this machine (pombo send, sendmail)")
		   : e->peer;
}

static void describe(const struct admin_event *e, struct buf *line)
{
	const struct form *f = &other_form;

	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		if (view_eq(e->kind, view_from_cstr(forms[i].kind)))
			f = &forms[i];
	show_clean(e->kind, line);
	if (!f->peer)
		trace_put(line, ": ", e->peer);
	trace_put(line, f->address, e->address.n ? e->address : VIEW_LIT("<>"));
	if (f->peer)
		trace_put(line, f->peer, !f->words && e->peer.n == 0 ? e->address : peer_of(e));
	if (f->nobody && e->peer.n == 0)
		buf_append_cstr(line, f->nobody);
	if (!f->words)
		trace_put(line, ", ", e->words.n ? e->words : VIEW_LIT("INBOX"));
	trace_put(line, ", ", tls_of(e));
	if (f->words)
		trace_put(line, f->words, e->words);
	if (e->until_s) {
		_cleanup_(buf_fini) struct buf until = BUF_INIT(64);

		show_time(e->until_s, &until);
		trace_put(line, "; next attempt ", buf_view(&until));
	}
}

static const char now_column[] = "now                "; /* as wide as a time */

/* A line an event; at a terminal folded at its blanks, so that nothing is cut in 80 columns. */
static void print_folded(const char *at, struct view text)
{
	enum { COLUMNS = 80, INDENT = 23 };
	size_t room = isatty(STDOUT_FILENO) ? COLUMNS - INDENT : text.n + 1;

	(void)printf("  %s ", at);
	while (text.n > room) {
		size_t n = room;

		while (n > room / 2 && text.p[n] != ' ')
			n--;
		if (text.p[n] != ' ')
			for (n = room; n > 1 && ((unsigned char)text.p[n] & 0xc0) == 0x80; n--)
				;
		(void)printf("%.*s\n%*s", (int)n, text.p, INDENT + 2, "");
		text = view_sub(text, n, text.n);
		while (text.n && text.p[0] == ' ')
			text = view_sub(text, 1, text.n);
		room = COLUMNS - INDENT - 2;
	}
	(void)printf("%.*s\n", VIEW_FMT(text));
}

static void format_time(int64_t at_ms, char at[CLOCK_RFC3339_BYTES])
{
	clock_format_rfc3339(at_ms * 1000, at);
	at[sizeof "2026-01-31T00:00:00" - 1] = '\0';
	at[sizeof "2026-01-31" - 1] = ' ';
}

static void print_one(const struct admin_event *e)
{
	_cleanup_(buf_fini) struct buf line = BUF_INIT(16384);
	struct view notes = e->notes, note;
	char at[CLOCK_RFC3339_BYTES];

	format_time(e->at_ms, at);
	describe(e, &line);
	print_folded(at, buf_view(&line));
	while (next_line(&notes, &note)) {
		buf_reset(&line);
		show_clean(note, &line);
		print_folded(at, buf_view(&line));
	}
}

/* Before a message's events: its id. */
static void print_head(uint64_t id)
{
	char text[ID_TEXT_BYTES + 1];

	id_format(id, text);
	(void)printf("%s (times in UTC)\n", text);
}

/* One that is to be shown: a message, or a refusal, ready as a line or as JSON. */
struct found {
	uint64_t id; /* 0: a refusal */
	struct trace_refusal refusal;
};

/* One run of the command. */
struct tracing {
	const struct cli *c;
	struct store_client store;
	json_t *all; /* where c->json */
	const char *text;
	int64_t since_ms;
	struct conf *conf; /* or NULL */
	size_t messages; /* shown, refusals too */
	struct trace_refusals refusals; /* those that are not shown yet; more of them wait at the server */
	/* The last ones, in a ring, where only they are wanted (max). */
	struct found *last;
	size_t max, count;
};

static void print_now(const struct admin_queued *q)
{
	_cleanup_(buf_fini) struct buf line = BUF_INIT(2048);

	show_clean(q->recipient, &line);
	buf_append_char(&line, ' ');
	queue_put_now(q, &line);
	print_folded(now_column, buf_view(&line));
}

/* Below the events: what of the message still waits, and what for. */
static int show_waiting(struct tracing *t, uint64_t id)
{
	_cleanup_(buf_fini) struct buf after = BUF_INIT(400);
	struct admin_msg answer;
	bool more = true, any = false;

	while (more) {
		int r = queue_page(&t->store, id, buf_view(&after), &answer);

		if (r)
			return r;
		more = answer.queue.more && answer.queue.n_items;
		for (uint32_t i = 0; i < answer.queue.n_items; i++) {
			const struct admin_queued *q = &answer.queue.items[i];

			more = more && q->message_id == id;
			if (q->message_id != id)
				break;
			print_now(q);
			any = true;
			buf_reset(&after);
			buf_append_view(&after, q->recipient);
		}
	}
	if (any && queue_why_stopped(&t->store, t->conf))
		print_folded(now_column, view_from_cstr(queue_why_stopped(&t->store, t->conf)));
	return 0;
}

static int show_events(struct tracing *t, uint64_t id)
{
	struct admin_msg answer;
	uint64_t after = 0;
	bool first = true, queued = false;

	do {
		int r = store_client_ask(&t->store,
					 admin_put_trace_ask(&t->store.payload, &(struct admin_trace_ask){id, after}),
					 ADMIN_TRACE_ASK, "trace", ADMIN_TRACE, &answer);
		if (r)
			return r;
		if (first && answer.trace.n_events) {
			t->messages++;
			if (!t->c->json)
				print_head(id);
		}
		first = false;
		for (uint32_t i = 0; i < answer.trace.n_events; i++) {
			if (t->c->json)
				(void)json_array_append_new(t->all, in_json(&answer.trace.events[i]));
			else
				print_one(&answer.trace.events[i]);
			queued |= view_eq_lit(answer.trace.events[i].kind, "queued");
		}
		after = answer.trace.last_seq;
	} while (answer.trace.more && answer.trace.n_events);
	return queued && !t->c->json ? show_waiting(t, id) : 0;
}

static void show_refusal(struct tracing *t, struct trace_refusal *refusal)
{
	char at[CLOCK_RFC3339_BYTES];

	t->messages++;
	if (refusal->json) {
		(void)json_array_append(t->all, refusal->json);
	} else {
		format_time(refusal->first_ms, at);
		(void)printf("%s (times in UTC)\n", refusal->head);
		print_folded(at, buf_view(&refusal->line));
	}
	trace_refusal_fini(refusal);
}

/* Now, or, where only the last are wanted, perhaps at the end. */
static int take(struct tracing *t, struct found *f)
{
	struct found *slot;

	if (t->max == 0) {
		if (f->id)
			return show_events(t, f->id);
		show_refusal(t, &f->refusal);
		return 0;
	}
	slot = &t->last[t->count++ % t->max];
	trace_refusal_fini(&slot->refusal);
	*slot = *f;
	return 0;
}

/* The refusals up to that time, oldest first. */
static int take_refusals(struct tracing *t, int64_t before_ms)
{
	struct found f = {0};
	int r;

	while ((r = trace_refusals_next(&t->refusals, &t->store, t->text, t->since_ms, before_ms, t->c->json,
					&f.refusal)) < 0) {
		r = take(t, &f);
		if (r)
			return r;
	}
	return r;
}

static int show_last(struct tracing *t)
{
	size_t first = t->count > t->max ? t->count - t->max : 0;
	int r = 0;

	for (size_t i = first; i < t->count && r == 0; i++) {
		struct found *f = &t->last[i % t->max];

		if (f->id)
			r = show_events(t, f->id);
		else
			show_refusal(t, &f->refusal);
	}
	return r;
}

/* Messages and refusals in one order of time. */
static int show_found(struct tracing *t, uint64_t after)
{
	struct store_client *s = &t->store;
	bool more = true;
	int r = 0;

	while (more && r == 0) {
		uint64_t ids[200];
		struct admin_msg answer;
		size_t count = 0;

		r = store_client_ask(
		    s, admin_put_trace_find(&s->payload, &(struct admin_trace_find){after, view_from_cstr(t->text)}),
		    ADMIN_TRACE_FIND, t->text, ADMIN_TRACE_FOUND, &answer);
		if (r)
			return r;
		for (uint32_t i = 0; i < answer.trace_found.n_messages && count < ARRAY_LEN(ids); i++)
			ids[count++] = answer.trace_found.messages[i].message_id;
		after = answer.trace_found.after;
		more = answer.trace_found.more;
		for (size_t i = 0; i < count && r == 0; i++) {
			r = take_refusals(t, id_wall_us(ids[i]) / 1000);
			if (r == 0)
				r = take(t, &(struct found){.id = ids[i]});
		}
	}
	if (r == 0)
		r = take_refusals(t, INT64_MAX);
	return r ? r : show_last(t);
}

/* What looks like an id may be a Message-ID that somebody made so. */
static int show_all(struct tracing *t, uint64_t after)
{
	uint64_t id;
	int r = id_parse(view_from_cstr(t->text), &id) ? show_events(t, id) : 0;

	return r || t->messages ? r : show_found(t, after);
}

/* "2h", "3d", "30m", or a day "2026-11-22"; the smallest id that can have been given then. */
static bool parse_since(const char *text, uint64_t *ret)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'m', 60}, {'h', 3600}, {'d', 86400}};
	struct view v = view_from_cstr(text);
	struct tm tm = {0};
	int64_t at_s = -1, ms;
	uint32_t n;

	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (v.n > 1 && v.p[v.n - 1] == units[i].unit && view_to_u32(view_sub(v, 0, v.n - 1), 100000, &n))
			at_s = clock_wall_s() - (int64_t)n * units[i].seconds;
	if (at_s < 0) {
		const char *end = strptime(text, "%Y-%m-%d", &tm);

		if (!end || *end)
			return false;
		at_s = (int64_t)timegm(&tm);
	}
	ms = at_s * 1000 - id_wall_us(0) / 1000;
	*ret = ms > 0 ? (uint64_t)ms << ID_BITS_BELOW_MS : 0;
	return true;
}

/* That there were more refusals than are kept, where somebody looks for one. */
static void show_left_out(struct tracing *t)
{
	struct trace_left_out *left = &t->refusals.left_out;
	_cleanup_(buf_fini) struct buf line = BUF_INIT(512);

	if (left->count == 0 || (t->messages == 0 && !t->c->json))
		return;
	if (t->c->json) {
		(void)json_array_append_new(t->all, trace_left_out_json(left));
		return;
	}
	trace_left_out_format(left, &line);
	(void)printf("%.*s\n", VIEW_FMT(buf_view(&line)));
}

static int not_found(const struct tracing *t)
{
	_cleanup_(buf_fini) struct buf hint = BUF_INIT(1024);

	buf_append_cstr(&hint, "what became of messages, and what was refused, is kept for 30 days (trace-time)");
	if (t->refusals.left_out.count) {
		buf_append_cstr(&hint, "; but ");
		trace_left_out_format(&t->refusals.left_out, &hint);
	}
	return cli_fail(CLI_NO_SUCH, t->text, "nothing is known of it", buf_cstr(&hint));
}

static int trace(const struct cli *c, const char *text, uint64_t after, uint32_t max)
{
	_cleanup_(free_ptr) struct found *last = max ? xcalloc(max, sizeof *last) : NULL;
	struct tracing t = {.c = c, .text = text, .last = last, .max = max};
	int r = store_client_open(c, &t.store);

	if (r)
		return r;
	t.all = json_array();
	t.since_ms = after ? id_wall_us(after) / 1000 : 0;
	t.conf = c->json ? NULL : queue_read_conf(c);
	r = show_all(&t, after);
	conf_free(&t.conf);
	store_client_close(&t.store);
	if (r == 0 && t.messages == 0)
		r = not_found(&t);
	else if (r == 0)
		show_left_out(&t);
	trace_refusals_fini(&t.refusals);
	for (size_t i = 0; i < max && i < t.count; i++)
		trace_refusal_fini(&last[i].refusal);
	if (r == 0 && c->json)
		return show_json(t.all);
	if (t.messages > MANY && isatty(STDOUT_FILENO))
		(void)fprintf(stderr, "(%zu messages; --last 5 or --since 6h shows fewer)\n", t.messages);
	json_decref(t.all);
	return r;
}

static int run(struct cli *c)
{
	const char *since = NULL, *last = NULL;
	const struct option options[] = {{.name = "since", .value = &since}, {.name = "last", .value = &last}};
	int r = option_take(c, options, ARRAY_LEN(options));
	uint64_t after = 0;
	uint32_t max = 0;

	if (r)
		return r;
	if (c->argc != 2 || !*c->argv[1])
		return cli_usage(c, "just one of a message id, a Message-ID and an address is needed");
	if (since && !parse_since(since, &after))
		return cli_fail(CLI_BAD_DATA, since, "this is no time", "give a day like 2026-01-31, or 30m, 6h, 3d");
	if (last && (!view_to_u32(view_from_cstr(last), LAST_MAX, &max) || max == 0))
		return cli_fail(CLI_BAD_DATA, last, "this is no number of messages", "give one like 20");
	return trace(c, c->argv[1], after, max);
}

static const struct cli_option_help trace_options[] = {
    {"--since TIME", "only messages from then on: a day (2026-01-31, UTC), or 30m, 6h, 3d ago"},
    {"--last NUMBER", "only so many messages, the latest"},
    {NULL, NULL}};

const struct cli_command cmd_trace = {
    .name = "trace",
    .usage = "ID | MESSAGE-ID | ADDRESS [--since TIME] [--last NUMBER] [--json]",
    .summary = "tells what became of a message",
    .help =
	"A line an event: where it came from, into which mailboxes it went, which server took it over what kind of "
	"TLS and with which words, what "
	"was tried in vain, which notices were sent; below the first, what was checked, and with what it was signed; "
	"at the end what still waits, and what for. "
	"\"sent\" means that another server took it over, no more. Messages are shown oldest first; kept is all this "
	"for "
	"30 days (trace-time).\n\n"
	"Mail that was refused when it came is shown among them: \"refused\" (\"for now\": 4xx, the sender tries "
	"again), from whom, with "
	"what words, how often within an hour, below the session's id in the log; it has none of its own. It is found "
	"by sender, recipient and, "
	"where its header had come, Message-ID. What came too fast to be kept is counted at the end; the log has it.",
    .options = trace_options,
    .example = "pombo trace 03q2v9x8k0001\npombo trace bob@example.net --since 3d",
    .shows = true,
    .run = run,
};
