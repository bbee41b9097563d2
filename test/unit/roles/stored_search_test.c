/* SPDX-License-Identifier: ISC
 * Searches find the same with a search index, without one, with part of one, and with a damaged one; SORT and THREAD are told the same. */
#include "stored/search.h"

#include "base/clock.h"
#include "mail/header.h"
#include "mail/mime_index.h"
#include "store/search_write.h"
#include "stored/gather.h"
#include "trial.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MESSAGES = 260, QUERIES = 150, RESULT_MAX = 8 << 20, CORPUS_MAX = 300, CORPUS_BYTES_MAX = 60000 };

struct world {
	struct trial t;
	uint64_t account, inbox;
	struct buf texts; /* of all messages: where queries come from */
	uint64_t seed;
};

static uint32_t draw(struct world *w, uint32_t n)
{
	w->seed = w->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(w->seed >> 33) % n;
}

static void append(struct world *w, struct view message)
{
	struct mime_parser *p = mime_parser_new(&mime_limits_default);
	const struct mime_index *x = mime_index_parse(p, message);
	struct buf index = BUF_INIT(1 << 20);
	size_t head = (size_t)x->parts[0].header_bytes;
	struct append_job j;

	mime_index_encode(x, &index);
	append_job_init(&j);
	j.account = w->account;
	j.name = VIEW_LIT("INBOX");
	j.internaldate_s = j.wall_s = 1600000000 + draw(w, 10000000);
	j.message = (struct new_message){.id = store_next_id(w->t.store),
					 .header = view_sub(message, 0, head),
					 .content = view_sub(message, head, message.n),
					 .index = buf_view(&index)};
	assert_int_equal(trial_run(&w->t, &j.job), STORE_OK);
	store_job_fini(&j.job);
	buf_append_view(&w->texts, view_sub(message, 0, 20000));
	buf_fini(&index);
	mime_parser_free(&p);
}

static const char *const words[] = {"alpha",
				    "beta",
				    "gamma",
				    "Stra\xc3\x9f"
				    "e",
				    "\xc3\x9c"
				    "ber",
				    "delta",
				    "=?utf-8?Q?=C3=A4pfel?=",
				    "\xe6\x97\xa5\xe6\x9c\xac",
				    "epsilon",
				    "zeta",
				    "report",
				    "invoice"};

static void put_words(struct world *w, struct buf *out, unsigned n)
{
	while (n--) {
		buf_append_cstr(out, words[draw(w, ARRAY_LEN(words))]);
		buf_append_char(out, ' ');
	}
}

static void append_made(struct world *w, unsigned n)
{
	struct buf m = BUF_INIT(1 << 20);
	unsigned kind = draw(w, 6);

	buf_printf(&m, "From: user%u@example.org\r\nTo: ", draw(w, 20));
	put_words(w, &m, 1);
	buf_printf(&m, "<to%u@example.net>\r\nSubject: ", draw(w, 20));
	put_words(w, &m, kind == 5 ? 300 : 3); /* too long for a digest */
	buf_printf(&m, "\r\nMessage-ID: <m%u@x>\r\nReferences: <m%u@x>\r\n", n, draw(w, n + 1));
	if (kind != 4)
		buf_printf(&m, "Date: %u Feb 2020 10:00:00 +0%u00\r\n", 1 + draw(w, 28), draw(w, 10));
	if (kind == 1)
		buf_append_cstr(&m, "Content-Type: text/plain; charset=iso-8859-1\r\n\r\nsch\xf6n \xdf \r\n");
	else if (kind == 2)
		buf_append_cstr(&m, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nfirst part\r\n--b\r\n"
				    "Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n"
				    "PGI+SGVsbG8gV8O2cmxkPC9iPg==\r\n--b--\r\n");
	else
		buf_append_cstr(&m, "\r\n");
	put_words(w, &m, 5 + draw(w, 30));
	buf_append_cstr(&m, "\r\n");
	append(w, buf_view(&m));
	buf_fini(&m);
}

