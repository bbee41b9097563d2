/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_SENDMAIL_H
#define POMBO_CLI_SENDMAIL_H

#include "cli/cli.h"

/* What this program is under the names sendmail, mailq and newaliases: the interface that programs have used for decades to
 * send mail from a Unix machine. `name` is argv[0] without folders. False: it is none of these. */
bool sendmail_is_name(const char *name);
/* An exit status of <sysexits.h>. */
must_check int sendmail_run(struct cli *c, const char *name, int argc, char **argv);

#endif
