/* SPDX-License-Identifier: ISC
 * What a backup reads: a list of all there is, of one moment, and the bytes of messages. */
#include "store/backup.h"

#include "base/encode.h"
#include "base/id.h"
#include "store/box.h"
#include "store/content_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OUT_BYTES = 256 * 1024, LINE_BYTES_MAX = 1024 * 1024 };

/* The list under way. */
struct lister {
	struct store_reader *r;
	int fd;
	struct buf out;
	struct backup_counts counts;
};

/* A mailbox to be listed. */
struct listed {
	uint64_t id, account;
};

/* ---- writing ---- */

static int flush(struct lister *l)
{
	struct view left = buf_view(&l->out);

	if (l->out.overflow)
		return -EMSGSIZE;
	while (left.n) {
		ssize_t n = write(l->fd, left.p, left.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -ENOSPC;
		left = view_sub(left, (size_t)n, left.n);
	}
	buf_reset(&l->out);
	return 0;
}

static int end_line(struct lister *l)
{
	buf_append_cstr(&l->out, "}\n");
	return l->out.n >= OUT_BYTES ? flush(l) : 0;
}

/* Bytes of the UTF-8 character at the front; 0: there is none, or it is NUL. */
static size_t character_bytes(struct view v)
{
	unsigned char c = (unsigned char)v.p[0];
	size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	return c && n <= v.n && view_is_utf8(view_sub(v, 0, n)) ? n : 0;
}

/* What JSON cannot hold becomes "?": one odd text must not keep everybody's mail out of the backup. */
static void put_text(struct buf *out, const char *key, struct view value)
{
	buf_printf(out, "%s\"%s\":\"", out->n && out->p[out->n - 1] == '{' ? "" : ",", key);
	while (value.n) {
		unsigned char c = (unsigned char)value.p[0];
		size_t n = character_bytes(value);

		if (n == 0)
			buf_append_char(out, '?');
		else if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c < ' ')
			buf_printf(out, "\\u%04x", c);
		else
			buf_append(out, value.p, n);
		value = view_sub(value, n ? n : 1, value.n);
	}
	buf_append_char(out, '"');
}

static void put_number(struct buf *out, const char *key, int64_t value)
{
	buf_printf(out, "%s\"%s\":%lld", out->n && out->p[out->n - 1] == '{' ? "" : ",", key, (long long)value);
}

static void put_hex(struct buf *out, const char *key, struct view value)
{
	struct buf hex = BUF_INIT(LINE_BYTES_MAX / 2);

	encode_hex(&hex, value);
	put_text(out, key, buf_view(&hex));
	buf_fini(&hex);
}

static void begin_line(struct lister *l, const char *kind)
{
	buf_append_char(&l->out, '{');
	put_text(&l->out, "kind", view_from_cstr(kind));
}

/* ---- names ---- */

/* Columns of a list, by type. */
enum column_type { TEXT, NUMBER, HEX };
struct column {
	const char *key;
	enum column_type type;
};

static int list_rows(struct lister *l, enum sql_id id, const char *kind, const struct column *columns, unsigned n,
		     uint64_t *ret_count)
{
	struct sql_stmt *st = sql_use(l->r->sql, id);
	int rc;

	while ((rc = sql_step(st)) > 0) {
		begin_line(l, kind);
		for (unsigned i = 0; i < n; i++)
			if (columns[i].type == TEXT)
				put_text(&l->out, columns[i].key, sql_bytes(st, i));
			else if (columns[i].type == NUMBER)
				put_number(&l->out, columns[i].key, sql_i64(st, i));
			else
				put_hex(&l->out, columns[i].key, sql_bytes(st, i));
		++*ret_count;
		rc = end_line(l);
		if (rc < 0)
			break;
	}
	sql_reset(st);
	return rc;
}

