/* SPDX-License-Identifier: ISC
 * A copy of what the resolver found. */
#include "relayd/hosts.h"

#include "base/clock.h"
#include "relayd/sts.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_MAX = 1024 * 1024, TTL_MIN_S = 30, TTL_MAX_S = 3600 };

static void copy_host(struct arena *a, const struct resolved_host *from, struct host *to)
{
	to->name = arena_copy(a, from->name);
	to->preference = from->preference;
	to->secure = from->secure;
	to->tlsa_base = arena_copy(a, from->tlsa_base);
	to->tlsa_failed = from->tlsa_failed;
	to->addresses = arena_array(a, from->address_count + 1, sizeof *to->addresses);
	for (size_t i = 0; to->addresses && i < from->address_count; i++)
		to->addresses[to->address_count++] = from->addresses[i];
	to->tlsa = arena_array(a, from->tlsa_count + 1, sizeof *to->tlsa);
	to->tlsa_failed |= !to->tlsa;
	for (size_t i = 0; to->tlsa && i < from->tlsa_count; i++) {
		to->tlsa[i] = from->tlsa[i];
		to->tlsa[i].data = arena_copy(a, from->tlsa[i].data);
		to->tlsa_failed |= !to->tlsa[i].data.p;
		to->tlsa_count++;
	}
}

struct hosts *hosts_new(const struct resolved *from)
{
	struct hosts *h = xcalloc(1, sizeof *h);
	uint32_t ttl_s = from->ttl_s < TTL_MIN_S ? TTL_MIN_S : from->ttl_s > TTL_MAX_S ? TTL_MAX_S : from->ttl_s;

	h->refs = 1;
	h->own_preference = UINT32_MAX;
	h->incomplete = from->incomplete;
	h->good_until_ms = clock_mono_ms() + (uint64_t)ttl_s * 1000;
	arena_init(&h->arena, ARENA_MAX);
	h->canonical = arena_copy(&h->arena, from->canonical);
	h->at = arena_array(&h->arena, from->host_count + 1, sizeof *h->at);
	for (size_t i = 0; h->at && i < from->host_count; i++)
		if (from->hosts[i].address_count)
			copy_host(&h->arena, &from->hosts[i], &h->at[h->count++]);
	return h;
}

struct hosts *hosts_new_local(struct view name)
{
	static const struct resolved nothing = {.what = RESOLVED_HOSTS, .ttl_s = TTL_MAX_S};
	struct hosts *h = hosts_new(&nothing);

	h->at[h->count++] = (struct host){.name = arena_copy(&h->arena, name)};
	return h;
}

struct hosts *hosts_ref(struct hosts *h)
{
	h->refs++;
	return h;
}

void hosts_unref(struct hosts **hp)
{
	struct hosts *h = *hp;

	*hp = NULL;
	if (!h || --h->refs > 0)
		return;
	sts_policy_unref(&h->sts);
	arena_fini(&h->arena);
	free(h);
}
