/* SPDX-License-Identifier: ISC
 * pombo read: an account's mail at the terminal, or in scripts. */
#include "cli/commands.h"

#include "cli/option.h"
#include "cli/read.h"
#include "cli/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIMIT = 20, REPLY_MAX = 16 << 20 };

struct words {
	const char *folder, *show, *reply, *move, *to, *del, *limit;
	bool raw, all, list;
};

static int number(const char *text, uint32_t *ret)
{
	return view_to_u32(view_from_cstr(text), UINT32_MAX, ret) && *ret
		   ? 0
		   : cli_fail(CLI_USAGE, text, "this is no message's number", "see the list: 'pombo read'");
}

static int file_away(struct reading *rd, const struct words *w)
{
	struct mailbox_range *ranges;
	uint32_t n;
	uint64_t done = 0;
	int r = reading_ranges(w->move ? w->move : w->del, &ranges, &n);

	if (r)
		return r;
	r = w->move ? reading_move(rd, ranges, n, w->to, &done) : reading_delete(rd, ranges, n, &done);
	free(ranges);
	if (r)
		return r;
	if (rd->c->json)
		return show_json(json_pack("{s:I}", w->move ? "moved" : "deleted", (json_int_t)done));
	(void)printf("%llu %s\n", (unsigned long long)done, w->move ? "moved" : "deleted");
	return done ? 0 : cli_fail(CLI_NO_SUCH, rd->folder, "there is no such message", "see the list: 'pombo read'");
}

static int answer(struct reading *rd, const struct words *w)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(REPLY_MAX);
	uint32_t uid;
	int r = number(w->reply, &uid);

	if (r)
		return r;
	r = cli_read_fd(STDIN_FILENO, &text);
	if (r < 0)
		return cli_fail_errno(CLI_BAD_DATA, "standard input", r, NULL);
	if (view_trim(buf_view(&text)).n == 0)
		return cli_fail(CLI_BAD_DATA, "standard input", "it is empty: nothing is sent",
				"the reply's text comes there");
	return reading_reply(rd, uid, w->all, buf_view(&text));
}

static int act(struct reading *rd, const struct words *w, char *const *search, size_t n)
{
	uint32_t uid;
	int r;

	if (w->show) {
		r = number(w->show, &uid);
		return r ? r : reading_show(rd, uid, w->raw);
	}
	if (w->reply)
		return answer(rd, w);
	if (w->move || w->del)
		return file_away(rd, w);
	if (!w->list && !rd->c->json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		return reading_talk(rd, search, n);
	return reading_list(rd, search, n);
}

static int check(const struct cli *c, const struct words *w, struct reading *rd)
{
	uint32_t limit = LIMIT;

	if ((w->show != NULL) + (w->reply != NULL) + (w->move != NULL) + (w->del != NULL) > 1)
		return cli_usage(c, "--show, --reply, --move, --delete: one of them");
	if ((w->move != NULL) != (w->to != NULL))
		return cli_usage(c, "--move goes with --to");
	if (w->limit && !view_to_u32(view_from_cstr(w->limit), UINT32_MAX, &limit))
		return cli_usage(c, "--limit wants a number");
	rd->limit = limit;
	return 0;
}

static int read_mail(struct reading *rd, const char *account, const struct words *w, char *const *search, size_t n)
{
	int r = mail_client_open(rd->c, account, w->reply != NULL, &rd->mail);

	if (r)
		return r;
	r = reading_open(rd, w->folder ? w->folder : "INBOX");
	if (r == 0)
		r = act(rd, w, search, n);
	free(rd->folder);
	mail_client_close(&rd->mail);
	return r;
}

static int run(struct cli *c)
{
	struct words w = {NULL};
	const struct option options[] = {
	    {.name = "folder", .value = &w.folder}, {.name = "show", .value = &w.show},
	    {.name = "raw", .flag = &w.raw},        {.name = "reply", .value = &w.reply},
	    {.name = "all", .flag = &w.all},        {.name = "move", .value = &w.move},
	    {.name = "to", .value = &w.to},         {.name = "delete", .value = &w.del},
	    {.name = "limit", .value = &w.limit},   {.name = "list", .flag = &w.list},
	};
	struct reading rd = {.c = c};
	char *account;
	int r = option_take(c, options, ARRAY_LEN(options)), first = 1;

	if (r == 0)
		r = check(c, &w, &rd);
	if (r)
		return r;
	if (c->argc > 1 && strchr(c->argv[1], '@') && !strchr(c->argv[1], ':')) {
		account = xstrdup(c->argv[1]);
		first = 2;
	} else {
		account = mail_client_only_account(c, &r);
	}
	if (account)
		r = read_mail(&rd, account, &w, c->argv + first, (size_t)(c->argc - first));
	free(account);
	return r;
}

const struct cli_command cmd_read = {
    .name = "read",
    .usage = "[ACCOUNT] [--folder F] [--show N | --reply N | --move NUMBERS --to F | --delete NUMBERS] [SEARCH]...",
    .summary = "lists, searches, shows, answers and files mail",
    .help = "Without more it lists the newest messages of INBOX; at a terminal it then asks what to do. ACCOUNT may be "
	    "left out where there is just "
	    "one. Numbers are those in the list, and stay a message's own.\n\n"
	    "SEARCH: words that all must be found, and from:X to:X cc:X subject:X body:X since:2026-01-31 "
	    "before:2026-01-31 larger:1M unread read "
	    "flagged answered.\n\n"
	    "What is shown is decoded, and harmless for the terminal whatever a message holds: control characters "
	    "become '?'.",
    .options =
	(const struct cli_option_help[]){
	    {"--folder F", "this folder, not INBOX"},
	    {"--show N", "show this message, and mark it read"},
	    {"--raw", "with --show: its bytes as they are"},
	    {"--reply N", "answer it: the text is standard input; the server must run"},
	    {"--all", "with --reply: to everybody it went to"},
	    {"--move NUMBERS", "move these (3 or 3,5:9)"},
	    {"--to F", "to this folder"},
	    {"--delete NUMBERS", "move these to Trash; in Trash, delete them"},
	    {"--limit N", "list so many (20); 0: all"},
	    {"--list", "list and end, at a terminal too"},
	    {NULL, NULL},
	},
    .example =
	"pombo read alice@example.org from:bob unread\npombo read --show 17\necho Thanks. | pombo read --reply 17",
    .shows = true,
    .run = run,
};
