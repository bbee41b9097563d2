/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_COMPOSE_H
#define POMBO_CLI_COMPOSE_H

#include "cli/addressee.h"
#include "mail/date.h"

/* A message from its parts, as RFC 5322 and MIME want it: CRLF, seven bits (but for addresses with UTF-8 local parts), no line over 998
 * bytes. Pure. */
struct compose_file {
	struct view name; /* without folders */
	const char *type;
	struct view bytes;
};

struct compose {
	const struct addressee *from;
	const struct addressees *to, *cc; /* may be empty */
	struct view subject; /* UTF-8; empty: no field */
	struct view text; /* UTF-8, any line ends */
	const struct compose_file *files;
	size_t file_count;
	struct date date;
	struct view unique; /* letters and digits, never the same again: for Message-ID and boundary */
};

enum compose_verdict {
	COMPOSE_DONE,
	COMPOSE_BAD_SUBJECT, /* not UTF-8, or a word in it is too long for any line */
	COMPOSE_BAD_TEXT, /* not UTF-8, or NUL in it */
	COMPOSE_TOO_BIG, /* over out->max */
};
must_check enum compose_verdict compose_format(struct buf *out, const struct compose *m);

/* "From: Name <address>" and the like, folded after commas; nothing for no addresses. */
void compose_put_addressees(struct buf *out, const char *field, const struct addressee *items, size_t n);

#endif
