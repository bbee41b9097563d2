/* SPDX-License-Identifier: ISC
 * Who may do what: grants and the mailbox sessions opened with them. */
#include "stored/session.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/random.h"
#include "stored/op.h"

#include <stdlib.h>

enum {
	GRANTS_MAX = 200000,
	SESSIONS_MAX = 200000,
	SESSIONS_OF_GRANT_MAX = 16, /* a login needs one */
	UNUSED_GRANT_S = 3600, /* a submission client may idle that long before its first MAIL */
	GRANT_LIFE_S = 30 * 24 * 3600,
	SWEEP_S = 60,
};

struct sessions {
	struct map grants; /* handle → struct grant */
	struct map by_id; /* id → struct session */
	struct map watchers; /* mailbox → first struct session of a chain */
	struct map account_watchers; /* account → the same */
	int64_t swept_mono_s;
};

static int64_t mono_s(void)
{
	return (int64_t)(clock_mono_ms() / 1000);
}

struct sessions *sessions_new(void)
{
	struct sessions *ss = xcalloc(1, sizeof *ss);

	map_init(&ss->grants);
	map_init(&ss->by_id);
	map_init(&ss->watchers);
	map_init(&ss->account_watchers);
	ss->swept_mono_s = mono_s();
	return ss;
}

void sessions_free(struct sessions **ssp)
{
	struct sessions *ss = *ssp;
	struct map_entry *e;

	if (!ss)
		return;
	while ((e = map_first(&ss->by_id)))
		sessions_close(ss, map_value(e));
	while ((e = map_first(&ss->grants)))
		sessions_drop_grant(ss, map_value(e));
	map_fini(&ss->by_id);
	map_fini(&ss->grants);
	map_fini(&ss->watchers);
	map_fini(&ss->account_watchers);
	free(ss);
	*ssp = NULL;
}

static bool is_stale(const struct grant *g, int64_t now)
{
	int64_t age = now - g->made_mono_s;

	return g->sessions == 0 && age > (g->holder ? GRANT_LIFE_S : UNUSED_GRANT_S);
}

static void sweep(struct sessions *ss)
{
	int64_t now = mono_s();
	struct map_entry *e, *next;

	if (now - ss->swept_mono_s < SWEEP_S)
		return;
	ss->swept_mono_s = now;
	for (e = map_first(&ss->grants); e; e = next) {
		next = map_next(&ss->grants, e);
		if (is_stale(map_value(e), now))
			sessions_drop_grant(ss, map_value(e));
	}
}

bool sessions_grant(struct sessions *ss, struct view handle, uint64_t account, uint64_t generation, struct view address)
{
	struct grant *g;

	sweep(ss);
	if (handle.n < GRANT_BYTES_MIN || handle.n > GRANT_BYTES_MAX || ss->grants.count >= GRANTS_MAX ||
	    map_get(&ss->grants, handle))
		return false;
	g = xcalloc(1, sizeof *g);
	*g = (struct grant){.account = account, .generation = generation, .made_mono_s = mono_s()};
	g->address = view_to_cstr(address);
	g->handle = view_from(xmemdup(handle.p, handle.n), handle.n);
	(void)map_set(&ss->grants, handle, g);
	return true;
}

struct grant *sessions_find_grant(struct sessions *ss, struct view handle, struct peer *peer)
{
	struct grant *g = handle.n ? map_get(&ss->grants, handle) : NULL;

	if (!g || (g->holder && g->holder != peer) || is_stale(g, mono_s()))
		return NULL;
	g->holder = peer;
	return g;
}

void sessions_drop_grant(struct sessions *ss, struct grant *g)
{
	(void)map_remove(&ss->grants, g->handle);
	free((void *)g->handle.p);
	free(g->address);
	free(g);
}

struct session *sessions_open(struct sessions *ss, struct grant *g, struct peer *peer)
{
	struct session *s;

	if (ss->by_id.count >= SESSIONS_MAX || g->sessions >= SESSIONS_OF_GRANT_MAX)
		return NULL;
	s = xcalloc(1, sizeof *s);
	do
		s->id = random_u64();
	while (s->id == 0 || map_u64_get(&ss->by_id, s->id));
	s->peer = peer;
	s->grant = g;
	g->sessions++;
	(void)map_u64_set(&ss->by_id, s->id, s);
	return s;
}

struct session *sessions_find(struct sessions *ss, uint64_t id, const struct peer *peer)
{
	struct session *s = map_u64_get(&ss->by_id, id);

	return s && s->peer == peer ? s : NULL;
}

static void unwatch(struct sessions *ss, struct session *s)
{
	struct session *first = map_u64_get(&ss->watchers, s->watched_mailbox);

	if (s->watched_mailbox == 0)
		return;
	if (first == s) {
		if (s->next_watcher)
			(void)map_u64_set(&ss->watchers, s->watched_mailbox, s->next_watcher);
		else
			(void)map_u64_remove(&ss->watchers, s->watched_mailbox);
	} else {
		while (first->next_watcher != s)
			first = first->next_watcher;
		first->next_watcher = s->next_watcher;
	}
	s->next_watcher = NULL;
	s->watched_mailbox = 0;
}