static int list_directory(struct lister *l)
{
	static const struct column annotation[] = {{"owner", NUMBER}, {"entry", TEXT}, {"value", HEX}};
	static const struct column domain[] = {{"name", TEXT}, {"alias_of", TEXT}, {"created", NUMBER}};
	static const struct column account[] = {{"id", NUMBER},
						{"address", TEXT},
						{"disabled", NUMBER},
						{"quota", NUMBER},
						{"created", NUMBER},
						{"argon2", TEXT},
						{"scram_salt", HEX},
						{"scram_iterations", NUMBER},
						{"scram_stored_key", HEX},
						{"scram_server_key", HEX},
						{"quota_messages", NUMBER},

						{"confirm", NUMBER}};
	static const struct column alias[] = {{"address", TEXT}, {"target", TEXT}};
	static const struct column send_as[] = {{"account", NUMBER}, {"as", TEXT}};
	static const struct column subscription[] = {{"account", NUMBER}, {"name", TEXT}};
	uint64_t others = 0;
	int rc = list_rows(l, SQL_backup_domains, "domain", domain, ARRAY_LEN(domain), &others);

	if (rc == 0)
		rc = list_rows(l, SQL_backup_accounts, "account", account, ARRAY_LEN(account), &l->counts.accounts);
	if (rc == 0)
		rc = list_rows(l, SQL_backup_aliases, "alias", alias, ARRAY_LEN(alias), &others);
	if (rc == 0)
		rc = list_rows(l, SQL_backup_send_as, "send_as", send_as, ARRAY_LEN(send_as), &others);
	if (rc == 0)
		rc = list_rows(l, SQL_backup_subscriptions, "subscription", subscription, ARRAY_LEN(subscription),
			       &others);
	if (rc == 0)
		rc = list_rows(l, SQL_backup_annotations, "annotation", annotation, ARRAY_LEN(annotation), &others);
	return rc;
}

/* ---- copies ---- */

static int put_uidl(struct lister *l, const struct box *box, uint32_t uid, const struct state_entry *e,
		    const struct facts_entry *facts)
{
	struct sql_stmt *st;
	char id[ID_TEXT_BYTES + 1];
	int rc = 1;

	if (e->has_uidl) {
		st = sql_use(l->r->sql, SQL_uidl_get);
		sql_bind_u64(st, 1, copy_key(box->mailbox, uid));
		rc = sql_step(st);
		if (rc > 0)
			put_text(&l->out, "uidl", sql_bytes(st, 0));
		sql_reset(st);
	} else {
		/* as POP3 shows it: box_rows.c */
		id_format(facts->message, id);
		buf_printf(&l->out, ",\"uidl\":\"%s-%llx.%x\"", id, (unsigned long long)box->mailbox, uid);
	}
	return rc < 0 ? rc : rc == 0 ? -EUCLEAN : 0;
}

static int list_copy(struct lister *l, const struct box *box, uint32_t uid, const struct state_entry *e,
		     struct facts_cache *cache, struct keyset_cache *keysets)
{
	struct facts_entry facts;
	struct view keywords = VIEW_EMPTY;
	char id[ID_TEXT_BYTES + 1];
	int rc = box_facts(l->r, box, uid, cache, &facts);

	if (rc == 0)
		rc = box_keywords(l->r, box, keysets, e->keyset, &keywords);
	if (rc < 0)
		return rc;
	id_format(facts.message, id);
	begin_line(l, "copy");
	put_number(&l->out, "mailbox", (int64_t)box->mailbox);
	put_number(&l->out, "uid", uid);
	put_text(&l->out, "message", view_from(id, ID_TEXT_BYTES));
	put_number(&l->out, "size", (int64_t)facts.size_bytes);
	put_number(&l->out, "prefix_offset", facts.prefix_off);
	put_number(&l->out, "prefix_bytes", facts.prefix_bytes);
	put_number(&l->out, "flags", e->flags);
	put_text(&l->out, "keywords", keywords);
	put_number(&l->out, "date", facts.internal_s);
	put_number(&l->out, "saved", facts.saved_s);
	rc = put_uidl(l, box, uid, e, &facts);
	l->counts.copies++;
	return rc < 0 ? rc : end_line(l);
}

static int list_page(struct lister *l, const struct box *box, const struct page *page, uint32_t no,
		     struct facts_cache *cache, struct keyset_cache *keysets)
{
	int rc = 0;

