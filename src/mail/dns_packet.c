/* SPDX-License-Identifier: ISC
 * DNS messages: a query written, a response read with every bound checked. */
#include "mail/dns_packet.h"

#include <string.h>

enum {
	HEAD_BYTES = 12,
	CLASS_IN = 1,
	LABEL_MAX = 63,
	JUMPS_MAX = 64, /* of one compressed name */
	CHAIN_MAX = 16, /* CNAMEs */
	TTL_MAX_S = 604800,
	EDNS_UDP_BYTES = 1232,
	TYPE_OPT = 41,
};

/* ---- names ---- */

/* A name as text, and whether it is one that hosts or our questions can have. */
struct name {
	char text[DNS_NAME_MAX + 1]; /* proven: add_label() checks */
	size_t n;
	bool odd; /* bytes that no name of ours has: equal to nothing */
	bool has_slash; /* RFC 2317: on the way of a PTR, never a host */
};

static bool is_name_char(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_' || c == '/';
}

static bool is_label(struct view label)
{
	for (size_t i = 0; i < label.n; i++)
		if (!is_name_char(label.p[i]))
			return false;
	return label.n > 0 && label.n <= LABEL_MAX;
}

bool dns_name_canon(struct view name, struct buf *ret)
{
	struct view label, rest = name;

	if (rest.n > 0 && rest.p[rest.n - 1] == '.')
		rest.n--;
	if (rest.n > DNS_NAME_MAX)
		return false;
	for (bool more = rest.n > 0; more;) {
		more = view_cut(rest, '.', &label, &rest);
		if (!is_label(more ? label : rest))
			return false;
	}
	for (size_t i = 0; i < name.n && !(i == name.n - 1 && name.p[i] == '.'); i++)
		buf_append_char(ret, ascii_lower(name.p[i]));
	return !ret->overflow;
}

static bool add_label(struct name *name, struct view label)
{
	if (name->n + (name->n > 0) + label.n > DNS_NAME_MAX)
		return false;
	if (name->n > 0)
		name->text[name->n++] = '.';
	for (size_t i = 0; i < label.n; i++) {
		name->odd |= !is_name_char(label.p[i]);
		name->has_slash |= label.p[i] == '/';
		name->text[name->n++] = ascii_lower(label.p[i]);
	}
	return true;
}

static struct view name_view(const struct name *n)
{
	return view_from(n->text, n->n);
}

static bool name_is(const struct name *n, struct view text)
{
	return !n->odd && view_eq(name_view(n), text);
}

/* ---- reading ---- */

struct reader {
	struct view packet;
	size_t at;
};

static uint8_t byte_at(struct view v, size_t at)
{
	return (uint8_t)v.p[at];
}

static bool get_u16(struct reader *r, uint16_t *ret)
{
	if (r->packet.n - r->at < 2)
		return false;
	*ret = (uint16_t)(byte_at(r->packet, r->at) << 8 | byte_at(r->packet, r->at + 1));
	r->at += 2;
	return true;
}

static bool get_u32(struct reader *r, uint32_t *ret)
{
	uint16_t high, low;

	if (!get_u16(r, &high) || !get_u16(r, &low))
		return false;
	*ret = (uint32_t)high << 16 | low;
	return true;
}

/* RFC 1035 §4.1.4: labels, then the end or a pointer to what stands earlier. */
static bool get_name(struct reader *r, struct name *ret)
{
	struct view p = r->packet;
	size_t at = r->at, before = r->at, jumps = 0;
	bool jumped = false;

	*ret = (struct name){.n = 0};
	for (;;) {
		size_t n;

		if (at >= p.n)
			return false;
		n = byte_at(p, at);
		if (n >= 0xc0) {
			size_t to;

			if (p.n - at < 2 || ++jumps > JUMPS_MAX)
				return false;
			to = (n & 0x3f) << 8 | byte_at(p, at + 1);
			if (!jumped)
				r->at = at + 2;
			jumped = true;
			if (to >= before)
				return false;
			at = before = to;
			continue;
		}
		if (n > LABEL_MAX || p.n - at - 1 < n)
			return false;
		at += 1 + n;
		if (n == 0)
			break;
		if (!add_label(ret, view_sub(p, at - n, n)))
			return false;
	}
	if (!jumped)
		r->at = at;
	return true;
}

