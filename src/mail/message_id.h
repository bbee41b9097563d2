/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_MESSAGE_ID_H
#define POMBO_MAIL_MESSAGE_ID_H

#include "base/buf.h"
#include "base/mem.h"

/* The next message id in the value of a Message-ID, In-Reply-To or References field, in the form that RFC 5256 §3 compares:
 * without "<>", quotes, backslashes, comments and folds. What is not "<left@right>" is passed over. `*rest` moves behind it; `out` is
 * emptied first. False: there is none, or (passed over too) longer than out->max. */
must_check bool message_id_next(struct view *rest, struct buf *out);
/* The one that a header block, or as much of one as there is, gives the message. `out` is emptied first; false: none, or longer than out->max. */
must_check bool message_id_of(struct view block, struct buf *out);

#endif
