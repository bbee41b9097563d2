/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_SMTPD_TALK_H
#define POMBO_TEST_SMTPD_TALK_H

#include "smtpd_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

/* Dialogues with the rig's sessions, and the replies that come again and again. */
#define OK "250 2.0.0 Ok\r\n"
#define SENDER_OK "250 2.1.0 Sender ok\r\n"
#define RCPT_OK "250 2.1.5 Recipient ok\r\n"
#define GO "354 End with a line that is one dot\r\n"
#define BYE "221 2.0.0 Goodbye\r\n"
#define HELO_OK "250 mx.example.org\r\n"

struct exchange {
	const char *say, *hear;
};

void talk(struct rig *r, size_t client, const struct exchange *list, size_t n);
#define TALK(r, client, ...)                                                                                           \
	talk(r, client, (const struct exchange[]){__VA_ARGS__},                                                        \
	     sizeof((const struct exchange[]){__VA_ARGS__}) / sizeof(struct exchange))

bool has_prefix(const char *text, const char *prefix);
/* A client past EHLO. */
size_t greeted(struct rig *r);
/* ... past MAIL and RCPT. */
size_t addressed(struct rig *r);
/* The text of a message that stored was handed. */
const char *text_of(struct rig *r, size_t message);

#endif
