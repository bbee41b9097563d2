/* SPDX-License-Identifier: ISC
 * A mailbox within a reader's snapshot: counters, pages, keywords. */
#include "store/box.h"

#include "store/keyset.h"

#include <errno.h>
#include <string.h>

static int read_row(struct sql_stmt *st, struct box *ret)
{
	int rc = sql_step(st);

	if (rc > 0)
		*ret = (struct box){
		    .mailbox = sql_u64(st, 0),
		    .uidvalidity = (uint32_t)sql_u64(st, 1),
		    .uidnext = (uint32_t)sql_u64(st, 2),
		    .highestmodseq = sql_u64(st, 3),
		    .messages = sql_u64(st, 4),
		    .unseen = sql_u64(st, 5),
		    .deleted = sql_u64(st, 6),
		    .bytes = sql_u64(st, 7),
		    .unseen_page = (uint32_t)sql_u64(st, 8),
		    .forgotten_modseq = sql_u64(st, 9),
		    .overlay = sql_i64(st, 10) != 0,
		};
	sql_reset(st);
	return rc;
}

int box_read(struct store_reader *r, uint64_t account, uint64_t mailbox, struct box *ret)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_box_by_id);

	if (mailbox > MAILBOX_ID_MAX)
		return 0;
	sql_bind_u64(st, 1, mailbox);
	sql_bind_u64(st, 2, account);
	return read_row(st, ret);
}

int box_read_by_name(struct store_reader *r, uint64_t account, struct view name, struct box *ret)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_box_by_name);

	sql_bind_text(st, 1, name);
	sql_bind_u64(st, 2, account);
	return read_row(st, ret);
}

enum store_outcome box_outcome(struct store_reader *r, int rc)
{
	if (rc == -EMSGSIZE)
		return STORE_TOO_BIG;
	if (rc == -EUCLEAN)
		return reader_damaged(r, "a mailbox page");
	return rc < 0 ? reader_failed(r, rc) : rc == 0 ? STORE_NO_MAILBOX : STORE_OK;
}

/* ---- state pages ---- */

static struct sql_stmt *scan(struct store_reader *r, enum sql_id id, const struct box *box, uint32_t from_page)
{
	struct sql_stmt *st = sql_use(r->sql, id);

	sql_bind_u64(st, 1, state_key(box->mailbox, from_page));
	sql_bind_u64(st, 2, state_key(box->mailbox, 0xffffff));
	return st;
}

void state_cursor_open(struct state_cursor *c, struct store_reader *r, const struct box *box, uint32_t from_page)
{
	*c = (struct state_cursor){.r = r, .box = box};
	c->base = scan(r, SQL_state_scan, box, from_page);
	c->has_base = sql_step(c->base);
	if (box->overlay) {
		c->staged = scan(r, SQL_staged_scan, box, from_page);
		c->has_staged = sql_step(c->staged);
	}
}

void state_cursor_close(struct state_cursor *c)
{
	sql_reset(c->base);
	if (c->staged)
		sql_reset(c->staged);
}

/* Past the row it stands on, and past the base page that a staged one hides. */
static void leave(struct state_cursor *c)
{
	bool both = c->has_base > 0 && c->has_staged > 0 && sql_u64(c->base, 0) == sql_u64(c->staged, 0);

	if (c->at == c->base || both)
		c->has_base = sql_step(c->base);
	if (c->staged && c->at == c->staged)
		c->has_staged = sql_step(c->staged);
	c->at = NULL;
}

int state_cursor_next(struct state_cursor *c, uint32_t *ret_no)
{
	if (c->at)
		leave(c);
	if (c->has_base < 0 || c->has_staged < 0)
		return c->has_base < 0 ? c->has_base : c->has_staged;
	if (c->has_staged > 0 && (c->has_base == 0 || sql_u64(c->staged, 0) <= sql_u64(c->base, 0)))
		c->at = c->staged;
	else if (c->has_base > 0)
		c->at = c->base;
	else
		return 0;
	*ret_no = (uint32_t)(sql_u64(c->at, 0) & 0xffffff);
	return 1;
}

uint64_t state_cursor_maxmodseq(const struct state_cursor *c)
{
	return sql_u64(c->at, 1);
}

uint64_t state_cursor_unseen(const struct state_cursor *c)
{
	return sql_u64(c->at, 2);
}

