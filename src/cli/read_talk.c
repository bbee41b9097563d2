/* SPDX-License-Identifier: ISC
 * pombo read at a terminal: a line, an answer. */
#include "cli/read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_MAX = 64, REPLY_MAX = 16 << 20 };

static const char help[] =
    "NUMBER      show that message         l [WORDS]   list, or search (from:bob unread since:2026-01-31)\n"
    "r NUMBER    reply ($EDITOR)           R NUMBER    reply to all\n"
    "d NUMBERS   delete (to Trash)         m NUMBERS FOLDER   move there\n"
    "f NUMBERS   flag                      F FOLDER    open another folder\n"
    "q           quit\n";

/* Runs $EDITOR on a file of ours; its text into `text`. */
static int edit(struct buf *text)
{
	char path[] = "/tmp/pombo-reply-XXXXXX";
	const char *editor = getenv("VISUAL") ? getenv("VISUAL") : getenv("EDITOR") ? getenv("EDITOR") : "vi";
	_cleanup_(fd_close) int fd = mkostemp(path, O_CLOEXEC);
	int status = -1, r = 0;
	pid_t pid;

	if (fd < 0 || write(fd, text->p, text->n) != (ssize_t)text->n)
		r = cli_fail_errno(CLI_CANNOT_CREATE, "a file for the reply", errno, NULL);
	(void)fflush(stdout);
	pid = r ? -1 : fork();
	if (pid == 0) {
		(void)execl("/bin/sh", "sh", "-c", "exec $0 \"$1\"", editor, path, (char *)NULL);
		_exit(127);
	}
	if (pid > 0)
		(void)waitpid(pid, &status, 0);
	buf_reset(text);
	if (r == 0 && (status != 0 || cli_read_file(path, text) < 0))
		r = cli_fail(CLI_OTHER, editor, "it did not end well: nothing is sent", "set EDITOR");
	if (fd >= 0)
		(void)unlink(path);
	return r;
}

static int reply(struct reading *rd, const char *number, bool all)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(REPLY_MAX), before = BUF_INIT(REPLY_MAX);
	uint32_t uid;
	int r;

	if (!number || !view_to_u32(view_from_cstr(number), UINT32_MAX, &uid))
		return cli_fail(CLI_USAGE, "reply", "a message's number is needed", NULL);
	r = reading_quote(rd, uid, &text);
	buf_append_view(&before, buf_view(&text));
	if (r == 0)
		r = edit(&text);
	if (r == 0 && (view_trim(buf_view(&text)).n == 0 || view_eq(buf_view(&text), buf_view(&before)))) {
		(void)printf("nothing written: nothing is sent\n");
		return 0;
	}
	return r ? r : reading_reply(rd, uid, all, buf_view(&text));
}

static int on_many(struct reading *rd, char key, const char *numbers, const char *folder)
{
	struct mailbox_range *ranges;
	uint32_t n;
	uint64_t done = 0;
	int r;

	if (!numbers || (key == 'm' && !folder))
		return cli_fail(CLI_USAGE, "message",
				key == 'm' ? "numbers and a folder are needed" : "numbers are needed", NULL);
	r = reading_ranges(numbers, &ranges, &n);
	if (r)
		return r;
	if (key == 'f')
		r = reading_flag(rd, ranges, n, MAIL_FLAGGED, true);
	else
		r = key == 'm' ? reading_move(rd, ranges, n, folder, &done) : reading_delete(rd, ranges, n, &done);
	if (r == 0 && key != 'f')
		(void)printf("%llu %s\n", (unsigned long long)done, key == 'm' ? "moved" : "deleted");
	free(ranges);
	return r;
}

/* Whole: a folder's name may hold blanks. */
static int open_folder(struct reading *rd, const char *name)
{
	int r = name ? reading_open(rd, name) : cli_fail(CLI_USAGE, "F", "a folder's name is needed", NULL);

	return r ? r : reading_list(rd, NULL, 0);
}

static int obey(struct reading *rd, char *line, char **words, size_t n)
{
	uint32_t uid;

	if (view_to_u32(view_from_cstr(words[0]), UINT32_MAX, &uid))
		return reading_show(rd, uid, false);
	if (strlen(words[0]) != 1)
		words[0] = (char[]){"?"};
	switch (words[0][0]) {
	case 'l':
		return reading_open(rd, rd->folder) ? CLI_OTHER : reading_list(rd, words + 1, n - 1);
	case 'r':
	case 'R':
		return reply(rd, n > 1 ? words[1] : NULL, words[0][0] == 'R');
	case 'd':
	case 'f':
		return on_many(rd, words[0][0], n > 1 ? words[1] : NULL, NULL);
	case 'm':
		/* "m 3 Some folder": the rest of the line */
		return on_many(rd, 'm', n > 1 ? words[1] : NULL, n > 2 ? words[2] : NULL);
	case 'F':
		return open_folder(rd, n > 1 ? line : NULL);
	default:
		(void)fputs(help, stdout);
		return 0;
	}
}

/* Words of the line; of F and m the last is the rest of it. */
static size_t split(char *line, char **words)
{
	size_t n = 0;
	char key = line[strspn(line, " ")];
	size_t whole = key == 'F' ? 1 : key == 'm' ? 2 : WORDS_MAX - 1;
	char *p = line;

	for (;;) {
		p += strspn(p, " \t");
		if (*p == '\0' || n == WORDS_MAX)
			return n;
		words[n++] = p;
		if (n > whole)
			return n;
		p += strcspn(p, " \t");
		if (*p)
			*p++ = '\0';
	}
}

int reading_talk(struct reading *rd, char *const *words, size_t n)
{
	char *line = NULL, *said[WORDS_MAX];
	size_t room = 0;
	int r = reading_list(rd, words, n);

	(void)printf("? for help\n");
	while (r == 0) {
		ssize_t len;

		(void)printf("pombo> ");
		(void)fflush(stdout);
		len = getline(&line, &room, stdin);
		if (len < 0)
			break;
		if (len && line[len - 1] == '\n')
			line[len - 1] = '\0';
		n = split(line, said);
		if (n == 0)
			continue;
		if (strcmp(said[0], "q") == 0)
			break;
		/* What went wrong was said; the next line may do better, unless the store is gone. */
		r = obey(rd, n > 1 ? said[1] : line, said, n);
		r = r == CLI_NOT_RUNNING ? r : 0;
	}
	free(line);
	(void)printf("\n");
	return r;
}
