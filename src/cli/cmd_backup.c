/* SPDX-License-Identifier: ISC
 * pombo backup: all accounts and their mail into a folder, while the server runs. */
#include "cli/commands.h"

#include "cli/backup.h"
#include "cli/option.h"
#include "cli/progress.h"
#include "cli/show.h"
#include "cli/store_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { IDS_MAX = 1000, CHUNK = 262144 };
#define PACK_MAX (1ULL << 30)

/* One run. */
struct run {
	const struct cli *c;
	struct backup b;
	struct store_client store;
	struct progress progress;
	char name[STATE_NAME_BYTES]; /* proven: state_name() */
	struct pack_writer *pack;
	unsigned packs;
	struct admin_backup_begun begun;
	uint64_t new_messages, new_bytes;
};

/* ---- messages ---- */

static int need_pack(struct run *run)
{
	char name[64];
	int r = 0;

	if (run->pack && pack_size(run->pack) > PACK_MAX)
		r = pack_finish(&run->pack);
	if (r || run->pack)
		return r;
	(void)snprintf(name, sizeof name, "%s-%04u", run->name, run->packs++);
	return pack_begin(&run->b, name, &run->pack);
}

/* A message that fits no answer, piece by piece. */
static int take_large(struct run *run, const struct pack_message *m)
{
	uint64_t size = m->prefix_bytes + m->header_bytes + m->content_bytes, at = 0;
	int r = 0;

	while (r == 0 && at < size) {
		const struct admin_backup_bytes_want want = {m->id, at, CHUNK};
		struct admin_msg answer;

		r = store_client_ask(&run->store, admin_put_backup_bytes_want(&run->store.payload, &want),
				     ADMIN_BACKUP_BYTES_WANT, "a message", ADMIN_BACKUP_BYTES, &answer);
		if (r == 0 && answer.backup_bytes.bytes.n == 0)
			r = cli_fail(CLI_OTHER, "a message is shorter than the store says", NULL, NULL);
		if (r == 0)
			r = pack_bytes(run->pack, answer.backup_bytes.bytes);
		at += r == 0 ? answer.backup_bytes.bytes.n : 0;
	}
	return r;
}

static int take_one(struct run *run, const struct admin_message_bytes *a)
{
	const struct pack_message m = {a->id, a->prefix_bytes, a->header_bytes, a->content_bytes};
	uint64_t size = m.prefix_bytes + m.header_bytes + m.content_bytes;
	struct view bytes = a->bytes;
	int r = need_pack(run);

	if (r == 0)
		r = pack_message(run->pack, &m);
	if (r == 0)
		r = bytes.n || size == 0 ? pack_bytes(run->pack, bytes) : take_large(run, &m);
	run->new_messages++;
	run->new_bytes += size;
	run->progress.messages++;
	run->progress.done++;
	progress_show(&run->progress, VIEW_LIT(""));
	return r;
}

/* The first of these; *ret_n how many. */
static int take_some(struct run *run, const uint64_t *ids, size_t n, size_t *ret_n)
{
	struct admin_message_number *numbers = xcalloc(n, sizeof *numbers);
	const struct admin_backup_want want = {numbers, (uint32_t)n};
	struct admin_msg answer;
	bool encoded;
	int r;

	for (size_t i = 0; i < n; i++)
		numbers[i].id = ids[i];
	encoded = admin_put_backup_want(&run->store.payload, &want);
	free(numbers);
	r = store_client_ask(&run->store, encoded, ADMIN_BACKUP_WANT, "messages", ADMIN_BACKUP_MESSAGES, &answer);
	if (r)
		return r;
	*ret_n = answer.backup_messages.n_messages;
	if (*ret_n == 0 || *ret_n > n)
		return cli_fail(CLI_OTHER, "the server gave an odd answer", NULL, "see its log");
	/* A large one, whose bytes take further questions, stands alone: this answer is gone then. */
	for (size_t i = 0; i < *ret_n && r == 0; i++) {
		const struct admin_message_bytes m = answer.backup_messages.messages[i];
		bool large = m.bytes.n == 0 && m.prefix_bytes + m.header_bytes + m.content_bytes > 0;

		if (large && *ret_n > i + 1)
			*ret_n = i + 1;
		r = take_one(run, &m);
	}
	return r;
}

static int by_number(const void *va, const void *vb)
{
	const uint64_t *a = va, *b = vb;

	return *a < *b ? -1 : *a > *b;
}

