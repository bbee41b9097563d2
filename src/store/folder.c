/* SPDX-License-Identifier: ISC
 * Making, deleting and renaming mailbox names. */
#include "store/folder_private.h"

#include "base/clock.h"
#include "store/annotation.h"
#include "store/copier.h"

#include <errno.h>
#include <stdlib.h>

enum { LEVELS_MAX = 32 };

bool folder_name_is_valid(struct view name)
{
	size_t levels = 1;

	if (name.n == 0 || name.n > STORE_NAME_MAX || !view_is_utf8(name))
		return false;
	if (name.p[0] == '/' || name.p[name.n - 1] == '/')
		return false;
	for (size_t i = 0; i < name.n; i++) {
		if ((unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f)
			return false;
		if (name.p[i] != '/')
			continue;
		if (name.p[i - 1] == '/')
			return false;
		levels++;
	}
	return levels <= LEVELS_MAX;
}

/* "a/b" of "a/b/c"; false at the top. */
static bool parent_of(struct view name, struct view *ret)
{
	size_t i = name.n;

	while (i > 0 && name.p[i - 1] != '/')
		i--;
	if (i == 0)
		return false;
	*ret = view_sub(name, 0, i - 1);
	return true;
}

int folder_node_find(struct writer *w, uint64_t account, struct view name, struct folder_node *ret)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_folder_find);
	int rc;

	*ret = (struct folder_node){0};
	sql_bind_u64(st, 1, account);
	sql_bind_text(st, 2, name);
	rc = sql_step(st);
	if (rc > 0)
		*ret = (struct folder_node){sql_u64(st, 0), true, sql_i64(st, 1) != 0};
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

/* Names below `name` lie between name + "/" and name + "0", the character behind it. */
static void bounds_of(struct view name, struct buf *low, struct buf *high)
{
	buf_append_view(low, name);
	buf_append_char(low, '/');
	buf_append_view(high, name);
	buf_append_char(high, '/' + 1);
}

static int has_children(struct writer *w, uint64_t account, struct view name, bool *ret)
{
	struct buf low = BUF_INIT(STORE_NAME_MAX + 1), high = BUF_INIT(STORE_NAME_MAX + 1);
	struct sql_stmt *st = sql_use(w->sql, SQL_folder_child);
	int rc;

	bounds_of(name, &low, &high);
	sql_bind_u64(st, 1, account);
	sql_bind_text(st, 2, buf_view(&low));
	sql_bind_text(st, 3, buf_view(&high));
	rc = sql_step(st);
	*ret = rc > 0;
	sql_reset(st);
	buf_fini(&low);
	buf_fini(&high);
	return rc < 0 ? rc : 0;
}

static int count_folders(struct writer *w, uint64_t account, uint64_t *ret)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_folder_count);
	int rc;

	sql_bind_u64(st, 1, account);
	rc = sql_step(st);
	*ret = rc > 0 ? sql_u64(st, 0) : 0;
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

void folder_tell_names(struct writer *w, uint64_t account)
{
	writer_changed(w, &(struct store_change){.kind = CHANGE_NAMES, .account = account});
}

/* ---- making ---- */

static int insert_folder(struct writer *w, uint64_t account, struct view name, uint32_t special_use, bool noselect,
			 uint64_t *ret_id, uint32_t *ret_uidvalidity)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_mailbox_insert);
	uint64_t id = writer_count(w, COUNTER_MAILBOX), uidvalidity = writer_count(w, COUNTER_UIDVALIDITY);
	int rc;

	if (id > MAILBOX_ID_MAX || uidvalidity > UINT32_MAX)
		return -EOVERFLOW;
	sql_bind_u64(st, 1, id);
	sql_bind_u64(st, 2, account);
	sql_bind_text(st, 3, name);
	sql_bind_u64(st, 4, uidvalidity);
	sql_bind_u64(st, 5, special_use);
	sql_bind_i64(st, 6, noselect);
	sql_bind_i64(st, 7, clock_wall_s());
	rc = sql_run(st);
	if (rc < 0 || noselect)
		return rc;
	st = sql_use(w->sql, SQL_mailbox_count_insert);
	sql_bind_u64(st, 1, id);
	*ret_id = id;
	*ret_uidvalidity = (uint32_t)uidvalidity;
	return sql_run(st);
}

