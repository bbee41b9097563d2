/* SPDX-License-Identifier: ISC
 * Addresses, senders and quotas in memory, so that a known recipient costs no SQL. */
#include "store/directory_cache.h"

#include "base/buf.h"
#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWERS_MAX = 20000, TARGETS_MAX = 50000, SENDERS_MAX = 20000, USAGES_MAX = 50000 };

struct answer {
	enum directory_verdict verdict;
	size_t count;
	struct directory_target targets[]; /* addresses owned */
};

struct usage {
	struct quota used, limit;
};

struct directory_cache {
	pthread_mutex_t lock;
	uint64_t generation;
	struct map answers; /* address → struct answer */
	size_t target_count;
	struct map senders; /* account and address → may or may_not */
	struct map usages; /* account → struct usage */
};

static char may, may_not;

struct directory_cache *directory_cache_new(void)
{
	struct directory_cache *c = xcalloc(1, sizeof *c);

	pthread_mutex_init(&c->lock, NULL);
	map_init(&c->answers);
	map_init(&c->senders);
	map_init(&c->usages);
	return c;
}

static void free_answer(struct answer *answer)
{
	for (size_t i = 0; i < answer->count; i++)
		free((void *)(uintptr_t)answer->targets[i].address.p);
	free(answer);
}

/* c->lock is held. */
static void empty_answers(struct directory_cache *c)
{
	for (struct map_entry *e = map_first(&c->answers); e; e = map_next(&c->answers, e))
		free_answer(map_value(e));
	map_fini(&c->answers);
	map_init(&c->answers);
	c->target_count = 0;
}

static void empty_senders(struct directory_cache *c)
{
	map_fini(&c->senders);
	map_init(&c->senders);
}

static void empty_usages(struct directory_cache *c)
{
	for (struct map_entry *e = map_first(&c->usages); e; e = map_next(&c->usages, e))
		free(map_value(e));
	map_fini(&c->usages);
	map_init(&c->usages);
}

void directory_cache_free(struct directory_cache **c)
{
	if (!*c)
		return;
	empty_answers(*c);
	empty_senders(*c);
	empty_usages(*c);
	pthread_mutex_destroy(&(*c)->lock);
	free(*c);
	*c = NULL;
}

void directory_cache_clear(struct directory_cache *c)
{
	pthread_mutex_lock(&c->lock);
	c->generation++;
	empty_answers(c);
	empty_senders(c);
	empty_usages(c);
	pthread_mutex_unlock(&c->lock);
}

uint64_t directory_cache_generation(struct directory_cache *c)
{
	uint64_t generation;

	pthread_mutex_lock(&c->lock);
	generation = c->generation;
	pthread_mutex_unlock(&c->lock);
	return generation;
}

/* ---- addresses ---- */

static bool copy_out(const struct answer *answer, struct arena *a, struct directory_result *ret)
{
	struct directory_target *targets = arena_array(a, answer->count, sizeof *targets);

	if (!targets)
		return false;
	for (size_t i = 0; i < answer->count; i++) {
		targets[i].account = answer->targets[i].account;
		targets[i].address = arena_copy(a, answer->targets[i].address);
		if (!targets[i].address.p)
			return false;
	}
	*ret = (struct directory_result){answer->verdict, targets, answer->count};
	return true;
}

bool directory_cache_find(struct directory_cache *c, struct view address, struct arena *a, struct directory_result *ret)
{
	const struct answer *answer;
	bool found;

	pthread_mutex_lock(&c->lock);
	answer = map_get(&c->answers, address);
	found = answer && copy_out(answer, a, ret);
	pthread_mutex_unlock(&c->lock);
	return found;
}

static struct answer *new_answer(const struct directory_result *result)
{
	struct answer *answer = xcalloc(1, sizeof *answer + result->target_count * sizeof answer->targets[0]);

	answer->verdict = result->verdict;
	answer->count = result->target_count;
	for (size_t i = 0; i < answer->count; i++) {
		struct view address = result->targets[i].address;

		answer->targets[i].account = result->targets[i].account;
		answer->targets[i].address = (struct view){xmemdup(address.p, address.n ? address.n : 1), address.n};
	}
	return answer;
}

void directory_cache_keep(struct directory_cache *c, uint64_t generation, struct view address,
			  const struct directory_result *result)
{
	struct answer *old;

	pthread_mutex_lock(&c->lock);
	if (c->generation == generation) {
		if (c->answers.count >= ANSWERS_MAX || c->target_count + result->target_count > TARGETS_MAX)
			empty_answers(c);
		c->target_count += result->target_count;
		old = map_set(&c->answers, address, new_answer(result));
		if (old) {
			c->target_count -= old->count;
			free_answer(old);
		}
	}
	pthread_mutex_unlock(&c->lock);
}

/* ---- senders ---- */

static void sender_key(struct buf *out, uint64_t account, struct view address)
{
	buf_append(out, &account, sizeof account);
	buf_append_view(out, address);
}

bool directory_cache_find_sender(struct directory_cache *c, uint64_t account, struct view address, bool *ret_may)
{
	struct buf key = BUF_INIT(1024);
	const void *value;

	sender_key(&key, account, address);
	pthread_mutex_lock(&c->lock);
	value = key.overflow ? NULL : map_get(&c->senders, buf_view(&key));
	pthread_mutex_unlock(&c->lock);
	buf_fini(&key);
	if (value)
		*ret_may = value == &may;
	return value != NULL;
}

void directory_cache_keep_sender(struct directory_cache *c, uint64_t generation, uint64_t account, struct view address,
				 bool is_allowed)
{
	struct buf key = BUF_INIT(1024);

	sender_key(&key, account, address);
	pthread_mutex_lock(&c->lock);
	if (c->generation == generation && !key.overflow) {
		if (c->senders.count >= SENDERS_MAX)
			empty_senders(c);
		(void)map_set(&c->senders, buf_view(&key), is_allowed ? &may : &may_not);
	}
	pthread_mutex_unlock(&c->lock);
	buf_fini(&key);
}

/* ---- quotas ---- */

void directory_cache_keep_usage(struct directory_cache *c, uint64_t generation, uint64_t account, struct quota used,
				struct quota limit)
{
	pthread_mutex_lock(&c->lock);
	if (c->generation == generation && !map_u64_get(&c->usages, account)) {
		struct usage *u = xmalloc(sizeof *u);

		if (c->usages.count >= USAGES_MAX)
			empty_usages(c);
		*u = (struct usage){used, limit};
		(void)map_u64_set(&c->usages, account, u);
	}
	pthread_mutex_unlock(&c->lock);
}

void directory_cache_usage(struct directory_cache *c, uint64_t account, struct quota used, struct quota limit)
{
	struct usage *u;

	pthread_mutex_lock(&c->lock);
	u = map_u64_get(&c->usages, account);
	if (u)
		*u = (struct usage){used, limit};
	pthread_mutex_unlock(&c->lock);
}

bool directory_cache_has_room(struct directory_cache *c, uint64_t account, struct quota more)
{
	const struct usage *u;
	bool room;

	pthread_mutex_lock(&c->lock);
	u = map_u64_get(&c->usages, account);
	room = !u || quota_has_room(u->limit, u->used, more);
	pthread_mutex_unlock(&c->lock);
	return room;
}
