/* SPDX-License-Identifier: ISC
 * Cuts the power of a store at many moments, each time with another choice of what had reached the disk, and looks whether it
 * kept its promises; then again with one sync after the other left out, each of which must be noticed.
 *
 *   powercut [--seed N] [--cuts N] [--prove | --without CLASS]
 *
 * README says how. */
#include "check.h"
#include "life.h"

#include "base/mem.h"

#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 2, WHY_BYTES = 400, STRETCHES = 2, STRETCH = 8 };

static const struct life lives[] = {
    {.create = true, .groups = 12},
    {.threads = true, .large = true, .groups = 70, .die_at_sync = SYNC_COMMIT, .die_count = 15},
    {.groups = 0}, /* only copies what the killed one left in the WAL */
    {.small = true, .large = true, .groups = 70, .die_at_sync = SYNC_FOLDER, .die_count = 12},
    {.revisit = true, .groups = 4, .unclosed = true},
    {.small = true, .large = true, .threads = true, .groups = 70, .die_at_op = 9000},
    {.small = true, .groups = 20, .die_at_sync = SYNC_COMMIT, .die_count = 8},
    {.small = true, .groups = 6},
};

/* What may be left out without a loss, and why. */
static const struct {
	enum sync_class class;
	const char *why;
} harmless[] = {
    {SYNC_WAL_COPY, "the commits, and the opening, have synced it all before"},
    {SYNC_WAL_AHEAD, "it only spares commits the growing of the file"},
};

struct options {
	uint64_t seed;
	uint32_t cuts;
	bool prove;
	enum sync_class without;
};

struct trial {
	const struct options *options;
	const struct ledger *ledger;
	char dir[100];
	struct dice dice;
	uint32_t births[ARRAY_LEN(lives)]; /* the op before each life */
};

/* Result of the cuts, in memory shared with the workers. */
struct verdict {
	uint32_t lost; /* how many failed */
	bool broken; /* a disk could not be laid out: says nothing about the store */
	char why[WHY_BYTES]; /* the first that did */
};

/* ---- folders ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_folder(const char *dir)
{
	(void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* In memory where there is such a file system: nothing here needs a real disk. */
static void make_folder(char *ret, size_t n)
{
	const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	(void)snprintf(ret, n, "%s/pombo-powercut-XXXXXX", where);
	if (!mkdtemp(ret)) {
		perror(ret);
		exit(1);
	}
}

/* ---- the record ---- */

