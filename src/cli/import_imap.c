/* SPDX-License-Identifier: ISC
 * Importing from another IMAP server: all folders, each message once by its folder's UIDVALIDITY and its UID. */
#include "cli/import.h"

#include "cli/imap_client.h"
#include "cli/imap_parse.h"
#include "mail/date.h"
#include "mail/imap_mailbox.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 50, NAME_MAX_BYTES = 4096, FOLDERS_MAX = 10000, UIDS_MAX = 20 * 1000 * 1000 };

/* A folder there. */
struct remote {
	char *wire; /* its name as the server wants it, quoted */
	char *name; /* ours */
};

struct uids {
	uint32_t *items;
	size_t n, cap;
};

/* One folder there. A message whose bytes are here already may be one that came to us from elsewhere, which is not taken again, or the like of one
 * that came from there before: such are put off until those of that size, which were passed over, are fetched once more and counted. */
struct walk {
	const struct remote *remote;
	struct import_folder *folder;
	uint32_t uidvalidity;
	enum { WALK_IMPORT, WALK_COUNT, WALK_DOUBTFUL } pass;
	struct uids missing; /* did not come before */
	struct map passed; /* size → struct uids: came before */
	struct uids doubtful, sizes; /* put off, and their sizes */
};

struct source {
	struct import *im;
	struct imap_client *imap;
	const char *host;
	struct remote *folders;
	size_t n, lines; /* of LIST */
	struct mail_folders ours;
};

/* ---- folders ---- */

/* The name with "/" between levels; a "/" within one becomes "_". */
static bool our_name(struct view wire, char delimiter, struct buf *out)
{
	_cleanup_(buf_fini) struct buf plain = BUF_INIT(NAME_MAX_BYTES);

	for (size_t i = 0; i < wire.n; i++) {
		char c = wire.p[i];

		buf_append_char(&plain, c == delimiter && c ? '/' : c == '/' ? '_' : c);
	}
	if (imap_mailbox_parse(buf_view(&plain), false, out))
		return true;
	buf_reset(out);
	return imap_mailbox_parse(buf_view(&plain), true, out);
}

static void quote(struct view name, struct buf *out)
{
	buf_append_char(out, '"');
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '"' || name.p[i] == '\\')
			buf_append_char(out, '\\');
		buf_append_char(out, name.p[i]);
	}
	buf_append_char(out, '"');
}

static void add_folder(struct source *s, struct imap_list *l)
{
	_cleanup_(buf_fini) struct buf name = BUF_INIT(NAME_MAX_BYTES), quoted = BUF_INIT(2 * NAME_MAX_BYTES + 8);
	struct view wire = buf_view(&l->name);
	const char *use = NULL;

	if (l->name.overflow || s->n == FOLDERS_MAX || view_find_char(wire, '\r') < wire.n ||
	    view_find_char(wire, '\n') < wire.n || view_has_nul(wire) || !our_name(wire, l->delimiter, &name)) {
		import_left_out(s->im, NULL, view_sub(wire, 0, 500),
				s->n == FOLDERS_MAX ? "too many folders" : "this cannot be a folder's name here");
		return;
	}
	/* What the other server calls its Sent folder goes into ours. */
	for (size_t i = 0; i < s->ours.n && !use; i++)
		if (l->attributes & IMAP_SPECIAL & s->ours.items[i].attributes)
			use = s->ours.items[i].name;
	quote(wire, &quoted);
	s->folders = xrealloc(s->folders, (s->n + 1) * sizeof *s->folders);
	s->folders[s->n++] = (struct remote){xstrdup(buf_cstr(&quoted)), xstrdup(use ? use : buf_cstr(&name))};
}

