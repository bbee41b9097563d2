/* SPDX-License-Identifier: ISC
 * MAIL and RCPT of a transaction, with the parameters that the other side offers to take. */
#include "relayd/session_private.h"

#include "mail/unitext.h"
#include "mail/xtext.h"

void envelope_write_mail(struct session_private *s)
{
	const struct job *j = s->tx.job;
	const struct offers *o = &s->offers;
	struct buf *line = &s->scratch;

	buf_reset(line);
	buf_printf(line, "MAIL FROM:<%.*s>", VIEW_FMT(j->sender));
	if (o->size_given)
		buf_printf(line, " SIZE=%llu", (unsigned long long)j->size_bytes);
	if (o->eightbitmime && (j->eightbit || (o->smtputf8 && j->smtputf8)))
		buf_append_cstr(line, " BODY=8BITMIME");
	if (o->smtputf8 && j->smtputf8)
		buf_append_cstr(line, " SMTPUTF8");
	if (j->requiretls && hello_may_requiretls(s)) /* a bounce goes without where it must (RFC 8689 §5) */
		buf_append_cstr(line, " REQUIRETLS");
	if (o->dsn && j->ret)
		buf_append_cstr(line, j->ret == 1 ? " RET=FULL" : " RET=HDRS");
	if (o->dsn && j->envid.n) {
		buf_append_cstr(line, " ENVID=");
		xtext_encode(line, j->envid);
	}
	session_command(s, EXPECT_MAIL, 0, "%s", buf_cstr(line));
	s->mails++;
	s->tx.mail_written = true;
}

/* The form of RFC 6533 §3 that this server may be sent; what is no such address goes as it came, if it can. */
static void put_utf8_orcpt(struct buf *line, struct view address, bool smtputf8)
{
	_cleanup_(buf_fini) struct buf plain = BUF_INIT(1024);

	if (unitext_decode(&plain, address))
		unitext_encode(line, buf_view(&plain), !smtputf8);
	else
		buf_append_view(line, address);
}

/* ORCPT=type;xtext (RFC 3461 §4.2) */
static void put_orcpt(struct buf *line, struct view orcpt, bool smtputf8)
{
	struct view type, address;

	if (!view_cut(orcpt, ';', &type, &address) || (!smtputf8 && !view_is_utf8(address)))
		return;
	buf_printf(line, " ORCPT=%.*s;", VIEW_FMT(type));
	if (view_eq_lit_nocase(type, "utf-8"))
		put_utf8_orcpt(line, address, smtputf8);
	else
		xtext_encode(line, address);
}

static void put_notify(struct buf *line, uint8_t notify)
{
	static const char *const names[] = {"NEVER", "SUCCESS", "FAILURE", "DELAY"};
	const char *separator = " NOTIFY=";

	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		if (!(notify >> i & 1))
			continue;
		buf_append_cstr(line, separator);
		buf_append_cstr(line, names[i]);
		separator = ",";
	}
}

void envelope_write_rcpt(struct session_private *s)
{
	struct transaction *tx = &s->tx;
	unsigned at = tx->rcpts[tx->next_rcpt++];
	struct job_rcpt *r = &tx->job->rcpts[at];
	struct buf *line = &s->scratch;

	buf_reset(line);
	buf_printf(line, "RCPT TO:<%.*s>", VIEW_FMT(r->address));
	if (s->offers.dsn && r->notify)
		put_notify(line, r->notify);
	if (s->offers.dsn && r->orcpt.n)
		put_orcpt(line, r->orcpt, s->offers.smtputf8);
	r->state = RCPT_ASKED;
	session_command(s, EXPECT_RCPT, at, "%s", buf_cstr(line));
}
