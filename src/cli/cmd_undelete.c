/* SPDX-License-Identifier: ISC
 * pombo undelete: what was expunged or deleted, and bringing it back. */
#include "cli/commands.h"

#include "base/map.h"
#include "cli/mail_client.h"
#include "cli/option.h"
#include "cli/read.h"
#include "cli/show.h"
#include "mail/header.h"
#include "mail/rfc2047.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MODSEQ = 2, INTERNALDATE = 4, SIZE = 8, HEADER = 16, MESSAGE_ID = 256, BATCH = 500, VALUE_MAX = 65536 };

/* An expunged message that no folder has any more. */
struct lost {
	uint32_t uid;
	uint64_t message;
	int64_t expunged_s;
};

struct undelete {
	struct cli *c;
	struct mail_client mail;
	int64_t since_s;
	struct map live; /* ids of messages that some folder has, or that were brought back */
	json_t *messages, *folders;
	uint64_t listed, restored;
};

/* ---- what is lost ---- */

struct times {
	struct mailbox_expunge_time *at;
	size_t n;
};

static int read_times(struct undelete *u, uint64_t mailbox, const char *folder, struct times *ret)
{
	struct mailbox_expunge_times_want want = {u->mail.session, mailbox, 0};
	struct mailbox_msg answer;

	*ret = (struct times){NULL, 0};
	do {
		int r = mail_client_ask(&u->mail, mailbox_put_expunge_times_want(&u->mail.payload, &want),
					MAILBOX_EXPUNGE_TIMES_WANT, folder, MAILBOX_EXPUNGE_TIMES, &answer);
		uint32_t n = r ? 0 : answer.expunge_times.n_times;

		if (r) {
			free(ret->at);
			return r;
		}
		ret->at = xrealloc(ret->at, (ret->n + n + 1) * sizeof *ret->at);
		for (uint32_t i = 0; i < n; i++)
			ret->at[ret->n++] = answer.expunge_times.times[i];
		want.after_modseq = ret->n ? ret->at[ret->n - 1].modseq : 0;
	} while (answer.expunge_times.n_times);
	return 0;
}

/* When the expunge was that gave an entry this modseq. */
static int64_t time_of(const struct times *t, uint64_t modseq)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->at[mid].modseq < modseq)
			low = mid + 1;
		else
			high = mid;
	}
	return low < t->n ? t->at[low].wall_s : 0;
}

/* All rows of a folder: those that are there into u->live, the others into *ret where it is not NULL. */
static int scan(struct undelete *u, uint64_t mailbox, const char *folder, const struct times *times, struct lost **ret,
		size_t *ret_n)
{
	struct mailbox_range all = {1, UINT32_MAX};
	struct mailbox_rows_want want = {.session = u->mail.session,
					 .mailbox = mailbox,
					 .ranges = &all,
					 .n_ranges = 1,
					 .fields = MODSEQ | MESSAGE_ID};
	struct mailbox_msg answer;

	do {
		int r = mail_client_ask(&u->mail, mailbox_put_rows_want(&u->mail.payload, &want), MAILBOX_ROWS_WANT,
					folder, MAILBOX_ROWS, &answer);

		if (r)
			return r;
		if (ret)
			*ret = xrealloc(*ret, (*ret_n + answer.rows.n_rows + 1) * sizeof **ret);
		for (uint32_t i = 0; i < answer.rows.n_rows; i++) {
			const struct mailbox_row *row = &answer.rows.rows[i];

			if (!row->expunged)
				(void)map_u64_set(&u->live, row->message_id, u);
			else if (ret)
				(*ret)[(*ret_n)++] =
				    (struct lost){row->uid, row->message_id, time_of(times, row->modseq)};
		}
		want.uid_from = answer.rows.next;
	} while (want.uid_from);
	return 0;
}