/* Those that no pack has, each once. */
static uint64_t *missing(const struct run *run, const struct state *s, size_t *ret_n)
{
	uint64_t *ids = xcalloc(s->n_copies + 1, sizeof *ids);
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < s->n_copies; i++)
		if (!backup_find(&run->b, s->copies[i].message))
			ids[n++] = s->copies[i].message;
	qsort(ids, n, sizeof *ids, by_number);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || ids[i] != ids[i - 1])
			ids[kept++] = ids[i];
	*ret_n = kept;
	return ids;
}

static int take_messages(struct run *run, const struct state *s)
{
	size_t n, at = 0, got = 0;
	uint64_t *ids = missing(run, s, &n);
	int r = 0;

	run->progress.total = n;
	while (r == 0 && at < n) {
		r = take_some(run, ids + at, n - at < IDS_MAX ? n - at : IDS_MAX, &got);
		at += got;
	}
	free(ids);
	if (r == 0)
		return pack_finish(&run->pack);
	pack_abandon(&run->pack);
	return r;
}

/* ---- the run ---- */

static int begin(struct run *run, int fd)
{
	struct admin_msg answer;
	int r = store_client_ask_fd(&run->store,
				    admin_put_backup_begin(&run->store.payload, &(struct admin_backup_begin){fd}),
				    ADMIN_BACKUP_BEGIN, "backup", fd, ADMIN_BACKUP_BEGUN, &answer);

	if (r)
		return r;
	run->begun = answer.backup_begun;
	return backup_claim(&run->b, answer.backup_begun.store);
}

/* The list, the messages, the list's checksum, its name: in this order. */
static int write_state(struct run *run, int fd, const char *tmp, const char *final)
{
	struct state s;
	int r = begin(run, fd);

	if (r)
		return r;
	r = state_read(fd, run->name, false, &s);
	if (r)
		return r;
	r = take_messages(run, &s);
	state_fini(&s);
	if (r == 0)
		r = state_seal(fd);
	if (r == 0 && (renameat(run->b.states_fd, tmp, run->b.states_fd, final) < 0 || fsync(run->b.states_fd) < 0))
		r = cli_fail_errno(CLI_CANNOT_CREATE, final, errno, NULL);
	return r;
}

