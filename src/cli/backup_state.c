/* SPDX-License-Identifier: ISC
 * The states of a backup folder: lists of all there was at a moment. */
#include "cli/backup.h"

#include "base/encode.h"
#include "base/id.h"
#include "cli/mapped.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SHA_BYTES = 32, NAME_BYTES = 64 };

static const char suffix[] = ".state";
static const char cut_short[] = "it became shorter, or could not be read, while it was read";

void state_name(int64_t wall_s, char ret[STATE_NAME_BYTES])
{
	time_t t = (time_t)wall_s;
	struct tm tm;

	(void)gmtime_r(&t, &tm);
	if (strftime(ret, STATE_NAME_BYTES, "%Y%m%dT%H%M%SZ", &tm) == 0)
		ret[0] = '\0';
}

int backup_states(struct backup *b, char ***ret, size_t *ret_n)
{
	struct dirent **names = NULL;
	int n = scandirat(b->states_fd, ".", &names, NULL, alphasort);

	*ret = xcalloc(n > 0 ? (size_t)n : 1, sizeof **ret);
	*ret_n = 0;
	for (int i = 0; i < n; i++) {
		struct view name = view_from_cstr(names[i]->d_name);

		if (view_ends_with_nocase(name, VIEW_LIT(".state")))
			(*ret)[(*ret_n)++] = view_to_cstr(view_sub(name, 0, name.n - strlen(suffix)));
		free(names[i]);
	}
	free(names);
	return n < 0 ? cli_fail_errno(CLI_BAD_DATA, b->path, errno, NULL) : 0;
}

void backup_states_free(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

/* ---- the file ---- */

static void last_line(struct view list, struct buf *out)
{
	uint8_t digest[SHA_BYTES];

	buf_append_cstr(out, "{\"kind\":\"end\",\"sha256\":\"");
	if (EVP_Digest(list.p, list.n, digest, NULL, EVP_sha256(), NULL))
		encode_hex(out, view_from(digest, sizeof digest));
	buf_append_cstr(out, "\"}\n");
}

int state_seal(int fd)
{
	_cleanup_(buf_fini) struct buf line = BUF_INIT(256);
	struct mapped list;
	int r = mapped_open(fd, &list);

	if (r < 0)
		return cli_fail_errno(CLI_OTHER, "the backup's list", r, NULL);
	last_line(list.bytes, &line);
	if (mapped_whole(&list) < list.bytes.n)
		r = cli_fail(CLI_OTHER, "the backup's list", cut_short, "run the same command again");
	else if (pwrite(fd, line.p, line.n, (off_t)list.bytes.n) != (ssize_t)line.n || fsync(fd) < 0)
		r = cli_fail_errno(CLI_CANNOT_CREATE, "the backup's list", errno, NULL);
	mapped_close(&list);
	return r;
}

/* ---- lines ---- */

static uint64_t number(const json_t *o, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(o, key));

	return v > 0 ? (uint64_t)v : 0;
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static bool add_copy(struct state *s, const json_t *o, size_t *cap)
{
	struct state_copy c = {
	    .mailbox = number(o, "mailbox"),
	    .uid = (uint32_t)number(o, "uid"),
	    .size = number(o, "size"),
	    .prefix_offset = number(o, "prefix_offset"),
	    .prefix_bytes = number(o, "prefix_bytes"),
	    .flags = (uint32_t)number(o, "flags"),
	    .date_s = json_integer_value(json_object_get(o, "date")),
	};

	if (!id_parse(view_from_cstr(text(o, "message")), &c.message) || c.mailbox == 0 || c.uid == 0)
		return false;
	c.keywords = xstrdup(text(o, "keywords"));
	c.uidl = xstrdup(text(o, "uidl"));
	if (s->n_copies == *cap) {
		*cap = *cap ? *cap * 2 : 1024;
		s->copies = xrealloc(s->copies, *cap * sizeof *s->copies);
	}
	s->copies[s->n_copies++] = c;
	return true;
}

static bool add_mailbox(struct state *s, const json_t *o)
{
	if (number(o, "noselect"))
		return true;
	s->mailboxes = xrealloc(s->mailboxes, (s->n_mailboxes + 1) * sizeof *s->mailboxes);
	s->mailboxes[s->n_mailboxes++] = (struct state_mailbox){
	    number(o, "id"), number(o, "account"), xstrdup(text(o, "name")), (uint32_t)number(o, "special_use")};
	return *text(o, "name") != '\0';
}

static bool add_line(struct state *s, struct view line, size_t *cap)
{
	json_t *o = json_loadb(line.p, line.n, 0, NULL);
	const char *kind = text(o, "kind");
	const struct {
		const char *kind;
		json_t *list;
	} lists[] = {{"domain", s->domains},  {"account", s->accounts},           {"alias", s->aliases},
		     {"send_as", s->send_as}, {"subscription", s->subscriptions}, {"annotation", s->annotations}};
	bool ok = json_is_object(o);

	for (size_t i = 0; ok && i < ARRAY_LEN(lists); i++)
		if (strcmp(kind, lists[i].kind) == 0)
			(void)json_array_append(lists[i].list, o);
	if (ok && strcmp(kind, "copy") == 0)
		ok = add_copy(s, o, cap);
	else if (ok && strcmp(kind, "mailbox") == 0)
		ok = add_mailbox(s, o);
	else if (ok && strcmp(kind, "pombo-backup") == 0) {
		s->taken_s = json_integer_value(json_object_get(o, "taken"));
		ok = number(o, "version") == 1;
	}
	json_decref(o);
	return ok;
}

/* The list without its last line, when that is right. */
static bool unseal(struct view whole, struct view *ret)
{
	_cleanup_(buf_fini) struct buf line = BUF_INIT(256);
	size_t at = whole.n ? whole.n - 1 : 0;

	while (at > 0 && whole.p[at - 1] != '\n')
		at--;
	*ret = view_sub(whole, 0, at);
	last_line(*ret, &line);
	return view_eq(view_sub(whole, at, whole.n), buf_view(&line));
}

static int by_mailbox(const void *va, const void *vb)
{
	const struct state_mailbox *a = va, *b = vb;

	return a->id < b->id ? -1 : a->id > b->id;
}

static int by_place(const void *va, const void *vb)
{
	const struct state_copy *a = va, *b = vb;

	if (a->mailbox != b->mailbox)
		return a->mailbox < b->mailbox ? -1 : 1;
	return a->uid < b->uid ? -1 : a->uid > b->uid;
}

const struct state_copy *state_copies_of(const struct state *s, uint64_t mailbox, size_t *ret_n)
{
	size_t low = 0, high = s->n_copies, n = 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->copies[mid].mailbox < mailbox)
			low = mid + 1;
		else
			high = mid;
	}
	while (low + n < s->n_copies && s->copies[low + n].mailbox == mailbox)
		n++;
	*ret_n = n;
	return n ? &s->copies[low] : NULL; /* a state without a copy has no list */
}