static int open_folder(struct undelete *u, const char *folder, uint64_t *ret)
{
	const struct mailbox_open open = {u->mail.session, view_from_cstr(folder)};
	struct mailbox_msg answer;
	int r = mail_client_ask(&u->mail, mailbox_put_open(&u->mail.payload, &open), MAILBOX_OPEN, folder,
				MAILBOX_OPENED, &answer);

	if (r == 0)
		*ret = answer.opened.mailbox;
	return r;
}

/* Those since u->since_s that no folder has, each message once. */
static int find_lost(struct undelete *u, uint64_t mailbox, const char *folder, struct lost **ret, size_t *ret_n)
{
	struct times times;
	size_t n = 0, kept = 0;
	int r = read_times(u, mailbox, folder, &times);

	*ret = NULL;
	if (r)
		return r;
	r = scan(u, mailbox, folder, &times, ret, &n);
	for (size_t i = n; r == 0 && i > 0; i--) { /* the last expunge of a message first */
		struct lost l = (*ret)[i - 1];

		if (l.expunged_s < u->since_s || map_u64_get(&u->live, l.message))
			continue;
		(void)map_u64_set(&u->live, l.message, u);
		(*ret)[n - ++kept] = l;
	}
	for (size_t i = 0; i < kept; i++)
		(*ret)[i] = (*ret)[n - kept + i];
	*ret_n = kept;
	free(times.at);
	return r;
}

/* ---- list ---- */

static void field(struct view header, const char *name, struct buf *out)
{
	struct header_field f;

	if (header_find(header, name, &f))
		rfc2047_decode(view_trim(f.value), out);
}

static void list_one(struct undelete *u, const char *folder, const struct mailbox_row *row, const struct lost *l)
{
	_cleanup_(buf_fini) struct buf from = BUF_INIT(VALUE_MAX), subject = BUF_INIT(VALUE_MAX), when = BUF_INIT(64);

	field(row->header, "From", &from);
	field(row->header, "Subject", &subject);
	(void)json_array_append_new(
	    u->messages,
	    json_pack("{s:o, s:I, s:o, s:o, s:o, s:o, s:I}", "folder", show_json_text(view_from_cstr(folder)), "uid",
		      (json_int_t)l->uid, "deleted", show_json_time(l->expunged_s), "date",
		      show_json_time(row->internaldate_s), "from", show_json_text(buf_view(&from)), "subject",
		      show_json_text(buf_view(&subject)), "size", (json_int_t)row->size_bytes));
	if (u->c->json)
		return;
	show_time(l->expunged_s, &when);
	if (u->listed++ == 0)
		(void)printf("%8s  %-20s  %-16s  %-24s  %s\n", "N", "DELETED", "FOLDER", "FROM", "SUBJECT");
	(void)printf("%8u  %s  ", l->uid, buf_cstr(&when));
	show_column(view_from_cstr(folder), 16);
	(void)printf("  ");
	show_cut_column(show_sender(buf_view(&from)), 24);
	(void)printf("  ");
	show_rest(buf_view(&subject), 8 + 2 + 20 + 2 + 16 + 2 + 24 + 2);
}

/* Up to BATCH of them. */
static int list_some(struct undelete *u, uint64_t mailbox, const char *folder, const struct lost *l, size_t n)
{
	struct mailbox_range *ranges = xcalloc(n + 1, sizeof *ranges);
	struct mailbox_rows_want want = {.session = u->mail.session,
					 .mailbox = mailbox,
					 .ranges = ranges,
					 .n_ranges = (uint32_t)n,
					 .fields = INTERNALDATE | SIZE | HEADER};
	struct mailbox_msg answer;
	size_t at = 0;
	int r = 0;

	for (size_t i = 0; i < n; i++)
		ranges[i] = (struct mailbox_range){l[i].uid, l[i].uid};
	do {
		r = mail_client_ask(&u->mail, mailbox_put_rows_want(&u->mail.payload, &want), MAILBOX_ROWS_WANT, folder,
				    MAILBOX_ROWS, &answer);
		for (uint32_t i = 0; r == 0 && i < answer.rows.n_rows; i++) {
			while (at < n && l[at].uid < answer.rows.rows[i].uid)
				at++;
			if (at < n && l[at].uid == answer.rows.rows[i].uid)
				list_one(u, folder, &answer.rows.rows[i], &l[at]);
		}
		want.uid_from = r ? 0 : answer.rows.next;
	} while (r == 0 && want.uid_from);
	free(ranges);
	return r;
}

