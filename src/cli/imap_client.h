/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_IMAP_CLIENT_H
#define POMBO_CLI_IMAP_CLIENT_H

#include "base/buf.h"
#include "base/mem.h"

/* A small IMAP client (RFC 3501), for bringing mail over from another server. TLS always: from the start (imaps) or by STARTTLS
 * (imap). Every int is 0 or an exit status, the error printed. */
struct imap_client;

struct imap_url;
struct spool;

struct imap_client_options {
	const char *ca_file; /* or NULL */
	bool insecure; /* any certificate */
	uint64_t max_literal; /* bytes */
	uint32_t idle_s; /* how long it may say nothing; hardly anything six times as long (patience.h) */
};
/* Connects, greets, logs in. */
must_check int imap_client_open(const struct imap_url *u, struct view password, const struct imap_client_options *o,
				struct imap_client **ret);
void imap_client_close(struct imap_client **c);
/* Sends a command (without its tag). */
must_check int imap_client_send(struct imap_client *c, const char *command);
/* The next response to it, literals inside, without its last line end. *ret_done: it was the tagged one. Valid until the next call. */
must_check int imap_client_next(struct imap_client *c, struct view *ret, bool *ret_done);
/* The literal of that response that is too large for memory (256 KiB), which shows there as an empty one; NULL when there is none. Valid as long. */
struct spool *imap_client_large(struct imap_client *c);
/* What the last tagged response said, when it was not OK; else NULL. As it came: not clean. */
const char *imap_client_refusal(const struct imap_client *c);
/* The same as an error. */
must_check int imap_client_check(const struct imap_client *c);

#endif
