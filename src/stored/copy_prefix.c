/* SPDX-License-Identifier: ISC
 * Each copy's trace fields: Return-Path, Delivered-To, Received. */
#include "stored/copy_prefix.h"

#include "base/id.h"
#include "mail/prefix.h"

#include <time.h>

enum { PREFIX_MAX = 8192 };

static struct date date_of(int64_t wall_s)
{
	struct tm tm;
	time_t t = (time_t)wall_s;

	(void)localtime_r(&t, &tm);
	return (struct date){.utc_s = wall_s, .zone_min = (int32_t)(tm.tm_gmtoff / 60), .zone_known = true};
}

/* One prefix; empty p when the arena is full. */
static struct view make(struct view to, const struct prefix *base, struct view guard, struct arena *a)
{
	_cleanup_(buf_fini) struct buf out = BUF_INIT(PREFIX_MAX);
	struct prefix p = *base;

	p.delivered_to = to;
	prefix_format(&out, &p);
	buf_append_view(&out, guard);
	return out.overflow ? (struct view){NULL, 0} : arena_copy(a, buf_view(&out));
}

bool copy_prefixes(struct deliver_job *j, const struct smtp_begin *e, const char *hostname, struct view separator,
		   struct arena *a)
{
	char id[ID_TEXT_BYTES + 1];
	struct received received = {
	    .helo = e->helo,
	    .client_name = e->client_name,
	    .client_ip = e->client_ip,
	    .by = view_from_cstr(hostname),
	    .protocol = e->protocol,
	    .tls = e->tls,
	    .id = view_from(id, ID_TEXT_BYTES),
	    /* With several recipients the field would tell each of the others (RFC 5321 §7.2). */
	    .for_address = e->n_rcpts == 1 ? e->rcpts[0].address : VIEW_EMPTY,
	    .date = date_of(j->wall_s),
	};
	const struct prefix base = {.sender = e->sender, .received = &received};

	id_format(j->message.id, id);
	for (size_t i = 0; i < j->local_count; i++) {
		j->locals[i].prefix = make(j->locals[i].prefix, &base, separator, a);
		if (!j->locals[i].prefix.p)
			return false;
	}
	if (j->remote_count) {
		/* An alias beyond ASCII would ask for SMTPUTF8 where the message does not. */
		if (!view_is_ascii(received.for_address))
			received.for_address = VIEW_EMPTY;
		j->remote_prefix = make(VIEW_EMPTY, &base, separator, a);
		if (!j->remote_prefix.p)
			return false;
	}
	return true;
}
