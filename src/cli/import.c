/* SPDX-License-Identifier: ISC
 * Messages from elsewhere into an account's folders, each once. */
#include "cli/import.h"

#include "cli/show.h"
#include "mail/imap_mailbox.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	IDENTITY_BYTES = 16,
	MESSAGE_MAX = 1 << 30,
	KEYWORDS_MAX = 256,
	ROWS_SIZE = 1 << 3, /* fields of rows_want */
	NOTES_MAX = 10000, /* of each list */
	FIELD_MAX = 255,
};

/* Messages that were in the folder before, of one size. */
struct same_size {
	uint32_t *uids;
	size_t n;
	bool hashed; /* their bytes are counted in `seen` */
};

/* One text: how often it came from the source, how often it was in the folder before. */
struct count {
	uint64_t source, before;
};

void import_init(struct import *im, const struct cli *c, const char *verb)
{
	im->c = c;
	im->left_out = json_array();
	im->repaired = json_array();
	im->max_message = MESSAGE_MAX;
	progress_init(&im->progress, verb, c->json);
}

static void free_values(struct map *m)
{
	for (struct map_entry *e = map_first(m); e; e = map_next(m, e))
		free(map_value(e));
	map_fini(m);
}

static void folder_free(struct import_folder *f)
{
	for (struct map_entry *e = map_first(&f->sizes); e; e = map_next(&f->sizes, e))
		free(((struct same_size *)map_value(e))->uids);
	free_values(&f->sizes);
	free_values(&f->seen);
	map_fini(&f->identities);
	free(f->name);
	free(f);
}

void import_fini(struct import *im)
{
	struct import_folder *next;

	for (struct import_folder *f = im->folders; f; f = next) {
		next = f->next;
		folder_free(f);
	}
	im->folders = NULL;
	json_decref(im->left_out);
	json_decref(im->repaired);
}

/* ---- report ---- */

/* What a source can make us tell of has an end; the folders' figures count all. */
static void note(struct import *im, json_t *list, const struct import_folder *f, struct view source, const char *why)
{
	if (json_array_size(list) == NOTES_MAX) {
		im->not_listed++;
		return;
	}
	(void)json_array_append_new(list,
				    json_pack("{s:o, s:o, s:s}", "source", show_json_text(source), "folder",
					      f ? show_json_text(view_from_cstr(f->name)) : json_null(), "why", why));
}

void import_left_out(struct import *im, struct import_folder *f, struct view source, const char *why)
{
	if (im->counting)
		return;
	if (f)
		f->left_out++;
	note(im, im->left_out, f, source, why);
}

void import_repaired(struct import *im, struct import_folder *f, struct view source, const char *why)
{
	f->repaired++;
	note(im, im->repaired, f, source, why);
}

static void print_notes(const json_t *list, const char *head)
{
	size_t i;
	json_t *item;

	if (json_array_size(list) == 0)
		return;
	(void)printf("\n%s\n", head);
	json_array_foreach(list, i, item)
	{
		_cleanup_(buf_fini) struct buf line = BUF_INIT(8192);

		show_clean(view_from_cstr(json_string_value(json_object_get(item, "source"))), &line);
		buf_append_cstr(&line, ": ");
		buf_append_cstr(&line, json_string_value(json_object_get(item, "why")));
		(void)printf("  %s\n", buf_cstr(&line));
	}
}

static void print_report(const struct import *im)
{
	(void)printf("%10s %10s %10s %10s  FOLDER\n", "IMPORTED", "THERE", "REPAIRED", "LEFT OUT");
	for (const struct import_folder *f = im->folders; f; f = f->next) {
		_cleanup_(buf_fini) struct buf name = BUF_INIT(8192);

		show_clean(view_from_cstr(f->name), &name);
		(void)printf("%10llu %10llu %10llu %10llu  %s\n", (unsigned long long)f->imported,
			     (unsigned long long)f->there, (unsigned long long)f->repaired,
			     (unsigned long long)f->left_out, buf_cstr(&name));
	}
	print_notes(im->repaired, "Repaired (what mail may not hold was replaced; the source is as it was):");
	print_notes(im->left_out, "Left out:");
	if (im->not_listed)
		(void)printf("\n%llu more are counted above and not named here\n", (unsigned long long)im->not_listed);
}

