/* SPDX-License-Identifier: ISC
 * supervisor_run() and nothing else: `pombo run` for tests of the supervisor alone. */
#include "supervisor/supervisor.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(8192);
	bool check_only = argc > 2 && strcmp(argv[2], "--check") == 0;
	int status;

	if (argc < 2) {
		(void)fprintf(stderr, "usage: supervise DIR [--check]\n");
		return 64;
	}
	status = supervisor_run(argv[1], check_only, &error);
	if (error.n)
		(void)fprintf(stderr, "pombo: %s\n", buf_cstr(&error));
	return status;
}