static int list_folders(struct source *s)
{
	struct imap_list l = {.name = BUF_INIT(NAME_MAX_BYTES)};
	bool done = false;
	struct view line;
	int r = imap_client_send(s->imap, "LIST \"\" \"*\"");

	while (r == 0 && !done && s->lines < 2 * FOLDERS_MAX) {
		r = imap_client_next(s->imap, &line, &done);
		if (r || done || !view_starts_with_nocase(line, VIEW_LIT("* LIST ")))
			continue;
		s->lines++;
		if (!imap_read_list(line, &l))
			import_left_out(s->im, NULL, view_sub(line, 0, 500), "this cannot be read");
		else if (!(l.attributes & IMAP_NOSELECT))
			add_folder(s, &l);
	}
	buf_fini(&l.name);
	if (r == 0 && !done)
		return cli_fail(CLI_BAD_DATA, "the other server", "it has too many folders", NULL);
	return r ? r : imap_client_check(s->imap);
}

/* ---- messages ---- */

static void put_key(const struct source *s, const struct walk *w, uint32_t uid, struct buf *out)
{
	buf_printf(out, "imap:%s:%s:%u:%u", s->host, w->remote->wire, w->uidvalidity, uid);
}

/* "* 23 EXISTS" with another number than 0: is it? */
static bool says_messages(struct view line)
{
	struct view star, number, rest;
	uint32_t n;

	return view_cut(line, ' ', &star, &rest) && view_eq_lit(star, "*") && view_cut(rest, ' ', &number, &rest) &&
	       view_eq_lit_nocase(view_trim(rest), "EXISTS") && view_to_u32(number, UINT32_MAX, &n) && n > 0;
}

static int examine(struct source *s, const struct remote *f, uint32_t *ret_uidvalidity, bool *ret_messages)
{
	static const struct view mark = VIEW_LIT("[UIDVALIDITY ");
	_cleanup_(buf_fini) struct buf command = BUF_INIT(3 * NAME_MAX_BYTES);
	bool done = false;
	struct view line;
	int r;

	*ret_uidvalidity = 0;
	*ret_messages = false;
	buf_printf(&command, "EXAMINE %s", f->wire);
	r = imap_client_send(s->imap, buf_cstr(&command));
	while (r == 0 && !done) {
		size_t at;

		r = imap_client_next(s->imap, &line, &done);
		if (r)
			break;
		*ret_messages |= says_messages(line);
		at = view_find(line, mark);
		if (at < line.n) {
			struct view number = view_sub(line, at + mark.n, line.n);

			(void)view_to_u32(view_sub(number, 0, view_find_char(number, ']')), UINT32_MAX,
					  ret_uidvalidity);
		}
	}
	return r;
}

/* `f` as a message; its words are put into `words`, what a quoted body says into `text`. */
static void to_message(const struct imap_fetch *f, struct view words[IMAP_FETCH_WORDS], struct buf *text,
		       struct import_message *ret)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} known[] = {{"\\Seen", MAIL_SEEN},
		     {"\\Answered", MAIL_ANSWERED},
		     {"\\Flagged", MAIL_FLAGGED},
		     {"\\Deleted", MAIL_DELETED},
		     {"\\Draft", MAIL_DRAFT}};
	struct date date;

	*ret = (struct import_message){.keywords = words, .date_s = INT64_MIN, .raw = f->body};
	for (size_t n = 0; n < f->n_flags; n++) {
		if (f->flags[n].p[0] != '\\')
			words[ret->n_keywords++] = f->flags[n];
		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			ret->flags |= view_eq_lit_nocase(f->flags[n], known[i].name) ? known[i].bit : 0;
	}
	if (date_parse_imap(f->date, &date))
		ret->date_s = date.utc_s;
	if (f->body_kind == IMAP_WORD_QUOTED) {
		imap_word_text(f->body_kind, f->body, text);
		ret->raw = buf_view(text);
	}
}

static void put_where(const struct source *s, const struct walk *w, uint32_t uid, struct buf *out)
{
	buf_printf(out, "%s %s, UID %u", s->host, w->remote->wire, uid);
}

static void add_uid(struct uids *u, uint32_t uid)
{
	if (u->n == u->cap) {
		u->cap = u->cap ? 2 * u->cap : 8;
		u->items = xrealloc(u->items, u->cap * sizeof *u->items);
	}
	u->items[u->n++] = uid;
}

