/* SPDX-License-Identifier: ISC
 * Notices: a text for people, message/delivery-status for programs, the message or its header. */
#include "mail/dsn.h"

#include "base/encode.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/rfc2047.h"
#include "mail/unitext.h"

enum { SUBJECT_MAX = 300, BASE64_LINE_BYTES = 57, REPLY_LINE_MAX = 600 };

static const struct {
	const char *action; /* RFC 3464 §2.3.3 */
	const char *status;
	const char *heading; /* for people, before the addresses */
	const char *advice;
} actions[] = {
    [DSN_FAILED] =
	{"failed", "5.0.0", "Your message could not be delivered to:",
	 "It will not be tried again. The answer above says why; a wrong address is the most frequent reason.\r\n"
	 "If you think that the answer is wrong, ask the recipient by other means, or their administrator."},
    [DSN_RETURNED] = {"failed", "5.0.0", "Your message was not delivered to:",
		      "The administrator here took it out of the queue: it will not be tried again. If an answer "
		      "stands above, it\r\n"
		      "is the last that came before that."},
    [DSN_EXPIRED] =
	{"failed", "4.4.7", "Your message could not be delivered in time to:",
	 "It was tried again and again and is given up now. If it still matters, send it again later, or ask the\r\n"
	 "recipient by other means whether their mail server works."},
    [DSN_DELAYED] =
	{"delayed", "4.4.7", "Your message is late. It has not been delivered yet to:",
	 "You need not do anything: it will be tried again, and you will hear of it if it has to be given up."},
    [DSN_RELAYED] = {"relayed", "2.0.0",
		     "Your message was accepted by another server that does not report further for:",
		     "Whether it was delivered from there is not known here."},
    [DSN_DELIVERED] = {"delivered", "2.0.0",
		       "Your message was delivered to:", "This is the confirmation you asked for."},
    [DSN_EXPANDED] = {"expanded", "2.0.0",
		      "Your message was passed on to the members of:", "There are no further reports from there."},
};

static void put_date(struct buf *out, const struct dsn *d, int64_t at_s)
{
	date_format(out, &(struct date){.utc_s = at_s, .zone_min = d->zone_min, .zone_known = true});
}

/* One line of a field: what was said in several lines goes on one. */
static void put_line(struct buf *out, struct view text)
{
	for (size_t i = 0; i < text.n; i++)
		buf_append_char(out, (unsigned char)text.p[i] < ' ' ? ' ' : text.p[i]);
}

/* The same, where only UTF-8, or only ASCII, may stand. */
static void put_clean(struct buf *out, struct view text, bool utf8)
{
	utf8 = utf8 && view_is_utf8(text);
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		buf_append_char(out, c < ' ' || c == 127 ? ' ' : c >= 128 && !utf8 ? '?' : (char)c);
	}
}

/* The same where only message/global-delivery-status may hold more than ASCII. */
static void put_text(struct buf *out, const struct dsn *d, struct view text)
{
	put_clean(out, text, d->utf8);
}

/* What the other server said: RFC 5322 §2.1.1 lets a line have 998 octets, so a long answer goes on behind `fold`, at a blank if it has any. */
static void put_reply(struct buf *out, struct view text, bool utf8, const char *fold)
{
	while (text.n > REPLY_LINE_MAX) {
		size_t n = REPLY_LINE_MAX;

		while (n > REPLY_LINE_MAX / 2 && (unsigned char)text.p[n] > ' ')
			n--;
		if (n == REPLY_LINE_MAX / 2)
			for (n = REPLY_LINE_MAX; n > 1 && ((unsigned char)text.p[n] & 0xc0) == 0x80; n--)
				;
		put_clean(out, view_sub(text, 0, n), utf8);
		buf_append_cstr(out, fold);
		text = view_sub(text, n + ((unsigned char)text.p[n] <= ' '), text.n);
	}
	put_clean(out, text, utf8);
}

/* ---- for people ---- */

static enum dsn_action worst(const struct dsn *d)
{
	enum dsn_action first = DSN_EXPANDED;