struct rr {
	struct name owner;
	uint16_t type, class;
	uint32_t ttl_s;
	struct reader data; /* reads within the packet, because of the pointers */
	size_t data_end;
};

static bool get_rr(struct reader *r, struct rr *ret)
{
	uint16_t n;

	if (!get_name(r, &ret->owner) || !get_u16(r, &ret->type) || !get_u16(r, &ret->class) ||
	    !get_u32(r, &ret->ttl_s) || !get_u16(r, &n) || r->packet.n - r->at < n)
		return false;
	if (ret->ttl_s > INT32_MAX)
		ret->ttl_s = 0; /* RFC 2181 §8 */
	if (ret->ttl_s > TTL_MAX_S)
		ret->ttl_s = TTL_MAX_S;
	ret->data = *r;
	ret->data_end = r->at + n;
	r->at += n;
	return true;
}

/* ---- a record's data, in the form of dns_record.h ---- */

static struct view raw_data(const struct rr *rr)
{
	return view_sub(rr->data.packet, rr->data.at, rr->data_end - rr->data.at);
}

/* The name that ends the data. */
static bool put_last_name(struct rr *rr, bool is_host, struct buf *out)
{
	struct name name;

	if (!get_name(&rr->data, &name) || rr->data.at != rr->data_end || name.odd || (is_host && name.has_slash))
		return false;
	buf_append_view(out, name_view(&name));
	return true;
}

/* `n` bytes of numbers, then a host's name. */
static bool put_numbers_and_name(struct rr *rr, size_t n, struct buf *out)
{
	if (rr->data_end - rr->data.at <= n)
		return false;
	buf_append_view(out, view_sub(rr->data.packet, rr->data.at, n));
	rr->data.at += n;
	return put_last_name(rr, true, out);
}

static bool put_text(const struct rr *rr, struct buf *out)
{
	struct view v = raw_data(rr);

	if (v.n == 0)
		return false;
	while (v.n > 0) {
		size_t n = byte_at(v, 0);

		if (v.n - 1 < n)
			return false;
		buf_append_view(out, view_sub(v, 1, n));
		v = view_sub(v, 1 + n, v.n);
	}
	return true;
}

static bool put_soa(struct rr *rr, struct buf *out)
{
	struct name primary, person;
	struct view numbers;

	if (!get_name(&rr->data, &primary) || primary.odd || primary.has_slash || !get_name(&rr->data, &person))
		return false;
	if (rr->data.at > rr->data_end || rr->data_end - rr->data.at != 20)
		return false;
	numbers = raw_data(rr);
	buf_append_view(out, view_sub(numbers, 0, 4));
	buf_append_view(out, view_sub(numbers, 16, 4));
	buf_append_view(out, name_view(&primary));
	return true;
}

static bool put_raw(const struct rr *rr, size_t min, size_t max, struct buf *out)
{
	struct view v = raw_data(rr);

	if (v.n < min || v.n > max)
		return false;
	buf_append_view(out, v);
	return true;
}

static bool put_caa(const struct rr *rr, struct buf *out)
{
	struct dns_caa caa;

	return dns_read_caa(raw_data(rr), &caa) && put_raw(rr, 3, DNS_PACKET_MAX, out);
}

static bool put_data(struct rr *rr, struct buf *out)
{
	switch ((enum dns_rrtype)rr->type) {
	case DNS_A:
		return put_raw(rr, 4, 4, out);
	case DNS_AAAA:
		return put_raw(rr, 16, 16, out);
	case DNS_NS:
	case DNS_PTR:
		return put_last_name(rr, true, out);
	case DNS_CNAME:
		return put_last_name(rr, false, out);
	case DNS_MX:
		return put_numbers_and_name(rr, 2, out);
	case DNS_SRV:
		return put_numbers_and_name(rr, 6, out);
	case DNS_TXT:
		return put_text(rr, out);
	case DNS_SOA:
		return put_soa(rr, out);
	case DNS_CAA:
		return put_caa(rr, out);
	case DNS_TLSA:
		return put_raw(rr, 4, DNS_PACKET_MAX, out);
	case DNS_DS:
	case DNS_DNSKEY:
		return put_raw(rr, 5, DNS_PACKET_MAX, out);
	}
	return false;
}

