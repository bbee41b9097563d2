/* SPDX-License-Identifier: ISC
 * Refused mail in `pombo trace`: fetched page by page, a line each. */
#include "cli/trace_refusal.h"

#include "base/clock.h"
#include "cli/show.h"

#include <stdio.h>

enum { SHOWN_MAX = 500, LINE_MAX_BYTES = 16384 };

void trace_put(struct buf *line, const char *before, struct view text)
{
	size_t n = text.n;

	if (n == 0)
		return;
	if (n > SHOWN_MAX)
		for (n = SHOWN_MAX; n > 1 && ((unsigned char)text.p[n] & 0xc0) == 0x80; n--)
			;
	buf_append_cstr(line, before);
	show_clean(view_sub(text, 0, n), line);
	if (n < text.n)
		buf_append_cstr(line, " [...]");
}

void trace_refusal_fini(struct trace_refusal *r)
{
	buf_fini(&r->line);
	json_decref(r->json);
	r->json = NULL;
}

/* ---- words ---- */

/* "550 5.1.1 no such user here" */
static void put_reply(const struct admin_refusal *m, struct buf *out)
{
	buf_append_u64(out, m->code);
	trace_put(out, " ", m->enhanced);
	trace_put(out, " ", m->text);
}

/* "mx.example.net [192.0.2.1], who says mail.example.net" */
static void put_client(const struct admin_refusal *m, struct buf *out)
{
	trace_put(out, " from ", m->client_name);
	trace_put(out, m->client_name.n ? " [" : " from [", m->client_ip);
	if (m->client_ip.n)
		buf_append_char(out, ']');
	if (!view_eq_nocase(m->helo, m->client_name))
		trace_put(out, m->client_ip.n ? ", which calls itself " : " from ", m->helo);
	trace_put(out, ", logged in as ", m->account);
}

/* "TLSv1.3 TLS_AES_256_GCM_SHA384" → "TLS 1.3" */
static void put_tls(struct view tls, struct buf *out)
{
	struct view version = view_sub(tls, 0, view_find_char(tls, ' '));

	if (tls.n == 0)
		buf_append_cstr(out, ", without TLS");
	else if (view_starts_with(version, VIEW_LIT("TLSv")))
		trace_put(out, " over TLS ", view_sub(version, 4, version.n));
	else
		trace_put(out, " over ", version);
}

static void format_line(const struct admin_refusal *m, struct buf *out)
{
	buf_append_cstr(out, m->code < 500 ? "refused for now" : "refused");
	put_client(m, out);
	put_tls(m->tls, out);
	trace_put(out, ", port ", m->listener);
	trace_put(out, ": ", m->sender.n ? m->sender : VIEW_LIT("<>"));
	trace_put(out, " to ", m->recipient);
	trace_put(out, ", Message-ID ", m->message_id);
	buf_append_cstr(out, ": ");
	put_reply(m, out);
	if (m->count > 1) {
		buf_printf(out, "; %llu times, the last ", (unsigned long long)m->count);
		show_time(m->last_ms / 1000, out);
	}
}

static json_t *json_time(int64_t at_ms)
{
	char at[CLOCK_RFC3339_BYTES];

	clock_format_rfc3339(at_ms * 1000, at);
	return json_string(at);
}

