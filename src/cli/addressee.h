/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_ADDRESSEE_H
#define POMBO_CLI_ADDRESSEE_H

#include "base/arena.h"
#include "base/mem.h"

/* Whom a message is from or for. */
struct addressee {
	struct view name; /* to be shown, UTF-8; often empty */
	struct view
	    address; /* as it goes into MAIL FROM and RCPT TO: domain in ASCII, local part quoted where it must be */
};

struct addressees {
	struct addressee *items;
	size_t n;
	size_t completed; /* how many came without a domain */
	struct arena arena;
};

enum { ADDRESSEES_MAX = 1000 };

void addressees_init(struct addressees *list);
void addressees_fini(struct addressees *list);

enum addressee_verdict { ADDRESSEE_FINE, ADDRESSEE_BAD, ADDRESSEE_TOO_MANY };
/* Adds those in `text`, a header field's value or what the user typed: "a@b", "Name <a@b>", several with commas, groups. A local part
 * alone gets "@default_domain", unless that is empty. An address that is there already is not added again. On failure
 * `ret_bad` is the part of `text` that is wrong; what stood before it was added. */
must_check enum addressee_verdict addressees_add(struct addressees *list, struct view text, struct view default_domain,
						 struct view *ret_bad);

#endif
