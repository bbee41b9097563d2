/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_TALK_H
#define POMBO_TEST_TALK_H

#include "dialogue.h"
#include "imapd_rig.h"

/* What capability.c says of append, folders, items, quota and annotations. */
#define ITEMS_CAPABILITIES                                                                                             \
	"MULTIAPPEND REPLACE CREATE-SPECIAL-USE STATUS=SIZE BINARY PREVIEW SAVEDATE OBJECTID WITHIN "                  \
	"SORT SORT=DISPLAY THREAD=ORDEREDSUBJECT THREAD=REFERENCES METADATA QUOTA QUOTA=RES-STORAGE "                  \
	"QUOTA=RES-MESSAGE "                                                                                           \
	"APPENDLIMIT=52428800"

/* Of a mailbox without keywords. */
#define FLAGS                                                                                                          \
	"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n"                                                  \
	"* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] Flags are kept\r\n"

#endif
