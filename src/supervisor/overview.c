/* SPDX-License-Identifier: ISC
 * The state of the whole server as one JSON document, once every process has said its numbers. */
#include "supervisor/server.h"

#include "base/clock.h"
#include "ipc/channel.h"

#include <stdlib.h>
#include <unistd.h>

enum { STATUS_MS = 1000, JSON_MAX = 256 * 1024 };

struct overview {
	struct server *server;
	struct process *asker;
	pid_t asker_pid;
	uint32_t id;
	size_t waiting;
	struct overview_entry {
		struct overview *overview;
		bool answered;
		struct control_status status;
	} entries[];
};

static void put_time(struct buf *out, int64_t wall_us)
{
	char text[CLOCK_RFC3339_BYTES];

	clock_format_rfc3339(wall_us, text);
	buf_printf(out, "\"%s\"", text);
}

/* A path; every other text here is a word of ours. */
static void put_string(struct buf *out, const char *s)
{
	buf_append_char(out, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\' || (unsigned char)*s < ' ')
			buf_printf(out, "\\u%04x", (unsigned char)*s);
		else
			buf_append_char(out, *s);
	}
	buf_append_char(out, '"');
}

static void put_process(struct buf *out, const struct process *p, const struct overview_entry *e)
{
	static const char *const states[] = {"down", "starting", "ready"};
	const struct control_status *st = &e->status;

	buf_printf(out, "{\"kind\":\"%s\",\"index\":%u,\"state\":\"%s\",\"pid\":%lld,\"restarts\":%u,\"since\":",
		   kind_table[p->kind].name, p->index, states[p->state], (long long)p->pid, p->restarts);
	put_time(out, p->since_us);
	if (e->answered)
		buf_printf(out,
			   ",\"sessions\":%llu,\"accepted\":%llu,\"messages\":%llu,\"bytes_in_flight\":%llu"
			   ",\"longest_turn_us\":%llu,\"longest_write_us\":%llu",
			   (unsigned long long)st->sessions, (unsigned long long)st->accepted,
			   (unsigned long long)st->messages, (unsigned long long)st->bytes_in_flight,
			   (unsigned long long)st->longest_turn_us, (unsigned long long)st->longest_write_us);
	buf_append_char(out, '}');
}

static void put_listener(struct buf *out, const struct listen_socket *l)
{
	buf_printf(out, "{\"service\":\"%s\",\"address\":\"%s\",\"port\":%u,\"tls\":%s}", l->service->name, l->address,
		   l->port, l->service->tls ? "true" : "false");
}

static void put_json(struct buf *out, const struct overview *o)
{
	const struct server *s = o->server;

	buf_append_cstr(out, "{\"version\":\"" POMBO_VERSION "\",\"state\":");
	buf_append_cstr(out, s->phase == SERVER_RUNNING    ? "\"running\""
			     : s->phase == SERVER_STARTING ? "\"starting\""
							   : "\"stopping\"");
	buf_printf(out, ",\"pid\":%lld,\"dir\":", (long long)getpid());
	put_string(out, s->dir);
	buf_append_cstr(out, ",\"hostname\":");
	put_string(out, s->in.conf->hostname);
	buf_append_cstr(out, ",\"since\":");
	put_time(out, s->started_us);
	buf_append_cstr(out, ",\"processes\":[");
	for (size_t i = 0; i < s->n; i++) {
		if (i)
			buf_append_char(out, ',');
		put_process(out, &s->processes[i], &o->entries[i]);
	}
	buf_append_cstr(out, "],\"listeners\":[");
	for (size_t i = 0; i < s->in.listeners.n; i++) {
		if (i)
			buf_append_char(out, ',');
		put_listener(out, &s->in.listeners.sockets[i]);
	}
	buf_append_cstr(out, "]}");
}

static void one_less(struct overview *o)
{
	_cleanup_(buf_fini) struct buf json = BUF_INIT(JSON_MAX);
	struct control_overview m;

	if (--o->waiting > 0)
		return;
	put_json(&json, o);
	m.json = json.overflow ? VIEW_LIT("{}") : buf_view(&json);
	if (o->asker->pid == o->asker_pid)
		(void)control_send_overview(o->asker->control, o->id, &m);
	free(o);
}

static void hear_status(void *ctx, const struct control_msg *m)
{
	struct overview_entry *e = ctx;

	if (m && m->type == CONTROL_STATUS) {
		e->answered = true;
		e->status = m->status;
	}
	one_less(e->overview);
}

void overview_begin(struct server *s, struct process *asker, uint32_t id)
{
	struct overview *o = xcalloc(1, sizeof *o + s->n * sizeof o->entries[0]);
	struct control_status_ask ask = {0};

	o->server = s;
	o->asker = asker;
	o->asker_pid = asker->pid;
	o->id = id;
	o->waiting = 1; /* ourselves, until all are asked */
	for (size_t i = 0; i < s->n; i++) {
		o->entries[i].overview = o;
		o->waiting +=
		    control_call_status_ask(s->processes[i].control, &ask, STATUS_MS, hear_status, &o->entries[i]);
	}
	one_less(o);
}
