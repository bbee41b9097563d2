/* SPDX-License-Identifier: ISC
 * Importing one Maildir folder: cur and new, with what Dovecot keeps beside them. */
#include "cli/import.h"

#include "mail/maildir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SMALL_FILE_MAX = 256 << 20,
	STORE_SEEN = 1,
	STORE_ANSWERED = 2,
	STORE_FLAGGED = 4,
	STORE_DELETED = 8,
	STORE_DRAFT = 16
};

struct known_uid {
	uint32_t uid;
	struct view uidl;
};

struct entry {
	char *name;
	bool in_new;
	uint32_t uid; /* UINT32_MAX: not in the uidlist */
};

/* One folder under way. */
struct maildir {
	struct import *im;
	struct import_folder *f;
	const char *path;
	int cur, new; /* or -1 */
	struct buf uidlist, keywords; /* the files */
	struct map uids; /* unique name → struct known_uid */
	struct view words[MAILDIR_KEYWORDS_MAX];
	struct entry *entries;
	size_t n;
};

static void read_small(int dir, const char *name, struct buf *out)
{
	_cleanup_(fd_close) int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || cli_read_fd(fd, out) < 0)
		buf_reset(out);
}

static void read_extras(struct maildir *d, int fd)
{
	struct maildir_uidlist list;
	struct maildir_uid uid;
	struct view rest, word;
	uint32_t letter;

	read_small(fd, "dovecot-uidlist", &d->uidlist);
	read_small(fd, "dovecot-keywords", &d->keywords);
	if (maildir_uidlist_init(&list, buf_view(&d->uidlist)))
		while (maildir_uidlist_next(&list, &uid)) {
			struct known_uid *k = xcalloc(1, sizeof *k);

			*k = (struct known_uid){uid.uid, uid.uidl};
			free(map_set(&d->uids, uid.name, k));
		}
	rest = buf_view(&d->keywords);
	while (maildir_keyword_next(&rest, &letter, &word))
		d->words[letter] = word;
}

static const struct known_uid *uid_of(const struct maildir *d, const char *name)
{
	struct maildir_name n;

	maildir_name_parse(view_from_cstr(name), &n);
	return map_get(&d->uids, n.unique);
}

static int list(struct maildir *d, int fd, bool in_new)
{
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *e;

	if (!dir) {
		fd_close(&copy);
		return 0;
	}
	rewinddir(dir);
	while ((e = readdir(dir))) {
		const struct known_uid *k;

		if (e->d_name[0] == '.')
			continue;
		k = uid_of(d, e->d_name);
		d->entries = xrealloc(d->entries, (d->n + 1) * sizeof *d->entries);
		d->entries[d->n++] = (struct entry){xstrdup(e->d_name), in_new, k ? k->uid : UINT32_MAX};
	}
	(void)closedir(dir);
	return 0;
}

