/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_THREAD_ID_H
#define POMBO_MAIL_THREAD_ID_H

#include "base/buf.h"
#include "base/mem.h"

/* THREADID (RFC 8474 §5.2): which conversation a message belongs to, told by its header alone, so that it is the same for all
 * copies, in any mailbox, for good. Its name is made of the message id that the conversation began with: the first one of
 * References, where there is none the first one of In-Reply-To, else the message's own. `message`: the number of a message that has none
 * of them, and is alone. */
void thread_id_format(struct buf *out, struct view header, uint64_t message);

#endif
