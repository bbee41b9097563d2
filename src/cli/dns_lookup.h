/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_DNS_LOOKUP_H
#define POMBO_CLI_DNS_LOOKUP_H

#include "cli/store_client.h"

/* What the DNS says, asked of the running server's dnsd. */

/* A record's data (mail/dns_record.h) as it stands in a zone file; false: it is not of that form. */
must_check bool dns_lookup_format(uint16_t type, struct view data, struct buf *out);

/* `pombo dns --ask TYPE NAME`: prints what there is. */
int dns_lookup_run(const struct cli *c, const char *type, const char *name);

/* Asks, quietly: 0 and the answer, valid until the next ask; or an exit status with `error`. */
must_check int dns_lookup(struct store_client *s, struct view name, uint16_t type, struct admin_msg *ret,
			  struct buf *error);

#endif
