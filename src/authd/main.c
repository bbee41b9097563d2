/* SPDX-License-Identifier: ISC
 * authd: says who somebody is. */
#include "authd/authd.h"

int main(void)
{
	static const struct role_spec spec = {
	    .name = "authd",
	    .sandbox = SANDBOX_THREADS,
	    .prepare = authd_prepare,
	    .on_channel = authd_channel,
	    .start = authd_start,
	};

	return role_run(&spec);
}