/* ---- the answer ---- */

struct scan {
	struct reader from; /* at the first record of the answer section */
	unsigned count;
	uint16_t type;
	struct arena *a;
	struct dns_answer *ret;
	uint32_t cap;
};

static bool add_record(struct scan *s, struct rr *rr)
{
	struct buf data = BUF_INIT(DNS_PACKET_MAX);
	struct dns_answer *ret = s->ret;
	struct view kept;

	if (!put_data(rr, &data) || data.overflow) {
		buf_fini(&data);
		ret->dropped++;
		return true;
	}
	kept = arena_copy(s->a, data.n ? buf_view(&data) : VIEW_EMPTY);
	buf_fini(&data);
	if (!kept.p || ret->n_records == DNS_RECORDS_MAX)
		return false;
	if (ret->n_records == s->cap) {
		uint32_t cap = s->cap ? s->cap * 2 : 8;
		struct view *more = arena_array(s->a, cap, sizeof *more);

		if (!more)
			return false;
		if (s->cap)
			memcpy(more, ret->records, s->cap * sizeof *more);
		ret->records = more;
		s->cap = cap;
	}
	ret->records[ret->n_records++] = kept;
	if (rr->ttl_s < ret->ttl_s)
		ret->ttl_s = rr->ttl_s;
	return true;
}

enum step { STEP_END, STEP_ALIAS, STEP_BAD };

/* Looks for what stands at ret->canonical: the records themselves, or the name that it is an alias of. */
static enum step look(struct scan *s, struct name *ret_alias)
{
	struct reader r = s->from;
	bool has_alias = false;
	struct rr rr;

	for (unsigned i = 0; i < s->count; i++) {
		if (!get_rr(&r, &rr))
			return STEP_BAD;
		if (rr.class != CLASS_IN || !name_is(&rr.owner, s->ret->canonical))
			continue;
		if (rr.type == s->type) {
			if (!add_record(s, &rr))
				return STEP_BAD;
		} else if (rr.type == DNS_CNAME && !has_alias) {
			has_alias = get_name(&rr.data, ret_alias) && rr.data.at == rr.data_end && !ret_alias->odd;
			if (!has_alias)
				return STEP_BAD;
			if (rr.ttl_s < s->ret->ttl_s)
				s->ret->ttl_s = rr.ttl_s;
		}
	}
	return has_alias && s->ret->n_records == 0 ? STEP_ALIAS : STEP_END;
}

static bool follow(struct scan *s)
{
	for (unsigned steps = 0; steps <= CHAIN_MAX; steps++) {
		struct name alias;

		switch (look(s, &alias)) {
		case STEP_BAD:
			return false;
		case STEP_END:
			return true;
		case STEP_ALIAS:
			s->ret->canonical = arena_copy(s->a, name_view(&alias));
			if (!s->ret->canonical.p)
				return false;
			break;
		}
	}
	return false; /* a ring */
}

/* RFC 2308 §5: how long a denial holds. Without an SOA record: not at all. */
static bool denial_ttl(struct reader r, unsigned count, uint32_t *ret)
{
	uint32_t ttl_s = 0;
	struct rr rr;

	for (unsigned i = 0; i < count; i++) {
		struct buf data = BUF_INIT(1024);
		struct dns_soa soa;

		if (!get_rr(&r, &rr))
			return false;
		if (rr.type == DNS_SOA && rr.class == CLASS_IN && put_soa(&rr, &data) &&
		    dns_read_soa(buf_view(&data), &soa))
			ttl_s = soa.minimum < rr.ttl_s ? soa.minimum : rr.ttl_s;
		buf_fini(&data);
	}
	if (ttl_s < *ret)
		*ret = ttl_s;
	return true;
}

