/* SPDX-License-Identifier: ISC
 * Whatever a domain publishes about where its reports go: addresses that are taken are one address on one line. */
#include "mail/tls_report.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view txt = view_from(data, size);
	struct tls_report_record r;

	if (!tls_report_record_find(&txt, 1, &r))
		return 0;
	assert(r.count > 0 && r.count <= TLS_REPORT_RUA_MAX);
	for (size_t i = 0; i < r.count; i++) {
		struct buf out = BUF_INIT(512);

		if (tls_report_mailto(r.rua[i], &out))
			for (size_t k = 0; k < out.n; k++)
				assert(out.p[k] > 0x20 && out.p[k] < 0x7f && out.p[k] != '<' && out.p[k] != '>');
		buf_fini(&out);
	}
	return 0;
}
