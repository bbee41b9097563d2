/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_MBOX_H
#define POMBO_STORE_MBOX_H

#include "store/writer.h"

/* The writer's mailboxes in memory: what writer.c needs of mbox.c (jobs use writer.h alone). */

int mbox_flush_all(struct writer *w); /* those touched: pages, counts; tells CHANGE_MAILBOX */
void mbox_drop_all(struct writer *w); /* after a rollback */
void mbox_settle(struct writer *w); /* after a commit */

#endif