bool state_cursor_load(const struct state_cursor *c, struct page *ret)
{
	return page_load(ret, PAGE_STATE, sql_bytes(c->at, 3));
}

static int get_page(struct store_reader *r, enum sql_id id, uint64_t key, enum page_kind kind, struct page *ret)
{
	struct sql_stmt *st = sql_use(r->sql, id);
	int rc;

	sql_bind_u64(st, 1, key);
	rc = sql_step(st);
	if (rc > 0 && !page_load(ret, kind, sql_bytes(st, 0)))
		rc = -EUCLEAN;
	sql_reset(st);
	return rc;
}

int box_state(struct store_reader *r, const struct box *box, uint32_t no, struct page *ret)
{
	int rc = box->overlay ? get_page(r, SQL_staged_get, state_key(box->mailbox, no), PAGE_STATE, ret) : 0;

	return rc ? rc : get_page(r, SQL_state_get, state_key(box->mailbox, no), PAGE_STATE, ret);
}

int box_facts(struct store_reader *r, const struct box *box, uint32_t uid, struct facts_cache *cache,
	      struct facts_entry *ret)
{
	uint32_t no = facts_page_no(uid), i;

	if (cache->no != no) {
		int rc = get_page(r, SQL_facts_get, facts_key(box->mailbox, no), PAGE_FACTS, &cache->page);

		cache->no = UINT32_MAX;
		if (rc <= 0)
			return rc < 0 ? rc : -EUCLEAN;
		cache->no = no;
	}
	i = page_find(&cache->page, uid % FACTS_SLOTS);
	if (i == cache->page.count)
		return -EUCLEAN;
	page_get_facts(&cache->page, i, ret);
	return 0;
}

/* ---- keywords ---- */

/* Room for one more; what was too small stays in the arena. */
static bool grow_keysets(struct keyset_cache *cache)
{
	struct keyset *more;

	if (cache->count & (cache->count - 1) || cache->count == 1)
		return true; /* the room is a power of two, from two on */
	more = arena_array(cache->a, cache->count ? cache->count * 2 : 2, sizeof *more);
	if (!more)
		return false;
	if (cache->count)
		memcpy(more, cache->at, cache->count * sizeof *more);
	cache->at = more;
	return true;
}

static int load_keysets(struct store_reader *r, const struct box *box, struct keyset_cache *cache)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_keyset_list);
	int rc;

	cache->count = 0;
	sql_bind_u64(st, 1, box->mailbox);
	while ((rc = sql_step(st)) > 0) {
		struct view words = arena_copy(cache->a, sql_bytes(st, 1));

		if (!words.p || !grow_keysets(cache)) {
			rc = -EMSGSIZE;
			break;
		}
		cache->at[cache->count++] = (struct keyset){(uint32_t)sql_u64(st, 0), words};
	}
	sql_reset(st);
	cache->loaded = rc == 0;
	return rc;
}

int box_keywords(struct store_reader *r, const struct box *box, struct keyset_cache *cache, uint32_t keyset,
		 struct view *ret)
{
	const struct keyset *found;
	int rc = keyset && !cache->loaded ? load_keysets(r, box, cache) : 0;

	*ret = VIEW_EMPTY;
	if (rc < 0 || keyset == 0)
		return rc;
	found = keyset_find(cache->at, cache->count, keyset);
	if (!found)
		return -EUCLEAN;
	*ret = found->words;
	return 0;
}

int box_all_keywords(struct store_reader *r, const struct box *box, struct arena *a, const struct view **ret,
		     size_t *ret_count)
{
	struct keyset_cache cache = {.a = a};
	struct known_words known;
	struct view *all;
	size_t n;
	int rc = load_keysets(r, box, &cache);

	*ret = NULL;
	*ret_count = 0;
	if (rc < 0 || cache.count == 0)
		return rc;
	known_words_init(&known);
	for (size_t i = cache.count; i-- > 0;) /* those of late come first */
		known_words_learn(&known, cache.at[i].words);
	n = known.count < STORE_KEYWORDS_PER_MAILBOX_MAX ? known.count : STORE_KEYWORDS_PER_MAILBOX_MAX;
	all = arena_array(a, n, sizeof *all);
	if (all && n) {
		memcpy(all, known.at, n * sizeof *all);
		*ret = all;
		*ret_count = n;
	}
	known_words_fini(&known);
	return all ? 0 : -EMSGSIZE;
}
