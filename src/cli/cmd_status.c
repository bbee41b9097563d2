/* SPDX-License-Identifier: ISC
 * pombo status: what the running server says of itself, and how much room its disk has. */
#include "cli/commands.h"

#include "base/clock.h"
#include "base/id.h"
#include "cli/option.h"
#include "cli/show.h"
#include "cli/store_client.h"
#include "supervisor/supervisor.h"

#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

enum { SHOWN_MAX = 1024 };

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "?";
}

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

/* "2026-01-31T12:00:00.123Z", as the supervisor writes it; 0 for anything else. */
static int64_t time_of(const json_t *object, const char *key)
{
	struct tm tm = {0};

	return strptime(text_of(object, key), "%Y-%m-%dT%H:%M:%S", &tm) ? (int64_t)timegm(&tm) : 0;
}

static void put_age(const json_t *object, struct buf *out)
{
	int64_t since = time_of(object, "since");

	if (since)
		show_span(clock_wall_s() - since, out);
	else
		buf_append_char(out, '?');
}

/* ---- disk ---- */

static json_t *disk_in_json(const struct cli *c)
{
	_cleanup_(free_ptr) char *store = cli_path(c, "store");
	_cleanup_(buf_fini) struct buf error = BUF_INIT(1024);
	struct conf *conf = NULL;
	struct statvfs fs;
	json_int_t reserve = 0;

	/* stored itself cannot be asked for it; the folder above has the same disk, unless somebody mounted one there. */
	if (statvfs(store, &fs) < 0 && statvfs(c->dir, &fs) < 0)
		return json_null();
	if (supervisor_read_conf(c->dir, &conf, NULL, &error) == 0)
		reserve = (json_int_t)conf->disk_reserve;
	conf_free(&conf);
	return json_pack("{s:I, s:I, s:I}", "free", (json_int_t)(fs.f_bavail * fs.f_frsize), "size",
			 (json_int_t)(fs.f_blocks * fs.f_frsize), "reserve", reserve);
}

static void print_disk(const json_t *disk)
{
	_cleanup_(buf_fini) struct buf free = BUF_INIT(32), size = BUF_INIT(32), reserve = BUF_INIT(32);
	long long left = number_of(disk, "free"), want = number_of(disk, "reserve");

	if (!json_is_object(disk))
		return;
	show_size((uint64_t)left, &free);
	show_size((uint64_t)number_of(disk, "size"), &size);
	show_size((uint64_t)want, &reserve);
	(void)printf("\ndisk: %s free of %s; %s %s\n", buf_cstr(&free), buf_cstr(&size),
		     left < want ? "NEW MAIL IS REFUSED until it is more than" : "new mail is refused below",
		     buf_cstr(&reserve));
}

/* ---- text ---- */

static void print_queue(const json_t *q)
{
	if (!json_is_object(q))
		return;
	(void)printf("queue: %lld %s for other servers", number_of(q, "recipients"),
		     show_noun((uint64_t)number_of(q, "recipients"), "recipient", "recipients"));
	if (number_of(q, "recipients"))
		(void)printf("; %lld tried in vain so far, %lld being sent, %lld held; the oldest of %s",
			     number_of(q, "tried"), number_of(q, "sending"), number_of(q, "held"),
			     text_of(q, "oldest"));
	(void)printf("\n");
}

/* One line a service: its addresses share the port. */
static void print_listeners(const json_t *listeners)
{
	const json_t *l, *other;
	size_t i, k;

	(void)printf("\n%-16s %5s  %s\n", "SERVICE", "PORT", "ADDRESSES");
	json_array_foreach(listeners, i, l)
	{
		bool told = false;

		for (k = 0; k < i; k++)
			told = told ||
			       strcmp(text_of(json_array_get(listeners, k), "service"), text_of(l, "service")) == 0;
		if (told)
			continue;
		(void)printf("%-16s %5lld  %s", text_of(l, "service"), number_of(l, "port"), text_of(l, "address"));
		json_array_foreach(listeners, k, other)
		{
			if (k > i && strcmp(text_of(other, "service"), text_of(l, "service")) == 0)
				(void)printf(" %s", text_of(other, "address"));
		}
		(void)printf("\n");
	}
}

static double longest_ms(const json_t *p)
{
	long long turn = number_of(p, "longest_turn_us"), write = number_of(p, "longest_write_us");

	return (double)(turn > write ? turn : write) / 1000;
}