	for (uint32_t i = 0; i < page->count && rc == 0; i++) {
		struct state_entry e;

		page_get_state(page, i, &e);
		if (!e.gone)
			rc = list_copy(l, box, no * STATE_SLOTS + e.slot, &e, cache, keysets);
	}
	return rc;
}

static int list_copies(struct lister *l, const struct listed *m)
{
	struct arena a;
	struct keyset_cache keysets = {.a = &a};
	struct facts_cache cache = {.no = UINT32_MAX};
	struct state_cursor c;
	struct page page;
	struct box box;
	uint32_t no;
	int rc = box_read(l->r, m->account, m->id, &box);

	if (rc <= 0)
		return rc;
	arena_init(&a, 64 << 20);
	state_cursor_open(&c, l->r, &box, 0);
	while ((rc = state_cursor_next(&c, &no)) > 0) {
		rc = state_cursor_load(&c, &page) ? list_page(l, &box, &page, no, &cache, &keysets) : -EUCLEAN;
		if (rc < 0)
			break;
	}
	state_cursor_close(&c);
	arena_fini(&a);
	return rc;
}

static int list_mailboxes(struct lister *l, struct listed **ret, size_t *ret_count)
{
	struct sql_stmt *st = sql_use(l->r->sql, SQL_backup_mailboxes);
	size_t cap = 0;
	int rc;

	while ((rc = sql_step(st)) > 0) {
		bool noselect = sql_i64(st, 5) != 0;

		begin_line(l, "mailbox");
		put_number(&l->out, "id", sql_i64(st, 0));
		put_number(&l->out, "account", sql_i64(st, 1));
		put_text(&l->out, "name", sql_bytes(st, 2));
		put_number(&l->out, "uidvalidity", sql_i64(st, 3));
		put_number(&l->out, "special_use", sql_i64(st, 4));
		put_number(&l->out, "noselect", noselect);
		l->counts.mailboxes += !noselect;
		if (!noselect && *ret_count == cap) {
			cap = cap ? cap * 2 : 64;
			*ret = xrealloc(*ret, cap * sizeof **ret);
		}
		if (!noselect)
			(*ret)[(*ret_count)++] = (struct listed){sql_u64(st, 0), sql_u64(st, 1)};
		rc = end_line(l);
		if (rc < 0)
			break;
	}
	sql_reset(st);
	return rc;
}

static int list_all(struct lister *l, int64_t now_s)
{
	struct listed *mailboxes = NULL;
	size_t n = 0;
	int rc;

	begin_line(l, "pombo-backup");
	put_number(&l->out, "version", 1);
	put_number(&l->out, "taken", now_s);
	rc = end_line(l);
	if (rc == 0)
		rc = list_directory(l);
	if (rc == 0)
		rc = list_mailboxes(l, &mailboxes, &n);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = list_copies(l, &mailboxes[i]);
	free(mailboxes);
	return rc < 0 ? rc : flush(l);
}

enum store_outcome backup_list(struct store_reader *r, int fd, int64_t now_s, struct backup_counts *ret)
{
	struct lister l = {.r = r, .fd = fd, .out = BUF_INIT(OUT_BYTES + LINE_BYTES_MAX)};
	enum store_outcome outcome = STORE_OK;
	int rc = reader_begin(r);

	if (rc == 0)
		rc = list_all(&l, now_s);
	if (rc < 0)
		outcome = rc == -ENOSPC ? STORE_NO_SPACE : reader_failed(r, rc);
	reader_end(r);
	buf_fini(&l.out);
	*ret = l.counts;
	return outcome;
}

/* ---- bytes ---- */

/* Where a message's bytes lie. */
struct parts {
	uint64_t id, prefix_bytes, header_bytes, content_bytes, content, content_offset;
	bool content_file;
};

