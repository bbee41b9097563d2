/* SPDX-License-Identifier: ISC
 * SMTP TLS reports: who wants them, what they say, the mail that carries them (RFC 8460). */
#include "mail/tls_report.h"

#include "base/encode.h"

#include <time.h>

enum { DAY_S = 86400, ADDRESS_MAX = 320, LINE = 76 };

/* ---- the record ---- */

static struct view trim(struct view v)
{
	while (v.n && (v.p[0] == ' ' || v.p[0] == '\t'))
		v = view_sub(v, 1, v.n);
	while (v.n && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t'))
		v.n--;
	return v;
}

/* tlsrpt-version: %s"v=TLSRPTv1" and a delimiter. */
static bool is_record(struct view txt)
{
	struct view version, rest;

	return view_cut(txt, ';', &version, &rest) && view_starts_with(version, VIEW_LIT("v=TLSRPTv1")) &&
	       trim(version).n == sizeof "v=TLSRPTv1" - 1;
}

static bool is_wanted(struct view uri)
{
	return view_starts_with_nocase(uri, VIEW_LIT("mailto:")) || view_starts_with_nocase(uri, VIEW_LIT("https:"));
}

/* tlsrpt-rua = %s"rua=" tlsrpt-uri *(*WSP "," *WSP tlsrpt-uri); URIs that we cannot serve are left out. */
static void take_rua(struct tls_report_record *ret, struct view value)
{
	struct view uri;

	for (bool more = true; more;) {
		more = view_cut(value, ',', &uri, &value);
		uri = trim(more ? uri : value);
		if (is_wanted(uri) && ret->count < TLS_REPORT_RUA_MAX)
			ret->rua[ret->count++] = uri;
	}
}

static bool read_record(struct view txt, struct tls_report_record *ret)
{
	struct view rest, field, name, value;
	bool seen = false;

	if (!view_cut(txt, ';', &field, &rest))
		return false;
	while (trim(rest).n) {
		if (!view_cut(rest, ';', &field, &rest)) {
			field = rest;
			rest = VIEW_EMPTY;
		}
		if (!view_cut(trim(field), '=', &name, &value))
			return false;
		if (view_eq_lit(name, "rua") && !seen) {
			take_rua(ret, value);
			seen = true;
		}
	}
	return ret->count > 0;
}

bool tls_report_record_find(const struct view *txts, size_t n, struct tls_report_record *ret)
{
	struct tls_report_record found = {0};
	const struct view *record = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!is_record(txts[i]))
			continue;
		if (record)
			return false; /* §3: several are none */
		record = &txts[i];
	}
	if (!record || !read_record(*record, &found))
		return false;
	*ret = found;
	return true;
}

static int hex_digit(char c)
{
	c = ascii_lower(c);
	return ascii_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_plain(char c)
{
	return c > 0x20 && c < 0x7f && c != '<' && c != '>' && c != ',' && c != '"' && c != '(' && c != ')' &&
	       c != '\\';
}

bool tls_report_mailto(struct view uri, struct buf *ret)
{
	struct view rest = view_sub(uri, 7, uri.n), hfields;
	size_t at_signs = 0;

	if (!view_starts_with_nocase(uri, VIEW_LIT("mailto:")))
		return false;
	(void)view_cut(rest, '?', &rest, &hfields);
	for (size_t i = 0; i < rest.n; i++) {
		char c = rest.p[i];

		if (c == '%') {
			if (i + 2 >= rest.n || hex_digit(rest.p[i + 1]) < 0 || hex_digit(rest.p[i + 2]) < 0)
				return false;
			c = (char)(hex_digit(rest.p[i + 1]) * 16 + hex_digit(rest.p[i + 2]));
			i += 2;
		}
		if (!is_plain(c))
			return false;
		at_signs += c == '@';
		buf_append_char(ret, c);
	}
	return at_signs == 1 && ret->n > 2 && ret->p[0] != '@' && ret->p[ret->n - 1] != '@' && ret->n <= ADDRESS_MAX &&
	       !ret->overflow;
}

/* ---- JSON ---- */

static void put_string(struct buf *out, struct view v)
{
	buf_append_char(out, '"');
	if (!view_is_utf8(v))
		v = VIEW_EMPTY;
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '"' || v.p[i] == '\\')
			buf_printf(out, "\\%c", v.p[i]);
		else if ((unsigned char)v.p[i] < 0x20)
			buf_printf(out, "\\u%04x", v.p[i]);
		else
			buf_append_char(out, v.p[i]);
	}
	buf_append_char(out, '"');
}

