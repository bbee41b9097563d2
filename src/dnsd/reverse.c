/* SPDX-License-Identifier: ISC
 * The name of an address that leads back to it. */
#include "dnsd/reverse.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 5, NAMES_ARENA_MAX = 16384 };

struct reverse {
	struct resolver *resolver;
	enum resolver_lane lane;
	struct question *question;
	uint64_t until_ms;
	uint8_t address[16];
	size_t address_bytes;
	struct arena arena;
	struct view names[NAMES_MAX];
	size_t n_names;
	size_t at; /* the name that is tried */
	reverse_fn *fn;
	void *ctx;
};

static void reverse_free(struct reverse *v)
{
	question_cancel(&v->question);
	arena_fini(&v->arena);
	free(v);
}

void reverse_cancel(struct reverse **v)
{
	if (*v)
		reverse_free(*v);
	*v = NULL;
}

static void end(struct reverse *v, struct view name)
{
	v->fn(v->ctx, name);
	reverse_free(v);
}

static void hear_addresses(void *ctx, const struct dns_result *result);

static void try_next(struct reverse *v)
{
	uint64_t now_ms = clock_mono_ms();

	if (v->at < v->n_names && now_ms < v->until_ms)
		v->question =
		    resolver_ask(v->resolver, v->lane, v->names[v->at], v->address_bytes == 4 ? DNS_A : DNS_AAAA,
				 (uint32_t)(v->until_ms - now_ms), hear_addresses, v);
	if (!v->question)
		end(v, VIEW_EMPTY);
}

static bool leads_back(const struct reverse *v, const struct dns_answer *answer)
{
	for (uint32_t i = 0; i < answer->n_records; i++)
		if (view_eq(answer->records[i], view_from(v->address, v->address_bytes)))
			return true;
	return false;
}

static void hear_addresses(void *ctx, const struct dns_result *result)
{
	struct reverse *v = ctx;

	v->question = NULL;
	if (!result->failed && leads_back(v, &result->answer)) {
		end(v, v->names[v->at]);
		return;
	}
	v->at++;
	try_next(v);
}

static void hear_names(void *ctx, const struct dns_result *result)
{
	struct reverse *v = ctx;

	v->question = NULL;
	for (uint32_t i = 0; !result->failed && i < result->answer.n_records && v->n_names < NAMES_MAX; i++) {
		struct view name = arena_copy(&v->arena, result->answer.records[i]);

		if (name.p && name.n > 0)
			v->names[v->n_names++] = name;
	}
	try_next(v);
}

static bool read_address(struct view text, struct reverse *v)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	_cleanup_(free_ptr) char *ip = text.n < INET6_ADDRSTRLEN ? view_to_cstr(text) : NULL;

	v->address_bytes = 4;
	if (ip && inet_pton(AF_INET, ip, v->address) == 1)
		return true;
	if (!ip || inet_pton(AF_INET6, ip, v->address) != 1)
		return false;
	if (memcmp(v->address, mapped, sizeof mapped) == 0)
		memmove(v->address, v->address + 12, 4);
	else
		v->address_bytes = 16;
	return true;
}

struct reverse *reverse_ask(struct resolver *r, enum resolver_lane lane, struct view address, uint32_t deadline_ms,
			    reverse_fn *fn, void *ctx)
{
	_cleanup_(buf_fini) struct buf name = BUF_INIT(DNS_NAME_MAX);
	struct reverse *v;

	if (!dns_reverse_name(address, &name))
		return NULL;
	v = xcalloc(1, sizeof *v);
	*v = (struct reverse){.resolver = r, .lane = lane, .fn = fn, .ctx = ctx};
	v->until_ms = clock_mono_ms() + deadline_ms;
	arena_init(&v->arena, NAMES_ARENA_MAX);
	if (read_address(address, v))
		v->question = resolver_ask(r, lane, buf_view(&name), DNS_PTR, deadline_ms, hear_names, v);
	if (v->question)
		return v;
	reverse_free(v);
	return NULL;
}