static json_t *json_report(const struct import *im)
{
	json_t *folders = json_array();

	for (const struct import_folder *f = im->folders; f; f = f->next)
		(void)json_array_append_new(
		    folders, json_pack("{s:o, s:I, s:I, s:I, s:I}", "name", show_json_text(view_from_cstr(f->name)),
				       "imported", (json_int_t)f->imported, "there", (json_int_t)f->there, "repaired",
				       (json_int_t)f->repaired, "left_out", (json_int_t)f->left_out));
	return json_pack("{s:s, s:o, s:O, s:O, s:I, s:b}", "account", im->mail.address, "folders", folders, "repaired",
			 im->repaired, "left_out", im->left_out, "not_listed", (json_int_t)im->not_listed, "complete",
			 !im->stopped);
}

int import_report(struct import *im, int r)
{
	progress_clear(&im->progress);
	im->stopped |= r != 0;
	if (im->c->json)
		(void)show_json(json_report(im));
	else if (im->folders || json_array_size(im->left_out))
		print_report(im);
	if (r)
		return r;
	return json_array_size(im->left_out) ? CLI_BAD_DATA : CLI_OK;
}

/* ---- identity ---- */

static void hash(struct view text, uint8_t ret[SHA256_DIGEST_LENGTH])
{
	(void)SHA256((const unsigned char *)text.p, text.n, ret);
}

/* Of the n-th message with these bytes (or this key). */
static void make_identity(const char *kind, uint64_t n, const uint8_t digest[SHA256_DIGEST_LENGTH],
			  uint8_t ret[IDENTITY_BYTES])
{
	_cleanup_(buf_fini) struct buf b = BUF_INIT(256);
	uint8_t whole[SHA256_DIGEST_LENGTH];

	buf_printf(&b, "%s:%llu:", kind, (unsigned long long)n);
	buf_append(&b, digest, SHA256_DIGEST_LENGTH);
	hash(buf_view(&b), whole);
	memcpy(ret, whole, IDENTITY_BYTES);
}

static struct count *count_of(struct import_folder *f, const uint8_t digest[SHA256_DIGEST_LENGTH])
{
	struct view key = view_from(digest, SHA256_DIGEST_LENGTH);
	struct count *c = map_get(&f->seen, key);

	if (!c) {
		c = xcalloc(1, sizeof *c);
		(void)map_set(&f->seen, key, c);
	}
	return c;
}

/* ---- folders ---- */

static int read_identities(struct import *im, struct import_folder *f)
{
	uint8_t after[IDENTITY_BYTES];
	struct mailbox_imported_want want = {im->mail.session, view_from_cstr(f->name), VIEW_EMPTY};
	struct mailbox_msg answer;

	do {
		int r = mail_client_ask(&im->mail, mailbox_put_imported_want(&im->mail.payload, &want),
					MAILBOX_IMPORTED_WANT, f->name, MAILBOX_IMPORTED, &answer);

		if (r)
			return r;
		for (uint32_t i = 0; i < answer.imported.n_identities; i++)
			(void)map_set(&f->identities, answer.imported.identities[i].identity, im);
		if (answer.imported.n_identities == 0)
			break;
		memcpy(after, answer.imported.identities[answer.imported.n_identities - 1].identity.p, sizeof after);
		want.after = view_from(after, sizeof after);
	} while (answer.imported.more);
	return 0;
}

