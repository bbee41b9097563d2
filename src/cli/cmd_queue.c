/* SPDX-License-Identifier: ISC
 * pombo queue: recipients on other servers that wait. */
#include "cli/commands.h"

#include "base/clock.h"
#include "base/id.h"
#include "cli/listing.h"
#include "cli/option.h"
#include "cli/queue.h"
#include "cli/route.h"
#include "cli/show.h"
#include "supervisor/supervisor.h"

struct conf *queue_read_conf(const struct cli *c)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(4096);
	struct conf *conf = NULL;

	return supervisor_read_conf(c->dir, &conf, NULL, &error) == 0 ? conf : NULL;
}

static const char *route_of(const struct conf *conf, const struct admin_queued *q)
{
	return conf ? route_name(conf, q->sender, q->recipient) : NULL;
}

static json_t *in_json(const struct admin_queued *q, const struct conf *conf)
{
	const char *route = route_of(conf, q);
	char id[ID_TEXT_BYTES + 1];

	id_format(q->message_id, id);
	return json_pack(
	    "{s:s, s:o, s:o, s:I, s:o, s:o, s:I, s:o, s:o, s:b, s:o, s:s, s:b}", "id", id, "sender",
	    show_json_text(q->sender), "recipient", show_json_text(q->recipient), "size", (json_int_t)q->size_bytes,
	    "queued", show_json_time(q->queued_s), "next",
	    q->state == QUEUE_WAITING ? show_json_time(q->next_s) : json_null(), "attempts", (json_int_t)q->attempts,
	    "last_reply", q->last_reply.n ? show_json_text(q->last_reply) : json_null(), "mx",
	    q->mta.n ? show_json_text(q->mta) : json_null(), "held", (int)q->held, "route",
	    route ? json_string(route) : json_null(), "state", queue_states[q->state], "closed", (int)q->closed);
}

/* "mx.example.net: 451 4.7.1 later" */
static void put_last_reply(const struct admin_queued *q, struct buf *out)
{
	if (q->last_reply.n == 0)
		return;
	if (q->mta.n) {
		show_clean(q->mta, out);
		buf_append_cstr(out, ": ");
	}
	show_clean(q->last_reply, out);
}

static void print_one(const struct admin_queued *q)
{
	_cleanup_(buf_fini) struct buf size = BUF_INIT(32), age = BUF_INIT(64), next = BUF_INIT(64),
				       sender = BUF_INIT(2048), recipient = BUF_INIT(2048), reply = BUF_INIT(8192);
	int64_t now_s = clock_wall_s();
	char id[ID_TEXT_BYTES + 1];

	id_format(q->message_id, id);
	show_size(q->size_bytes, &size);
	queue_put_span(now_s - q->queued_s, &age);
	queue_put_next(q, now_s, &next);
	show_clean(q->sender.n ? q->sender : VIEW_LIT("<>"), &sender);
	show_clean(q->recipient, &recipient);
	(void)printf("%s %9s %7s %5u %-9s %s -> %s\n", id, buf_cstr(&size), buf_cstr(&age), q->attempts,
		     buf_cstr(&next), buf_cstr(&sender), buf_cstr(&recipient));
	put_last_reply(q, &reply);
	if (reply.n)
		(void)printf("    %s\n", buf_cstr(&reply));
	else if (q->closed)
		(void)printf("    not tried yet, as its destination did not answer when other mail was\n");
}

int queue_page(struct store_client *s, uint64_t message, struct view after_recipient, struct admin_msg *ret)
{
	return store_client_ask(s,
				admin_put_queue_list(&s->payload, &(struct admin_queue_list){message, after_recipient}),
				ADMIN_QUEUE_LIST, "queue list", ADMIN_QUEUE, ret);
}

static int list_pages(struct listing *l)
{
	_cleanup_(conf_free) struct conf *conf = queue_read_conf(l->c);
	_cleanup_(buf_fini) struct buf after = BUF_INIT(400);
	uint64_t after_message = 0, recipients = 0, messages = 0;
	struct admin_msg answer;
	int r;

	do {
		r = queue_page(l->s, after_message, buf_view(&after), &answer);
		if (r)
			return r;
		for (uint32_t i = 0; i < answer.queue.n_items; i++) {
			const struct admin_queued *q = &answer.queue.items[i];

			if (l->c->json) {
				listing_add(l, in_json(q, conf));
			} else {
				listing_line(l);
				print_one(q);
			}
			recipients++;
			messages += q->message_id != after_message;
			after_message = q->message_id;
			buf_reset(&after);
			buf_append_view(&after, q->recipient);
		}
	} while (answer.queue.more && answer.queue.n_items);
	if (recipients > 1 && !l->c->json)
		(void)printf("%llu recipients of %llu %s\n", (unsigned long long)recipients,
			     (unsigned long long)messages, show_noun(messages, "message", "messages"));
	if (recipients && !l->c->json && queue_why_stopped(l->s, conf))
		(void)printf("(%s)\n", queue_why_stopped(l->s, conf));
	return 0;
}