static void put_member(struct buf *out, const char *name, struct view value)
{
	buf_printf(out, "\"%s\":", name);
	put_string(out, value);
}

static void put_optional(struct buf *out, const char *name, struct view value)
{
	if (value.n == 0)
		return;
	buf_append_char(out, ',');
	put_member(out, name, value);
}

static void put_time(struct buf *out, const char *name, int64_t wall_s)
{
	time_t t = (time_t)wall_s;
	struct tm tm;

	(void)gmtime_r(&t, &tm);
	buf_printf(out, "\"%s\":\"%04d-%02d-%02dT%02d:%02d:%02dZ\"", name, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		   tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* The policy's lines, or those that begin with `prefix`, without it. */
static void put_lines(struct buf *out, const char *name, struct view text, struct view prefix)
{
	const char *before = "";
	struct view line;

	buf_printf(out, ",\"%s\":[", name);
	for (bool more = text.n > 0; more;) {
		more = view_cut(text, '\n', &line, &text);
		if (!more)
			line = text;
		if (!view_starts_with(line, prefix))
			continue;
		buf_append_cstr(out, before);
		put_string(out, trim(view_sub(line, prefix.n, line.n)));
		before = ",";
	}
	buf_append_char(out, ']');
}

static void put_policy(struct buf *out, const struct tls_report *r, const struct tls_report_row *row)
{
	static const char *const types[] = {
	    [TLS_REPORT_NO_POLICY] = "no-policy-found", [TLS_REPORT_TLSA] = "tlsa", [TLS_REPORT_STS] = "sts"};

	buf_printf(out, "\"policy\":{\"policy-type\":\"%s\"", types[row->policy_type]);
	if (row->policy.n)
		put_lines(out, "policy-string", row->policy, VIEW_EMPTY);
	buf_append_char(out, ',');
	put_member(out, "policy-domain", row->tlsa_base.n ? row->tlsa_base : r->domain);
	if (row->policy_type == TLS_REPORT_STS && row->policy.n)
		put_lines(out, "mx-host", row->policy, VIEW_LIT("mx:"));
	else if (row->policy_type == TLS_REPORT_TLSA && row->mx.n) {
		buf_append_cstr(out, ",\"mx-host\":[");
		put_string(out, row->mx);
		buf_append_char(out, ']');
	}
	buf_append_char(out, '}');
}

static void put_failure(struct buf *out, const struct tls_report_row *row)
{
	buf_append_char(out, '{');
	put_member(out, "result-type", row->result);
	put_optional(out, "sending-mta-ip", row->sending_ip);
	put_optional(out, "receiving-mx-hostname", row->mx);
	put_optional(out, "receiving-ip", row->mx_ip);
	buf_printf(out, ",\"failed-session-count\":%llu", (unsigned long long)row->sessions);
	put_optional(out, "failure-reason-code", row->reason);
	buf_append_char(out, '}');
}

static bool is_same_policy(const struct tls_report_row *a, const struct tls_report_row *b)
{
	return a->policy_type == b->policy_type && view_eq(a->policy, b->policy) &&
	       (a->policy_type != TLS_REPORT_TLSA || view_eq_nocase(a->mx, b->mx));
}

/* Has one before it the same policy? Then it was told there. */
static bool is_told(const struct tls_report *r, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (is_same_policy(&r->rows[i], &r->rows[at]))
			return true;
	return false;
}

static void put_results(struct buf *out, const struct tls_report *r, size_t first)
{
	const char *before = ",\"failure-details\":[", *after = "";
	uint64_t good = 0, bad = 0;

	for (size_t i = first; i < r->count; i++)
		if (is_same_policy(&r->rows[first], &r->rows[i]))
			*(r->rows[i].result.n ? &bad : &good) += r->rows[i].sessions;
	buf_printf(out, ",\"summary\":{\"total-successful-session-count\":%llu,\"total-failure-session-count\":%llu}",
		   (unsigned long long)good, (unsigned long long)bad);
	for (size_t i = first; i < r->count; i++) {
		if (!is_same_policy(&r->rows[first], &r->rows[i]) || r->rows[i].result.n == 0)
			continue;
		buf_append_cstr(out, before);
		put_failure(out, &r->rows[i]);
		before = ",";
		after = "]";
	}
	buf_append_cstr(out, after);
}

bool tls_report_json(struct buf *out, const struct tls_report *r)
{
	const char *before = "";

	buf_append_char(out, '{');
	put_member(out, "organization-name", r->organization);
	buf_append_cstr(out, ",\"date-range\":{");
	put_time(out, "start-datetime", r->day * DAY_S);
	buf_append_char(out, ',');
	put_time(out, "end-datetime", r->day * DAY_S + DAY_S - 1);
	buf_append_cstr(out, "},");
	put_member(out, "contact-info", r->contact);
	buf_append_char(out, ',');
	put_member(out, "report-id", r->id);
	buf_append_cstr(out, ",\"policies\":[");
	for (size_t i = 0; i < r->count; i++) {
		if (is_told(r, i))
			continue;
		buf_printf(out, "%s{", before);
		put_policy(out, r, &r->rows[i]);
		put_results(out, r, i);
		buf_append_char(out, '}');
		before = ",";
	}
	buf_append_cstr(out, "]}\n");
	return !out->overflow;
}

/* ---- the mail ---- */

static void put_base64(struct buf *out, struct view bytes)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(bytes.n * 2 + 16);
	struct view rest;

	encode_base64(&text, bytes);
	for (rest = buf_view(&text); rest.n; rest = view_sub(rest, LINE, rest.n)) {
		buf_append_view(out, view_sub(rest, 0, LINE));
		buf_append_cstr(out, "\r\n");
	}
}

/* §5.3; RFC 6522. The file's name is §5.1's: reporter ! domain ! begin ! end ! id. */
bool tls_report_message(struct buf *out, const struct tls_report_mail *m)
{
	const struct tls_report *r = m->report;
	long long begin = (long long)r->day * DAY_S, end = begin + DAY_S - 1;

	buf_printf(out, "From: <%.*s>\r\nTo: <%.*s>\r\nDate: %.*s\r\nMessage-ID: <%.*s@%.*s>\r\n", VIEW_FMT(m->from),
		   VIEW_FMT(m->to), VIEW_FMT(m->date), VIEW_FMT(r->id), VIEW_FMT(m->hostname));
	buf_printf(out, "Subject: Report Domain: %.*s\r\n Submitter: %.*s\r\n Report-ID: <%.*s@%.*s>\r\n",
		   VIEW_FMT(r->domain), VIEW_FMT(r->organization), VIEW_FMT(r->id), VIEW_FMT(m->hostname));
	buf_printf(out,
		   "TLS-Report-Domain: %.*s\r\nTLS-Report-Submitter: %.*s\r\nTLS-Required: No\r\n"
		   "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
		   "Content-Type: multipart/report; report-type=\"tlsrpt\"; boundary=\"=_%.*s\"\r\n\r\n",
		   VIEW_FMT(r->domain), VIEW_FMT(r->organization), VIEW_FMT(r->id));
	buf_printf(out,
		   "--=_%.*s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
		   "This is a report of how connections of %.*s to the mail servers of\r\n%.*s "
		   "went as to TLS (RFC 8460). The attached file, which programs\r\nread, has the details.\r\n\r\n",
		   VIEW_FMT(r->id), VIEW_FMT(r->organization), VIEW_FMT(r->domain));
	buf_printf(out,
		   "--=_%.*s\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n"
		   "Content-Disposition: attachment;\r\n filename=\"%.*s!%.*s!%lld!%lld!%.*s.json.gz\"\r\n\r\n",
		   VIEW_FMT(r->id), VIEW_FMT(r->organization), VIEW_FMT(r->domain), begin, end, VIEW_FMT(r->id));
	put_base64(out, m->gzip);
	buf_printf(out, "--=_%.*s--\r\n", VIEW_FMT(r->id));
	return !out->overflow;
}
