/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_OUR_DOMAIN_H
#define POMBO_CLI_OUR_DOMAIN_H

#include "cli/store_client.h"

/* A domain as somebody typed it, in A-labels; 0, or an exit status, said why. */
must_check int our_domain_read(const char *typed, struct buf *ret);
/* 0 when it is an address, wherever, or with `catch_all` "@domain"; else an exit status, said why. */
must_check int our_domain_check_address(const char *typed, bool catch_all);
/* 0 when it is one of ours; else an exit status, said why. */
must_check int our_domain_find(struct store_client *s, struct view domain, const char *typed);

#endif
