/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_TALK_H
#define POMBO_TEST_TALK_H

#include "imapd_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* What capability.c says of append, folders, items, quota and annotations. */
#define ITEMS_CAPABILITIES                                                                                             \
	"MULTIAPPEND REPLACE CREATE-SPECIAL-USE STATUS=SIZE BINARY PREVIEW SAVEDATE OBJECTID WITHIN "                  \
	"SORT SORT=DISPLAY THREAD=ORDEREDSUBJECT THREAD=REFERENCES METADATA QUOTA QUOTA=RES-STORAGE "                  \
	"QUOTA=RES-MESSAGE "                                                                                           \
	"APPENDLIMIT=52428800"

/* Dialogues: each exchange word for word. */
struct exchange {
	const char *say, *hear;
};

static inline void talk(struct rig *r, size_t client, const struct exchange *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_string_equal(wire_say(&r->wire, client, list[i].say), list[i].hear);
}

#define TALK(r, client, ...)                                                                                           \
	talk(r, client, (const struct exchange[]){__VA_ARGS__},                                                        \
	     sizeof((const struct exchange[]){__VA_ARGS__}) / sizeof(struct exchange))

#endif