/* ---- bring back ---- */

static int restore_some(struct undelete *u, uint64_t mailbox, const char *folder, const struct lost *l, size_t n)
{
	struct mailbox_uid uids[BATCH];
	const struct mailbox_undelete m = {u->mail.session, mailbox, uids, (uint32_t)n};
	struct mailbox_msg answer;
	int r;

	for (size_t i = 0; i < n; i++)
		uids[i].uid = l[i].uid;
	r = mail_client_ask(&u->mail, mailbox_put_undelete(&u->mail.payload, &m), MAILBOX_UNDELETE, folder,
			    MAILBOX_UNDELETED, &answer);
	u->restored += r ? 0 : answer.undeleted.count;
	return r;
}

/* Those of the numbers only. */
static size_t choose(struct lost *l, size_t n, const struct mailbox_range *ranges, uint32_t n_ranges)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		bool in = false;

		for (uint32_t k = 0; k < n_ranges && !in; k++)
			in = l[i].uid >= ranges[k].first && l[i].uid <= ranges[k].last;
		if (in)
			l[kept++] = l[i];
	}
	return kept;
}

struct words {
	const char *folder, *since, *restore, *mailbox, *to;
	bool all;
};

static int do_folder(struct undelete *u, const struct words *w, const char *folder)
{
	struct mailbox_range *ranges = NULL;
	uint32_t n_ranges = 0;
	struct lost *lost = NULL;
	uint64_t mailbox;
	size_t n = 0;
	int r = open_folder(u, folder, &mailbox);

	if (r == 0 && w->restore)
		r = reading_ranges(w->restore, &ranges, &n_ranges);
	if (r == 0)
		r = find_lost(u, mailbox, folder, &lost, &n);
	if (r == 0 && w->restore)
		n = choose(lost, n, ranges, n_ranges);
	for (size_t i = 0; i < n && r == 0; i += BATCH) {
		size_t some = n - i < BATCH ? n - i : BATCH;

		r = w->restore || w->all ? restore_some(u, mailbox, folder, lost + i, some)
					 : list_some(u, mailbox, folder, lost + i, some);
	}
	free(lost);
	free(ranges);
	return r;
}

/* INBOX stands before Trash: what went through both comes back where it was. */
static int do_folders(struct undelete *u, const struct words *w)
{
	struct mail_folders folders;
	int r = mail_client_folders(&u->mail, &folders);

	for (size_t i = 0; i < folders.n && r == 0; i++)
		if (folders.items[i].mailbox)
			r = scan(u, folders.items[i].mailbox, folders.items[i].name, NULL, NULL, NULL);
	for (size_t i = 0; i < folders.n && r == 0; i++)
		if (folders.items[i].mailbox && (!w->folder || strcmp(w->folder, folders.items[i].name) == 0))
			r = do_folder(u, w, folders.items[i].name);
	if (r == 0 && w->folder && !mail_folders_find(&folders, view_from_cstr(w->folder)))
		r = cli_fail(CLI_NO_SUCH, w->folder, "there is no such folder", "see 'pombo account show'");
	mail_folders_fini(&folders);
	return r;
}

/* ---- deleted folders ---- */