static bool wait_for(pid_t pid)
{
	int status = 0;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool live(struct trial *t, struct ledger *l)
{
	char dir[120];

	(void)snprintf(dir, sizeof dir, "%s/live", t->dir);
	if (mkdir(dir, 0700) < 0)
		return false;
	record_start(dir);
	for (size_t i = 0; i < ARRAY_LEN(lives); i++) {
		uint64_t seed = dice_u64(&t->dice);
		pid_t pid;

		t->births[i] = record_now();
		pid = fork();

		if (pid == 0)
			life_run(dir, l, &lives[i], seed);
		if (!wait_for(pid))
			return false;
		record_revive();
		(void)record_mark();
	}
	record_stop();
	return true;
}

/* ---- cuts ---- */

/* The nth sync of a class. */
static uint32_t find_sync(enum sync_class class, uint32_t n)
{
	const struct record *r = record_get();

	for (uint32_t i = 0; i < r->op_count; i++)
		if (r->ops[i].kind == OP_SYNC && r->ops[i].class == class && n-- == 0)
			return i;
	return 0;
}

static uint32_t next_sync(uint32_t from)
{
	const struct record *r = record_get();

	while (from < r->op_count && r->ops[from].kind != OP_SYNC)
		from++;
	return from;
}

static uint32_t next_mark(uint32_t from)
{
	const struct record *r = record_get();

	while (from < r->op_count && r->ops[from].kind != OP_MARK)
		from++;
	return from < r->op_count ? from + 1 : r->op_count;
}

/* Somewhere after one of the syncs of `class` (any: SYNC_NONE): before the next sync, right after the next promise, or
 * anywhere. */
static uint32_t draw_moment(struct dice *d, enum sync_class class)
{
	const struct record *r = record_get();
	uint32_t from;

	while (class == SYNC_NONE || r->syncs[class] == 0)
		class = 1 + dice_below(d, SYNC_CLASSES - 1);
	from = find_sync(class, dice_below(d, r->syncs[class]));
	switch (dice_below(d, 5)) {
	case 0:
	case 1:
	case 2:
		from += 1 + dice_below(d, next_sync(from + 1) - from);
		break;
	case 3:
		return next_mark(from);
	default:
		from += dice_below(d, r->op_count - from);
	}
	return from < r->op_count ? from : r->op_count;
}

/* What a life finds, it takes for kept: some cuts are soon after an opening. */
static uint32_t draw_birth(struct trial *t)
{
	uint32_t from = t->births[dice_below(&t->dice, ARRAY_LEN(lives))];

	return next_mark(from) + dice_below(&t->dice, 3);
}

/* The journal serves the making alone: what it is needed for shows before the next sync, and only with torn writes. */
static uint32_t draw_making(struct dice *d)
{
	uint32_t from = find_sync(SYNC_JOURNAL, dice_below(d, record_get()->syncs[SYNC_JOURNAL]));

	return from + 1 + dice_below(d, next_sync(from + 1) - from);
}

/* A start of the WAL shows what its sync is for where a transaction of several writes follows, and the last of these reach the disk before the
 * first: all of them behind the former WAL's header, and its first transactions. False: no such one came up. */
static bool draw_restart(struct dice *d, uint32_t *ret)
{
	const struct record *r = record_get();
	uint32_t first = dice_below(d, r->syncs[SYNC_WAL_RESTART]);

	for (uint32_t i = 0; i < r->syncs[SYNC_WAL_RESTART]; i++) {
		uint32_t from = find_sync(SYNC_WAL_RESTART, (first + i) % r->syncs[SYNC_WAL_RESTART]);
		uint32_t writes = next_sync(from + 1) - from - 1;

		if (writes < 3)
			continue;
		*ret = from + 3 + dice_below(d, writes - 1);
		return true;
	}
	return false;
}

static struct cut draw_cut(struct trial *t, enum sync_class without)
{
	struct cut c = {.without = without};
	bool restart = without == SYNC_WAL_RESTART && draw_restart(&t->dice, &c.at);

	if (restart)
		;
	else if (without == SYNC_JOURNAL)
		c.at = draw_making(&t->dice);
	else
		c.at = dice_below(&t->dice, 6) == 0 ? draw_birth(t) : draw_moment(&t->dice, without);
	if (c.at > record_get()->op_count)
		c.at = record_get()->op_count;
	c.writes = dice_below(&t->dice, WRITES_KINDS);
	if (without == SYNC_JOURNAL)
		c.writes = WRITES_SECTORS;
	else if (restart || (without != SYNC_NONE && (c.writes == WRITES_ALL || dice_below(&t->dice, 3) == 0)))
		c.writes = WRITES_LAST; /* the hardest */
	c.names = dice_below(&t->dice, NAMES_KINDS);
	c.seed = dice_u64(&t->dice);
	return c;
}

static bool try_cut(struct trial *t, const struct cut *c, struct verdict *v)
{
	struct buf why = BUF_INIT(WHY_BYTES / 2);
	char dir[140];
	bool ok;

	(void)snprintf(dir, sizeof dir, "%s/cut-%ld", t->dir, (long)getpid());
	if (mkdir(dir, 0700) < 0)
		abort();
	disk_make(record_get(), c, dir);
	ok = check_store(dir, t->ledger, c->at, &why);
	if (!ok && v->why[0] == '\0')
		(void)snprintf(v->why, sizeof v->why, "cut %u (writes %s, names %s, seed %llu): %s", c->at,
			       cut_writes_name(c->writes), cut_names_name(c->names), (unsigned long long)c->seed,
			       buf_cstr(&why));
	buf_fini(&why);
	remove_folder(dir);
	return ok;
}

/* In a process of its own: one that dies has failed too. */
static pid_t start_cut(struct trial *t, const struct cut *c, struct verdict *v)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(try_cut(t, c, v) ? 0 : 1);
	return pid;
}

static void end_cut(struct verdict *v)
{
	int status = 0;

	(void)wait(&status);
	if (WIFEXITED(status) && WEXITSTATUS(status) == DISK_UNMADE)
		v->broken = true;
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		v->lost++;
		if (v->why[0] == '\0')
			(void)snprintf(v->why, sizeof v->why, "the check died with status %d", status);
	}
}

/* Tries cuts, up to `n`, or to the first loss. How many it tried. */
static uint32_t try_cuts(struct trial *t, const struct cut *cuts, uint32_t n, struct verdict *v)
{
	uint32_t started = 0, running = 0;

	memset(v, 0, sizeof *v);
	while ((started < n && v->lost == 0 && !v->broken) || running > 0) {
		if (started < n && v->lost == 0 && !v->broken && running < WORKERS) {
			(void)start_cut(t, &cuts[started++], v);
			running++;
		} else {
			end_cut(v);
			running--;
		}
	}
	return started;
}

/* ---- the two proofs ---- */

/* Some stretches of the record after each promise, the rest at random. */
static struct cut *draw_cuts(struct trial *t, enum sync_class without, uint32_t n)
{
	struct cut *cuts = xcalloc(n, sizeof *cuts);
	uint32_t at = 0;

