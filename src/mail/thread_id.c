/* SPDX-License-Identifier: ISC
 * The conversation that a message belongs to. */
#include "mail/thread_id.h"

#include "mail/header.h"
#include "mail/message_id.h"

enum { ID_MAX = 998 }; /* a line (RFC 5322 §2.1.1) */

/* FNV-1a, and a last mixing. No key: a name must outlive the store that gave it, and who wants to join a conversation needs no
 * collision, only its message id. */
static uint64_t hash(struct view id)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < id.n; i++)
		h = (h ^ (uint8_t)id.p[i]) * 0x100000001b3;
	h = (h ^ (h >> 33)) * 0xff51afd7ed558ccd;
	return h ^ (h >> 33);
}

static bool first_id(struct view header, const char *name, struct buf *ret)
{
	struct header_field field;

	return header_find(header, name, &field) && message_id_next(&field.value, ret);
}

void thread_id_format(struct buf *out, struct view header, uint64_t message)
{
	_cleanup_(buf_fini) struct buf id = BUF_INIT(ID_MAX);

	if (first_id(header, "References", &id) || first_id(header, "In-Reply-To", &id) ||
	    first_id(header, "Message-ID", &id))
		buf_printf(out, "T%016llx", (unsigned long long)hash(buf_view(&id)));
	else
		buf_printf(out, "TM%llu", (unsigned long long)message);
}