static void list_gone(struct undelete *u, const struct mailbox_gone *g)
{
	_cleanup_(buf_fini) struct buf when = BUF_INIT(64), name = BUF_INIT(8192);

	(void)json_array_append_new(u->folders,
				    json_pack("{s:I, s:o, s:o, s:I, s:I}", "id", (json_int_t)g->mailbox, "name",
					      show_json_text(g->name), "deleted", show_json_time(g->gone_s), "messages",
					      (json_int_t)g->messages, "size", (json_int_t)g->size_bytes));
	if (u->c->json)
		return;
	show_time(g->gone_s, &when);
	show_clean(g->name, &name);
	(void)printf("folder %llu  %s  %s, %llu %s\n", (unsigned long long)g->mailbox, buf_cstr(&when), buf_cstr(&name),
		     (unsigned long long)g->messages, show_noun(g->messages, "message", "messages"));
}

/* Lists them, or (`id`) finds the name that one had. */
static int read_gone(struct undelete *u, uint64_t id, struct buf *ret_name)
{
	struct mailbox_gone_want want = {u->mail.session, 0};
	struct mailbox_msg answer;

	do {
		int r = mail_client_ask(&u->mail, mailbox_put_gone_want(&u->mail.payload, &want), MAILBOX_GONE_WANT,
					"deleted folders", MAILBOX_GONE_MAILBOXES, &answer);

		if (r)
			return r;
		for (uint32_t i = 0; i < answer.gone_mailboxes.n_mailboxes; i++) {
			const struct mailbox_gone *g = &answer.gone_mailboxes.mailboxes[i];

			want.after = g->mailbox;
			if (ret_name && g->mailbox == id)
				buf_append_view(ret_name, g->name);
			else if (!ret_name && g->gone_s >= u->since_s)
				list_gone(u, g);
		}
	} while (answer.gone_mailboxes.n_mailboxes);
	return 0;
}

static void tell_back(struct view name)
{
	_cleanup_(buf_fini) struct buf clean = BUF_INIT(8192);

	show_clean(name, &clean);
	(void)printf("%s: back\n", buf_cstr(&clean));
}

static int restore_gone(struct undelete *u, const struct words *w)
{
	_cleanup_(buf_fini) struct buf name = BUF_INIT(1024);
	struct mailbox_undelete_mailbox m = {.session = u->mail.session};
	struct mailbox_msg answer;
	int r;

	if (!view_to_u64(view_from_cstr(w->mailbox), INT64_MAX, &m.mailbox))
		return cli_fail(CLI_USAGE, w->mailbox, "this is no deleted folder's number", "see the list");
	r = read_gone(u, m.mailbox, &name);
	if (r)
		return r;
	if (name.n == 0)
		return cli_fail(CLI_NO_SUCH, w->mailbox, "there is no such deleted folder", "see the list");
	m.name = w->to ? view_from_cstr(w->to) : buf_view(&name);
	r = mail_client_ask(&u->mail, mailbox_put_undelete_mailbox(&u->mail.payload, &m), MAILBOX_UNDELETE_MAILBOX,
			    w->to ? w->to : buf_cstr(&name), MAILBOX_DONE, &answer);
	if (r == 0 && u->c->json)
		(void)show_json(json_pack("{s:o}", "folder", show_json_text(m.name)));
	else if (r == 0)
		tell_back(m.name);
	return r;
}

/* ---- the command ---- */

/* "2026-01-31", with "T12:00:00Z", or "3d", "12h". */
static bool read_time(const char *text, int64_t *ret)
{
	static const char *const forms[] = {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"};
	struct view v = view_from_cstr(text);
	uint32_t n;

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct tm tm = {0};
		const char *end = strptime(text, forms[i], &tm);

		if (end && *end == '\0') {
			*ret = timegm(&tm);
			return true;
		}
	}
	if (v.n < 2 || !view_to_u32(view_sub(v, 0, v.n - 1), 100000, &n) || !strchr("dh", v.p[v.n - 1]))
		return false;
	*ret = time(NULL) - (int64_t)n * (v.p[v.n - 1] == 'd' ? 86400 : 3600);
	return true;
}

