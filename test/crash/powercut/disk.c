/* SPDX-License-Identifier: ISC
 * The disk after a power cut, made from the record. */
#include "disk.h"

#include "base/mem.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, SECTORS_A_PAGE = 8 };

struct disk {
	const struct record *r;
	const struct cut *cut;
	struct dice dice;
	uint32_t *synced; /* per file: the ops before this one are on disk */
	uint32_t some_point; /* after the last sync of all and not after the cut */
	bool *there; /* per op on names */
	char **paths; /* per file; NULL: not on the disk */
};

static const char *const writes_names[WRITES_KINDS] = {
    [WRITES_NONE] = "none",   [WRITES_ALL] = "all",     [WRITES_SECTORS] = "sectors",
    [WRITES_PAGES] = "pages", [WRITES_FIRST] = "first", [WRITES_LAST] = "last",
};
static const char *const names_names[NAMES_KINDS] = {
    [NAMES_NONE] = "none",         [NAMES_ALL] = "all", [NAMES_JOURNAL] = "journal",
    [NAMES_IN_ORDER] = "in-order", [NAMES_ANY] = "any",
};

const char *cut_writes_name(enum cut_writes writes)
{
	return writes_names[writes];
}

const char *cut_names_name(enum cut_names names)
{
	return names_names[names];
}

/* splitmix64 */
uint64_t dice_u64(struct dice *d)
{
	uint64_t z = d->state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

uint32_t dice_below(struct dice *d, uint32_t n)
{
	return n ? (uint32_t)(dice_u64(d) % n) : 0;
}

static void find_syncs(struct disk *d)
{
	uint32_t first = 0;

	for (uint32_t i = 0; i < d->cut->at; i++) {
		const struct op *o = &d->r->ops[i];

		if (o->kind != OP_SYNC || o->class == d->cut->without)
			continue;
		d->synced[o->file] = i;
		first = i;
	}
	d->some_point = first + dice_below(&d->dice, d->cut->at - first + 1);
}

/* ---- names ---- */

static bool is_of_names(const struct op *o)
{
	return o->kind == OP_CREATE || o->kind == OP_RENAME || o->kind == OP_UNLINK;
}

/* The folder whose sync makes it last. */
static uint32_t folder_of(const struct op *o)
{
	return o->kind == OP_RENAME ? o->to_folder : o->folder;
}

static uint32_t last_folder_sync(const struct disk *d)
{
	uint32_t last = 0;

	for (uint32_t i = 0; i < d->r->file_count; i++)
		if (d->r->files[i].is_folder && d->synced[i] > last)
			last = d->synced[i];
	return last;
}

/* Per folder: names are there up to this op. */
static uint32_t *draw_points(struct disk *d)
{
	uint32_t *points = xcalloc(d->r->file_count, sizeof *points);

	for (uint32_t i = 0; i < d->r->file_count; i++)
		points[i] = d->synced[i] + dice_below(&d->dice, d->cut->at - d->synced[i] + 1);
	return points;
}

static void draw_names(struct disk *d)
{
	uint32_t last = last_folder_sync(d), point = last + dice_below(&d->dice, d->cut->at - last + 1);
	uint32_t *points = draw_points(d);

	for (uint32_t i = 0; i < d->cut->at; i++) {
		const struct op *o = &d->r->ops[i];

		if (!is_of_names(o))
			continue;
		d->there[i] = i < d->synced[folder_of(o)];
		switch (d->cut->names) {
		case NAMES_NONE:
			break;
		case NAMES_ALL:
			d->there[i] = true;
			break;
		case NAMES_JOURNAL:
			d->there[i] = i < point;
			break;
		case NAMES_IN_ORDER:
			d->there[i] |= i < points[folder_of(o)];
			break;
		case NAMES_ANY:
			d->there[i] |= dice_below(&d->dice, 2) == 0;
			break;
		case NAMES_KINDS:
			assert(false);
		}
	}
	free(points);
}

/* Where a file has its name after the ops that are there; false: nowhere. */
static bool place_of(const struct disk *d, uint32_t file, uint32_t *ret_folder, const char **ret_name)
{
	bool found = false;

	for (uint32_t i = d->r->files[file].first; i != NO_OP && i < d->cut->at; i = d->r->ops[i].next) {
		const struct op *o = &d->r->ops[i];

		if (!is_of_names(o) || !d->there[i])
			continue;
		found = o->kind != OP_UNLINK;
		*ret_folder = folder_of(o);
		*ret_name = o->kind == OP_RENAME ? o->to_name : o->name;
	}
	return found;
}

/* A folder is made before the folders in it, so its number is lower; files come after all folders, since they are moved. */
static void find_paths(struct disk *d, bool of_folders)
{
	for (uint32_t i = 1; i < d->r->file_count; i++) {
		const char *name = NULL;
		uint32_t folder = 0;

		if (d->r->files[i].is_folder != of_folders || !place_of(d, i, &folder, &name) || !d->paths[folder])
			continue;
		if (asprintf(&d->paths[i], "%s/%s", d->paths[folder], name) < 0)
			abort();
	}
}

/* A name holds one file: the one made last, where the removal of an earlier one is not there. */
static void drop_covered(struct disk *d)
{
	for (uint32_t i = 1; i < d->r->file_count; i++)
		for (uint32_t k = i + 1; k < d->r->file_count && d->paths[i]; k++)
			if (d->paths[k] && strcmp(d->paths[i], d->paths[k]) == 0) {
				free(d->paths[i]);
				d->paths[i] = NULL;
			}
}

/* ---- bytes ---- */

struct image {
	char *bytes;
	uint64_t size, cap;
	uint32_t *upto; /* per sector: unsynced writes before this op are there */
};

/* The most bytes the file ever had. */
static uint64_t most_bytes(const struct disk *d, uint32_t file)
{
	uint64_t most = 0;

	for (uint32_t i = d->r->files[file].first; i != NO_OP && i < d->cut->at; i = d->r->ops[i].next) {
		const struct op *o = &d->r->ops[i];

		if (o->kind == OP_WRITE && o->offset + o->bytes > most)
			most = o->offset + o->bytes;
		if (o->kind == OP_TRUNCATE && o->offset > most)
			most = o->offset;
	}
	return most;
}

static uint32_t draw_version(struct disk *d, uint32_t from)
{
	switch (dice_below(&d->dice, 3)) {
	case 0:
		return 0;
	case 1:
		return UINT32_MAX;
	default:
		return from + dice_below(&d->dice, d->cut->at - from + 1);
	}
}

/* With WRITES_LAST: whole sectors as they came to be, where one of the last writes touched them. */
static void draw_last(struct disk *d, struct image *m, uint32_t file)
{
	for (uint32_t i = d->r->files[file].first; i != NO_OP && i < d->cut->at; i = d->r->ops[i].next) {
		const struct op *o = &d->r->ops[i];

		if (o->kind != OP_WRITE || i < d->some_point)
			continue;
		for (uint64_t s = o->offset / SECTOR; s * SECTOR < o->offset + o->bytes; s++)
			m->upto[s] = UINT32_MAX;
	}
}

static void draw_sectors(struct disk *d, struct image *m, uint32_t file)
{
	uint32_t from = d->synced[file], version = 0;

	for (uint64_t s = 0; s * SECTOR < m->cap; s++) {
		switch (d->cut->writes) {
		case WRITES_NONE:
		case WRITES_LAST:
			version = 0;
			break;
		case WRITES_ALL:
			version = UINT32_MAX;
			break;
		case WRITES_PAGES:
			if (s % SECTORS_A_PAGE == 0)
				version = draw_version(d, from);
			break;
		case WRITES_SECTORS:
			version = draw_version(d, from);
			break;
		case WRITES_FIRST:
			version = d->some_point;
			break;
		case WRITES_KINDS:
			assert(false);
		}
		m->upto[s] = version;
	}
	if (d->cut->writes == WRITES_LAST)
		draw_last(d, m, file);
}

static void put_piece(struct image *m, const struct op *o, const char *data, uint64_t from, uint64_t to)
{
	memcpy(m->bytes + from, data + (from - o->offset), to - from);
	if (to > m->size)
		m->size = to;
}

static void put_write(const struct disk *d, struct image *m, uint32_t i)
{
	const struct op *o = &d->r->ops[i];
	const char *data = d->r->data + o->data;
	uint64_t end = o->offset + o->bytes;

	if (i < d->synced[o->file]) {
		put_piece(m, o, data, o->offset, end);
		return;
	}
	for (uint64_t at = o->offset; at < end;) {
		uint64_t next = (at / SECTOR + 1) * SECTOR;

		if (next > end)
			next = end;
		if (i < m->upto[at / SECTOR])
			put_piece(m, o, data, at, next);
		at = next;
	}
}

static void put_size(struct disk *d, struct image *m, uint32_t i)
{
	const struct op *o = &d->r->ops[i];
	bool there = i < d->synced[o->file] || d->cut->writes == WRITES_ALL ||
		     (d->cut->writes != WRITES_NONE && dice_below(&d->dice, 2) == 0);

	if (!there)
		return;
	if (o->offset < m->size)
		memset(m->bytes + o->offset, 0, m->size - o->offset);
	m->size = o->offset;
}

static void fill(struct disk *d, struct image *m, uint32_t file)
{
	for (uint32_t i = d->r->files[file].first; i != NO_OP && i < d->cut->at; i = d->r->ops[i].next) {
		if (d->r->ops[i].kind == OP_WRITE)
			put_write(d, m, i);
		else if (d->r->ops[i].kind == OP_TRUNCATE)
			put_size(d, m, i);
	}
}

static void write_out(const char *path, const struct image *m)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || (m->size > 0 && pwrite(fd, m->bytes, m->size, 0) != (ssize_t)m->size)) {
		perror(path);
		_exit(DISK_UNMADE);
	}
	fd_close(&fd);
}