/* Real mail beside the project, where there is some. */
static unsigned append_files(struct world *w, const char *path, unsigned left)
{
	struct dirent *e;
	DIR *d = opendir(path);

	while (d && left && (e = readdir(d))) {
		struct buf name = BUF_INIT(4096), bytes = BUF_INIT(CORPUS_BYTES_MAX);
		char *room;
		ssize_t n;
		int fd;

		if (e->d_name[0] == '.')
			continue;
		buf_printf(&name, "%s/%s", path, e->d_name);
		if (e->d_type == DT_DIR) {
			left = append_files(w, buf_cstr(&name), left);
		} else if ((fd = open(buf_cstr(&name), O_RDONLY | O_CLOEXEC)) >= 0) {
			room = buf_reserve(&bytes, CORPUS_BYTES_MAX);
			n = read(fd, room, CORPUS_BYTES_MAX);
			if (n > 0)
				buf_commit(&bytes, (size_t)n);
			if (n > 0 && header_length(buf_view(&bytes)) > 0) {
				append(w, buf_view(&bytes));
				left--;
			}
			(void)close(fd);
		}
		buf_fini(&name);
		buf_fini(&bytes);
	}
	if (d)
		(void)closedir(d);
	return left;
}

/* ---- queries ---- */

static bool may_stand(unsigned char c)
{
	return c >= 0x20 && c != '"' && c != '\\';
}

/* A piece of some message's text, whole characters, or a word. */
static void put_needle(struct world *w, struct buf *out)
{
	size_t at = draw(w, (uint32_t)w->texts.n), n = 1 + draw(w, 9);

	buf_append_char(out, '"');
	if (draw(w, 4) == 0)
		buf_append_cstr(out, words[draw(w, ARRAY_LEN(words))]);
	else
		for (size_t i = at; i < at + n && i < w->texts.n && may_stand((unsigned char)w->texts.p[i]) &&
				    (unsigned char)w->texts.p[i] < 0x80;
		     i++)
			buf_append_char(out, w->texts.p[i]);
	buf_append_char(out, '"');
}

static void put_key(struct world *w, struct buf *out, unsigned depth)
{
	static const char *const texts[] = {
	    "TEXT ",           "BODY ", "SUBJECT ", "FROM ", "TO ", "CC ", "HEADER Message-ID ", "HEADER Received ",
	    "HEADER X-Mailer "};
	static const char *const plain[] = {
	    "SENTON 11-Feb-2020", "SENTSINCE 14-Feb-2020", "SENTBEFORE 3-Feb-2020", "SEEN", "LARGER 400",
	    "UID 10:200",         "HEADER Subject \"\""};

	switch (draw(w, depth ? 7 : 4)) {
	case 4:
		buf_append_cstr(out, "NOT ");
		put_key(w, out, depth - 1);
		break;
	case 5:
	case 6:
		buf_append_cstr(out, "OR ");
		put_key(w, out, depth - 1);
		buf_append_char(out, ' ');
		put_key(w, out, depth - 1);
		break;
	case 3:
		buf_append_cstr(out, plain[draw(w, ARRAY_LEN(plain))]);
		break;
	default:
		buf_append_cstr(out, texts[draw(w, ARRAY_LEN(texts))]);
		put_needle(w, out);
	}
}

/* The queries, one a line. */
static void make_queries(struct world *w, struct buf *out)
{
	for (unsigned i = 0; i < QUERIES; i++) {
		put_key(w, out, 2);
		if (draw(w, 3) == 0) {
			buf_append_char(out, ' ');
			put_key(w, out, 1);
		}
		buf_append_char(out, '\n');
	}
}

