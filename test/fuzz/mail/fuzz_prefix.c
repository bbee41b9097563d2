/* SPDX-License-Identifier: ISC
 * Lines of the input are what peers said, the rest is a message: our three fields stay three fields, and the message
 * behind them reads as it does alone. */
#include "mail/header.h"
#include "mail/prefix.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct view take_line(struct view *in)
{
	struct view line = VIEW_EMPTY;

	(void)view_cut(*in, '\n', &line, in);
	return line;
}

static void same_fields(struct view ours, struct view message)
{
	struct header_field a, b;
	struct header h, m;

	header_init(&h, ours);
	header_init(&m, message);
	for (int i = 0; i < 3; i++)
		assert(header_next(&h, &a) == PARSE_DONE);
	assert(view_eq_lit(a.name, "Received"));
	if (prefix_guard(message).n > 2)
		assert(header_next(&h, &a) == PARSE_DONE && view_eq_lit(a.name, "X-Unnamed-Field"));
	while (header_next(&m, &b) == PARSE_DONE)
		assert(header_next(&h, &a) == PARSE_DONE && view_eq(a.whole, b.whole));
	assert(header_next(&h, &a) == PARSE_MORE);
	assert(view_eq(view_sub(ours, h.content, ours.n), view_sub(message, m.content, message.n)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view in = view_from(data, size);
	struct buf out = BUF_INIT(1 << 24);
	struct received r = {.date = {.zone_known = true}};
	struct prefix p = {.received = &r};

	r.helo = take_line(&in);
	r.client_name = take_line(&in);
	r.client_ip = take_line(&in);
	r.by = take_line(&in);
	r.protocol = take_line(&in);
	r.tls = take_line(&in);
	r.id = take_line(&in);
	r.for_address = take_line(&in);
	p.sender = take_line(&in);
	p.delivered_to = VIEW_LIT("a@b");
	prefix_format(&out, &p);
	for (size_t i = 0; i < out.n; i++)
		assert(out.p[i] != '\r' || out.p[i + 1] == '\n');
	buf_append_view(&out, prefix_guard(in));
	buf_append_view(&out, in);
	same_fields(buf_view(&out), in);
	buf_fini(&out);
	return 0;
}
