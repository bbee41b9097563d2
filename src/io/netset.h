/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IO_NETSET_H
#define POMBO_IO_NETSET_H

#include "conf/conf.h"

/* A set of networks written as in the settings: "192.0.2.0/24 2001:db8::/32 127.0.0.1". */
struct netset;

must_check int netset_parse(const struct conf_list *list, struct netset **ret, struct buf *error);
void netset_free(struct netset **n);
/* `ip`: text of an IPv4 or IPv6 address (IPv4-mapped counts as IPv4). False for anything that is not one. */
bool netset_contains(const struct netset *n, const char *ip);

#endif
