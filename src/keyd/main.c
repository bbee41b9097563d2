/* SPDX-License-Identifier: ISC
 * keyd: holds the private keys and signs TLS handshakes for the front ends. */
#include "keyd/keyd.h"

int main(void)
{
	static const struct role_spec spec = {
	    .name = "keyd",
	    .sandbox = SANDBOX_THREADS,
	    .prepare = keyd_prepare,
	    .on_file = keyd_file,
	    .on_channel = keyd_channel,
	    .start = keyd_start,
	};

	return role_run(&spec);
}