static void add_passed(struct walk *w, const struct imap_fetch *m)
{
	struct uids *same = map_u64_get(&w->passed, m->size);

	if (!same) {
		same = xcalloc(1, sizeof *same);
		(void)map_u64_set(&w->passed, m->size, same);
	}
	add_uid(same, m->uid);
}

static void walk_fini(struct walk *w)
{
	for (struct map_entry *e = map_first(&w->passed); e; e = map_next(&w->passed, e)) {
		free(((struct uids *)map_value(e))->items);
		free(map_value(e));
	}
	map_fini(&w->passed);
	free(w->missing.items);
	free(w->doubtful.items);
	free(w->sizes.items);
}

/* Remembers one that did not come before; one that is too large is left out. */
static int note_uid(struct source *s, struct walk *w, const struct imap_fetch *m)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(4 * NAME_MAX_BYTES);

	put_key(s, w, m->uid, &text);
	if (import_has_key(w->folder, buf_view(&text))) {
		w->folder->there++;
		add_passed(w, m);
		return 0;
	}
	if (m->size > s->im->max_message) {
		buf_reset(&text);
		put_where(s, w, m->uid, &text);
		import_left_out(s->im, w->folder, buf_view(&text), "larger than a message may be");
		return 0;
	}
	if (w->missing.n == UIDS_MAX)
		return cli_fail(CLI_BAD_DATA, w->remote->name, "the other server says that it has too many messages",
				NULL);
	add_uid(&w->missing, m->uid);
	return 0;
}

/* What comes without a size was not asked for: flags that have changed meanwhile (RFC 3501 §7). */
static int find_missing(struct source *s, struct walk *w)
{
	struct imap_fetch m;
	struct view line;
	bool done = false;
	int r = imap_client_send(s->imap, "UID FETCH 1:* (UID RFC822.SIZE)");

	while (r == 0 && !done) {
		r = imap_client_next(s->imap, &line, &done);
		if (r == 0 && !done && imap_read_fetch(line, &m) && m.has_size)
			r = note_uid(s, w, &m);
	}
	return r;
}

/* Was this one asked for, and did not come yet? Then it is 0 from now on. */
static bool take_uid(uint32_t *uids, size_t n, uint32_t uid)
{
	for (size_t i = 0; i < n; i++)
		if (uids[i] == uid) {
			uids[i] = 0;
			return true;
		}
	return false;
}

static int import_one(struct source *s, struct walk *w, const struct imap_fetch *fetched)
{
	_cleanup_(buf_fini) struct buf key = BUF_INIT(4 * NAME_MAX_BYTES), where = BUF_INIT(4 * NAME_MAX_BYTES),
				       text = BUF_INIT(1 << 20);
	struct view words[IMAP_FETCH_WORDS];
	struct import_message m;
	bool doubt = false;
	int r;

	to_message(fetched, words, &text, &m);
	m.spool = fetched->body_kind == IMAP_WORD_LITERAL && fetched->body.n == 0 ? imap_client_large(s->imap) : NULL;
	if (w->pass == WALK_COUNT) {
		import_count(w->folder, &m);
		return 0;
	}
	put_key(s, w, fetched->uid, &key);
	put_where(s, w, fetched->uid, &where);
	m.key = buf_view(&key);
	m.source = buf_view(&where);
	if (w->pass == WALK_IMPORT && map_u64_get(&w->passed, fetched->size))
		m.doubt = &doubt;
	r = import_message(s->im, w->folder, &m);
	if (doubt) {
		add_uid(&w->doubtful, fetched->uid);
		add_uid(&w->sizes, (uint32_t)fetched->size);
	} else {
		s->im->progress.done++;
	}
	return r;
}

static int fetch_some(struct source *s, struct walk *w, uint32_t *uids, size_t n)
{
	_cleanup_(buf_fini) struct buf command = BUF_INIT(BATCH * 16 + 100);
	struct imap_fetch m;
	struct view line;
	bool done = false;
	int r;

	buf_append_cstr(&command, "UID FETCH ");
	for (size_t i = 0; i < n; i++)
		buf_printf(&command, "%s%u", i ? "," : "", uids[i]);
	buf_append_cstr(&command, " (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])");
	r = imap_client_send(s->imap, buf_cstr(&command));
	while (r == 0 && !done) {
		r = imap_client_next(s->imap, &line, &done);
		if (r == 0 && !done && imap_read_fetch(line, &m) && m.body_kind != IMAP_WORD_END &&
		    take_uid(uids, n, m.uid))
			r = import_one(s, w, &m);
	}
	return r;
}