	for (size_t i = 0; i < d->count; i++)
		if (d->recipients[i].action < first)
			first = d->recipients[i].action;
	return first;
}

static const char *subject_of(enum dsn_action action)
{
	switch (action) {
	case DSN_FAILED:
	case DSN_RETURNED:
	case DSN_EXPIRED:
		return "Your message could not be delivered";
	case DSN_DELAYED:
		return "Your message is late";
	case DSN_RELAYED:
		return "Your message was passed on";
	case DSN_DELIVERED:
	case DSN_EXPANDED:
		return "Your message was delivered";
	}
	return "About your message";
}

/* The address that the sender wrote to, where that is another than it went to. */
static struct view sender_wrote(const struct dsn_recipient *r, struct buf *plain)
{
	struct view type, address;

	if (!view_cut(r->orcpt, ';', &type, &address) ||
	    !(view_eq_lit_nocase(type, "rfc822") || view_eq_lit_nocase(type, "utf-8")))
		return VIEW_EMPTY;
	if (view_eq_lit_nocase(type, "utf-8") && unitext_decode(plain, address))
		address = buf_view(plain);
	return view_eq_nocase(address, r->address) ? VIEW_EMPTY : address;
}

/* Our own words have no code. */
static bool is_theirs(const struct dsn_recipient *r)
{
	return r->mta.n && r->code && r->reply.n;
}

/* A refusal for good by a host that is not the last one is temporary to us: then the status is ours, not theirs. */
static struct view status_said(const struct dsn_recipient *r)
{
	return r->status.n && r->status.p[0] == (char)('0' + r->code / 100) ? r->status : VIEW_EMPTY;
}

static void tell_recipient(struct buf *out, const struct dsn_recipient *r)
{
	_cleanup_(buf_fini) struct buf plain = BUF_INIT(1024);
	struct view wrote = sender_wrote(r, &plain);

	buf_append_cstr(out, "    ");
	put_line(out, wrote);
	if (wrote.n)
		buf_append_cstr(out, ", forwarded to ");
	put_line(out, r->address);
	buf_append_cstr(out, "\r\n");
	if (r->reply.n == 0)
		return;
	buf_append_cstr(out, "        ");
	if (is_theirs(r)) {
		put_line(out, r->mta);
		buf_printf(out, " said: %u ", r->code);
		put_line(out, status_said(r));
		buf_append_cstr(out, status_said(r).n ? " " : "");
	}
	put_reply(out, r->reply, true, "\r\n        ");
	buf_append_cstr(out, "\r\n");
}

static void tell_group(struct buf *out, const struct dsn *d, enum dsn_action action)
{
	bool any = false;

	for (size_t i = 0; i < d->count; i++) {
		if (d->recipients[i].action != action)
			continue;
		if (!any)
			buf_printf(out, "%s\r\n\r\n", actions[action].heading);
		any = true;
		tell_recipient(out, &d->recipients[i]);
	}
	if (any)
		buf_printf(out, "\r\n%s\r\n\r\n", actions[action].advice);
}

static void tell_about(struct buf *out, const struct dsn *d)
{
	struct header_field subject;

	buf_append_cstr(out, "The message: ");
	if (header_find(d->header, "Subject", &subject)) {
		_cleanup_(buf_fini) struct buf line = BUF_INIT(8192);
		size_t n;

		rfc2047_decode(view_sub(subject.value, 0, 2048), &line);
		n = line.n < SUBJECT_MAX ? line.n : SUBJECT_MAX;
		while (n < line.n && n > 0 && ((unsigned char)line.p[n] & 0xc0) == 0x80)
			n--;
		buf_append_char(out, '"');
		put_line(out, view_sub(buf_view(&line), 0, n));
		buf_append_cstr(out, "\", ");
	}
	buf_append_cstr(out, "sent ");
	put_date(out, d, d->arrived_s);
	buf_printf(out, ".\r\nIts name at %.*s: %.*s\r\n", VIEW_FMT(d->hostname), VIEW_FMT(d->id));
}

/* ---- for programs ---- */