struct head {
	uint16_t id, flags, qd, an, ns, ar;
};

static bool get_head(struct reader *r, struct head *h)
{
	return get_u16(r, &h->id) && get_u16(r, &h->flags) && get_u16(r, &h->qd) && get_u16(r, &h->an) &&
	       get_u16(r, &h->ns) && get_u16(r, &h->ar);
}

static bool is_question(struct reader *r, struct view name, uint16_t type)
{
	uint16_t asked, class;
	struct name n;

	return get_name(r, &n) && get_u16(r, &asked) && get_u16(r, &class) && name_is(&n, name) && asked == type &&
	       class == CLASS_IN;
}

uint16_t dns_packet_id(struct view packet)
{
	return (uint16_t)(byte_at(packet, 0) << 8 | byte_at(packet, 1));
}

static bool parse(struct view packet, uint16_t type, struct arena *a, struct dns_answer *ret)
{
	struct reader r = {packet, 0};
	struct head h;
	struct scan s;

	/* QR set, opcode QUERY, one question: ours. */
	if (packet.n > DNS_PACKET_MAX || !get_head(&r, &h) || (h.flags & 0xf800) != 0x8000 || h.qd != 1 ||
	    !is_question(&r, ret->canonical, type))
		return false;
	ret->rcode = h.flags & 15;
	ret->authoritative = h.flags & 0x0400;
	ret->truncated = h.flags & 0x0200;
	ret->ttl_s = TTL_MAX_S;
	if (ret->truncated)
		return true;
	s = (struct scan){.from = r, .count = h.an, .type = type, .a = a, .ret = ret};
	if (!follow(&s))
		return false;
	for (unsigned i = 0; i < h.an; i++) {
		struct rr skipped;

		if (!get_rr(&r, &skipped))
			return false;
	}
	return ret->n_records || denial_ttl(r, h.ns, &ret->ttl_s);
}

bool dns_answer_parse(struct view packet, struct view name, uint16_t type, struct arena *a, struct dns_answer *ret)
{
	_cleanup_(buf_fini) struct buf canon = BUF_INIT(DNS_NAME_MAX);
	struct dns_answer answer = {0};

	if (!dns_name_canon(name, &canon))
		return false;
	answer.canonical = arena_copy(a, canon.n ? buf_view(&canon) : VIEW_EMPTY);
	if (!answer.canonical.p || !parse(packet, type, a, &answer))
		return false;
	*ret = answer;
	return true;
}

/* ---- writing ---- */

static void put_u16(struct buf *out, uint16_t n)
{
	buf_append_char(out, (char)(n >> 8));
	buf_append_char(out, (char)(n & 255));
}

static void put_name(struct buf *out, struct view name)
{
	struct view label, rest = name;

	for (bool more = rest.n > 0; more;) {
		more = view_cut(rest, '.', &label, &rest);
		if (!more)
			label = rest;
		buf_append_char(out, (char)label.n);
		buf_append_view(out, label);
	}
	buf_append_char(out, 0);
}

bool dns_query_format(struct buf *out, uint16_t id, struct view name, uint16_t type)
{
	_cleanup_(buf_fini) struct buf canon = BUF_INIT(DNS_NAME_MAX);

	if (!dns_name_canon(name, &canon))
		return false;
	put_u16(out, id);
	put_u16(out, 0);
	put_u16(out, 1);
	put_u16(out, 0);
	put_u16(out, 0);
	put_u16(out, 1);
	put_name(out, buf_view(&canon));
	put_u16(out, type);
	put_u16(out, CLASS_IN);
	buf_append_char(out, 0); /* OPT: the root's */
	put_u16(out, TYPE_OPT);
	put_u16(out, EDNS_UDP_BYTES);
	for (int i = 0; i < 6; i++)
		buf_append_char(out, 0);
	return !out->overflow;
}
