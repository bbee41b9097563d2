/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_TLS_REPORT_H
#define POMBO_MAIL_TLS_REPORT_H

#include "base/buf.h"
#include "base/mem.h"

/* SMTP TLS reports (RFC 8460). Pure. */
enum tls_report_policy {
	TLS_REPORT_NO_POLICY,
	TLS_REPORT_TLSA,
	TLS_REPORT_STS
}; /* relay.def, the store: values stay */

/* §3: the addresses that a domain wants its reports at, from the strings of `_smtp._tls.DOMAIN`. */
enum { TLS_REPORT_RUA_MAX = 10 };
struct tls_report_record {
	struct view rua[TLS_REPORT_RUA_MAX]; /* mailto: and https: URIs, as they stand there */
	size_t count;
};
/* False: none, several, or malformed: nobody wants a report. */
must_check bool tls_report_record_find(const struct view *txts, size_t n, struct tls_report_record *ret);
/* The address of a mailto: URI (RFC 6068), percent-decoded, without its hfields. False: not one address. */
must_check bool tls_report_mailto(struct view uri, struct buf *ret);

/* ---- §4: the report ---- */

/* How some connections went. Those of one policy stand together. */
struct tls_report_row {
	enum tls_report_policy policy_type;
	struct view policy; /* a line a string */
	struct view result; /* result type; "": success */
	struct view mx, mx_ip, sending_ip, reason;
	uint64_t sessions;
	struct view tlsa_base; /* where the TLSA records stood: DANE's policy domain (§1.1); "" otherwise */
};

struct tls_report {
	struct view organization, contact, id;
	struct view domain;
	int64_t day; /* since 1970, UTC */
	const struct tls_report_row *rows;
	size_t count;
};

/* JSON. False: more than `out` may hold. */
must_check bool tls_report_json(struct buf *out, const struct tls_report *r);

/* ---- §5.3: by mail ---- */

struct tls_report_mail {
	const struct tls_report *report;
	struct view to, from, hostname, date; /* date: as in a Date field */
	struct view gzip; /* the report, compressed */
};
/* The message with its header, CRLF. */
must_check bool tls_report_message(struct buf *out, const struct tls_report_mail *m);

#endif