static void add_size(struct import_folder *f, uint64_t size, uint32_t uid)
{
	struct same_size *s = map_u64_get(&f->sizes, size);

	if (!s) {
		s = xcalloc(1, sizeof *s);
		(void)map_u64_set(&f->sizes, size, s);
	}
	s->uids = xrealloc(s->uids, (s->n + 1) * sizeof *s->uids);
	s->uids[s->n++] = uid;
}

static int read_sizes(struct import *im, struct import_folder *f, uint64_t mailbox)
{
	struct mailbox_range all = {1, UINT32_MAX};
	struct mailbox_rows_want want = {
	    .session = im->mail.session, .mailbox = mailbox, .ranges = &all, .n_ranges = 1, .fields = ROWS_SIZE};
	struct mailbox_msg answer;

	do {
		int r = mail_client_ask(&im->mail, mailbox_put_rows_want(&im->mail.payload, &want), MAILBOX_ROWS_WANT,
					f->name, MAILBOX_ROWS, &answer);

		if (r)
			return r;
		for (uint32_t i = 0; i < answer.rows.n_rows; i++)
			if (!answer.rows.rows[i].expunged)
				add_size(f, answer.rows.rows[i].size_bytes, answer.rows.rows[i].uid);
		want.uid_from = answer.rows.next;
	} while (want.uid_from);
	return 0;
}

static int open_mailbox(struct import *im, const char *name, uint64_t *ret_mailbox)
{
	const struct mailbox_open open = {im->mail.session, view_from_cstr(name)};
	struct mailbox_msg answer;
	int r = mail_client_ask(&im->mail, mailbox_put_open(&im->mail.payload, &open), MAILBOX_OPEN, name,
				MAILBOX_OPENED, &answer);

	if (r == 0)
		*ret_mailbox = answer.opened.mailbox;
	return r;
}

static int know(struct import *im, struct import_folder *f, uint32_t special_use)
{
	bool made;
	uint64_t mailbox = 0;
	int r = mail_client_make_folder(&im->mail, view_from_cstr(f->name), special_use, &made);

	if (r || made)
		return r;
	r = read_identities(im, f);
	if (r == 0)
		r = open_mailbox(im, f->name, &mailbox);
	return r ? r : read_sizes(im, f, mailbox);
}

struct import_folder *import_open(struct import *im, struct view name, uint32_t special_use, struct view source,
				  int *ret_status)
{
	struct import_folder **end = &im->folders, *f;

	*ret_status = 0;
	if (!imap_mailbox_is_valid(name)) {
		import_left_out(im, NULL, source, "this cannot be a folder's name");
		return NULL;
	}
	for (f = im->folders; f; f = f->next) {
		if (view_eq(view_from_cstr(f->name), name))
			return f;
		end = &f->next;
	}
	f = xcalloc(1, sizeof *f);
	f->name = view_to_cstr(name);
	map_init(&f->identities);
	map_init(&f->sizes);
	map_init(&f->seen);
	*end = f;
	*ret_status = know(im, f, special_use);
	return *ret_status ? NULL : f;
}

/* ---- one message ---- */

static EVP_MD_CTX *start_hash(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	assert(ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL));
	return ctx;
}

static void end_hash(EVP_MD_CTX *ctx, uint8_t ret[SHA256_DIGEST_LENGTH])
{
	assert(EVP_DigestFinal_ex(ctx, ret, NULL));
	EVP_MD_CTX_free(ctx);
}

static int hash_stored(struct import *im, uint64_t mailbox, uint32_t uid, uint64_t size,
		       uint8_t ret[SHA256_DIGEST_LENGTH])
{
	EVP_MD_CTX *ctx = start_hash();
	struct view piece;
	int r = 0;

	for (uint64_t at = 0; at < size && r == 0; at += piece.n) {
		r = mail_client_piece(&im->mail, mailbox, uid, at, &piece);
		if (r == 0)
			(void)EVP_DigestUpdate(ctx, piece.p, piece.n);
	}
	end_hash(ctx, ret);
	return r;
}

