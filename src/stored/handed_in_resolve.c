/* SPDX-License-Identifier: ISC
 * Who gets a message that was handed in: mailboxes of ours, other servers, and who is told what. */
#include "stored/handed_in_private.h"

#include "mail/smtp_command.h"
#include "mail/unitext.h"
#include "stored/arrival.h"
#include "stored/forward.h"

#include <string.h>

enum {
	COPIES_MAX = 10000, /* mailboxes and foreign recipients of one message, lists expanded */
};

static const struct verdict temporary = HANDED_IN_TEMPORARY;

static void *grown(struct arena *a, const void *items, size_t count, size_t item_size, size_t *cap)
{
	void *more;

	if (count < *cap)
		return (void *)items;
	*cap = *cap ? *cap * 2 : 4;
	more = arena_array(a, *cap, item_size);
	if (more && count)
		memcpy(more, items, count * item_size);
	return more;
}

static bool add_local(struct handed_in *h, const struct directory_target *t, const struct smtp_rcpt *rcpt,
		      bool one_of_many)
{
	struct deliver_job *j = &h->job;

	if (h->envelope.n_rcpts > 1 || one_of_many) {
		if (map_u64_set(&h->seen, t->account, h))
			return true; /* the same mailbox by two ways gets one copy */
	}
	j->locals = grown(&h->arena, j->locals, j->local_count, sizeof *j->locals, &h->local_cap);
	if (!j->locals)
		return false;
	j->locals[j->local_count++] = (struct deliver_local){.account = t->account,
							     .ignore_quota = one_of_many,
							     .mailbox = t->address,
							     .prefix = rcpt->address /* until copy_prefixes() */};
	return true;
}

static bool add_queued(struct handed_in *h, const struct deliver_remote *r)
{
	h->remotes = grown(&h->arena, h->remotes, h->job.remote_count, sizeof *h->remotes, &h->remote_cap);
	if (!h->remotes)
		return false;
	h->remotes[h->job.remote_count++] = *r;
	return true;
}

/* RFC 3461 §5.2.7.3: who was told "expanded" hears of no further success. */
static uint8_t notify_behind(uint8_t notify, bool expanded)
{
	uint8_t left = (uint8_t)(notify & ~SMTP_NOTIFY_SUCCESS);

	if (!expanded || !(notify & SMTP_NOTIFY_SUCCESS))
		return notify;
	return left ? left : SMTP_NOTIFY_NEVER;
}

/* RFC 3461 §5.2.1 (d): who forwards may say whom the sender wrote to; else a notice from afar would name somebody unknown. */
static struct view orcpt_of(struct handed_in *h, const struct smtp_rcpt *rcpt)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(512);

	if (rcpt->orcpt.n)
		return rcpt->orcpt;
	if (view_is_ascii(rcpt->address)) {
		buf_printf(&text, "rfc822;%.*s", VIEW_FMT(rcpt->address));
	} else { /* as it may stand in ORCPT (RFC 6533 §3): a blank of a quoted local part may not */
		buf_append_cstr(&text, "utf-8;");
		unitext_encode(&text, rcpt->address, false);
	}
	return text.overflow ? VIEW_EMPTY : arena_copy(&h->arena, buf_view(&text));
}

static bool add_remote(struct handed_in *h, const struct directory_target *t, const struct smtp_rcpt *rcpt,
		       bool expanded)
{
	return add_queued(h, &(struct deliver_remote){
				 .address = t->address,
				 .domain = recipient_domain(t->address, &h->arena),
				 .orcpt = rcpt->orcpt,
				 .notify = notify_behind(rcpt->notify, expanded),
			     });
}

/* The sender asked to hear of success (RFC 3461 §6.2.1): what happened here is known with this commit. */
static bool add_notice(struct handed_in *h, const struct smtp_rcpt *rcpt, enum queue_notice notice)
{
	return add_queued(h, &(struct deliver_remote){.address = rcpt->address,
						      .domain = recipient_domain(rcpt->address, &h->arena),
						      .orcpt = rcpt->orcpt,
						      .notify = rcpt->notify,
						      .notice = (uint8_t)notice});
}

static bool wants_failure(const struct handed_in *h, const struct smtp_rcpt *rcpt)
{
	return h->envelope.sender.n && (rcpt->notify == 0 || rcpt->notify & SMTP_NOTIFY_FAILURE);
}

static bool note_looped(struct handed_in *h, const struct smtp_rcpt *rcpt)
{
	if (!h->looped)
		h->looped = arena_array(&h->arena, h->envelope.n_rcpts, sizeof *h->looped);
	if (!h->looped)
		return false;
	/* Once, however many servers it leads to. */
	if (h->looped_count == 0 || h->looped[h->looped_count - 1].p != rcpt->address.p)
		h->looped[h->looped_count++] = rcpt->address;
	return true;
}

