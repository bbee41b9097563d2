/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_DKIM_KEYS_H
#define POMBO_CLI_DKIM_KEYS_H

#include "cli/store_client.h"
#include "mail/dkim_sign.h"

/* The DKIM keys of a domain. The private halves go into DIR/keys/dkim, which keyd alone reads; the public ones to the store. */

/* A key as the store knows it. */
struct dkim_key_info {
	char selector[DKIM_SELECTOR_MAX + 1]; /* proven: the list's own bound */
	enum dkim_algorithm algorithm;
	unsigned state; /* 0 waits, 1 signs, 2 retired */
	struct buf public_key;
	int64_t created_s, since_s;
	struct buf seen;
};
struct dkim_key_list {
	struct dkim_key_info *keys;
	size_t n;
};
void dkim_key_list_fini(struct dkim_key_list *l);

/* Every int here is 0 or an exit status, the error printed. `domain`: as typed. */
must_check int dkim_keys_get(struct store_client *s, const char *domain, struct dkim_key_list *ret);
/* The same after a look at the domain's name servers, for keys that wait. */
must_check int dkim_keys_look(struct store_client *s, const char *domain, struct dkim_key_list *ret);
/* Makes an RSA-2048 and an Ed25519 key for the domain; where none signs yet they sign from now on, and where some wait already it fails. A running
 * server takes them up. */
must_check int dkim_keys_make(const struct cli *c, struct store_client *s, const char *domain);
/* The domain is none of ours any more: its private keys go. */
must_check int dkim_keys_drop(const struct cli *c, const char *domain);

#endif