/* An address of type utf-8: as it is in message/global-delivery-status, in ASCII in message/delivery-status (RFC 6533 §3). */
static void put_utf8_address(struct buf *out, const struct dsn *d, struct view address)
{
	if (d->utf8)
		put_line(out, address);
	else
		unitext_encode(out, address, true);
}

static void put_final(struct buf *out, const struct dsn *d, struct view address)
{
	bool ascii = view_is_ascii(address);

	buf_printf(out, "Final-Recipient: %s;", ascii ? "rfc822" : "utf-8");
	if (ascii)
		put_line(out, address);
	else
		put_utf8_address(out, d, address);
	buf_append_cstr(out, "\r\n");
}

/* What the sender named the recipient; the forms of type utf-8 decoded, unless they are malformed (RFC 6533 §3). */
static void put_original_recipient(struct buf *out, const struct dsn *d, struct view orcpt)
{
	_cleanup_(buf_fini) struct buf plain = BUF_INIT(1024);
	struct view type, address;

	buf_append_cstr(out, "Original-Recipient: ");
	if (view_cut(orcpt, ';', &type, &address) && view_eq_lit_nocase(type, "utf-8") &&
	    unitext_decode(&plain, address)) {
		buf_append_cstr(out, "utf-8;");
		put_utf8_address(out, d, buf_view(&plain));
	} else {
		put_text(out, d, orcpt);
	}
	buf_append_cstr(out, "\r\n");
}

static void put_date_field(struct buf *out, const struct dsn *d, const char *name, int64_t at_s)
{
	buf_printf(out, "%s: ", name);
	put_date(out, d, at_s);
	buf_append_cstr(out, "\r\n");
}

/* What was said is not why it ends: the operator, or its time, ended it. */
static bool ends_otherwise(enum dsn_action action)
{
	return action == DSN_RETURNED || action == DSN_EXPIRED;
}

/* RFC 3464 §2.3; of a message that came by SMTP, RFC 3461 §6.3. */
static void put_recipient(struct buf *out, const struct dsn *d, const struct dsn_recipient *r)
{
	buf_append_cstr(out, "\r\n");
	if (r->orcpt.n)
		put_original_recipient(out, d, r->orcpt);
	put_final(out, d, r->address);
	buf_printf(out, "Action: %s\r\nStatus: ", actions[r->action].action);
	if (r->status.n && !ends_otherwise(r->action))
		put_text(out, d, r->status);
	else
		buf_append_cstr(out, actions[r->action].status);
	buf_append_cstr(out, "\r\n");
	/* §2.3.5, §2.3.6: with a Remote-MTA the Diagnostic-Code is its word. */
	if (is_theirs(r)) {
		buf_append_cstr(out, "Remote-MTA: dns; ");
		put_text(out, d, r->mta);
		buf_printf(out, "\r\nDiagnostic-Code: smtp; %u ", r->code);
		put_text(out, d, status_said(r));
		buf_append_cstr(out, status_said(r).n ? " " : "");
		put_reply(out, r->reply, d->utf8, "\r\n ");
		buf_append_cstr(out, "\r\n");
	} else if (r->reply.n) {
		buf_append_cstr(out, "Diagnostic-Code: x-pombo; ");
		put_reply(out, r->reply, d->utf8, "\r\n ");
		buf_append_cstr(out, "\r\n");
	}
	/* §2.3.7: the last attempt was at another time. */
	if (r->action != DSN_DELAYED && !ends_otherwise(r->action))
		put_date_field(out, d, "Last-Attempt-Date", d->now_s);
	else if (r->action == DSN_DELAYED && d->give_up_s)
		put_date_field(out, d, "Will-Retry-Until", d->give_up_s);
}

static void put_status(struct buf *out, const struct dsn *d)
{
	if (d->envid.n) { /* as it was before it became xtext (RFC 3461 §6.3 a) */
		buf_append_cstr(out, "Original-Envelope-Id: ");
		put_text(out, d, d->envid);
		buf_append_cstr(out, "\r\n");
	}
	buf_printf(out, "Reporting-MTA: dns; %.*s\r\nArrival-Date: ", VIEW_FMT(d->hostname));
	put_date(out, d, d->arrived_s);
	buf_append_cstr(out, "\r\n");
	for (size_t i = 0; i < d->count; i++)
		put_recipient(out, d, &d->recipients[i]);
}