/* An alias of ours leads there. */
static bool add_forwarded(struct handed_in *h, const struct directory_target *t, const struct smtp_rcpt *rcpt,
			  bool expanded)
{
	struct deliver_remote r = {
	    .address = t->address,
	    .domain = recipient_domain(t->address, &h->arena),
	    .orcpt = orcpt_of(h, rcpt),
	    .via = rcpt->address,
	    .notify = notify_behind(rcpt->notify, expanded),
	};

	if (forward_has_mark(h->job.message.header, rcpt->address, &h->arena)) {
		h->loops = true;
		if (!wants_failure(h, rcpt))
			return note_looped(h, rcpt);
		r.notice = QUEUE_FAILED;
		r.status = VIEW_LIT("5.4.6");
		r.words = VIEW_LIT(ARRIVAL_LOOP_TEXT);
	}
	return add_queued(h, &r);
}

/* RFC 3461 §5.2.7: an alias of one address is that address; one of several is told of as expanded. */
static bool add_target(struct handed_in *h, const struct recipient *to, const struct directory_target *t,
		       const struct smtp_rcpt *rcpt)
{
	bool expanded = to->target_count > 1;

	if (t->account)
		return add_local(h, t, rcpt, expanded);
	return to->local ? add_forwarded(h, t, rcpt, expanded) : add_remote(h, t, rcpt, expanded);
}

static bool tells_success(const struct handed_in *h, const struct recipient *to, const struct smtp_rcpt *rcpt)
{
	return to->local && rcpt->notify & SMTP_NOTIFY_SUCCESS && h->envelope.sender.n &&
	       (to->target_count > 1 || to->targets[0].account);
}

static void add_targets(struct handed_in *h, const struct recipient *to, const struct smtp_rcpt *rcpt)
{
	if (tells_success(h, to, rcpt) && !add_notice(h, rcpt, to->target_count > 1 ? QUEUE_EXPANDED : QUEUE_DELIVERED))
		h->verdict = temporary;
	for (size_t i = 0; i < to->target_count && !h->verdict.code; i++) {
		if (h->job.local_count + h->job.remote_count >= COPIES_MAX) {
			h->verdict = VERDICT(452, 4, 5, 3, "too many recipients for one message; send it in parts");
			return;
		}
		if (!add_target(h, to, &to->targets[i], rcpt)) {
			h->verdict = temporary;
			return;
		}
	}
}

/* Takes up one answer; false: stop here. */
static bool heed(struct handed_in *h, const struct recipient *answer)
{
	if (answer->answer == RECIPIENT_UNKNOWN)
		h->unknown = true;
	else if (answer->answer == RECIPIENT_REFUSED)
		h->verdict = answer->verdict;
	return answer->answer == RECIPIENT_TAKEN;
}

/* The operator hears whom it is about: smtpd asked about each before, the command line did not. */
static void name_recipient(struct handed_in *h, struct view address)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(1024);
	struct view named;

	if (h->by != BY_OPERATOR || !h->verdict.code)
		return;
	buf_printf(&text, "%.*s: %.*s", VIEW_FMT(address), VIEW_FMT(h->verdict.text));
	named = arena_copy(&h->arena, buf_view(&text));
	if (named.n)
		h->verdict.text = named;
}

bool handed_in_leaves_here(const struct handed_in *h)
{
	for (size_t i = 0; i < h->job.remote_count; i++)
		if (!h->remotes[i].notice)
			return true;
	return false;
}

void handed_in_resolve(struct handed_in *h, struct store_reader *r)
{
	h->unknown = h->loops = false;
	h->verdict = (struct verdict){0};
	h->job.local_count = h->job.remote_count = h->looped_count = 0;
	map_fini(&h->seen);
	for (size_t i = 0; i < h->from_count; i++) {
		struct recipient from = sender_resolve(h->sd->store, r, h->account, h->from[i], &h->arena);

		if (!heed(h, &from))
			return;
	}
	for (size_t i = 0; i < h->envelope.n_rcpts; i++) {
		const struct smtp_rcpt *rcpt = &h->envelope.rcpts[i];
		struct recipient to = recipient_resolve(h->sd->store, r, rcpt->address, h->may_relay[i], 0, &h->arena);

		if (!heed(h, &to)) {
			name_recipient(h, rcpt->address);
			return;
		}
		add_targets(h, &to, rcpt);
		if (h->verdict.code)
			return;
	}
	/* Nobody is left: the server it came from tells the sender. */
	if (h->loops && h->job.local_count == 0 && !handed_in_leaves_here(h))
		h->verdict = VERDICT(554, 5, 4, 6, ARRIVAL_LOOP_TEXT);
}