int state_read(int fd, const char *name, bool sealed, struct state *ret)
{
	struct mapped whole;
	struct view list, line;
	size_t cap = 0;
	int r = mapped_open(fd, &whole);
	bool ok = r == 0, torn;

	*ret = (struct state){.domains = json_array(),
			      .accounts = json_array(),
			      .aliases = json_array(),
			      .send_as = json_array(),
			      .subscriptions = json_array(),
			      .annotations = json_array()};
	(void)snprintf(ret->name, sizeof ret->name, "%s", name);
	list = whole.bytes;
	if (ok && sealed)
		ok = unseal(whole.bytes, &list);
	while (ok && list.n)
		ok = view_cut(list, '\n', &line, &list) && add_line(ret, line, &cap);
	torn = r == 0 && mapped_whole(&whole) < whole.bytes.n;
	ok = ok && !torn;
	mapped_close(&whole);
	if (ok && ret->n_mailboxes)
		qsort(ret->mailboxes, ret->n_mailboxes, sizeof *ret->mailboxes, by_mailbox);
	if (ok && ret->n_copies)
		qsort(ret->copies, ret->n_copies, sizeof *ret->copies, by_place);
	if (ok)
		return 0;
	state_fini(ret);
	if (torn)
		return cli_fail(CLI_BAD_DATA, name, cut_short, "let no program change the backup meanwhile");
	return r < 0
		   ? cli_fail_errno(CLI_BAD_DATA, name, r, NULL)
		   : cli_fail(CLI_BAD_DATA, name, "this state is not what was written", "use an older one: --at TIME");
}

static int open_state(struct backup *b, const char *name, int *ret_fd)
{
	char file[NAME_BYTES];

	(void)snprintf(file, sizeof file, "%s%s", name, suffix);
	*ret_fd = strchr(name, '/') ? -1 : openat(b->states_fd, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_fd < 0
		   ? cli_fail(CLI_NO_SUCH, name, "there is no such state in this backup", "see 'pombo backup --list'")
		   : 0;
}

int state_load(struct backup *b, const char *name, struct state *ret)
{
	_cleanup_(fd_close) int fd = -1;
	char **names = NULL;
	size_t n = 0;
	int r = name ? 0 : backup_states(b, &names, &n);

	if (r == 0 && !name && n == 0)
		r = cli_fail(CLI_NO_SUCH, b->path, "there is no finished backup in it",
			     "'pombo backup' makes one; name the folder that it wrote to");
	if (r == 0)
		r = open_state(b, name ? name : names[n - 1], &fd);
	if (r == 0)
		r = state_read(fd, name ? name : names[n - 1], true, ret);
	backup_states_free(names, n);
	return r;
}

void state_fini(struct state *s)
{
	json_decref(s->domains);
	json_decref(s->accounts);
	json_decref(s->aliases);
	json_decref(s->send_as);
	json_decref(s->subscriptions);
	json_decref(s->annotations);
	for (size_t i = 0; i < s->n_mailboxes; i++)
		free(s->mailboxes[i].name);
	for (size_t i = 0; i < s->n_copies; i++) {
		free(s->copies[i].keywords);
		free(s->copies[i].uidl);
	}
	free(s->mailboxes);
	free(s->copies);
	*s = (struct state){0};
}

const struct state_mailbox *state_mailbox_of(const struct state *s, uint64_t id)
{
	const struct state_mailbox key = {.id = id};

	return s->n_mailboxes ? bsearch(&key, s->mailboxes, s->n_mailboxes, sizeof key, by_mailbox) : NULL;
}