static int find_parts(struct store_reader *r, uint64_t id, struct parts *ret)
{
	struct sql_stmt *st = sql_use(r->sql, SQL_backup_message);
	int rc;

	sql_bind_u64(st, 1, id);
	rc = sql_step(st);
	if (rc > 0)
		*ret = (struct parts){.id = id,
				      .header_bytes = sql_u64(st, 0),
				      .content_bytes = sql_u64(st, 1),
				      .content = sql_u64(st, 2),
				      .content_file = sql_i64(st, 3) != 0,
				      .content_offset = sql_u64(st, 4),
				      .prefix_bytes = sql_u64(st, 5)};
	sql_reset(st);
	return rc;
}

static int add_column(struct store_reader *r, enum sql_id id, uint64_t row, uint64_t offset, uint64_t n,
		      struct buf *out)
{
	struct sql_stmt *st = sql_use(r->sql, id);
	int rc;

	sql_bind_u64(st, 1, row);
	sql_bind_u64(st, 2, offset + 1);
	sql_bind_u64(st, 3, n);
	rc = sql_step(st);
	if (rc > 0 && sql_bytes(st, 0).n == n)
		buf_append_view(out, sql_bytes(st, 0));
	else
		rc = rc < 0 ? rc : -EUCLEAN;
	sql_reset(st);
	return rc < 0 ? rc : out->overflow ? -EMSGSIZE : 0;
}

static int add_content(struct store_reader *r, const struct parts *p, uint64_t offset, uint64_t n, struct buf *out)
{
	_cleanup_(fd_close) int fd = -1;

	if (!p->content_file)
		return add_column(r, SQL_content_part, p->content, offset, n, out);
	fd = content_open(r->store, p->content);
	return fd < 0 ? fd : content_read_fd(fd, p->content_offset + offset, n, out);
}

static int add_window(struct store_reader *r, const struct parts *p, uint64_t offset, uint64_t n, struct buf *out)
{
	const uint64_t sizes[] = {p->prefix_bytes, p->header_bytes, p->content_bytes};
	int rc = 0;

	for (unsigned i = 0; i < ARRAY_LEN(sizes) && rc == 0 && n > 0; i++) {
		uint64_t part;

		if (offset >= sizes[i]) {
			offset -= sizes[i];
			continue;
		}
		part = n < sizes[i] - offset ? n : sizes[i] - offset;
		if (i == 2)
			rc = add_content(r, p, offset, part, out);
		else
			rc = add_column(r, i == 0 ? SQL_prefix_part : SQL_header_part, p->id, offset, part, out);
		n -= part;
		offset = 0;
	}
	return rc;
}

static enum store_outcome outcome_of(struct store_reader *r, int rc)
{
	if (rc > 0)
		return STORE_OK;
	if (rc == 0)
		return STORE_NO_MESSAGE;
	return rc == -ENOENT ? reader_damaged(r, "a content file is missing") : reader_failed(r, rc);
}

enum store_outcome backup_read(struct store_reader *r, uint64_t id, size_t max, struct arena *a,
			       struct backup_message *ret)
{
	struct parts p = {0};
	struct buf bytes = BUF_INIT(max);
	enum store_outcome outcome;
	uint64_t size;
	int rc = reader_begin(r);

	if (rc == 0)
		rc = find_parts(r, id, &p);
	size = p.prefix_bytes + p.header_bytes + p.content_bytes;
	*ret = (struct backup_message){id, p.prefix_bytes, p.header_bytes, p.content_bytes, {NULL, 0}};
	if (rc > 0 && size <= max) {
		rc = add_window(r, &p, 0, size, &bytes);
		rc = rc < 0 ? rc : 1;
		ret->bytes = arena_copy(a, buf_view(&bytes));
	}
	outcome = outcome_of(r, rc);
	reader_end(r);
	buf_fini(&bytes);
	return outcome;
}

enum store_outcome backup_bytes(struct store_reader *r, uint64_t id, uint64_t offset, size_t length, struct buf *out)
{
	struct parts p = {0};
	enum store_outcome outcome;
	int rc = reader_begin(r);

	if (rc == 0)
		rc = find_parts(r, id, &p);
	if (rc > 0) {
		rc = add_window(r, &p, offset, length, out);
		rc = rc < 0 ? rc : 1;
	}
	outcome = outcome_of(r, rc);
	reader_end(r);
	return outcome;
}