static void run_search(struct world *w, struct view program, struct buf *out)
{
	static const struct uid_range all = {1, UINT32_MAX};
	struct search s;
	struct arena a;
	bool again = true;

	arena_init(&a, 16 << 20);
	search_init(&s, &a, w->account, w->inbox, program, &all, 1, true);
	while (again)
		assert_int_equal(search_step(&s, w->t.reader, &again), STORE_OK);
	buf_append_view(out, program);
	buf_append_cstr(out, " →");
	for (size_t i = 0; i < s.found_count; i++)
		buf_printf(out, " %u:%u", s.found[i].first, s.found[i].last);
	buf_append_char(out, '\n');
	search_fini(&s);
	arena_fini(&a);
}

struct line {
	char text[700];
};

struct lines {
	struct line *at;
	size_t n;
};

static void take(void *ctx, const struct gathered *g)
{
	struct lines *l = ctx;
	int n;

	assert_true(g->at < l->n);
	n = snprintf(l->at[g->at].text, sizeof l->at[0].text, "%u %lld %llx %llx %d %u", g->uid, (long long)g->sent_s,
		     (unsigned long long)g->thread.id, (unsigned long long)g->thread.subject, g->thread.is_reply,
		     g->thread.ref_count);
	for (size_t i = 0; i < DIGEST_KEYS; i++)
		n += snprintf(l->at[g->at].text + n, sizeof l->at[0].text - (size_t)n, " %.*s",
			      g->keys[i].n > 80 ? 80 : (int)g->keys[i].n, g->keys[i].p);
}

static void run_gather(struct world *w, struct buf *out)
{
	static const struct uid_range all = {1, UINT32_MAX};
	struct box_status status;
	struct lines l;
	struct gather g;
	struct arena a;
	bool again = true;

	trial_box(&w->t, w->account, "INBOX", &status);
	l = (struct lines){xcalloc(status.exists, sizeof *l.at), status.exists};
	arena_init(&a, 16 << 20);
	search_init(&g.search, &a, w->account, w->inbox, VIEW_LIT("ALL"), &all, 1, true);
	gather_init(&g, GATHER_SENT | GATHER_KEYS | GATHER_THREAD, take, &l);
	while (again)
		assert_int_equal(gather_step(&g, w->t.reader, &again), STORE_OK);
	for (size_t i = 0; i < l.n; i++) {
		assert_true(l.at[i].text[0]);
		buf_append_cstr(out, l.at[i].text);
		buf_append_char(out, '\n');
	}
	gather_fini(&g);
	arena_fini(&a);
	free(l.at);
}

static void run_all(struct world *w, struct view queries, struct buf *out)
{
	struct view line;

	while (view_cut(queries, '\n', &line, &queries))
		run_search(w, line, out);
	run_gather(w, out);
	assert_false(out->overflow);
}

/* ---- the index ---- */

/* `steps` slices, or all there is. */
static void build(struct world *w, unsigned steps)
{
	struct search_progress p;
	struct search_writer *x;
	int rc = 1;

	assert_int_equal(search_writer_open(w->t.reader, w->account, &x), 0);
	for (unsigned i = 0; rc > 0 && i < steps; i++)
		rc = search_writer_step(x, &p);
	assert_true(rc >= 0);
	search_writer_close(&x);
}

static void assert_same(struct world *w, struct view queries, const struct buf *want)
{
	struct buf got = BUF_INIT(RESULT_MAX);

	run_all(w, queries, &got);
	for (struct view a = buf_view(&got), b = buf_view(want), x, y;
	     view_cut(a, '\n', &x, &a) && view_cut(b, '\n', &y, &b);)
		if (!view_eq(x, y))
			fail_msg("\n%.*s\nis not\n%.*s", VIEW_FMT(x), VIEW_FMT(y));
	assert_int_equal(got.n, want->n);
	buf_fini(&got);
}

