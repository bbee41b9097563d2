/* SPDX-License-Identifier: ISC
 * The command line asks what the DNS says, as the server sees it. */
#include "stored/admin.h"

#include "ipc/msgs/dns_msgs.h"
#include "mail/dns_record.h"

#include <stdlib.h>

enum { DEADLINE_MS = 20000 };

struct question {
	struct reply reply;
};

static void send_answer(struct channel *c, uint32_t id, const struct dns_found *m)
{
	struct admin_dns_record *records = xcalloc(m->n_records, sizeof *records);
	struct admin_dns_answer answer = {m->secure, true, m->ttl_s, m->canonical, records, m->n_records};

	for (uint32_t i = 0; i < m->n_records; i++)
		records[i].data = m->records[i].data;
	(void)admin_send_dns_answer(c, id, &answer);
	free(records);
}

static void send_failed(struct channel *c, uint32_t id, const struct dns_failed *m)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(1024);
	uint8_t status = m->why == DNS_BAD_NAME ? 65 : 75;

	buf_printf(&text, "%s: %.*s", dns_failure_name((enum dns_failure)m->why), VIEW_FMT(m->text));
	(void)admin_send_failed(c, id, &(struct admin_failed){status, buf_view(&text)});
}

static void hear(void *ctx, const struct dns_msg *answer)
{
	struct question *q = ctx;
	struct channel *c = reply_channel(&q->reply);

	if (c && !answer)
		(void)admin_send_failed(c, q->reply.id,
					&(struct admin_failed){75, VIEW_LIT("no answer from dnsd: try again")});
	else if (c && answer->type == DNS_FOUND)
		send_answer(c, q->reply.id, &answer->found);
	else if (c && answer->type == DNS_NOTHING)
		(void)admin_send_dns_answer(
		    c, q->reply.id,
		    &(struct admin_dns_answer){answer->nothing.secure, answer->nothing.name_exists,
					       answer->nothing.ttl_s, answer->nothing.canonical, NULL, 0});
	else if (c && answer->type == DNS_FAILED)
		send_failed(c, q->reply.id, &answer->failed);
	reply_end(&q->reply);
	free(q);
}

void admin_on_dns_ask(struct stored *sd, struct peer *peer, uint32_t id, const struct admin_msg *m)
{
	const struct dns_ask ask = {m->dns_ask.name, m->dns_ask.type, DEADLINE_MS};
	struct question *q = xcalloc(1, sizeof *q);

	q->reply = reply_to(peer, id);
	if (dns_call_ask(sd->dns, &ask, DEADLINE_MS + 1000, hear, q))
		return;
	(void)admin_send_failed(peer->channel, id,
				&(struct admin_failed){69, VIEW_LIT("the server is not running: no dnsd to ask")});
	reply_end(&q->reply);
	free(q);
}
