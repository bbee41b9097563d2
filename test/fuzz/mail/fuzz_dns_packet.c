/* SPDX-License-Identifier: ISC
 * A response is read within its bounds, and what comes out holds: names of hosts only, data that its reader takes. Input: two bytes that choose
 * name and type, then the packet. */
#include "mail/dns_packet.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(struct view v)
{
	struct buf canon = BUF_INIT(DNS_NAME_MAX);

	assert(dns_name_canon(v, &canon));
	assert(view_eq(v, canon.n ? buf_view(&canon) : VIEW_EMPTY));
	buf_fini(&canon);
}

static void check_record(uint16_t type, struct view v)
{
	uint8_t bytes[16];
	struct dns_mx mx;
	struct dns_srv srv;
	struct dns_soa soa;
	struct dns_tlsa tlsa;
	struct dns_caa caa;
	struct view name;

	if (type == DNS_A)
		assert(dns_read_a(v, bytes));
	if (type == DNS_AAAA)
		assert(dns_read_aaaa(v, bytes));
	if (type == DNS_TLSA)
		assert(dns_read_tlsa(v, &tlsa) && tlsa.data.n > 0);
	if (type == DNS_CAA)
		assert(dns_read_caa(v, &caa));
	if (type == DNS_MX) {
		assert(dns_read_mx(v, &mx));
		check_name(mx.exchange);
	}
	if (type == DNS_SRV) {
		assert(dns_read_srv(v, &srv));
		check_name(srv.target);
	}
	if (type == DNS_SOA) {
		assert(dns_read_soa(v, &soa));
		check_name(soa.primary);
	}
	if (type == DNS_NS || type == DNS_PTR || type == DNS_CNAME) {
		assert(dns_read_name(v, &name));
		check_name(name);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t types[] = {DNS_A,    DNS_NS,  DNS_CNAME, DNS_SOA,    DNS_PTR,  DNS_MX, DNS_TXT,
					 DNS_AAAA, DNS_SRV, DNS_DS,    DNS_DNSKEY, DNS_TLSA, DNS_CAA};
	static const char *const names[] = {"example.test", "", "_25._tcp.mx.example.test",
					    "1.0/25.2.0.192.in-addr.arpa"};
	struct dns_answer answer;
	struct arena arena;
	uint16_t type;

	if (size < 2)
		return 0;
	type = types[data[0] % ARRAY_LEN(types)];
	arena_init(&arena, 1 << 20);
	if (dns_answer_parse(view_from(data + 2, size - 2), view_from_cstr(names[data[1] % ARRAY_LEN(names)]), type,
			     &arena, &answer)) {
		check_name(answer.canonical);
		for (uint32_t i = 0; i < answer.n_records; i++)
			check_record(type, answer.records[i]);
	}
	arena_fini(&arena);
	return 0;
}
