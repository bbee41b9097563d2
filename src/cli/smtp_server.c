/* SPDX-License-Identifier: ISC
 * Names of SMTP servers, as users type them. */
#include "cli/smtp_server.h"

enum { PORT_SMTPS = 465, PORT_SMTP = 587, HOST_MAX = 255 };

static bool is_host(struct view v, bool bracketed)
{
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (bracketed ? !ascii_is_alnum(c) && c != ':' && c != '.' && c != '%'
			      : !ascii_is_alnum(c) && c != '-' && c != '.' && c != '_' && (unsigned char)c < 0x80)
			return false;
	}
	return v.n > 0 && v.n <= HOST_MAX;
}

bool smtp_server_parse(struct view text, struct smtp_server *ret)
{
	struct smtp_server s = {.tls = true};
	struct view rest = text, port = VIEW_EMPTY;
	bool bracketed, has_port;
	uint32_t number;

	if (view_starts_with_nocase(text, VIEW_LIT("smtps://")))
		rest = view_sub(text, sizeof "smtps://" - 1, text.n);
	else if (view_starts_with_nocase(text, VIEW_LIT("smtp://")))
		s.tls = false, rest = view_sub(text, sizeof "smtp://" - 1, text.n);
	if (rest.n && rest.p[rest.n - 1] == '/')
		rest.n--;
	bracketed = rest.n && rest.p[0] == '[';
	if (bracketed) {
		if (!view_cut(view_sub(rest, 1, rest.n), ']', &s.host, &port) || (port.n && port.p[0] != ':'))
			return false;
		has_port = port.n > 0;
		port = view_sub(port, 1, port.n);
	} else {
		has_port = view_cut(rest, ':', &s.host, &port);
		if (!has_port)
			s.host = rest;
	}
	if (!is_host(s.host, bracketed))
		return false;
	number = s.tls ? PORT_SMTPS : PORT_SMTP;
	if (has_port && (!view_to_u32(port, UINT16_MAX, &number) || number == 0))
		return false;
	s.port = (uint16_t)number;
	*ret = s;
	return true;
}

void smtp_server_format(const struct smtp_server *server, struct buf *out)
{
	bool v6 = view_find_char(server->host, ':') < server->host.n;

	buf_printf(out, "%s://%s%.*s%s:%u", server->tls ? "smtps" : "smtp", v6 ? "[" : "", VIEW_FMT(server->host),
		   v6 ? "]" : "", server->port);
}

bool smtp_server_is_loopback(const struct smtp_server *server)
{
	return view_eq_lit_nocase(server->host, "localhost") || view_eq_lit(server->host, "::1") ||
	       view_starts_with(server->host, VIEW_LIT("127."));
}
