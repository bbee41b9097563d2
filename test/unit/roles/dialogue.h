/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_DIALOGUE_H
#define POMBO_TEST_DIALOGUE_H

#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Dialogues with the rig's sessions: each exchange word for word. */
struct exchange {
	const char *say, *hear;
};

void talk(struct rig *r, size_t client, const struct exchange *list, size_t n);
#define TALK(r, client, ...)                                                                                           \
	talk(r, client, (const struct exchange[]){__VA_ARGS__},                                                        \
	     sizeof((const struct exchange[]){__VA_ARGS__}) / sizeof(struct exchange))

/* Sends it again and again, until nothing of it is taken any more. */
void send_until_stuck(struct rig *r, size_t client, struct view bytes);

/* A test of every role: what was opened for a client that has gone is closed, however late it comes. */
void test_gone_while_logging_in(void **state);

#endif