static void make_file(struct disk *d, uint32_t file)
{
	struct image m = {.cap = most_bytes(d, file)};

	m.bytes = xcalloc(1, m.cap + 1);
	m.upto = xcalloc(m.cap / SECTOR + 1, sizeof *m.upto);
	draw_sectors(d, &m, file);
	fill(d, &m, file);
	write_out(d->paths[file], &m);
	free(m.bytes);
	free(m.upto);
}

void disk_make(const struct record *r, const struct cut *cut, const char *dir)
{
	struct disk d = {.r = r, .cut = cut, .dice = {cut->seed}};

	d.synced = xcalloc(r->file_count, sizeof *d.synced);
	d.there = xcalloc(cut->at + 1, sizeof *d.there);
	d.paths = xcalloc(r->file_count, sizeof *d.paths);
	find_syncs(&d);
	draw_names(&d);
	d.paths[0] = xstrdup(dir);
	find_paths(&d, true);
	find_paths(&d, false);
	drop_covered(&d);
	for (uint32_t i = 1; i < r->file_count; i++) {
		if (d.paths[i] && r->files[i].is_folder && mkdir(d.paths[i], 0700) < 0)
			_exit(DISK_UNMADE);
	}
	for (uint32_t i = 1; i < r->file_count; i++)
		if (d.paths[i] && !r->files[i].is_folder)
			make_file(&d, i);
	for (uint32_t i = 0; i < r->file_count; i++)
		free(d.paths[i]);
	free(d.synced);
	free(d.there);
	free(d.paths);
}
