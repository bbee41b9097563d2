/* SPDX-License-Identifier: ISC
 * What the server says it can. */
#include "imapd/capability.h"

#include "ipc/sasl_client.h"

static void before_login(struct buf *out, const struct session *s)
{
	bool tls = stream_is_tls(s->conn.stream);

	if (!tls && s->conn.front->tls)
		buf_append_cstr(out, " STARTTLS");
	if (!conn_may_login(&s->conn)) {
		buf_append_cstr(out, " LOGINDISABLED");
		return;
	}
	buf_append_cstr(out, " SASL-IR ");
	sasl_client_mechanisms(out, "AUTH=", tls, true);
}

/* Those that files of their own have. */
static void extensions(struct buf *out, const struct session *s)
{
	buf_printf(out,
		   " MULTIAPPEND REPLACE CREATE-SPECIAL-USE STATUS=SIZE BINARY PREVIEW SAVEDATE OBJECTID WITHIN "
		   "SORT SORT=DISPLAY THREAD=ORDEREDSUBJECT THREAD=REFERENCES METADATA QUOTA QUOTA=RES-STORAGE "
		   "QUOTA=RES-MESSAGE "
		   "APPENDLIMIT=%llu",
		   (unsigned long long)session_imapd(s)->settings.max_message_bytes);
}

void capability_format(struct buf *out, const struct session *s)
{
	/* RFC 7888 §5: never both. Before login literals are kept to 4,096 bytes (imap_parse.h), as LITERAL- has it. */
	buf_printf(out, "IMAP4rev1 IMAP4rev2 LITERAL%c ID ENABLE IDLE", s->state == SESSION_FRESH ? '-' : '+');
	if (s->state == SESSION_FRESH)
		before_login(out, s);
	else
		buf_append_cstr(out, " NAMESPACE UIDPLUS MOVE UNSELECT CHILDREN SPECIAL-USE LIST-EXTENDED "
				     "LIST-STATUS ESEARCH "
				     "SEARCHRES PARTIAL CONDSTORE QRESYNC UIDONLY COMPRESS=DEFLATE");
	if (s->state != SESSION_FRESH) {
		extensions(out, s);
		buf_append_cstr(out, " UTF8=ACCEPT INPROGRESS NOTIFY");
		if (session_imapd(s)->settings.unauthenticate)
			buf_append_cstr(out, " UNAUTHENTICATE");
	}
}