static void unwatch_account(struct sessions *ss, struct session *s)
{
	uint64_t account = s->grant->account;
	struct session *first = map_u64_get(&ss->account_watchers, account);

	if (!s->watches_account)
		return;
	if (first == s) {
		if (s->next_account_watcher)
			(void)map_u64_set(&ss->account_watchers, account, s->next_account_watcher);
		else
			(void)map_u64_remove(&ss->account_watchers, account);
	} else {
		while (first->next_account_watcher != s)
			first = first->next_account_watcher;
		first->next_account_watcher = s->next_account_watcher;
	}
	s->next_account_watcher = NULL;
	s->watches_account = false;
}

void sessions_close(struct sessions *ss, struct session *s)
{
	struct grant *g = s->grant;

	if (s->ahead)
		s->forget_ahead(s);
	if (s->long_read)
		s->long_read->forgotten = true;
	unwatch(ss, s);
	unwatch_account(ss, s);
	(void)map_u64_remove(&ss->by_id, s->id);
	free(s);
	if (--g->sessions == 0)
		sessions_drop_grant(ss, g);
}

void sessions_forget_peer(struct sessions *ss, struct peer *peer)
{
	struct map_entry *e, *next;

	for (e = map_first(&ss->by_id); e; e = next) {
		struct session *s = map_value(e);

		next = map_next(&ss->by_id, e);
		if (s->peer == peer)
			sessions_close(ss, s);
	}
	for (e = map_first(&ss->grants); e; e = next) {
		struct grant *g = map_value(e);

		next = map_next(&ss->grants, e);
		if (g->holder == peer)
			sessions_drop_grant(ss, g);
	}
}

void sessions_end_stale(struct sessions *ss, uint64_t account, uint64_t generation,
			void (*session_ended)(void *ctx, struct session *s),
			void (*grant_ended)(void *ctx, struct grant *g), void *ctx)
{
	struct map_entry *e, *next;

	for (e = map_first(&ss->by_id); e; e = next) {
		struct session *s = map_value(e);

		next = map_next(&ss->by_id, e);
		if (s->grant->account == account && s->grant->generation != generation) {
			session_ended(ctx, s);
			sessions_close(ss, s);
		}
	}
	for (e = map_first(&ss->grants); e; e = next) {
		struct grant *g = map_value(e);

		next = map_next(&ss->grants, e);
		if (g->account == account && g->generation != generation) {
			grant_ended(ctx, g);
			sessions_drop_grant(ss, g);
		}
	}
}

void sessions_watch(struct sessions *ss, struct session *s, uint64_t mailbox, uint64_t told_modseq)
{
	s->told_modseq = told_modseq;
	s->notice_due = false;
	if (s->watched_mailbox == mailbox)
		return;
	unwatch(ss, s);
	if (mailbox == 0)
		return;
	s->watched_mailbox = mailbox;
	s->next_watcher = map_u64_get(&ss->watchers, mailbox);
	(void)map_u64_set(&ss->watchers, mailbox, s);
}

void sessions_notice(struct sessions *ss, uint64_t account, uint64_t mailbox, uint64_t modseq,
		     void (*tell)(void *ctx, struct session *s, uint64_t modseq), void *ctx)
{
	for (struct session *s = map_u64_get(&ss->watchers, mailbox); s; s = s->next_watcher) {
		if (s->grant->account != account || s->notice_due || s->told_modseq >= modseq)
			continue;
		s->notice_due = true;
		tell(ctx, s, modseq);
	}
}

void sessions_watch_account(struct sessions *ss, struct session *s, bool on, bool annotations)
{
	unwatch_account(ss, s);
	s->account_notice_due = false;
	s->hears_annotations = annotations;
	if (!on)
		return;
	s->watches_account = true;
	s->next_account_watcher = map_u64_get(&ss->account_watchers, s->grant->account);
	(void)map_u64_set(&ss->account_watchers, s->grant->account, s);
}

void sessions_notice_account(struct sessions *ss, uint64_t account, void (*tell)(void *ctx, struct session *s),
			     void *ctx)
{
	for (struct session *s = map_u64_get(&ss->account_watchers, account); s; s = s->next_account_watcher) {
		if (s->account_notice_due)
			continue;
		s->account_notice_due = true;
		tell(ctx, s);
	}
}

void sessions_each_annotated(struct sessions *ss, uint64_t account, void (*tell)(void *ctx, struct session *s),
			     void *ctx)
{
	for (struct session *s = map_u64_get(&ss->account_watchers, account); s; s = s->next_account_watcher)
		if (s->hears_annotations)
			tell(ctx, s);
}

size_t sessions_count(const struct sessions *ss)
{
	return ss->by_id.count;
}