/* The keys of all events, then those of refusals. */
static json_t *in_json(const struct admin_refusal *m)
{
	_cleanup_(buf_fini) struct buf peer = BUF_INIT(2048), reply = BUF_INIT(2048);
	char session[ID_TEXT_BYTES + 1];
	json_t *all;

	id_format(m->session, session);
	buf_append_view(&peer, m->helo);
	if (m->client_ip.n)
		buf_printf(&peer, " (%.*s%s%.*s)", VIEW_FMT(m->client_name), m->client_name.n ? " " : "",
			   VIEW_FMT(m->client_ip));
	if (m->account.n)
		buf_printf(&peer, ", logged in as %.*s", VIEW_FMT(m->account));
	buf_printf(&reply, "%u", m->code);
	if (m->enhanced.n)
		buf_printf(&reply, " %.*s", VIEW_FMT(m->enhanced));
	buf_printf(&reply, " %.*s", VIEW_FMT(m->text));
	all = json_pack("{s:n, s:o, s:s, s:o, s:o, s:o, s:o, s:n, s:[]}", "id", "time", json_time(m->first_ms), "event",
			"refused", "address", show_json_text(m->recipient), "peer", show_json_text(buf_view(&peer)),
			"tls", show_json_text(m->tls), "text", show_json_text(buf_view(&reply)), "until", "notes");
	(void)json_object_update_new(
	    all,
	    json_pack("{s:o, s:o, s:I, s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "sender",
		      show_json_text(m->sender), "recipient", show_json_text(m->recipient), "count",
		      (json_int_t)m->count, "last", json_time(m->last_ms), "code", (int)m->code, "status",
		      show_json_text(m->enhanced), "client_ip", show_json_text(m->client_ip), "client_name",
		      show_json_text(m->client_name), "helo", show_json_text(m->helo), "port",
		      show_json_text(m->listener), "message_id", show_json_text(m->message_id), "session", session));
	return all;
}

static struct trace_refusal made_of(const struct admin_refusal *m, bool json)
{
	struct trace_refusal r = {.first_ms = m->first_ms, .line = BUF_INIT(LINE_MAX_BYTES)};
	char session[ID_TEXT_BYTES + 1];

	if (json) {
		r.json = in_json(m);
		return r;
	}
	id_format(m->session, session);
	(void)snprintf(r.head, sizeof r.head, "no id, session=%s in the log", session);
	format_line(m, &r.line);
	return r;
}

void trace_left_out_format(const struct trace_left_out *l, struct buf *out)
{
	buf_printf(out, "%llu %s not kept, from ", (unsigned long long)l->count,
		   show_noun(l->count, "refusal was", "refusals were"));
	show_time(l->first_ms / 1000, out);
	buf_append_cstr(out, " to ");
	show_time(l->last_ms / 1000, out);
	buf_append_cstr(out, ", as they came too fast: see the log");
}

json_t *trace_left_out_json(const struct trace_left_out *l)
{
	return json_pack("{s:n, s:o, s:s, s:s, s:s, s:s, s:s, s:n, s:[], s:I, s:o}", "id", "time",
			 json_time(l->first_ms), "event", "refusals-not-kept", "address", "", "peer", "", "tls", "",
			 "text", "they came too fast", "until", "notes", "count", (json_int_t)l->count, "last",
			 json_time(l->last_ms));
}

/* ---- pages ---- */

static int ask(struct trace_refusals *x, struct store_client *s, const char *text, int64_t since_ms, bool json)
{
	const struct admin_refusals_find q = {x->after, since_ms, view_from_cstr(text)};
	const struct admin_refusals_found *found;
	struct admin_msg answer;
	int r = store_client_ask(s, admin_put_refusals_find(&s->payload, &q), ADMIN_REFUSALS_FIND, text,
				 ADMIN_REFUSALS_FOUND, &answer);

	if (r)
		return r;
	found = &answer.refusals_found;
	x->at = x->count = 0;
	for (uint32_t i = 0; i < found->n_refusals && x->count < ARRAY_LEN(x->page); i++)
		x->page[x->count++] = made_of(&found->refusals[i], json);
	x->after = found->after;
	x->more = found->more;
	x->asked = true;
	x->left_out = (struct trace_left_out){found->left_out, found->left_out_first_ms, found->left_out_last_ms};
	return 0;
}

int trace_refusals_next(struct trace_refusals *x, struct store_client *s, const char *text, int64_t since_ms,
			int64_t before_ms, bool json, struct trace_refusal *ret)
{
	while (x->at == x->count && (!x->asked || x->more)) {
		int r = ask(x, s, text, since_ms, json);

		if (r)
			return r;
	}
	if (x->at == x->count || x->page[x->at].first_ms >= before_ms)
		return 0;
	*ret = x->page[x->at++];
	return -1;
}

void trace_refusals_fini(struct trace_refusals *x)
{
	while (x->at < x->count)
		trace_refusal_fini(&x->page[x->at++]);
}