/* A \Noselect one, with its annotations. */
int folder_delete_row(struct writer *w, uint64_t id)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_annotation_delete_all);
	int rc;

	sql_bind_u64(st, 1, id);
	rc = sql_run(st);
	if (rc < 0)
		return rc;
	st = sql_use(w->sql, SQL_mailbox_delete);
	sql_bind_u64(st, 1, id);
	return sql_run(st);
}

static int clear_special_use(struct writer *w, uint64_t account, uint32_t special_use)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_special_use_clear);

	if (special_use == 0)
		return 0;
	sql_bind_u64(st, 1, account);
	sql_bind_u64(st, 2, special_use);
	return sql_run(st);
}

int folder_set_special_use(struct writer *w, uint64_t account, uint64_t mailbox, uint32_t special_use)
{
	int rc = clear_special_use(w, account, special_use);
	struct sql_stmt *st = sql_use(w->sql, SQL_special_use_set);

	if (rc < 0)
		return rc;
	sql_bind_u64(st, 1, mailbox);
	sql_bind_u64(st, 2, special_use);
	folder_tell_names(w, account);
	return sql_run(st);
}

int folder_make_parents(struct writer *w, uint64_t account, struct view name)
{
	struct view parent;
	struct folder_node node;
	uint64_t id;
	uint32_t uidvalidity;
	int rc;

	if (!parent_of(name, &parent))
		return 0;
	rc = folder_node_find(w, account, parent, &node);
	if (rc < 0 || node.there)
		return rc;
	rc = folder_make_parents(w, account, parent); /* at most LEVELS_MAX deep */
	return rc < 0 ? rc : insert_folder(w, account, parent, 0, false, &id, &uidvalidity);
}

/* `node` is what has the name now: nothing, or a \Noselect row that gives way. */
static int make_folder(struct writer *w, uint64_t account, struct view name, const struct folder_node *node,
		       uint32_t special_use, uint64_t *ret_id, uint32_t *ret_uidvalidity)
{
	int rc = 0;

	if (node->there)
		rc = folder_delete_row(w, node->id);
	else
		rc = folder_make_parents(w, account, name);
	if (rc == 0)
		rc = clear_special_use(w, account, special_use);
	return rc < 0 ? rc : insert_folder(w, account, name, special_use, false, ret_id, ret_uidvalidity);
}

/* What speaks against a new folder of that name; STORE_OK: nothing. */
int folder_check_new(struct writer *w, uint64_t account, struct view name, uint64_t max, struct folder_node *ret_node,
		     enum store_outcome *ret)
{
	struct acct *a;
	uint64_t folders = 0;
	int rc;

	*ret = STORE_BAD_REQUEST;
	if (!folder_name_is_valid(name))
		return 0;
	rc = writer_acct(w, account, &a);
	if (rc == 0)
		rc = folder_node_find(w, account, name, ret_node);
	if (rc == 0)
		rc = count_folders(w, account, &folders);
	if (!a)
		*ret = STORE_NO_ACCOUNT;
	else if (ret_node->there && !ret_node->noselect)
		*ret = STORE_EXISTS;
	else
		*ret = folders + LEVELS_MAX > max ? STORE_LIMIT : STORE_OK;
	return rc;
}

static enum job_step run_create(struct writer *w, struct store_job *job)
{
	struct folder_create_job *j = (struct folder_create_job *)job;
	struct folder_node node;
	uint64_t max = j->by_operator ? STORE_FOLDERS_STAGED_MAX : STORE_FOLDERS_MAX;
	int rc = folder_check_new(w, j->account, j->name, max, &node, &job->outcome);

	if (rc == 0 && (j->special_use & ~(uint32_t)FOLDER_SPECIAL))
		job->outcome = STORE_BAD_REQUEST;
	if (rc == 0 && job->outcome == STORE_OK && store_space_is_low(w->store))
		job->outcome = STORE_NO_SPACE;
	if (rc == 0 && job->outcome != STORE_OK)
		return STEP_DONE;
	if (rc == 0)
		rc = make_folder(w, j->account, j->name, &node, j->special_use, &j->ret_mailbox, &j->ret_uidvalidity);
	folder_tell_names(w, j->account);
	return rc < 0 ? writer_error(w, rc, "making a folder") : STEP_DONE;
}