int queue_list(struct cli *c)
{
	return listing_run(c, "ID                 SIZE     AGE TRIED NEXT      FROM -> TO", "Mail queue is empty",
			   list_pages);
}

const struct cli_command cmd_queue_list = {
    .name = "queue list",
    .usage = "[--json]",
    .summary = "lists what waits to be sent to other servers",
    .help = "A line for each recipient, and what was said last below it. NEXT: new, in how long it is tried again, now "
	    "(as soon as its turn "
	    "comes), sending, held, or ended (its sender is being told).",
    .example = "pombo queue list",
    .shows = true,
    .run = queue_list,
};

/* ---- show ---- */

static void print_details(const struct admin_queued *q, const struct conf *conf)
{
	const char *route = route_of(conf, q);
	_cleanup_(buf_fini) struct buf now = BUF_INIT(256), recipient = BUF_INIT(2048), reply = BUF_INIT(8192);

	show_clean(q->recipient, &recipient);
	queue_put_now(q, &now);
	put_last_reply(q, &reply);
	(void)printf("  %s\n    %s\n", buf_cstr(&recipient), buf_cstr(&now));
	if (route)
		(void)printf("    route %s\n", route);
	if (reply.n)
		(void)printf("    last reply: %s\n", buf_cstr(&reply));
}

static void print_head(const struct admin_queued *q)
{
	_cleanup_(buf_fini) struct buf size = BUF_INIT(32), queued = BUF_INIT(64), sender = BUF_INIT(2048);
	char id[ID_TEXT_BYTES + 1];

	id_format(q->message_id, id);
	show_size(q->size_bytes, &size);
	show_time(q->queued_s, &queued);
	show_clean(q->sender.n ? q->sender : VIEW_LIT("<>"), &sender);
	(void)printf("%s from %s, %s, queued %s\n", id, buf_cstr(&sender), buf_cstr(&size), buf_cstr(&queued));
}

/* All recipients of the message; how many there are. */
static int show_pages(const struct cli *c, struct store_client *s, uint64_t id, json_t *all, size_t *ret_n)
{
	_cleanup_(conf_free) struct conf *conf = queue_read_conf(c);
	_cleanup_(buf_fini) struct buf after = BUF_INIT(400);
	struct admin_msg answer;
	size_t n = 0;
	int r;

	do {
		r = queue_page(s, id, buf_view(&after), &answer);
		if (r)
			return r;
		for (uint32_t i = 0; i < answer.queue.n_items && answer.queue.items[i].message_id == id; i++) {
			const struct admin_queued *q = &answer.queue.items[i];

			if (c->json)
				(void)json_array_append_new(all, in_json(q, conf));
			else if (n == 0)
				print_head(q);
			if (!c->json)
				print_details(q, conf);
			n++;
			buf_reset(&after);
			buf_append_view(&after, q->recipient);
		}
	} while (answer.queue.more && answer.queue.n_items &&
		 answer.queue.items[answer.queue.n_items - 1].message_id == id);
	*ret_n = n;
	return 0;
}

static int show(struct cli *c)
{
	struct store_client s;
	size_t n = 0;
	uint64_t id;
	json_t *all;
	int r = option_take_words(c, 1, 1, "one message id is needed");

	if (r)
		return r;
	if (!id_parse(view_from_cstr(c->argv[1]), &id))
		return cli_fail(CLI_BAD_DATA, c->argv[1], "this is not a message id", "see 'pombo queue list'");
	r = store_client_open(c, &s);
	if (r)
		return r;
	all = json_array();
	r = show_pages(c, &s, id, all, &n);
	store_client_close(&s);
	if (r == 0 && n == 0)
		r = cli_fail(CLI_NO_SUCH, c->argv[1], "nothing of this message waits in the queue",
			     "see 'pombo queue list'");
	if (r == 0 && c->json)
		return show_json(all);
	json_decref(all);
	return r;
}

const struct cli_command cmd_queue_show = {
    .name = "queue show",
    .usage = "ID [--json]",
    .summary = "shows the recipients of one message that wait",
    .help = "With the last reply of the other side, when the next attempt is due, and which route it takes by "
	    "pombo.conf as it is now.",
    .example = "pombo queue show 03q2v9x8k0001",
    .shows = true,
    .run = show,
};
