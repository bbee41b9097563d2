/* SPDX-License-Identifier: ISC
 * Importing an mbox file. */
#include "cli/import.h"

#include "cli/mapped.h"
#include "cli/show.h"
#include "mail/mbox_file.h"

#include <errno.h>
#include <stdlib.h>

enum { KEYWORDS_MAX = 64, STORE_SEEN = 1, STORE_ANSWERED = 2, STORE_FLAGGED = 4, STORE_DELETED = 8, STORE_DRAFT = 16 };

#define CUT_SHORT                                                                                                      \
	"the file became shorter, or could not be read, while it was read: this message and what followed it did not " \
	"come; let no program change it, and run the same command again"

static size_t split(struct view text, struct view *words, size_t max)
{
	struct view word;
	size_t n = 0;

	while (text.n && n < max) {
		if (!view_cut(text, ' ', &word, &text)) {
			word = text;
			text = VIEW_EMPTY;
		}
		if (view_trim(word).n)
			words[n++] = view_trim(word);
	}
	return n;
}

/* Only bytes that are the file's are a message. */
static bool is_whole(const struct mapped *file, const struct mbox_message *m)
{
	return (size_t)(m->raw.p - file->bytes.p) + m->raw.n <= mapped_whole(file);
}

/* Also -1: the file has lost it. Its text is made in memory of its own: what is whole then stays so. */
static int import_one(struct import *im, struct import_folder *f, const struct mapped *file,
		      const struct mbox_message *m, struct view source)
{
	_cleanup_(buf_fini) struct buf plain = BUF_INIT(m->raw.n + 1), text = BUF_INIT(m->raw.n + 1);
	struct view words[KEYWORDS_MAX], sender;
	struct mbox_status status;
	struct import_message out = {.keywords = words, .source = source, .date_s = INT64_MIN};

	if (m->raw.n > im->max_message) {
		import_left_out(im, f, source, IMPORT_TOO_LARGE);
		return 0;
	}
	mbox_status_read(m->raw, &status);
	if (status.is_pseudo) {
		import_left_out(im, f, source, "a mail program's own data, no message");
		return 0;
	}
	if (m->quoted)
		mbox_unquote(&plain, m->raw);
	mbox_status_strip(&text, m->quoted ? buf_view(&plain) : m->raw, m->measured);
	out.raw = buf_view(&text);
	out.flags = (status.seen ? STORE_SEEN : 0U) | (status.answered ? STORE_ANSWERED : 0U) |
		    (status.flagged ? STORE_FLAGGED : 0U) | (status.deleted ? STORE_DELETED : 0U) |
		    (status.draft ? STORE_DRAFT : 0U);
	out.n_keywords = split(status.keywords, words, KEYWORDS_MAX);
	if (im->dates_of_header || !mbox_from_line_parse(m->from_line, &out.date_s, &sender))
		out.date_s = INT64_MIN;
	return is_whole(file, m) ? import_message(im, f, &out) : -1;
}

static int import_all(struct import *im, struct import_folder *f, const struct mapped *whole, const char *path)
{
	struct mbox_message m;
	struct mbox_file file;
	uint64_t base = im->progress.done;
	enum parse p;
	int r = 0;

	mbox_file_init(&file, whole->bytes);
	for (uint64_t n = 1; r == 0 && (p = mbox_file_next(&file, &m)) != PARSE_MORE; n++) {
		_cleanup_(buf_fini) struct buf source = BUF_INIT(8192);

		buf_printf(&source, "%s, message %llu", path, (unsigned long long)n);
		if (p == PARSE_BAD) {
			import_left_out(im, f, buf_view(&source),
					mapped_whole(whole) < whole->bytes.n ? CUT_SHORT : "what follows is no mbox");
			break;
		}
		r = import_one(im, f, whole, &m, buf_view(&source));
		if (r < 0)
			import_left_out(im, f, buf_view(&source), CUT_SHORT);
		im->progress.done = base + file.at;
	}
	im->progress.done = base + whole->bytes.n;
	return r < 0 ? 0 : r;
}

int import_mbox(struct import *im, int fd, struct view folder, const char *path)
{
	struct import_folder *f;
	struct mapped whole;
	int r = mapped_open(fd, &whole);

	if (r < 0)
		return cli_fail_errno(CLI_OTHER, path, r, NULL);
	im->files++;
	if (im->counting) {
		im->progress.total += whole.bytes.n;
		mapped_close(&whole);
		return 0;
	}
	f = import_open(im, folder, 0, view_from_cstr(path), &r);
	if (f)
		r = import_all(im, f, &whole, path);
	mapped_close(&whole);
	return r;
}