/* What was asked for and did not come: expunged meanwhile, or refused. */
static void report_absent(struct source *s, const struct walk *w, const uint32_t *uids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_(buf_fini) struct buf where = BUF_INIT(4 * NAME_MAX_BYTES);

		if (uids[i] == 0)
			continue;
		put_where(s, w, uids[i], &where);
		import_left_out(s->im, w->folder, buf_view(&where), "the other server did not send it");
	}
}

static int fetch_all(struct source *s, struct walk *w, const struct uids *uids)
{
	int r = 0;

	for (size_t i = 0; i < uids->n && r == 0; i += BATCH) {
		size_t n = uids->n - i < BATCH ? uids->n - i : BATCH;

		r = fetch_some(s, w, uids->items + i, n);
		if (r == 0 && w->pass != WALK_COUNT)
			report_absent(s, w, uids->items + i, n);
	}
	return r;
}

/* Counts those of that size that were passed over; once. */
static int count_passed(struct source *s, struct walk *w, uint32_t size)
{
	struct uids *same = map_u64_remove(&w->passed, size);
	int r = same ? fetch_all(s, w, same) : 0;

	if (same)
		free(same->items);
	free(same);
	return r;
}

static int settle_doubts(struct source *s, struct walk *w)
{
	int r = 0;

	w->pass = WALK_COUNT;
	for (size_t i = 0; i < w->sizes.n && r == 0; i++)
		r = count_passed(s, w, w->sizes.items[i]);
	w->pass = WALK_DOUBTFUL;
	return r ? r : fetch_all(s, w, &w->doubtful);
}

static int walk_folder(struct source *s, struct walk *w, bool has_messages)
{
	int r = find_missing(s, w);

	/* Of an empty folder some servers refuse to tell, too. */
	if (r == 0 && has_messages && imap_client_refusal(s->imap))
		import_left_out(
		    s->im, w->folder, view_from_cstr(w->remote->wire),
		    "the other server does not tell what is in this folder now: run the same command again");
	s->im->progress.total += w->missing.n;
	r = r ? r : fetch_all(s, w, &w->missing);
	return r ? r : settle_doubts(s, w);
}

static int import_folder(struct source *s, const struct remote *f)
{
	struct walk w = {.remote = f};
	bool has_messages;
	int r = examine(s, f, &w.uidvalidity, &has_messages);

	if (r)
		return r;
	if (imap_client_refusal(s->imap)) {
		import_left_out(s->im, NULL, view_from_cstr(f->wire), "the other server does not open this folder");
		return 0;
	}
	w.folder = import_open(s->im, view_from_cstr(f->name), 0, view_from_cstr(f->wire), &r);
	if (!w.folder)
		return r;
	map_init(&w.passed);
	r = walk_folder(s, &w, has_messages);
	walk_fini(&w);
	return r;
}

int import_imap(struct import *im, const struct imap_url *url, struct view password,
		const struct imap_client_options *options)
{
	_cleanup_(buf_fini) struct buf host = BUF_INIT(2048);
	struct source s = {.im = im};
	int r;

	buf_printf(&host, "%s@%s", url->user, url->host);
	s.host = buf_cstr(&host);
	r = mail_client_folders(&im->mail, &s.ours);
	if (r)
		return r;
	r = imap_client_open(url, password, options, &s.imap);
	if (r == 0)
		r = list_folders(&s);
	for (size_t i = 0; i < s.n && r == 0; i++)
		r = import_folder(&s, &s.folders[i]);
	imap_client_close(&s.imap);
	for (size_t i = 0; i < s.n; i++) {
		free(s.folders[i].wire);
		free(s.folders[i].name);
	}
	free(s.folders);
	mail_folders_fini(&s.ours);
	return r;
}
