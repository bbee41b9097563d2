/* SPDX-License-Identifier: ISC
 * How fast passwords may be guessed: budgets of failures per network, account, and known pair of both. */
#include "authd/throttle.h"

#include "base/buf.h"
#include "base/map.h"

enum { KEY_MAX = 1200, RETRY_MS = 100 };

enum kind { NETWORK, ACCOUNT, PAIR };

static const struct {
	uint64_t failures;
	uint64_t interval_ms;
} budgets[] = {
    [NETWORK] = {60, 3000},
    [ACCOUNT] = {20, 10000},
    [PAIR] = {20, 3000},
};

void throttle_init(struct throttle *t)
{
	recall_init(&t->due, THROTTLE_KEYS_MAX);
	recall_init(&t->pending, THROTTLE_KEYS_MAX);
}

void throttle_fini(struct throttle *t)
{
	recall_fini(&t->due);
	recall_fini(&t->pending);
}

static uint64_t key_of(enum kind kind, struct view a, struct view b)
{
	struct buf key = BUF_INIT(KEY_MAX);
	uint64_t hash;

	buf_append_char(&key, (char)kind);
	buf_append_view(&key, a);
	buf_append_char(&key, '\0');
	buf_append_view(&key, b);
	hash = map_hash(buf_view(&key));
	buf_fini(&key);
	return hash ? hash : 1;
}

static struct throttle_ticket ticket_for(const struct throttle_subject *who)
{
	if (who->known)
		return (struct throttle_ticket){{key_of(PAIR, who->account, who->network)}, {PAIR}, 1};
	return (struct throttle_ticket){
	    {key_of(NETWORK, who->network, VIEW_EMPTY), key_of(ACCOUNT, who->account, VIEW_EMPTY)},
	    {NETWORK, ACCOUNT},
	    2};
}

/* How long until one more failure would fit into the budget; what is under way counts as failed. */
static uint64_t wait_for(struct throttle *t, uint64_t key, unsigned kind, uint64_t now_ms)
{
	const uint64_t *due = recall_find(&t->due, key), *pending = recall_find(&t->pending, key);
	uint64_t whole = due && *due > now_ms ? *due - now_ms : 0;
	uint64_t used = whole + ((pending ? *pending : 0) + 1) * budgets[kind].interval_ms;
	uint64_t room = budgets[kind].failures * budgets[kind].interval_ms;

	if (used <= room)
		return 0;
	/* Those under way may end at any moment. */
	return pending && *pending > 0 ? RETRY_MS : used - room;
}

static uint64_t longest_wait(struct throttle *t, const struct throttle_ticket *ticket, uint64_t now_ms)
{
	uint64_t longest = 0;

	for (unsigned i = 0; i < ticket->n; i++) {
		uint64_t wait = wait_for(t, ticket->keys[i], ticket->kinds[i], now_ms);

		longest = wait > longest ? wait : longest;
	}
	return longest;
}

uint64_t throttle_begin(struct throttle *t, const struct throttle_subject *who, uint64_t now_ms,
			struct throttle_ticket *ret)
{
	struct throttle_ticket ticket = ticket_for(who);
	uint64_t wait = longest_wait(t, &ticket, now_ms);

	if (wait > 0)
		return wait;
	for (unsigned i = 0; i < ticket.n; i++)
		*recall_set(&t->pending, ticket.keys[i]) += 1;
	*ret = ticket;
	return 0;
}

bool throttle_allows(struct throttle *t, const struct throttle_subject *who, uint64_t now_ms)
{
	struct throttle_ticket ticket = ticket_for(who);

	return longest_wait(t, &ticket, now_ms) == 0;
}

void throttle_end(struct throttle *t, const struct throttle_ticket *ticket, bool failed, uint64_t now_ms)
{
	for (unsigned i = 0; i < ticket->n; i++) {
		uint64_t *pending = recall_find(&t->pending, ticket->keys[i]);
		uint64_t *due;

		if (pending && --*pending == 0)
			recall_forget(&t->pending, ticket->keys[i]);
		if (!failed)
			continue;
		due = recall_set(&t->due, ticket->keys[i]);
		*due = (*due > now_ms ? *due : now_ms) + budgets[ticket->kinds[i]].interval_ms;
	}
}
