/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_DNS_H
#define POMBO_CLI_DNS_H

#include "conf/conf.h"

#include <jansson.h>

/* The DNS records to publish for a domain: {"domain", "hostname", "records": [{"name", "type", "value"}], "notes": [...]}.
 * `domain_ascii`: A-labels. Only what this server does already: nothing about DKIM, MTA-STS or reports. */
json_t *dns_records(const struct conf *conf, struct view domain_ascii);
/* As lines of a zone file, notes as comments. */
void dns_print(const json_t *records);

/* An address as text that others may reach: not loopback, link-local, private, for documentation or multicast (RFC 6890). */
bool dns_address_is_public(const char *address);

#endif