/* A name that no state and no pack has: a run of this very second may have left some. */
static void choose_name(struct run *run)
{
	char state[64], pack[64];

	for (;;) {
		state_name(time(NULL), run->name);
		(void)snprintf(state, sizeof state, "%s.state", run->name);
		(void)snprintf(pack, sizeof pack, "%s-0000.pack", run->name);
		if (faccessat(run->b.states_fd, state, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
		    faccessat(run->b.packs_fd, pack, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			return;
		(void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	}
}

static int back_up(struct run *run)
{
	_cleanup_(fd_close) int fd = -1;
	char final[64], tmp[80];
	int r;

	(void)snprintf(final, sizeof final, "%s.state", run->name);
	(void)snprintf(tmp, sizeof tmp, "%s.tmp", final);
	fd = openat(run->b.states_fd, tmp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return cli_fail_errno(CLI_CANNOT_CREATE, tmp, errno, NULL);
	r = write_state(run, fd, tmp, final);
	if (r)
		(void)unlinkat(run->b.states_fd, tmp, 0);
	return r;
}

static int report(struct run *run)
{
	_cleanup_(buf_fini) struct buf size = BUF_INIT(64);

	progress_clear(&run->progress);
	if (run->c->json)
		return show_json(json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:I}", "state", run->name, "taken",
					   show_json_time(run->begun.taken_s), "accounts",
					   (json_int_t)run->begun.accounts, "folders", (json_int_t)run->begun.mailboxes,
					   "messages", (json_int_t)run->begun.copies, "new_messages",
					   (json_int_t)run->new_messages, "new_bytes", (json_int_t)run->new_bytes));
	show_size(run->new_bytes, &size);
	(void)printf("%s: %llu %s, %llu %s, %llu %s; new: %llu, %s\n", run->name,
		     (unsigned long long)run->begun.accounts, show_noun(run->begun.accounts, "account", "accounts"),
		     (unsigned long long)run->begun.mailboxes, show_noun(run->begun.mailboxes, "folder", "folders"),
		     (unsigned long long)run->begun.copies, show_noun(run->begun.copies, "message", "messages"),
		     (unsigned long long)run->new_messages, buf_cstr(&size));
	return 0;
}

static int backup_to(struct cli *c, const char *path)
{
	struct run run = {.c = c};
	int r = backup_open(path, true, &run.b);

	if (r)
		return r;
	progress_init(&run.progress, "backing up", c->json);
	choose_name(&run);
	r = store_client_open(c, &run.store);
	if (r == 0) {
		r = back_up(&run);
		progress_clear(&run.progress);
		store_client_close(&run.store);
	}
	backup_close(&run.b);
	return r ? r : report(&run);
}

/* ---- verify, list ---- */

/* Is every copy's message there, with room for its parts? */
static int check_state(struct backup *b, const char *name, uint64_t *ret_copies)
{
	struct state s;
	int r = state_load(b, name, &s);
	size_t missing_n = 0;

	if (r)
		return r;
	for (size_t i = 0; i < s.n_copies; i++) {
		const struct pack_entry *e = backup_find(b, s.copies[i].message);

		missing_n += !e || e->length < s.copies[i].size || !state_mailbox_of(&s, s.copies[i].mailbox);
	}
	*ret_copies += s.n_copies;
	state_fini(&s);
	return missing_n ? cli_fail(CLI_BAD_DATA, name, "messages of this state are not in the packs",
				    "restore an older one, and make a new backup elsewhere")
			 : 0;
}

static int verify(struct cli *c, const char *path)
{
	uint64_t messages = 0, bytes = 0, copies = 0;
	struct backup b;
	char **names = NULL;
	size_t n = 0;
	int r = backup_open(path, false, &b), worst;

	if (r)
		return r;
	worst = backup_check_packs(&b, &messages, &bytes);
	r = backup_states(&b, &names, &n);
	worst = worst ? worst : r;
	for (size_t i = 0; i < n; i++) {
		r = check_state(&b, names[i], &copies);
		worst = worst ? worst : r;
	}
	backup_states_free(names, n);
	backup_close(&b);
	if (c->json)
		(void)show_json(json_pack("{s:b, s:I, s:I, s:I, s:I}", "good", worst == 0, "states", (json_int_t)n,
					  "messages", (json_int_t)messages, "bytes", (json_int_t)bytes, "copies",
					  (json_int_t)copies));
	else if (worst == 0)
		(void)printf("%zu %s, %llu %s, %llu %s: all as they were written\n", n, show_noun(n, "state", "states"),
			     (unsigned long long)messages, show_noun(messages, "message", "messages"),
			     (unsigned long long)bytes, show_noun(bytes, "byte", "bytes"));
	return worst;
}

static int list(struct cli *c, const char *path)
{
	json_t *all = json_array();
	struct backup b;
	char **names = NULL;
	size_t n = 0;
	int r = backup_open(path, false, &b);

	if (r == 0)
		r = backup_states(&b, &names, &n);
	for (size_t i = 0; i < n; i++) {
		(void)json_array_append_new(all, show_json_text(view_from_cstr(names[i])));
		if (!c->json) {
			show_column(view_from_cstr(names[i]), 0);
			(void)printf("\n");
		}
	}
	backup_states_free(names, n);
	backup_close(&b);
	if (r == 0 && c->json)
		return show_json(all);
	json_decref(all);
	return r;
}

static int run_backup(struct cli *c)
{
	bool want_verify = false, want_list = false;
	const struct option options[] = {{.name = "verify", .flag = &want_verify},
					 {.name = "list", .flag = &want_list}};
	int r = option_take(c, options, ARRAY_LEN(options));

	if (r)
		return r;
	if (c->argc != 2)
		return cli_usage(c, "one folder is needed");
	if (want_verify && want_list)
		return cli_usage(c, "--verify or --list, not both");
	return want_verify ? verify(c, c->argv[1]) : want_list ? list(c, c->argv[1]) : backup_to(c, c->argv[1]);
}

const struct cli_command cmd_backup = {
    .name = "backup",
    .usage = "DEST [--verify | --list] [--json]",
    .summary = "saves all accounts and their mail into a folder",
    .help = "Works while the server runs, which is not held up: all is saved as it was at one moment. The next backup "
	    "into the same folder adds only "
	    "messages that are not in it yet; each run is a state of its own that can be restored. A run that is "
	    "killed leaves the earlier "
	    "states as they were, and the next one goes on.\n\n"
	    "Saved are domains, accounts with what their passwords are checked against, aliases, folders, flags, "
	    "messages. Not saved: the queue, what "
	    "was deleted, pombo.conf, certificates and keys. Keep DEST as safe as the server.",
    .options =
	(const struct cli_option_help[]){
	    {"--verify", "read all of DEST and compare it with its checksums; exit status 65 when anything is not as "
			 "it was written"},
	    {"--list", "the states in DEST, oldest first"},
	    {NULL, NULL},
	},
    .example = "pombo backup /backup/pombo\npombo backup --verify /backup/pombo",
    .shows = true,
    .run = run_backup,
};