	for (uint32_t i = 0; i < n; i++) {
		cuts[i] = draw_cut(t, without);
		if (without != SYNC_NONE || i >= STRETCHES * STRETCH)
			continue;
		at = i % STRETCH == 0 ? next_mark(dice_below(&t->dice, record_get()->op_count)) : next_mark(at);
		cuts[i].at = at;
	}
	return cuts;
}

static const char *why_harmless(enum sync_class class)
{
	for (size_t i = 0; i < ARRAY_LEN(harmless); i++)
		if (harmless[i].class == class)
			return harmless[i].why;
	return NULL;
}

static bool prove_kept(struct trial *t, struct verdict *v)
{
	uint32_t n = t->options->cuts;
	struct cut *cuts = draw_cuts(t, SYNC_NONE, n);
	uint32_t tried = try_cuts(t, cuts, n, v);

	free(cuts);
	if (v->broken)
		printf("FAILED  all syncs: a disk could not be laid out\n");
	else if (v->lost == 0)
		printf("ok      all syncs: nothing lost in %u cuts\n", tried);
	else
		printf("FAILED  all syncs: %s\n", v->why);
	return v->lost == 0 && !v->broken;
}

static bool prove_needed(struct trial *t, enum sync_class class, struct verdict *v)
{
	const char *name = sync_class_name(class), *why = why_harmless(class);
	uint32_t n = why ? t->options->cuts / 10 : t->options->cuts * 8;
	struct cut *cuts;
	uint32_t tried;

	if (record_get()->syncs[class] == 0) {
		printf("FAILED  without %s: never came up\n", name);
		return false;
	}
	cuts = draw_cuts(t, class, n);
	tried = try_cuts(t, cuts, n, v);
	free(cuts);
	if (v->broken)
		printf("FAILED  without %s: a disk could not be laid out\n", name);
	else if (v->lost && !why)
		printf("ok      without %s: noticed after %u cuts: %s\n", name, tried, v->why);
	else if (!v->lost && why)
		printf("ok      without %s: nothing lost in %u cuts: %s\n", name, tried, why);
	else if (!v->lost)
		printf("FAILED  without %s: not noticed in %u cuts\n", name, tried);
	else
		printf("FAILED  without %s: %s\n", name, v->why);
	return !v->broken && (v->lost != 0) == !why;
}

static bool prove(struct trial *t)
{
	struct verdict *v = mmap(NULL, sizeof *v, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool ok = true;

	if (v == MAP_FAILED)
		return false;
	if (t->options->without != SYNC_NONE)
		return prove_needed(t, t->options->without, v);
	ok = prove_kept(t, v);
	for (enum sync_class c = SYNC_COMMIT; c < SYNC_CLASSES && t->options->prove; c++) {
		(void)fflush(stdout);
		ok = prove_needed(t, c, v) && ok;
	}
	return ok;
}

static void describe(const struct trial *t)
{
	const struct record *r = record_get();

	printf("seed %llu: %u messages in %u lives; %u ops, %llu MiB written; syncs:",
	       (unsigned long long)t->options->seed, t->ledger->message_count, (unsigned)ARRAY_LEN(lives), r->op_count,
	       (unsigned long long)(r->data_bytes >> 20));
	for (enum sync_class c = SYNC_COMMIT; c < SYNC_CLASSES; c++)
		printf(" %s %u", sync_class_name(c), r->syncs[c]);
	printf("\n");
	(void)fflush(stdout);
}

static bool read_options(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {{"seed", required_argument, NULL, 's'},
					      {"cuts", required_argument, NULL, 'c'},
					      {"without", required_argument, NULL, 'w'},
					      {"prove", no_argument, NULL, 'p'},
					      {0}};
	int c;

	*o = (struct options){.seed = (uint64_t)time(NULL), .cuts = 100};
	while ((c = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		if (c == 's')
			o->seed = strtoull(optarg, NULL, 10);
		else if (c == 'c')
			o->cuts = (uint32_t)strtoul(optarg, NULL, 10);
		else if (c == 'p')
			o->prove = true;
		else if (c != 'w' || !(o->without = sync_class_find(optarg)))
			return false;
	}
	return optind == argc && o->cuts > 0;
}

int main(int argc, char **argv)
{
	struct options options;
	struct trial t = {.options = &options};
	struct ledger *l = ledger_new();
	bool ok;

	if (!read_options(argc, argv, &options)) {
		(void)fprintf(stderr, "usage: powercut [--seed N] [--cuts N] [--prove | --without CLASS]\n");
		return 64;
	}
	t.dice.state = options.seed;
	t.ledger = l;
	make_folder(t.dir, sizeof t.dir);
	ok = live(&t, l);
	if (ok) {
		describe(&t);
		ok = prove(&t);
	} else {
		printf("FAILED  seed %llu: a process did not live as it should\n", (unsigned long long)options.seed);
	}
	remove_folder(t.dir);
	return ok ? 0 : 1;
}