/* ---- the whole ---- */

static void put_boundary(struct buf *out, const struct dsn *d, const char *end)
{
	buf_printf(out, "\r\n--%.*s%s\r\n", VIEW_FMT(d->boundary), end);
}

static void put_base64(struct buf *out, struct view bytes)
{
	while (bytes.n) {
		encode_base64(out, view_sub(bytes, 0, BASE64_LINE_BYTES));
		buf_append_cstr(out, "\r\n");
		bytes = view_sub(bytes, BASE64_LINE_BYTES, bytes.n);
	}
}

/* `encodable`: the type allows for it (message/rfc822 does not, RFC 2046 §5.2.1). */
static void put_part(struct buf *out, const struct dsn *d, const char *type, struct view bytes, bool encodable)
{
	bool ascii = view_is_ascii(bytes), encode = !ascii && d->sevenbit && encodable;

	buf_printf(out, "Content-Type: %s\r\n", type);
	if (!ascii)
		buf_printf(out, "Content-Transfer-Encoding: %s\r\n", encode ? "base64" : "8bit");
	buf_append_cstr(out, "\r\n");
	if (encode)
		put_base64(out, bytes);
	else
		buf_append_view(out, bytes);
}

static void put_head(struct buf *out, const struct dsn *d)
{
	buf_append_cstr(out, "Date: ");
	put_date(out, d, d->now_s);
	buf_printf(out, "\r\nFrom: Mail Delivery System <postmaster@%.*s>\r\nTo: <", VIEW_FMT(d->hostname));
	put_line(out, d->to);
	buf_printf(
	    out, ">\r\nSubject: %s\r\nMessage-ID: <%.*s@%.*s>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n",
	    subject_of(worst(d)), VIEW_FMT(d->notice_id), VIEW_FMT(d->hostname));
	buf_printf(out,
		   "Content-Type: multipart/report; report-type=%s;\r\n"
		   "\tboundary=\"%.*s\"\r\n\r\nThis is a report in MIME format.\r\n",
		   "delivery-status", VIEW_FMT(d->boundary)); /* whichever type the part has, RFC 6533 §4.4 */
}

static void put_original(struct buf *out, const struct dsn *d)
{
	_cleanup_(buf_fini) struct buf whole = BUF_INIT(1 << 20);
	struct view header = d->header;

	/* Of the header alone the empty line is no part (RFC 6533 §4.3, RFC 6522 §4). */
	if (!d->whole_message && view_ends_with_nocase(header, VIEW_LIT("\r\n\r\n")))
		header.n -= 2;
	buf_append_view(&whole, header);
	if (d->whole_message)
		buf_append_view(&whole, d->content);
	if (d->utf8)
		put_part(out, d, d->whole_message ? "message/global" : "message/global-headers", buf_view(&whole),
			 true);
	else
		put_part(out, d, d->whole_message ? "message/rfc822" : "text/rfc822-headers", buf_view(&whole), false);
	out->overflow |= whole.overflow;
}

void dsn_format(struct buf *out, const struct dsn *d)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(1 << 20), status = BUF_INIT(1 << 20);

	for (enum dsn_action a = DSN_FAILED; a <= DSN_EXPANDED; a++)
		tell_group(&text, d, a);
	tell_about(&text, d);
	put_status(&status, d);
	put_head(out, d);
	put_boundary(out, d, "");
	put_part(out, d, "text/plain; charset=utf-8", buf_view(&text), true);
	put_boundary(out, d, "");
	put_part(out, d, d->utf8 ? "message/global-delivery-status" : "message/delivery-status", buf_view(&status),
		 true);
	put_boundary(out, d, "");
	put_original(out, d);
	put_boundary(out, d, "--");
	out->overflow |= text.overflow || status.overflow;
}
