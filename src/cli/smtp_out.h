/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_SMTP_OUT_H
#define POMBO_CLI_SMTP_OUT_H

#include "cli/addressee.h"
#include "cli/cli.h"
#include "cli/smtp_server.h"

/* Gives a message to a server by SMTP, through the program pombo-send: so that what speaks to the network is no part of the program that
 * may be root and runs the server. */
struct smtp_out {
	const struct smtp_server *server;
	const char *user; /* or NULL: no login */
	struct view password;
	struct view sender;
	const struct addressees *recipients;
	struct view message; /* CRLF */
	const char *ca_file; /* or NULL: the system's */
	const char *pin; /* or NULL: the server's key must be this one, whatever its name ("sha256//...") */
	bool insecure; /* take any certificate */
};

/* 0, the server's last reply printed; or an exit status, the error printed. */
must_check int smtp_out(const struct smtp_out *m);
/* The pin of the first certificate in a PEM file; false when there is none to be read. */
must_check bool smtp_out_pin(const char *cert_file, struct buf *ret);

#endif