static int undelete(struct undelete *u, const struct words *w)
{
	int r;

	if (w->mailbox)
		return restore_gone(u, w);
	r = w->restore || w->all ? 0 : read_gone(u, 0, NULL);
	if (r == 0)
		r = do_folders(u, w);
	if (r)
		return r;
	if (w->restore || w->all) {
		if (u->c->json)
			return show_json(json_pack("{s:I}", "restored", (json_int_t)u->restored));
		(void)printf("%llu %s back\n", (unsigned long long)u->restored,
			     show_noun(u->restored, "message is", "messages are"));
		return u->restored || w->all
			   ? 0
			   : cli_fail(CLI_NO_SUCH, w->restore, "nothing of this was deleted", "see the list");
	}
	if (u->c->json)
		return show_json(json_pack("{s:O, s:O}", "folders", u->folders, "messages", u->messages));
	if (u->listed == 0)
		(void)printf("No deleted messages\n");
	return 0;
}

static int check(const struct cli *c, const struct words *w, int64_t *ret_since)
{
	if (c->argc > 2)
		return cli_usage(c, "one account at a time");
	if (w->restore && !w->folder)
		return cli_usage(c, "--restore goes with --folder: numbers are a folder's own");
	if ((w->restore != NULL) + w->all + (w->mailbox != NULL) > 1)
		return cli_usage(c, "--restore, --all, --deleted-folder: one of them");
	if (w->to && !w->mailbox)
		return cli_usage(c, "--to goes with --deleted-folder");
	if (w->since && !read_time(w->since, ret_since))
		return cli_usage(c, "--since wants 2026-01-31, 2026-01-31T12:00:00Z, 3d or 12h");
	return 0;
}

static int run(struct cli *c)
{
	struct words w = {NULL};
	const struct option options[] = {
	    {.name = "folder", .value = &w.folder},   {.name = "since", .value = &w.since},
	    {.name = "restore", .value = &w.restore}, {.name = "all", .flag = &w.all},
	    {.name = "to", .value = &w.to},           {.name = "deleted-folder", .value = &w.mailbox},
	};
	struct undelete u = {.c = c, .since_s = INT64_MIN};
	_cleanup_(free_ptr) char *account = NULL;
	int r = option_take(c, options, ARRAY_LEN(options));

	if (r == 0)
		r = check(c, &w, &u.since_s);
	if (r == 0)
		account = c->argc > 1 ? xstrdup(c->argv[1]) : mail_client_only_account(c, &r);
	if (account)
		r = mail_client_open(c, account, false, &u.mail);
	if (r)
		return r;
	map_init(&u.live);
	u.messages = json_array();
	u.folders = json_array();
	r = undelete(&u, &w);
	json_decref(u.messages);
	json_decref(u.folders);
	map_fini(&u.live);
	mail_client_close(&u.mail);
	return r;
}

const struct cli_command cmd_undelete = {
    .name = "undelete",
    .usage =
	"[ACCOUNT] [--folder F] [--since TIME] [--restore NUMBERS | --all | --deleted-folder ID [--to NAME]] [--json]",
    .summary = "lists deleted mail, and brings it back",
    .help = "Deleted messages and folders can be had back for undelete-time (pombo.conf; 14 days by default). ACCOUNT "
	    "may be "
	    "left out where there is just one. Listed "
	    "are messages that no folder has "
	    "any more: one that was moved elsewhere is not deleted. A message comes back into the folder it was in, "
	    "with its flags and dates, as "
	    "a new message there; a folder comes back with all that was in it.",
    .options =
	(const struct cli_option_help[]){
	    {"--folder F", "of this folder alone"},
	    {"--since TIME", "deleted since then: 2026-01-31, 2026-01-31T12:00:00Z, 3d, 12h"},
	    {"--restore NUMBERS", "bring these messages of --folder back (3 or 3,5:9)"},
	    {"--all", "bring back every message that would be listed"},
	    {"--deleted-folder ID", "bring this deleted folder back"},
	    {"--to NAME", "under this name"},
	    {NULL, NULL},
	},
    .example =
	"pombo undelete alice@example.org --since 2d\npombo undelete alice@example.org --folder INBOX --restore 17",
    .shows = true,
    .run = run,
};
