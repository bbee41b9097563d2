/* SPDX-License-Identifier: ISC
 * What keyd would sign has one of few lengths and one of two beginnings, whatever the input. */
#include "keyd/tbs.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	switch (tbs_recognise(view_from(data, size))) {
	case TBS_OTHER:
		break;
	case TBS_TLS13:
		assert(size == 64 + 34 + 32 || size == 64 + 34 + 48);
		assert(data[0] == ' ' && memcmp(data + 64, "TLS 1.3, server CertificateVerify", 34) == 0);
		break;
	case TBS_TLS12:
		assert(size == 64 + 4 + 32 || size == 64 + 4 + 65 || size == 64 + 4 + 97);
		assert(data[64] == 3 && data[65] == 0 && data[67] == size - 68);
		break;
	}
	return 0;
}