void folder_create_job_init(struct folder_create_job *j)
{
	*j = (struct folder_create_job){0};
	store_job_init(&j->job, run_create);
}

int folder_make_defaults(struct writer *w, uint64_t account)
{
	static const struct {
		struct view name;
		uint32_t special_use;
	} defaults[] = {
	    {VIEW_LIT("INBOX"), 0},          {VIEW_LIT("Drafts"), FOLDER_DRAFTS}, {VIEW_LIT("Sent"), FOLDER_SENT},
	    {VIEW_LIT("Junk"), FOLDER_JUNK}, {VIEW_LIT("Trash"), FOLDER_TRASH},   {VIEW_LIT("Archive"), FOLDER_ARCHIVE},
	};

	for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
		uint64_t id;
		uint32_t uidvalidity;
		int rc = insert_folder(w, account, defaults[i].name, defaults[i].special_use, false, &id, &uidvalidity);

		if (rc == 0)
			rc = folder_set_subscribed(w, account, defaults[i].name, true);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- deleting ---- */

/* The row loses its name; what is in it waits for pruning. Its name is kept for who wants it back, unless there never was a message in it. */
int folder_let_go(struct writer *w, uint64_t mailbox)
{
	struct sql_stmt *st;
	struct mbox *m;
	bool held_mail;
	int rc = writer_mbox(w, mailbox, &m);

	if (rc == 0 && !m)
		return folder_delete_row(w, mailbox); /* \Noselect */
	held_mail = rc == 0 && m->counts.uidnext > 1;
	if (rc == 0)
		rc = mbox_flush(w, m);
	if (rc == 0)
		rc = writer_use(w, m->account, -(int64_t)m->counts.bytes, -(int64_t)m->counts.messages);
	if (rc < 0)
		return rc;
	writer_changed(w,
		       &(struct store_change){.kind = CHANGE_MAILBOX_GONE, .account = m->account, .mailbox = mailbox});
	writer_forget_mbox(w, mailbox);
	if (held_mail) {
		st = sql_use(w->sql, SQL_gone_name_insert);
		sql_bind_u64(st, 1, mailbox);
		rc = sql_run(st);
	}
	if (rc < 0)
		return rc;
	st = sql_use(w->sql, SQL_mailbox_let_go);
	sql_bind_u64(st, 1, mailbox);
	sql_bind_i64(st, 2, clock_wall_s());
	return sql_run(st);
}

/* \Noselect parents that stand for nothing any more go too. */
static int prune_parents(struct writer *w, uint64_t account, struct view name)
{
	struct view parent;
	struct folder_node node;

	while (parent_of(name, &parent)) {
		bool children = true;
		int rc = folder_node_find(w, account, parent, &node);

		if (rc == 0 && node.noselect)
			rc = has_children(w, account, parent, &children);
		if (rc == 0 && !children)
			rc = folder_delete_row(w, node.id);
		if (rc < 0 || children)
			return rc;
		name = parent;
	}
	return 0;
}

static int delete_folder(struct writer *w, struct folder_delete_job *j, const struct folder_node *node, bool children)
{
	uint64_t id;
	uint32_t uidvalidity;
	int rc = folder_let_go(w, node->id);

	j->ret_mailbox = node->noselect ? 0 : node->id;
	if (rc == 0 && children)
		rc = insert_folder(w, j->account, j->name, 0, true, &id, &uidvalidity);
	if (rc == 0 && !children)
		rc = prune_parents(w, j->account, j->name);
	folder_tell_names(w, j->account);
	return rc;
}

static enum job_step run_delete(struct writer *w, struct store_job *job)
{
	struct folder_delete_job *j = (struct folder_delete_job *)job;
	struct folder_node node;
	bool children = false;
	int rc;

	if (view_eq_lit(j->name, "INBOX")) {
		job->outcome = STORE_NOT_ALLOWED;
		return STEP_DONE;
	}
	rc = folder_node_find(w, j->account, j->name, &node);
	if (rc == 0 && node.there)
		rc = has_children(w, j->account, j->name, &children);
	if (rc < 0)
		return writer_error(w, rc, "deleting a folder");
	if (!node.there)
		job->outcome = STORE_NO_MAILBOX;
	else if (node.noselect && children)
		job->outcome = STORE_IN_USE;
	else if (writer_is_busy(w, node.id, job))
		return STEP_AGAIN;
	if (job->outcome != STORE_OK)
		return STEP_DONE;
	rc = delete_folder(w, j, &node, children);
	return rc < 0 ? writer_error(w, rc, "deleting a folder") : STEP_DONE;
}

void folder_delete_job_init(struct folder_delete_job *j)
{
	*j = (struct folder_delete_job){0};
	store_job_init(&j->job, run_delete);
}

/* The ids of an account's named rows, in w->scratch. */
static int list_ids(struct writer *w, uint64_t account, size_t *ret_count)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_folder_ids);
	int rc;

	buf_reset(&w->scratch);
	sql_bind_u64(st, 1, account);
	while ((rc = sql_step(st)) > 0) {
		uint64_t id = sql_u64(st, 0);

		buf_append(&w->scratch, &id, sizeof id);
	}
	sql_reset(st);
	*ret_count = w->scratch.n / sizeof(uint64_t);
	return rc < 0 ? rc : w->scratch.overflow ? -ENOMEM : 0;
}

