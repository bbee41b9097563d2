/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_DNS_H
#define POMBO_CLI_DNS_H

#include "cli/dkim_keys.h"
#include "conf/conf.h"

#include <jansson.h>

/* The DNS records to publish for a domain. */
struct dns_input {
	const struct conf *conf;
	struct view domain_ascii; /* A-labels */
	const struct dkim_key_list *keys; /* NULL: none */
	struct view tls_hash; /* SHA-256 of the certificate's SubjectPublicKeyInfo, for TLSA; empty: no such record */
};

/* {"domain", "hostname", "records": [{"name", "type", "value"}], "notes": [...]}. */
json_t *dns_records(const struct dns_input *in);
/* As lines of a zone file, notes as comments; where records were checked, what is published stands behind. */
void dns_print(const json_t *records);

/* The hash for TLSA 3 1 1 (RFC 6698 §2.1) of the first certificate of a PEM file; empty when there is none. */
void dns_tls_hash(const char *path, struct buf *ret);

/* Adds "published" (right, wrong, missing, unknown) to each record, and "found" (what is there, or why nobody knows) where it is not right;
 * 0, or CLI_OTHER when any is not right. */
int dns_check(json_t *records, struct store_client *s);

/* An address as text that others may reach: not loopback, link-local, private, for documentation or multicast (RFC 6890). */
bool dns_address_is_public(const char *address);

#endif
