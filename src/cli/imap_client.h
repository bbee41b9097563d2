/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_IMAP_CLIENT_H
#define POMBO_CLI_IMAP_CLIENT_H

#include "base/buf.h"
#include "base/mem.h"

/* A small IMAP client (RFC 3501), for bringing mail over from another server. TLS always: from the start (imaps) or by STARTTLS
 * (imap). Every int is 0 or an exit status, the error printed. */
struct imap_client;

struct imap_url;

/* `ca_file` or NULL; `insecure`: any certificate. `max_response`: bytes of one response. Connects, greets, logs in. */
must_check int imap_client_open(const struct imap_url *u, struct view password, const char *ca_file, bool insecure,
				size_t max_response, struct imap_client **ret);
void imap_client_close(struct imap_client **c);
/* Sends a command (without its tag). */
must_check int imap_client_send(struct imap_client *c, const char *command);
/* The next response to it, literals inside, without its last line end. *ret_done: it was the tagged one. Valid until the next call. */
must_check int imap_client_next(struct imap_client *c, struct view *ret, bool *ret_done);
/* What the last tagged response said, when it was not OK; else NULL. As it came: not clean. */
const char *imap_client_refusal(const struct imap_client *c);
/* The same as an error. */
must_check int imap_client_check(const struct imap_client *c);

#endif