/* Every byte of the file's second half is turned over: tables are found, what they hold is not to be believed. */
static void damage(struct world *w)
{
	struct buf path = BUF_INIT(200);
	uint8_t page[4096];
	int fd;

	buf_printf(&path, "%s/search/%llu.db", w->t.dir, (unsigned long long)w->account);
	fd = open(buf_cstr(&path), O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	for (off_t at = 4096 * 8; pread(fd, page, sizeof page, at) == sizeof page; at += 4096) {
		for (size_t i = 1000; i < sizeof page; i += 97)
			page[i] ^= 0x55;
		assert_int_equal(pwrite(fd, page, sizeof page, at), sizeof page);
	}
	(void)close(fd);
	buf_fini(&path);
}

static void set_up(struct world *w, unsigned files)
{
	const char *mail = getenv("POMBO_TEST_MAIL");

	*w = (struct world){.seed = 7};
	trial_start(&w->t);
	trial_domain(&w->t, "example.org");
	w->account = trial_account(&w->t, "a@example.org", 0);
	w->inbox = trial_box(&w->t, w->account, "INBOX", NULL);
	buf_init(&w->texts, 64 << 20);
	for (unsigned i = 0; i < MESSAGES / 2; i++)
		append_made(w, i);
	if (files)
		(void)append_files(w, mail ? mail : TEST_MAIL, files);
}

static void same_results(void **state)
{
	struct buf queries = BUF_INIT(1 << 20), want = BUF_INIT(RESULT_MAX);
	struct world w;

	(void)state;
	set_up(&w, CORPUS_MAX);
	make_queries(&w, &queries);
	run_all(&w, buf_view(&queries), &want);
	assert_int_equal(search_indexed(w.t.reader, w.account, w.inbox), 0);
	build(&w, 1000);
	assert_true(search_indexed(w.t.reader, w.account, w.inbox) > MESSAGES / 2);
	assert_same(&w, buf_view(&queries), &want);
	/* new mail, not in the index yet; then with it; after a new start */
	for (unsigned i = MESSAGES / 2; i < MESSAGES; i++)
		append_made(&w, i);
	buf_reset(&want);
	run_all(&w, buf_view(&queries), &want);
	for (unsigned i = 0; i < 12; i++) {
		append_made(&w, 1000 + i);
		build(&w, 1000); /* small segments, that join */
	}
	buf_reset(&want);
	run_all(&w, buf_view(&queries), &want);
	trial_reopen(&w.t);
	assert_same(&w, buf_view(&queries), &want);
	assert_int_equal(trial_flags(&w.t, w.account, w.inbox, (struct uid_range){3, 9}, 1, STORE_DELETED, NULL),
			 STORE_OK);
	damage(&w);
	trial_reopen(&w.t);
	buf_reset(&want);
	search_drop(w.t.store, 99);
	run_all(&w, buf_view(&queries), &want);
	assert_int_equal(search_take_damaged(w.t.store), w.account);
	search_drop(w.t.store, w.account);
	assert_same(&w, buf_view(&queries), &want);
	build(&w, 1000);
	assert_same(&w, buf_view(&queries), &want);
	buf_fini(&queries);
	buf_fini(&want);
	buf_fini(&w.texts);
	trial_end(&w.t);
}

/* The index rules messages out: what is in none is found out without reading one. */
static void narrowed(void **state)
{
	struct search_candidates c;
	struct arena a;
	struct world w;

	(void)state;
	set_up(&w, 0);
	build(&w, 1000);
	arena_init(&a, 1 << 20);
	assert_true(search_candidates(w.t.reader, w.account, VIEW_LIT("qqxqq"), &a, &c));
	assert_int_equal(c.count, 0);
	assert_true(search_candidates(w.t.reader, w.account, VIEW_LIT("<m7@x>"), &a, &c));
	assert_true(c.count >= 1 && c.count < MESSAGES / 4);
	assert_false(search_candidates(w.t.reader, w.account, VIEW_LIT("qq"), &a, &c));
	assert_false(search_candidates(w.t.reader, w.account + 1, VIEW_LIT("qqq"), &a, &c));
	arena_fini(&a);
	buf_fini(&w.texts);
	trial_end(&w.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(same_results), cmocka_unit_test(narrowed)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
