/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_CERTIFICATE_H
#define POMBO_CLI_CERTIFICATE_H

#include "cli/cli.h"

/* Makes DIR/tls/key.pem (ECDSA P-256, mode 0600) and DIR/tls/cert.pem, signed by itself, for `hostname`, ten years. 0 or an exit
 * status, the error printed. */
must_check int certificate_make_self_signed(const struct cli *c, const char *hostname);

#endif