int folder_drop_all(struct writer *w, uint64_t account, bool *ret_busy)
{
	struct sql_stmt *st;
	size_t count;
	int rc = list_ids(w, account, &count);
	const uint64_t *ids = (const uint64_t *)(const void *)w->scratch.p;

	*ret_busy = false;
	for (size_t i = 0; i < count && rc == 0; i++)
		if (writer_is_busy(w, ids[i], NULL)) {
			*ret_busy = true;
			return 0;
		}
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = folder_let_go(w, ids[i]);
	if (rc < 0)
		return rc;
	st = sql_use(w->sql, SQL_annotation_delete_all);
	sql_bind_i64(st, 1, -(int64_t)account);
	rc = sql_run(st);
	if (rc < 0)
		return rc;
	st = sql_use(w->sql, SQL_unsubscribe_all);
	sql_bind_u64(st, 1, account);
	return sql_run(st);
}

/* ---- renaming ---- */

/* Would every name below `from` still fit below `to`? */
static int check_lengths(struct writer *w, const struct folder_rename_job *j, const struct buf *low,
			 const struct buf *high, bool *ret_fit)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_folder_children);
	int rc;

	*ret_fit = true;
	sql_bind_u64(st, 1, j->account);
	sql_bind_text(st, 2, buf_view(low));
	sql_bind_text(st, 3, buf_view(high));
	while ((rc = sql_step(st)) > 0)
		if (sql_bytes(st, 0).n - j->from.n + j->to.n > STORE_NAME_MAX)
			*ret_fit = false;
	sql_reset(st);
	return rc;
}

static int rename_children(struct writer *w, const struct folder_rename_job *j, bool *ret_fit)
{
	struct buf low = BUF_INIT(STORE_NAME_MAX + 1), high = BUF_INIT(STORE_NAME_MAX + 1);
	struct sql_stmt *st = sql_use(w->sql, SQL_folder_rename_children);
	int rc;

	bounds_of(j->from, &low, &high);
	rc = check_lengths(w, j, &low, &high, ret_fit);
	if (rc == 0 && *ret_fit) {
		sql_bind_u64(st, 1, j->account);
		sql_bind_text(st, 2, j->from);
		sql_bind_text(st, 3, j->to);
		sql_bind_text(st, 4, buf_view(&low));
		sql_bind_text(st, 5, buf_view(&high));
		rc = sql_run(st);
	}
	buf_fini(&low);
	buf_fini(&high);
	return rc;
}

static enum job_step rename_tree(struct writer *w, struct folder_rename_job *j, const struct folder_node *from,
				 const struct folder_node *to)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_folder_rename);
	bool fit = true;
	int rc = rename_children(w, j, &fit);

	if (rc == 0 && !fit) {
		j->job.outcome = STORE_BAD_REQUEST;
		return STEP_DONE;
	}
	if (rc == 0)
		rc = to->there ? folder_delete_row(w, to->id) : folder_make_parents(w, j->account, j->to);
	if (rc == 0) {
		sql_bind_u64(st, 1, from->id);
		sql_bind_text(st, 2, j->to);
		rc = sql_run(st);
	}
	if (rc == 0)
		rc = prune_parents(w, j->account, j->from);
	folder_tell_names(w, j->account);
	return rc < 0 ? writer_error(w, rc, "renaming") : STEP_DONE;
}