static void hash_spool(struct spool *s, uint8_t ret[SHA256_DIGEST_LENGTH])
{
	_cleanup_(buf_fini) struct buf room = BUF_INIT(SPOOL_PIECE_BYTES);
	EVP_MD_CTX *ctx = start_hash();
	struct view piece;

	for (uint64_t at = 0; (piece = spool_read(s, at, &room)).n; at += piece.n)
		(void)EVP_DigestUpdate(ctx, piece.p, piece.n);
	end_hash(ctx, ret);
}

/* Counts the texts of that size that the folder held before. */
static int hash_same_size(struct import *im, struct import_folder *f, uint64_t size)
{
	struct same_size *s = map_u64_get(&f->sizes, size);
	uint64_t mailbox;
	int r;

	if (!s || s->hashed)
		return 0;
	s->hashed = true;
	r = open_mailbox(im, f->name, &mailbox);
	for (size_t i = 0; i < s->n && r == 0; i++) {
		uint8_t digest[SHA256_DIGEST_LENGTH];

		r = hash_stored(im, mailbox, s->uids[i], size, digest);
		if (r == 0)
			count_of(f, digest)->before++;
	}
	return r;
}

/* As the store wants keywords: atoms (RFC 9051 §9). */
static bool is_keyword(struct view w)
{
	if (w.n == 0 || w.n > FIELD_MAX)
		return false;
	for (size_t i = 0; i < w.n; i++)
		if ((unsigned char)w.p[i] <= ' ' || (unsigned char)w.p[i] >= 0x7f || strchr("(){%*\"\\]", w.p[i]))
			return false;
	return true;
}

static int append(struct import *im, struct import_folder *f, const struct mail_append *a, struct view source)
{
	enum { EXISTS = 2, TOO_BIG = 5, BAD = 10, LIMIT = 11 };
	struct mail_append again = *a;
	struct mailbox_msg answer;
	int r = mail_client_append(&im->mail, a, &answer);

	if (r == 0 && answer.type == MAILBOX_FAILED && answer.failed.code == LIMIT && a->n_keywords) {
		again.n_keywords = 0;
		r = mail_client_append(&im->mail, &again, &answer);
		import_repaired(im, f, source, "the folder cannot hold more keywords: it has none now");
	}
	if (r)
		return r;
	if (answer.type == MAILBOX_APPENDED) {
		f->imported++;
		return 0;
	}
	if (answer.type == MAILBOX_FAILED && answer.failed.code == EXISTS) {
		f->there++;
		return 0;
	}
	if (answer.type == MAILBOX_FAILED &&
	    (answer.failed.code == TOO_BIG || answer.failed.code == BAD || answer.failed.code == LIMIT)) {
		import_left_out(im, f, source,
				answer.failed.code == TOO_BIG
				    ? "larger than max-message-size, or its header is too long"
				    : "the mail store refuses it");
		return 0;
	}
	progress_clear(&im->progress);
	return mail_client_failed(&answer, f->name);
}

static void report_repairs(struct import *im, struct import_folder *f, struct view source, const struct import_text *t)
{
	_cleanup_(buf_fini) struct buf why = BUF_INIT(256);

	if (t->bare_cr)
		buf_printf(&why, "%llu CR without LF", (unsigned long long)t->bare_cr);
	if (t->nul)
		buf_printf(&why, "%s%llu NUL", why.n ? ", " : "", (unsigned long long)t->nul);
	if (why.n)
		import_repaired(im, f, source, buf_cstr(&why));
}

bool import_has_key(struct import_folder *f, struct view key)
{
	uint8_t digest[SHA256_DIGEST_LENGTH], identity[IDENTITY_BYTES];

	hash(key, digest);
	make_identity("key", 0, digest, identity);
	return map_get(&f->identities, view_from(identity, sizeof identity)) != NULL;
}