/* In the order of UIDs where they are known, else by name, which begins with the time. */
static int by_uid(const void *va, const void *vb)
{
	const struct entry *a = va, *b = vb;

	if (a->uid != b->uid)
		return a->uid < b->uid ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* No more than shows that it is too large: a file may be a hole of a terabyte. */
static int read_whole(int fd, uint64_t max, struct spool *out)
{
	_cleanup_(buf_fini) struct buf room = BUF_INIT(SPOOL_PIECE_BYTES);
	char *to = buf_reserve(&room, SPOOL_PIECE_BYTES);
	ssize_t n = 0;

	while (out->n <= max && (n = read(fd, to, SPOOL_PIECE_BYTES)) > 0)
		spool_append(out, view_from(to, (size_t)n));
	return n < 0 ? -errno : 0;
}

static int import_one(struct maildir *d, const struct entry *e, int fd, const struct stat *st, struct view source)
{
	_cleanup_(spool_fini) struct spool raw = SPOOL_INIT;
	const struct known_uid *k = uid_of(d, e->name);
	struct view words[MAILDIR_KEYWORDS_MAX + 1];
	struct maildir_name name;
	struct import_message m = {
	    .keywords = words, .source = source, .spool = &raw, .uidl = k ? k->uidl : VIEW_EMPTY};
	int r = read_whole(fd, d->im->max_message, &raw);

	if (r < 0) {
		import_left_out(d->im, d->f, source, strerror(-r));
		return 0;
	}
	if (raw.n > 2 && memcmp(raw.head.p, "\x1f\x8b", 2) == 0) {
		import_left_out(d->im, d->f, source, "compressed: unpack it (gzip) and import again");
		return 0;
	}
	maildir_name_parse(view_from_cstr(e->name), &name);
	m.flags = (name.seen ? STORE_SEEN : 0U) | (name.answered ? STORE_ANSWERED : 0U) |
		  (name.flagged ? STORE_FLAGGED : 0U) | (name.deleted ? STORE_DELETED : 0U) |
		  (name.draft ? STORE_DRAFT : 0U);
	for (unsigned i = 0; i < MAILDIR_KEYWORDS_MAX; i++)
		if (name.letters & 1U << i && d->words[i].n)
			words[m.n_keywords++] = d->words[i];
	if (name.passed)
		words[m.n_keywords++] = VIEW_LIT("$Forwarded");
	m.date_s = d->im->dates_of_header ? INT64_MIN : (int64_t)st->st_mtime;
	return import_message(d->im, d->f, &m);
}

static int import_entry(struct maildir *d, const struct entry *e)
{
	_cleanup_(buf_fini) struct buf source = BUF_INIT(8192);
	_cleanup_(fd_close) int fd =
	    openat(e->in_new ? d->new : d->cur, e->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	buf_printf(&source, "%s/%s/%s", d->path, e->in_new ? "new" : "cur", e->name);
	if (fd < 0 || fstat(fd, &st) < 0) {
		int error = errno;

		if (error == ENOENT)
			return 0; /* moved or deleted meanwhile: if renamed, the next run takes it */
		import_left_out(d->im, d->f, buf_view(&source), strerror(error));
		return 0;
	}
	if (!S_ISREG(st.st_mode)) {
		import_left_out(d->im, d->f, buf_view(&source), "no plain file");
		return 0;
	}
	if (d->im->counting) {
		d->im->progress.total += (uint64_t)st.st_size;
		return 0;
	}
	d->im->progress.done += (uint64_t)st.st_size;
	if ((uint64_t)st.st_size > d->im->max_message) {
		import_left_out(d->im, d->f, buf_view(&source), IMPORT_TOO_LARGE);
		return 0;
	}
	return import_one(d, e, fd, &st, buf_view(&source));
}

static int import_entries(struct maildir *d, int fd)
{
	int r = 0;

	if (!d->im->counting)
		read_extras(d, fd);
	r = list(d, d->new, true);
	if (r == 0)
		r = list(d, d->cur, false);
	if (d->n)
		qsort(d->entries, d->n, sizeof *d->entries, by_uid);
	for (size_t i = 0; i < d->n && r == 0; i++)
		r = import_entry(d, &d->entries[i]);
	return r;
}

static void maildir_fini(struct maildir *d)
{
	for (struct map_entry *e = map_first(&d->uids); e; e = map_next(&d->uids, e))
		free(map_value(e));
	map_fini(&d->uids);
	for (size_t i = 0; i < d->n; i++)
		free(d->entries[i].name);
	free(d->entries);
	buf_fini(&d->uidlist);
	buf_fini(&d->keywords);
	fd_close(&d->cur);
	fd_close(&d->new);
}

int import_maildir(struct import *im, int fd, struct view folder, const char *path)
{
	struct maildir d = {.im = im,
			    .path = path,
			    .cur = openat(fd, "cur", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
			    .new = openat(fd, "new", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
			    .uidlist = BUF_INIT(SMALL_FILE_MAX),
			    .keywords = BUF_INIT(SMALL_FILE_MAX)};
	int r = 0;

	map_init(&d.uids);
	im->files++;
	if (!im->counting)
		d.f = import_open(im, folder, 0, view_from_cstr(path), &r);
	if (im->counting || d.f)
		r = import_entries(&d, fd);
	maildir_fini(&d);
	return r;
}
