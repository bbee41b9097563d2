/* SPDX-License-Identifier: ISC
 * A mailbox within a reader's snapshot: counters, pages, keywords. */
#include "store/box.h"

#include <errno.h>

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

struct keyset_name {
	uint32_t id;
	struct view words;
	struct keyset_name *next;
};

static int load_keysets(struct store_reader *r, const struct box *box, struct keyset_cache *cache)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_keyset_list);
	int rc;

	sql_bind_u64(st, 1, box->mailbox);
	while ((rc = sql_step(st)) > 0) {
		struct keyset_name *name = arena_alloc(cache->a, sizeof *name);

		if (name)
			*name = (struct keyset_name){(uint32_t)sql_u64(st, 0), arena_copy(cache->a, sql_bytes(st, 1)),
						     cache->first};
		if (!name || !name->words.p) {
			rc = -EMSGSIZE;
			break;
		}
		cache->first = name;
	}
	sql_reset(st);
	cache->loaded = rc == 0;
	return rc;
}

int box_keywords(struct store_reader *r, const struct box *box, struct keyset_cache *cache, uint32_t keyset,
		 struct view *ret)
{
	int rc = keyset && !cache->loaded ? load_keysets(r, box, cache) : 0;

	*ret = VIEW_EMPTY;
	if (rc < 0 || keyset == 0)
		return rc;
	for (const struct keyset_name *name = cache->first; name; name = name->next)
		if (name->id == keyset) {
			*ret = name->words;
			return 0;
		}
	return -EUCLEAN;
}

static bool is_known(const struct view *known, size_t count, struct view word)
{
	for (size_t i = 0; i < count; i++)
		if (view_eq_nocase(known[i], word))
			return true;
	return false;
}

int box_all_keywords(struct store_reader *r, const struct box *box, struct arena *a, const struct view **ret,
		     size_t *ret_count)
{
	struct keyset_cache cache = {.a = a};
	struct view *known;
	size_t count = 0;
	int rc = load_keysets(r, box, &cache);

	*ret = NULL;
	*ret_count = 0;
	if (rc < 0 || !cache.first)
		return rc;
	known = arena_array(a, STORE_KEYWORDS_PER_MAILBOX_MAX, sizeof *known);
	if (!known)
		return -EMSGSIZE;
	for (const struct keyset_name *name = cache.first; name; name = name->next) {
		struct view left = name->words, word;

		while (left.n > 0 && count < STORE_KEYWORDS_PER_MAILBOX_MAX) {
			if (!view_cut(left, ' ', &word, &left)) {
				word = left;
				left = VIEW_EMPTY;
			}
			if (!is_known(known, count, word))
				known[count++] = word;
		}
	}
	*ret = known;
	*ret_count = count;
	return 0;
}
