/* SPDX-License-Identifier: ISC
 * A backup folder: its packs of message bytes. */
#include "cli/backup.h"

#include "base/encode.h"
#include "base/id.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SHA_BYTES = 32,
	END_BYTES = 86, /* "end " 16 " " 64 LF */
	SUM_BYTES = 70, /* LF "sum " 64 LF */
	HEAD_MAX = 128,
	INDEX_MAX = 1 << 30,
	NAME_MAX_BYTES = 128,
};
#define RECORD_MAX (3ULL << 30)
#define MARK "pombo backup 1\n"

static int damaged(const char *what, const char *why)
{
	return cli_fail(CLI_BAD_DATA, what, why, "this backup is damaged: 'pombo backup --verify' names all of it");
}

static int cannot_write(const char *what, int error)
{
	return cli_fail_errno(error == ENOSPC || error == EDQUOT ? CLI_TRY_AGAIN : CLI_CANNOT_CREATE, what, error,
			      "the backups before it are as they were");
}

/* ---- the folder ---- */

static int open_below(int at, const char *name, bool make)
{
	if (make && mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	at = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return at < 0 ? -errno : at;
}

/* What a run that was killed left. */
static void remove_tmp(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *e;

	while (d && (e = readdir(d)))
		if (view_ends_with_nocase(view_from_cstr(e->d_name), VIEW_LIT(".tmp")))
			(void)unlinkat(fd, e->d_name, 0);
	if (d)
		(void)closedir(d);
}

static int sync_fd(int fd, const char *what)
{
	return fsync(fd) < 0 ? cannot_write(what, errno) : 0;
}

static int cannot_read(const char *path, int error)
{
	return cli_fail_errno(error == EACCES ? CLI_NOT_ALLOWED : CLI_BAD_DATA, path, error,
			      error == EACCES ? "run this as the folder's owner, or as root"
					      : "name the folder that 'pombo backup' wrote to");
}

static int lock(struct backup *b, bool make)
{
	struct stat st;

	b->lock_fd = openat(b->fd, "pombo-backup", (make ? O_RDWR | O_CREAT : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (b->lock_fd < 0 && errno == ENOENT)
		return cli_fail(CLI_BAD_DATA, b->path, "this is no backup of pombo's",
				"name the folder that 'pombo backup' wrote to");
	if (b->lock_fd < 0 || fstat(b->lock_fd, &st) < 0)
		return cannot_read(b->path, errno);
	if (flock(b->lock_fd, (make ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0)
		return cli_fail(CLI_TRY_AGAIN, b->path, "another pombo is at this backup", "try again when it is done");
	return 0;
}

/* Not into somebody's home by mistake. */
static int check_empty(struct backup *b)
{
	int copy = openat(b->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *e;
	bool marked = false, other = false;

	while (d && (e = readdir(d))) {
		marked |= strcmp(e->d_name, "pombo-backup") == 0;
		other |= e->d_name[0] != '.' && strcmp(e->d_name, "lost+found") != 0;
	}
	if (d)
		(void)closedir(d);
	return other && !marked
		   ? cli_fail(CLI_CANNOT_CREATE, b->path, "this folder is not empty and no backup", "name a new one")
		   : 0;
}

static int load_indexes(struct backup *b);

static int open_all(struct backup *b, bool make)
{
	int r;

	if (make && mkdir(b->path, 0700) < 0 && errno != EEXIST)
		return cli_fail_errno(CLI_CANNOT_CREATE, b->path, errno,
				      errno == ENOENT ? "make the folder that it is to be in first" : NULL);
	b->fd = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->fd < 0)
		return cannot_read(b->path, errno);
	r = make ? check_empty(b) : 0;
	if (r == 0)
		r = lock(b, make);
	if (r)
		return r;
	b->packs_fd = open_below(b->fd, "packs", make);
	b->states_fd = open_below(b->fd, "states", make);
	if (b->packs_fd < 0 || b->states_fd < 0)
		return cli_fail_errno(make ? CLI_CANNOT_CREATE : CLI_BAD_DATA, b->path,
				      b->packs_fd < 0 ? b->packs_fd : b->states_fd, NULL);
	if (make) {
		remove_tmp(b->packs_fd);
		remove_tmp(b->states_fd);
		r = sync_fd(b->fd, b->path);
	}
	return r ? r : load_indexes(b);
}

int backup_open(const char *path, bool make, struct backup *ret)
{
	int r;

	*ret = (struct backup){.path = xstrdup(path), .fd = -1, .packs_fd = -1, .states_fd = -1, .lock_fd = -1};
	r = open_all(ret, make);
	if (r)
		backup_close(ret);
	return r;
}

void backup_close(struct backup *b)
{
	for (size_t i = 0; i < b->n_packs; i++) {
		free(b->packs[i]);
		fd_close(&b->pack_fds[i]);
	}
	free(b->packs);
	free(b->pack_fds);
	free(b->entries);
	free(b->path);
	fd_close(&b->packs_fd);
	fd_close(&b->states_fd);
	fd_close(&b->lock_fd);
	fd_close(&b->fd);
	*b = (struct backup){.fd = -1, .packs_fd = -1, .states_fd = -1, .lock_fd = -1};
}

int backup_claim(struct backup *b, struct view store)
{
	_cleanup_(buf_fini) struct buf want = BUF_INIT(256), have = BUF_INIT(256);

	buf_printf(&want, "%sstore %.*s\n", MARK, VIEW_FMT(store));
	if (cli_read_fd(b->lock_fd, &have) < 0)
		return damaged(b->path, "its mark cannot be read");
	if (view_eq(buf_view(&want), buf_view(&have)))
		return 0;
	/* A mark that a killed run left half-written names nothing yet. */
	if (have.n == want.n)
		return cli_fail(CLI_NOT_ALLOWED, b->path, "this is the backup of another store", "name another folder");
	if (pwrite(b->lock_fd, want.p, want.n, 0) != (ssize_t)want.n || ftruncate(b->lock_fd, (off_t)want.n) < 0)
		return cannot_write(b->path, errno);
	return sync_fd(b->lock_fd, b->path);
}

/* ---- reading packs ---- */

static int read_at(int fd, uint64_t offset, uint64_t n, struct buf *out)
{
	char *at = buf_reserve(out, n);
	uint64_t got = 0;

	if (!at && n)
		return -EFBIG;
	while (got < n) {
		ssize_t part = pread(fd, at + got, n - got, (off_t)(offset + got));

		if (part < 0 && errno == EINTR)
			continue;
		if (part <= 0)
			return part < 0 ? -errno : -EUCLEAN;
		got += (uint64_t)part;
	}
	buf_commit(out, n);
	return 0;
}

static void sha256(struct view bytes, struct buf *hex)
{
	uint8_t digest[SHA_BYTES];

	if (EVP_Digest(bytes.p, bytes.n, digest, NULL, EVP_sha256(), NULL))
		encode_hex(hex, view_from(digest, sizeof digest));
}

/* 16 hexadecimal digits. */
static bool read_hex(struct view text, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (!ascii_is_digit(c) && !(c >= 'a' && c <= 'f'))
			return false;
		v = v << 4 | (uint64_t)(ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
	}
	*ret = v;
	return text.n == 16;
}

static bool read_entry(struct view line, struct pack_entry *e)
{
	struct view id, offset, rest;

	return view_cut(line, ' ', &id, &rest) && view_cut(rest, ' ', &offset, &rest) && id_parse(id, &e->id) &&
	       view_to_u64(offset, INT64_MAX, &e->offset) && view_to_u64(rest, RECORD_MAX, &e->length);
}

static bool read_entries(struct backup *b, uint32_t pack, struct view index)
{
	struct view line;
	uint64_t n;

	if (!view_cut(index, '\n', &line, &index) || !view_starts_with(line, VIEW_LIT("index ")) ||
	    !view_to_u64(view_sub(line, 6, line.n), INDEX_MAX, &n) || n > index.n)
		return false;
	b->entries = xrealloc(b->entries, (b->n_entries + n + 1) * sizeof *b->entries);
	for (; n > 0; n--) {
		struct pack_entry e = {.pack = pack};

		if (!view_cut(index, '\n', &line, &index) || !read_entry(line, &e))
			return false;
		b->entries[b->n_entries++] = e;
	}
	return index.n == 0;
}

/* The index of one pack, checked. */
static int load_index(struct backup *b, uint32_t pack)
{
	_cleanup_(buf_fini) struct buf end = BUF_INIT(END_BYTES), index = BUF_INIT(INDEX_MAX), hex = BUF_INIT(128);
	struct stat st;
	uint64_t at;
	int fd = openat(b->packs_fd, b->packs[pack], O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	b->pack_fds[pack] = fd;
	if (fd < 0 || fstat(fd, &st) < 0)
		return cli_fail_errno(CLI_BAD_DATA, b->packs[pack], errno, NULL);
	if (st.st_size < END_BYTES || read_at(fd, (uint64_t)st.st_size - END_BYTES, END_BYTES, &end) < 0 ||
	    !view_starts_with(buf_view(&end), VIEW_LIT("end ")) || !read_hex(view_sub(buf_view(&end), 4, 16), &at) ||
	    at > (uint64_t)st.st_size - END_BYTES || read_at(fd, at, (uint64_t)st.st_size - END_BYTES - at, &index) < 0)
		return damaged(b->packs[pack], "its end is missing");
	sha256(buf_view(&index), &hex);
	if (!view_eq(buf_view(&hex), view_sub(buf_view(&end), 21, 64)) || !read_entries(b, pack, buf_view(&index)))
		return damaged(b->packs[pack], "its index is not what was written");
	fd_close(&b->pack_fds[pack]);
	return 0;
}

static int by_id(const void *va, const void *vb)
{
	const struct pack_entry *a = va, *b = vb;

	return a->id < b->id ? -1 : a->id > b->id;
}

static int load_indexes(struct backup *b)
{
	struct dirent **names = NULL;
	int n = scandirat(b->packs_fd, ".", &names, NULL, alphasort), r = 0;

	b->packs = xcalloc(n > 0 ? (size_t)n : 1, sizeof *b->packs);
	b->pack_fds = xcalloc(n > 0 ? (size_t)n : 1, sizeof *b->pack_fds);
	for (int i = 0; i < n; i++) {
		if (view_ends_with_nocase(view_from_cstr(names[i]->d_name), VIEW_LIT(".pack"))) {
			b->pack_fds[b->n_packs] = -1;
			b->packs[b->n_packs++] = xstrdup(names[i]->d_name);
			if (r == 0)
				r = load_index(b, (uint32_t)(b->n_packs - 1));
		}
		free(names[i]);
	}
	free(names);
	if (b->n_entries)
		qsort(b->entries, b->n_entries, sizeof *b->entries, by_id);
	return r;
}

const struct pack_entry *backup_find(const struct backup *b, uint64_t id)
{
	const struct pack_entry key = {.id = id};

	return b->n_entries ? bsearch(&key, b->entries, b->n_entries, sizeof key, by_id) : NULL;
}

/* "message ID PREFIXES HEADER CONTENT" */
static bool read_head(struct view line, struct pack_message *m)
{
	struct view word, id;

	return view_cut(line, ' ', &word, &line) && view_eq_lit(word, "message") && view_cut(line, ' ', &id, &line) &&
	       id_parse(id, &m->id) && view_cut(line, ' ', &word, &line) &&
	       view_to_u64(word, RECORD_MAX, &m->prefix_bytes) && view_cut(line, ' ', &word, &line) &&
	       view_to_u64(word, RECORD_MAX, &m->header_bytes) && view_to_u64(line, RECORD_MAX, &m->content_bytes);
}

static bool check_record(struct view record, struct pack_message *m, struct view *ret_bytes)
{
	_cleanup_(buf_fini) struct buf hex = BUF_INIT(128);
	struct view head, rest;
	uint64_t size;

	if (!view_cut(view_sub(record, 0, HEAD_MAX), '\n', &head, &rest) || !read_head(head, m))
		return false;
	size = m->prefix_bytes + m->header_bytes + m->content_bytes;
	if (record.n != head.n + 1 + size + SUM_BYTES)
		return false;
	*ret_bytes = view_sub(record, head.n + 1, size);
	rest = view_sub(record, head.n + 1 + size, SUM_BYTES);
	/* The lengths are under the checksum too. */
	sha256(view_sub(record, 0, head.n + 1 + size), &hex);
	return view_starts_with(rest, VIEW_LIT("\nsum ")) && view_eq(view_sub(rest, 5, 64), buf_view(&hex));
}

int backup_read_message(struct backup *b, const struct pack_entry *e, struct pack_message *ret, struct buf *bytes)
{
	_cleanup_(buf_fini) struct buf record = BUF_INIT(RECORD_MAX);
	int *fd = &b->pack_fds[e->pack], r;
	struct view found;

	if (*fd < 0)
		*fd = openat(b->packs_fd, b->packs[e->pack], O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	r = *fd < 0 ? -errno : read_at(*fd, e->offset, e->length, &record);
	if (r < 0 && r != -EUCLEAN)
		return cli_fail_errno(CLI_BAD_DATA, b->packs[e->pack], r, NULL);
	if (r < 0 || !check_record(buf_view(&record), ret, &found) || ret->id != e->id) {
		char id[ID_TEXT_BYTES + 1];
		_cleanup_(buf_fini) struct buf what = BUF_INIT(512);

		id_format(e->id, id);
		buf_printf(&what, "%s, message %s", b->packs[e->pack], id);
		return damaged(buf_cstr(&what), "these are not the bytes that were written");
	}
	buf_append_view(bytes, found);
	return 0;
}

int backup_check_packs(struct backup *b, uint64_t *ret_messages, uint64_t *ret_bytes)
{
	int worst = 0;

	for (size_t i = 0; i < b->n_entries; i++) {
		_cleanup_(buf_fini) struct buf bytes = BUF_INIT(RECORD_MAX);
		struct pack_message m;
		int r = backup_read_message(b, &b->entries[i], &m, &bytes);

		worst = worst ? worst : r;
		++*ret_messages;
		*ret_bytes += bytes.n;
	}
	return worst;
}

/* ---- writing packs ---- */

struct pack_writer {
	struct backup *b;
	char *name, *tmp;
	int fd;
	uint64_t at, start, left; /* bytes of the message that are still to come */
	uint64_t id;
	EVP_MD_CTX *sum;
	struct buf out, index;
	uint64_t n;
};

int pack_begin(struct backup *b, const char *name, struct pack_writer **ret)
{
	struct pack_writer *w = xcalloc(1, sizeof *w);
	struct buf path = BUF_INIT(NAME_MAX_BYTES);

	w->b = b;
	buf_printf(&path, "%s.pack", name);
	w->name = xstrdup(buf_cstr(&path));
	buf_append_cstr(&path, ".tmp");
	w->tmp = xstrdup(buf_cstr(&path));
	buf_fini(&path);
	w->fd = openat(b->packs_fd, w->tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	w->sum = EVP_MD_CTX_new();
	w->out = BUF_INIT(8 << 20);
	w->index = BUF_INIT(INDEX_MAX);
	*ret = w;
	return w->fd < 0 || !w->sum ? cannot_write(w->tmp, errno) : 0;
}

static int flush(struct pack_writer *w)
{
	struct view left = buf_view(&w->out);

	while (left.n) {
		ssize_t n = write(w->fd, left.p, left.n);

		if (n < 0 && errno != EINTR)
			return cannot_write(w->tmp, errno);
		left = view_sub(left, n > 0 ? (size_t)n : 0, left.n);
	}
	buf_reset(&w->out);
	return 0;
}

static int put(struct pack_writer *w, struct view bytes)
{
	buf_append_view(&w->out, bytes);
	w->at += bytes.n;
	return w->out.n >= 1 << 20 ? flush(w) : 0;
}

static int end_message(struct pack_writer *w)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(256);
	uint8_t digest[SHA_BYTES];
	char id[ID_TEXT_BYTES + 1];
	int r;

	if (!EVP_DigestFinal_ex(w->sum, digest, NULL))
		return cli_fail(CLI_OTHER, "SHA-256", "the crypto library failed", NULL);
	buf_append_cstr(&text, "\nsum ");
	encode_hex(&text, view_from(digest, sizeof digest));
	buf_append_char(&text, '\n');
	r = put(w, buf_view(&text));
	id_format(w->id, id);
	buf_printf(&w->index, "%s %llu %llu\n", id, (unsigned long long)w->start,
		   (unsigned long long)(w->at - w->start));
	w->n++;
	return r;
}

int pack_message(struct pack_writer *w, const struct pack_message *m)
{
	_cleanup_(buf_fini) struct buf head = BUF_INIT(HEAD_MAX);
	char id[ID_TEXT_BYTES + 1];
	int r;

	id_format(m->id, id);
	w->id = m->id;
	w->start = w->at;
	w->left = m->prefix_bytes + m->header_bytes + m->content_bytes;
	buf_printf(&head, "message %s %llu %llu %llu\n", id, (unsigned long long)m->prefix_bytes,
		   (unsigned long long)m->header_bytes, (unsigned long long)m->content_bytes);
	if (!EVP_DigestInit_ex(w->sum, EVP_sha256(), NULL) || !EVP_DigestUpdate(w->sum, head.p, head.n))
		return cli_fail(CLI_OTHER, "SHA-256", "the crypto library failed", NULL);
	r = put(w, buf_view(&head));
	return r == 0 && w->left == 0 ? end_message(w) : r;
}

int pack_bytes(struct pack_writer *w, struct view bytes)
{
	int r;

	if (bytes.n > w->left)
		return cli_fail(CLI_OTHER, "a message is longer than the store says", NULL, NULL);
	if (bytes.n == 0)
		return 0;
	(void)EVP_DigestUpdate(w->sum, bytes.p, bytes.n);
	r = put(w, bytes);
	w->left -= bytes.n;
	return r == 0 && w->left == 0 ? end_message(w) : r;
}

uint64_t pack_size(const struct pack_writer *w)
{
	return w->at;
}

void pack_abandon(struct pack_writer **wp)
{
	struct pack_writer *w = *wp;

	if (!w)
		return;
	if (w->fd >= 0)
		(void)unlinkat(w->b->packs_fd, w->tmp, 0);
	fd_close(&w->fd);
	EVP_MD_CTX_free(w->sum);
	buf_fini(&w->out);
	buf_fini(&w->index);
	free(w->name);
	free(w->tmp);
	free(w);
	*wp = NULL;
}

static int write_index(struct pack_writer *w)
{
	_cleanup_(buf_fini) struct buf index = BUF_INIT(INDEX_MAX), hex = BUF_INIT(128), end = BUF_INIT(128);
	uint64_t at = w->at;
	int r;

	buf_printf(&index, "index %llu\n", (unsigned long long)w->n);
	buf_append_view(&index, buf_view(&w->index));
	if (index.overflow || w->index.overflow)
		return cli_fail(CLI_OTHER, w->name, "too many messages in one pack", NULL);
	sha256(buf_view(&index), &hex);
	buf_printf(&end, "end %016llx %s\n", (unsigned long long)at, buf_cstr(&hex));
	r = flush(w);
	for (struct view left = buf_view(&index); r == 0 && left.n; left = view_sub(left, 1 << 20, left.n))
		r = put(w, view_sub(left, 0, 1 << 20));
	if (r == 0)
		r = put(w, buf_view(&end));
	return r ? r : flush(w);
}

int pack_finish(struct pack_writer **wp)
{
	struct pack_writer *w = *wp;
	int r;

	if (!w)
		return 0;
	r = write_index(w);
	if (r == 0)
		r = sync_fd(w->fd, w->tmp);
	if (r == 0 && renameat(w->b->packs_fd, w->tmp, w->b->packs_fd, w->name) < 0)
		r = cannot_write(w->tmp, errno);
	if (r == 0) {
		fd_close(&w->fd); /* it is no tmp file any more */
		r = sync_fd(w->b->packs_fd, "packs");
	}
	pack_abandon(wp);
	return r;
}