static void print_processes(const json_t *processes)
{
	const json_t *p;
	size_t i;

	(void)printf("\n%-14s %7s %-8s %12s %8s %8s %9s %9s %8s\n", "PROCESS", "PID", "STATE", "FOR", "RESTARTS",
		     "SESSIONS", "ACCEPTED", "MESSAGES", "LONGEST");
	json_array_foreach(processes, i, p)
	{
		_cleanup_(buf_fini) struct buf name = BUF_INIT(64), age = BUF_INIT(64);

		buf_printf(&name, "%s %lld", text_of(p, "kind"), number_of(p, "index"));
		put_age(p, &age);
		(void)printf("%-14s %7lld %-8s %12s %8lld", buf_cstr(&name), number_of(p, "pid"), text_of(p, "state"),
			     buf_cstr(&age), number_of(p, "restarts"));
		if (json_object_get(p, "sessions"))
			(void)printf(" %8lld %9lld %9lld %5.1f ms\n", number_of(p, "sessions"),
				     number_of(p, "accepted"), number_of(p, "messages"), longest_ms(p));
		else
			(void)printf(" %8s %9s %9s %8s\n", "-", "-", "-", "-");
	}
}

/* Each text in it made harmless for a terminal: it is the server's, not ours. */
static void clean(json_t *value)
{
	json_t *item;
	const char *key;
	size_t i;

	if (json_is_string(value)) {
		_cleanup_(buf_fini) struct buf text = BUF_INIT(64 * 1024);

		show_clean(view_sub(view_from_cstr(json_string_value(value)), 0, SHOWN_MAX), &text);
		(void)json_string_set(value, buf_cstr(&text));
		return;
	}
	json_array_foreach(value, i, item)
	{
		clean(item);
	}
	json_object_foreach(value, key, item)
	{
		clean(item);
	}
}

static void print_overview(json_t *o)
{
	_cleanup_(buf_fini) struct buf age = BUF_INIT(64);

	clean(o);
	put_age(o, &age);
	(void)printf("pombo %s on %s: %s for %s, process %lld, data in %s\n", text_of(o, "version"),
		     text_of(o, "hostname"), text_of(o, "state"), buf_cstr(&age), number_of(o, "pid"),
		     text_of(o, "dir"));
	print_listeners(json_object_get(o, "listeners"));
	print_processes(json_object_get(o, "processes"));
	print_disk(json_object_get(o, "disk"));
	print_queue(json_object_get(o, "queue"));
}

/* ---- the command ---- */

static int not_running(const struct cli *c)
{
	if (c->json)
		(void)show_json(
		    json_pack("{s:s, s:o}", "state", "stopped", "dir", show_json_text(view_from_cstr(c->dir))));
	return CLI_NOT_RUNNING;
}

static int ask(struct store_client *s, json_t **ret)
{
	struct admin_msg answer;
	int r = store_client_ask(s, admin_put_status_ask(&s->payload, &(struct admin_status_ask){0}), ADMIN_STATUS_ASK,
				 "status", ADMIN_STATUS, &answer);

	if (r)
		return r;
	*ret = json_loadb(answer.status.json.p, answer.status.json.n, 0, NULL);
	return json_is_object(*ret) ? 0 : cli_fail(CLI_OTHER, "the server gave an odd answer", NULL, "see its log");
}

/* The queue at a glance; null when it could not be told. */
static json_t *queue_in_json(struct store_client *s)
{
	struct admin_msg answer;
	const struct admin_queue_figures *q = &answer.queue_figures;

	if (store_client_ask(s, admin_put_queue_figures_ask(&s->payload, &(struct admin_queue_figures_ask){0}),
			     ADMIN_QUEUE_FIGURES_ASK, "status", ADMIN_QUEUE_FIGURES, &answer))
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I, s:o}", "recipients", (json_int_t)q->recipients, "tried",
			 (json_int_t)q->tried, "sending", (json_int_t)q->sending, "held", (json_int_t)q->held, "oldest",
			 q->oldest_id ? show_json_time(id_wall_us(q->oldest_id) / 1000000) : json_null());
}

static int status(struct cli *c)
{
	json_t *overview = NULL;
	struct store_client s;
	int r = option_take_words(c, 0, 0, "it takes no words");

	if (r)
		return r;
	r = store_client_connect(c, &s);
	if (r)
		return r == CLI_NOT_RUNNING ? not_running(c) : r;
	r = ask(&s, &overview);
	if (r == 0)
		(void)json_object_set_new(overview, "queue", queue_in_json(&s));
	store_client_close(&s);
	if (r == 0) {
		(void)json_object_set_new(overview, "disk", disk_in_json(c));
		if (c->json)
			return show_json(overview);
		print_overview(overview);
	}
	json_decref(overview);
	return r;
}

const struct cli_command cmd_status = {
    .name = "status",
    .usage = "[--json]",
    .summary = "tells how the running server is: ports, processes, disk, queue",
    .help =
	"SESSIONS are open now; ACCEPTED counts connections and MESSAGES messages since the process started. LONGEST "
	"is the longest turn of the process in the last ten to twenty minutes: the CPU between two looks at what "
	"came in; of store also the longest transaction until its commit. Exit "
	"status 69 when no server runs; with --json the document then says \"state\": \"stopped\".",
    .example = "pombo status",
    .shows = true,
    .run = status,
};