/* INBOX keeps its own (RFC 5464 §4.1). */
static int copy_annotations(struct writer *w, uint64_t from, uint64_t to)
{
	struct sql_stmt *st = sql_use(w->sql, SQL_annotation_copy);

	sql_bind_u64(st, 1, from);
	sql_bind_u64(st, 2, to);
	return sql_run(st);
}

/* RFC 9051 §6.3.6: the messages move, INBOX and its children stay. */
static enum job_step rename_inbox(struct writer *w, struct folder_rename_job *j, const struct folder_node *to)
{
	static const struct uid_range all = {1, UINT32_MAX};
	struct mbox *source, *target = NULL;
	struct copier *c;
	uint64_t id = 0;
	uint32_t uidvalidity;
	int rc = writer_mbox_by_name(w, j->account, VIEW_EMPTY, &source);

	if (rc < 0 || !source)
		return writer_error(w, rc < 0 ? rc : -EUCLEAN, "renaming INBOX");
	if (writer_is_busy(w, source->id, &j->job))
		return STEP_AGAIN;
	rc = annotation_check_copy(w, j->account, source->id, &j->job.outcome);
	if (rc == 0 && j->job.outcome != STORE_OK)
		return STEP_DONE;
	if (rc == 0)
		rc = make_folder(w, j->account, j->to, to, 0, &id, &uidvalidity);
	if (rc == 0)
		rc = copy_annotations(w, source->id, id);
	if (rc == 0)
		rc = writer_mbox(w, id, &target);
	if (rc < 0 || !target)
		return writer_error(w, rc < 0 ? rc : -EUCLEAN, "renaming INBOX");
	folder_tell_names(w, j->account);
	rc = copier_new(w, &j->job, source, target, &all, 1, true, &c);
	j->job.progress = c;
	return rc < 0 ? writer_error(w, rc, "renaming INBOX") : copier_run(w, c);
}

static void forget_rename(struct store_job *job)
{
	struct copier *c = job->progress;

	copier_free(&c);
	job->progress = NULL;
}

static void advance_rename(struct store_job *job)
{
	copier_advance(job->progress);
}

static bool settled_rename(struct store_job *job)
{
	job->outcome = STORE_OK;
	return copier_is_settled(job->progress);
}

static bool is_below(struct view name, struct view top)
{
	return name.n > top.n && view_starts_with(name, top) && name.p[top.n] == '/';
}

static enum job_step run_rename(struct writer *w, struct store_job *job)
{
	struct folder_rename_job *j = (struct folder_rename_job *)job;
	struct copier *c = job->progress;
	struct folder_node from, to;
	int rc;

	if (c && copier_has_started(c))
		return copier_run(w, c);
	if (c)
		forget_rename(job);
	rc = folder_node_find(w, j->account, j->from, &from);
	if (rc == 0)
		rc = folder_check_new(w, j->account, j->to, STORE_FOLDERS_MAX, &to, &job->outcome);
	if (rc < 0)
		return writer_error(w, rc, "renaming");
	if (!from.there)
		job->outcome = STORE_NO_MAILBOX;
	else if (job->outcome == STORE_OK && !view_eq_lit(j->from, "INBOX") && (to.there || is_below(j->to, j->from)))
		job->outcome = to.there ? STORE_EXISTS : STORE_NOT_ALLOWED;
	if (job->outcome != STORE_OK)
		return STEP_DONE;
	return view_eq_lit(j->from, "INBOX") ? rename_inbox(w, j, &to) : rename_tree(w, j, &from, &to);
}

void folder_rename_job_init(struct folder_rename_job *j)
{
	*j = (struct folder_rename_job){0};
	store_job_init(&j->job, run_rename);
	j->job.advance = advance_rename;
	j->job.forget = forget_rename;
	j->job.settled = settled_rename;
}