/* Is it there already, from an earlier run or from elsewhere? Else `identity` is what it is to be known by. */
static int look_for(struct import *im, struct import_folder *f, const struct import_message *m, struct spool *text,
		    uint8_t identity[IDENTITY_BYTES], bool *ret_there)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	struct count *count;
	int r;

	hash_spool(text, digest);
	count = count_of(f, digest);
	count->source++;
	if (m->key.n)
		hash(m->key, digest);
	make_identity(m->key.n ? "key" : "text", m->key.n ? 0 : count->source, digest, identity);
	*ret_there = map_get(&f->identities, view_from(identity, IDENTITY_BYTES)) != NULL;
	if (*ret_there)
		return 0;
	r = hash_same_size(im, f, text->n);
	*ret_there = count->source <= count->before;
	if (r == 0 && *ret_there && m->doubt) {
		*m->doubt = true;
		count->source--;
	}
	return r;
}

static void fill_text(struct import_text *t, const struct import_message *m)
{
	_cleanup_(buf_fini) struct buf room = BUF_INIT(SPOOL_PIECE_BYTES);
	struct view piece;

	import_text_init(t, m->spool ? buf_view(&m->spool->head) : m->raw);
	if (!m->spool)
		import_text_add(t, m->raw);
	else
		for (uint64_t at = 0; (piece = spool_read(m->spool, at, &room)).n; at += piece.n)
			import_text_add(t, piece);
	import_text_end(t);
	if (m->spool && t->text.error == 0)
		t->text.error = m->spool->error;
}

void import_count(struct import_folder *f, const struct import_message *m)
{
	_cleanup_(import_text_fini) struct import_text t;
	uint8_t digest[SHA256_DIGEST_LENGTH];

	fill_text(&t, m);
	hash_spool(&t.text, digest);
	count_of(f, digest)->source++;
}

static int import_text(struct import *im, struct import_folder *f, const struct import_message *m,
		       struct import_text *t)
{
	uint8_t identity[IDENTITY_BYTES];
	struct view words[KEYWORDS_MAX];
	struct mail_append a = {
	    .folder = view_from_cstr(f->name), .flags = m->flags, .keywords = words, .spool = &t->text};
	bool there = false;
	int r = look_for(im, f, m, &t->text, identity, &there);

	if (r || there) {
		f->there += r == 0 && !(m->doubt && *m->doubt);
		return r;
	}
	for (size_t i = 0; i < m->n_keywords && a.n_keywords < KEYWORDS_MAX; i++)
		if (is_keyword(m->keywords[i]))
			words[a.n_keywords++] = m->keywords[i];
		else
			import_repaired(im, f, m->source, "a keyword that IMAP cannot have was dropped");
	a.identity = view_from(identity, sizeof identity);
	if (mail_client_is_uidl(m->uidl))
		a.uidl = m->uidl;
	else if (m->uidl.n)
		import_repaired(im, f, m->source, "a POP3 id that none may be was dropped: it has a new one");
	a.date_s = m->date_s == INT64_MIN ? import_header_date(buf_view(&t->text.head), time(NULL)) : m->date_s;
	report_repairs(im, f, m->source, t);
	return append(im, f, &a, m->source);
}

int import_message(struct import *im, struct import_folder *f, const struct import_message *m)
{
	_cleanup_(import_text_fini) struct import_text t;

	im->progress.messages++;
	progress_show(&im->progress, view_from_cstr(f->name));
	fill_text(&t, m);
	if (t.text.error) {
		progress_clear(&im->progress);
		return cli_fail_errno(CLI_CANNOT_CREATE, spool_folder(), t.text.error,
				      "large messages need room there for a while; TMPDIR names another folder");
	}
	if (t.text.n == 0 || t.text.n > MESSAGE_MAX) {
		import_left_out(im, f, m->source, t.text.n ? IMPORT_TOO_LARGE : "empty: no message");
		return 0;
	}
	return import_text(im, f, m, &t);
}
