/* SPDX-License-Identifier: ISC
 * The PROXY protocol header in front of a connection. */
#include "mail/proxy_line.h"

#include <string.h>

/* "\r\n\r\n\0\r\nQUIT\n", then version and command, family and protocol, length */
enum { V2_SIGNATURE_BYTES = 12, V2_FIXED_BYTES = 16 };

static const char v2_signature[] = "\r\n\r\n\0\r\nQUIT\n";

/* Do the bytes that are there agree with `want`? */
static bool may_start_with(struct view in, struct view want)
{
	return view_starts_with(want, view_sub(in, 0, want.n));
}

/* The word up to the next SP, which is taken too; or all the rest when `last`. */
static bool take_word(struct view *in, bool last, struct view *ret)
{
	if (last) {
		*ret = *in;
		*in = VIEW_EMPTY;
		return ret->n > 0;
	}
	return view_cut(*in, ' ', ret, in) && ret->n > 0;
}

/* A decimal integer in 0..65535 without leading zeros */
static bool parse_port(struct view text, uint16_t *ret)
{
	uint32_t port;

	if ((text.n > 1 && text.p[0] == '0') || !view_to_u32(text, 65535, &port))
		return false;
	*ret = (uint16_t)port;
	return true;
}

/* SP source SP destination SP source-port SP destination-port */
static bool parse_v1_addresses(struct view text, bool v6, struct proxy_line *ret)
{
	bool (*parse_ip)(struct view, struct ip *) = v6 ? ip_parse_v6 : ip_parse_v4;
	struct view source, destination, source_port, destination_port;

	if (!take_word(&text, false, &source) || !take_word(&text, false, &destination) ||
	    !take_word(&text, false, &source_port) || !take_word(&text, true, &destination_port))
		return false;
	ret->has_addresses = true;
	return parse_ip(source, &ret->source) && parse_ip(destination, &ret->destination) &&
	       parse_port(source_port, &ret->source_port) && parse_port(destination_port, &ret->destination_port);
}

/* "PROXY" SP ( "TCP4" / "TCP6" ) SP addresses CRLF, or "PROXY UNKNOWN" and anything (§2.1) */
static enum parse parse_v1(struct view in, size_t *ret_consumed, struct proxy_line *ret)
{
	struct view window = view_sub(in, 0, PROXY_LINE_V1_MAX), line, family;
	size_t lf = view_find_char(window, '\n');

	if (lf == window.n)
		return window.n == PROXY_LINE_V1_MAX ? PARSE_BAD : PARSE_MORE;
	if (view_find_char(window, '\r') != lf - 1)
		return PARSE_BAD;
	line = view_sub(window, strlen("PROXY "), lf - 1 - strlen("PROXY "));
	*ret_consumed = lf + 1;
	if (view_eq_lit(line, "UNKNOWN") || view_starts_with(line, VIEW_LIT("UNKNOWN ")))
		return PARSE_DONE;
	if (!take_word(&line, false, &family))
		return PARSE_BAD;
	if (!view_eq_lit(family, "TCP4") && !view_eq_lit(family, "TCP6"))
		return PARSE_BAD;
	return parse_v1_addresses(line, family.p[3] == '6', ret) ? PARSE_DONE : PARSE_BAD;
}

static uint16_t read_u16(const char *p)
{
	return (uint16_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
}

/* Family and protocol (§2.2), the bytes of addresses that come with them, and whether we use those. */
static const struct {
	size_t block_bytes;
	uint8_t code;
	uint8_t address_bytes; /* of one address */
	bool is_tcp_ip;
} families[] = {
    {0, 0x00, 0, false},   {12, 0x11, 4, true},     {12, 0x12, 4, false},    {36, 0x21, 16, true},
    {36, 0x22, 16, false}, {216, 0x31, 108, false}, {216, 0x32, 108, false},
};

static bool parse_v2_addresses(uint8_t code, struct view block, struct proxy_line *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		size_t n = families[i].address_bytes;

		if (families[i].code != code)
			continue;
		if (block.n < families[i].block_bytes)
			return false;
		if (!families[i].is_tcp_ip)
			return true;
		ret->has_addresses = true;
		ret->source.is_v6 = ret->destination.is_v6 = n == 16;
		memcpy(ret->source.bytes, block.p, n);
		memcpy(ret->destination.bytes, block.p + n, n);
		ret->source_port = read_u16(block.p + 2 * n);
		ret->destination_port = read_u16(block.p + 2 * n + 2);
		return true;
	}
	return false;
}

static enum parse parse_v2(struct view in, size_t *ret_consumed, struct proxy_line *ret)
{
	enum { LOCAL = 0x20, PROXY = 0x21 };
	uint8_t command;
	size_t length;

	if (in.n <= V2_SIGNATURE_BYTES)
		return PARSE_MORE;
	command = (uint8_t)in.p[12];
	if (command != LOCAL && command != PROXY)
		return PARSE_BAD;
	if (in.n < V2_FIXED_BYTES)
		return PARSE_MORE;
	length = read_u16(in.p + 14);
	if (length > PROXY_LINE_MAX - V2_FIXED_BYTES)
		return PARSE_BAD;
	if (in.n < V2_FIXED_BYTES + length)
		return PARSE_MORE;
	*ret_consumed = V2_FIXED_BYTES + length;
	if (command == LOCAL)
		return PARSE_DONE;
	return parse_v2_addresses((uint8_t)in.p[13], view_sub(in, V2_FIXED_BYTES, length), ret) ? PARSE_DONE
												: PARSE_BAD;
}

enum parse proxy_line_parse(struct view in, size_t *ret_consumed, struct proxy_line *ret)
{
	struct proxy_line line = {.has_addresses = false};
	size_t consumed = 0;
	enum parse r;

	if (may_start_with(in, view_from(v2_signature, V2_SIGNATURE_BYTES)))
		r = parse_v2(in, &consumed, &line);
	else if (may_start_with(in, VIEW_LIT("PROXY ")))
		r = parse_v1(in, &consumed, &line);
	else
		r = PARSE_BAD;
	if (r == PARSE_DONE) {
		*ret_consumed = consumed;
		*ret = line;
	}
	return r;
}
