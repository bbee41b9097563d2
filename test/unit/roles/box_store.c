/* SPDX-License-Identifier: ISC
 * A stored that lives in the test. */
#include "box_parts.h"

#include "mail/header.h"
#include "mail/imap_flags.h"
#include "mail/mime_index.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_MAX = 900 << 10 };

/* ---- the model ---- */

struct box *box_find_name(struct box_store *b, struct view name)
{
	for (size_t i = 0; i < b->n; i++)
		if (!b->boxes[i].gone && view_eq(buf_view(&b->boxes[i].name), name))
			return &b->boxes[i];
	return NULL;
}

struct box *box_store_find(struct box_store *b, const char *name)
{
	return box_find_name(b, view_from_cstr(name));
}

struct box *box_find_id(struct box_store *b, uint64_t id)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->boxes[i].id == id)
			return &b->boxes[i];
	return NULL;
}

struct box_message *box_find(struct box *box, uint32_t uid)
{
	for (uint32_t i = 0; i < box->n; i++)
		if (box->messages[i].uid == uid)
			return &box->messages[i];
	return NULL;
}

uint32_t box_count(const struct box *box)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < box->n; i++)
		n += !box->messages[i].expunged;
	return n;
}

static struct box *add_box(struct box_store *b, struct view name, uint32_t attributes)
{
	struct box *box;

	assert(b->n < BOX_MAX);
	box = &b->boxes[b->n++];
	memset(box, 0, sizeof *box);
	buf_init(&box->name, 2048);
	buf_append_view(&box->name, name);
	box->id = ++b->next_id;
	box->uidvalidity = 1000 + (uint32_t)box->id;
	box->uidnext = 1;
	box->modseq = 1;
	box->attributes = attributes;
	return box;
}

static void message_fini(struct box_message *m)
{
	buf_fini(&m->bytes);
	buf_fini(&m->index);
	buf_fini(&m->keywords);
}

struct box_message *box_add_message(struct box_store *b, struct box *box, struct view bytes, uint32_t flags)
{
	struct box_message *m;

	box->messages = xrealloc(box->messages, (box->n + 1) * sizeof *box->messages);
	m = &box->messages[box->n++];
	*m = (struct box_message){.uid = box->uidnext++,
				  .flags = flags,
				  .modseq = box->modseq,
				  .created = box->modseq,
				  .id = ++b->next_message,
				  .date_s = 1700000000};
	buf_init(&m->bytes, 64 << 20);
	buf_init(&m->index, 4 << 20);
	buf_init(&m->keywords, BOX_KEYWORDS_BYTES);
	buf_append_view(&m->bytes, bytes);
	m->header_bytes = (uint32_t)header_length(bytes);
	mime_index_encode(mime_index_parse(b->parser, bytes), &m->index);
	return m;
}

void box_notify_account(struct box_store *b)
{
	for (size_t i = 0; i < b->session_count; i++) {
		struct box_session *s = &b->sessions[i];

		if (!s->id || !s->watches_account || s->account_notice_due)
			continue;
		s->account_notice_due = true;
		(void)mailbox_send_account_changed(b->channel, 0, &(struct mailbox_account_changed){s->id});
	}
}

void box_notify(struct box_store *b, const struct box *box)
{
	box_notify_account(b);
	for (size_t i = 0; i < b->session_count; i++) {
		struct box_session *s = &b->sessions[i];

		if (s->id && s->watched == box->id)
			(void)mailbox_send_changed(b->channel, 0,
						   &(struct mailbox_changed){s->id, box->id, box->modseq});
	}
}

uint64_t box_begin_write(struct box_store *b, struct box *box)
{
	b->commit++;
	return ++box->modseq;
}

uint32_t box_store_deliver(struct box_store *b, const char *name, struct view bytes, uint32_t flags)
{
	struct box *box = box_store_find(b, name);
	uint32_t uid;

	(void)box_begin_write(b, box);
	uid = box_add_message(b, box, bytes, flags)->uid;
	box_notify(b, box);
	return uid;
}

void box_store_flag(struct box_store *b, const char *name, uint32_t uid, uint32_t flags)
{
	struct box *box = box_store_find(b, name);
	struct box_message *m = box_find(box, uid);

	m->flags = flags;
	m->modseq = box_begin_write(b, box);
	box_notify(b, box);
}

void box_store_expunge(struct box_store *b, const char *name, uint32_t uid)
{
	struct box *box = box_store_find(b, name);
	struct box_message *m = box_find(box, uid);

	m->expunged = true;
	m->modseq = box_begin_write(b, box);
	box_notify(b, box);
}

/* ---- answers ---- */

void box_fail(struct box_store *b, uint32_t id, uint8_t code)
{
	(void)mailbox_send_failed(b->channel, id, &(struct mailbox_failed){code, VIEW_LIT("so")});
}

static void done(struct box_store *b, uint32_t id)
{
	(void)mailbox_send_done(b->channel, id, &(struct mailbox_done){b->commit});
}

static struct box_session *find_session(struct box_store *b, uint64_t id)
{
	for (size_t i = 0; i < b->session_count; i++)
		if (id && b->sessions[i].id == id)
			return &b->sessions[i];
	return NULL;
}

bool box_in_ranges(const struct mailbox_range *ranges, uint32_t n, uint32_t uid)
{
	for (uint32_t i = 0; i < n; i++)
		if (uid >= ranges[i].first && uid <= ranges[i].last)
			return true;
	return false;
}

void box_ranges_add(struct box_ranges *r, uint32_t uid)
{
	if (r->n && r->at[r->n - 1].last + 1 == uid) {
		r->at[r->n - 1].last++;
		return;
	}
	r->at = xrealloc(r->at, (r->n + 1) * sizeof *r->at);
	r->at[r->n++] = (struct mailbox_range){uid, uid};
}

static void open_session(struct box_store *b, uint32_t id, const struct mailbox_session_open *m)
{
	assert(view_eq_lit(m->grant, "0123456789abcdef0123456789abcdef") && b->session_count < BOX_SESSIONS);
	b->sessions[b->session_count++] = (struct box_session){.id = ++b->next_id};
	b->opened++;
	b->late_id = id;
	if (!b->late)
		box_store_give_session(b);
}

void box_store_give_session(struct box_store *b)
{
	(void)mailbox_send_session(b->channel, b->late_id,
				   &(struct mailbox_session){b->next_id, VIEW_LIT("me@example.org")});
}

void box_store_end_session(struct box_store *b, size_t at)
{
	(void)mailbox_send_session_ended(b->channel, 0, &(struct mailbox_session_ended){b->sessions[at].id});
}

/* In the order of bytes: the least name above the last one. */
static const struct box *next_box(const struct box_store *b, struct view after)
{
	const struct box *least = NULL;

	for (size_t i = 0; i < b->n; i++)
		if (!b->boxes[i].gone && view_cmp(buf_view(&b->boxes[i].name), after) > 0 &&
		    (!least || view_cmp(buf_view(&b->boxes[i].name), buf_view(&least->name)) < 0))
			least = &b->boxes[i];
	return least;
}

static void names(struct box_store *b, uint32_t id, const struct mailbox_names_want *m)
{
	struct mailbox_name page[3];
	struct mailbox_names answer = {.names = page};
	const struct box *least;

	for (struct view after = m->name_after; answer.n_names < ARRAY_LEN(page);) {
		least = next_box(b, after);
		if (!least)
			break;
		after = buf_view(&least->name);
		page[answer.n_names++] = (struct mailbox_name){least->id, after, least->attributes, least->uidvalidity};
	}
	answer.more = answer.n_names == ARRAY_LEN(page);
	(void)mailbox_send_names(b->channel, id, &answer);
}

static void states(struct box_store *b, uint32_t id, const struct mailbox_states_want *m)
{
	struct mailbox_state page[3];
	struct mailbox_states answer = {.states = page};
	const struct box *box;

	if (b->fail_states) {
		box_fail(b, id, 0);
		return;
	}
	if (m->name_after.n == 0)
		find_session(b, m->session)->account_notice_due = false;
	for (struct view after = m->name_after; answer.n_states < ARRAY_LEN(page) && (box = next_box(b, after));) {
		struct mailbox_state *state = &page[answer.n_states++];

		after = buf_view(&box->name);
		*state = (struct mailbox_state){box->id,        after, box->attributes, box->uidvalidity, box->uidnext,
						box_count(box), 0,     box->modseq};
		for (uint32_t i = 0; i < box->n; i++)
			state->unseen += !box->messages[i].expunged && !(box->messages[i].flags & IMAP_SEEN);
	}
	answer.more = answer.n_states == ARRAY_LEN(page);
	(void)mailbox_send_states(b->channel, id, &answer);
}

static void watch_account(struct box_store *b, uint32_t id, const struct mailbox_watch_account *m)
{
	struct box_session *s = find_session(b, m->session);

	s->watches_account = m->on;
	s->hears_annotations = m->annotations;
	s->account_notice_due = false;
	done(b, id);
}

static void open_box(struct box_store *b, uint32_t id, const struct mailbox_open *m)
{
	const struct box *box = box_find_name(b, m->name);
	struct mailbox_word words[64];
	struct mailbox_opened answer = {.keywords = words};

	if (!box || (box->attributes & 1)) {
		box_fail(b, id, 1);
		return;
	}
	answer.mailbox = box->id;
	answer.uidvalidity = box->uidvalidity;
	answer.uidnext = box->uidnext;
	answer.highestmodseq = box->modseq;
	for (uint32_t i = 0; i < box->n; i++) {
		const struct box_message *message = &box->messages[i];
		struct view rest = buf_view(&message->keywords), one;

		if (message->expunged)
			continue;
		answer.exists++;
		answer.size_bytes += message->bytes.n;
		answer.deleted += (message->flags & IMAP_DELETED) != 0;
		answer.deleted_bytes += m->counts_deleted && (message->flags & IMAP_DELETED) ? message->bytes.n : 0;
		if (!(message->flags & IMAP_SEEN) && answer.unseen++ == 0)
			answer.first_unseen_uid = message->uid;
		while (view_cut(rest, ' ', &one, &rest) && answer.n_keywords < ARRAY_LEN(words))
			words[answer.n_keywords++].word = one;
	}
	(void)mailbox_send_opened(b->channel, id, &answer);
}

static void uids(struct box_store *b, uint32_t id, const struct box *box, const struct mailbox_uids_want *m)
{
	struct box_ranges ranges = {0};
	struct mailbox_uids answer = {.highestmodseq = box->modseq, .uidnext = box->uidnext};

	for (uint32_t i = 0; i < box->n; i++) {
		uint32_t uid = box->messages[i].uid;

		if (uid < m->uid_from || box->messages[i].expunged)
			continue;
		if (ranges.n == b->page_ranges && ranges.at[ranges.n - 1].last + 1 != uid) {
			answer.next = uid;
			break;
		}
		box_ranges_add(&ranges, uid);
	}
	answer.ranges = ranges.at;
	answer.n_ranges = ranges.n;
	(void)mailbox_send_uids(b->channel, id, &answer);
	free(ranges.at);
}

static struct view keywords_text(const struct box_message *m)
{
	struct view v = buf_view(&m->keywords);

	v.n -= v.n ? 1 : 0;
	return v;
}

static struct mailbox_row row_of(const struct box_message *m, const struct mailbox_rows_want *want)
{
	struct mailbox_row row = {.uid = m->uid, .expunged = m->expunged};
	struct view bytes = buf_view(&m->bytes);

	if (want->fields & 1 << 0) {
		row.flags = m->flags;
		row.keywords = keywords_text(m);
	}
	row.modseq = want->fields & 1 << 1 ? m->modseq : 0;
	row.message_id = want->fields & 1 << 8 ? m->id : 0;
	row.savedate_s = want->fields & 1 << 9 ? BOX_SAVEDATE_S : 0;
	row.internaldate_s = want->fields & 1 << 2 ? m->date_s : 0;
	if (want->fields & 1 << 3) {
		row.size_bytes = bytes.n;
		row.header_bytes = m->header_bytes;
	}
	if (want->fields & 1 << 4)
		row.header = view_sub(bytes, 0, m->header_bytes);
	if (want->fields & (1 << 5 | 1 << 11 | 1 << 12))
		row.index = buf_view(&m->index);
	if ((want->fields & 1 << 6) && bytes.n <= want->inline_max)
		row.message = bytes;
	return row;
}

static void send_marks(struct box_store *b, uint32_t id, const struct mailbox_rows *rows)
{
	struct mailbox_mark marks[2000];

	for (uint32_t i = 0; i < rows->n_rows; i++) {
		const struct mailbox_row *row = &rows->rows[i];

		marks[i] =
		    (struct mailbox_mark){row->uid, row->expunged, (uint8_t)row->flags, row->modseq, row->keywords};
	}
	(void)mailbox_send_marks(b->channel, id, &(struct mailbox_marks){marks, rows->n_rows, rows->next});
}

static void rows(struct box_store *b, uint32_t id, const struct box *box, const struct mailbox_rows_want *m)
{
	struct mailbox_row page[2000];
	struct mailbox_rows answer = {.rows = page};
	char uidl[ARRAY_LEN(page)][32]; /* "u" and two numbers */
	size_t total = 0;

	b->rows_asked++;
	for (uint32_t i = 0; i < box->n; i++) {
		const struct box_message *message = &box->messages[i];

		if (message->uid < m->uid_from || !box_in_ranges(m->ranges, m->n_ranges, message->uid) ||
		    message->modseq <= m->changed_since)
			continue;
		if (answer.n_rows == b->page_rows || total > ANSWER_MAX / 4) {
			answer.next = message->uid;
			break;
		}
		page[answer.n_rows] = row_of(message, m);
		if (m->fields & 1 << 7) {
			(void)snprintf(uidl[answer.n_rows], sizeof uidl[0], "u%u.%u", box->uidvalidity, message->uid);
			page[answer.n_rows].uidl = view_from_cstr(uidl[answer.n_rows]);
		}
		total += page[answer.n_rows].message.n + page[answer.n_rows].index.n + page[answer.n_rows].header.n;
		answer.n_rows++;
	}
	if (m->fields & 1 << 13)
		send_marks(b, id, &answer);
	else
		(void)mailbox_send_rows(b->channel, id, &answer);
}

static void bytes(struct box_store *b, uint32_t id, struct box *box, const struct mailbox_bytes_want *m)
{
	const struct box_message *message = box_find(box, m->uid);

	b->bytes_asked++;
	assert(m->length <= 262144);
	if (!message) {
		box_fail(b, id, 6);
		return;
	}
	(void)mailbox_send_bytes(
	    b->channel, id,
	    &(struct mailbox_bytes){message->bytes.n, view_sub(buf_view(&message->bytes), m->offset, m->length)});
}

static void watch(struct box_store *b, uint32_t id, struct box_session *s, const struct mailbox_watch *m)
{
	s->watched = m->mailbox;
	done(b, id);
}

static void changes(struct box_store *b, uint32_t id, const struct box *box, const struct mailbox_changes_want *m)
{
	struct mailbox_change page[64];
	struct box_ranges vanished = {0};
	struct mailbox_changes answer = {.highestmodseq = box->modseq, .uidnext = box->uidnext, .rows = page};

	answer.mailbox_gone = box->gone;
	for (uint32_t i = 0; i < box->n; i++) {
		const struct box_message *message = &box->messages[i];

		if (message->uid < m->uid_from || message->modseq <= m->since)
			continue;
		if (answer.n_rows + vanished.n >= b->page_rows || answer.n_rows == ARRAY_LEN(page)) {
			answer.next = message->uid;
			break;
		}
		if (message->expunged && message->created > m->since && !m->all)
			continue; /* came and went: nothing to tell */
		if (message->expunged)
			box_ranges_add(&vanished, message->uid);
		else
			page[answer.n_rows++] = (struct mailbox_change){message->uid, message->flags,
									keywords_text(message), message->modseq, false};
	}
	answer.vanished = vanished.at;
	answer.n_vanished = vanished.n;
	(void)mailbox_send_changes(b->channel, id, &answer);
	free(vanished.at);
}

/* ---- the tree ---- */

static void create(struct box_store *b, uint32_t id, const struct mailbox_create *m)
{
	if (box_find_name(b, m->name)) {
		box_fail(b, id, 2);
		return;
	}
	b->commit++;
	(void)mailbox_send_created(b->channel, id,
				   &(struct mailbox_created){b->commit, add_box(b, m->name, m->special_use)->id});
	box_notify_account(b);
}

static void delete_box(struct box_store *b, uint32_t id, struct box *box)
{
	if (!box || view_eq_lit(buf_view(&box->name), "INBOX")) {
		box_fail(b, id, box ? 3 : 1);
		return;
	}
	box->gone = true;
	b->commit++;
	box_notify(b, box);
	done(b, id);
}

static void rename_box(struct box_store *b, uint32_t id, const struct mailbox_rename *m)
{
	struct box *box = box_find_name(b, m->from);

	if (!box || box_find_name(b, m->to)) {
		box_fail(b, id, box ? 2 : 1);
		return;
	}
	buf_reset(&box->name);
	buf_append_view(&box->name, m->to);
	b->commit++;
	done(b, id);
	box_notify_account(b);
}

static void subscribe(struct box_store *b, uint32_t id, const struct mailbox_subscribe *m)
{
	struct box *box = box_find_name(b, m->name);

	if (!box && m->on)
		box = add_box(b, m->name, 1 << 9);
	if (box)
		box->attributes = m->on ? box->attributes | 1 << 8 : box->attributes & ~(1u << 8);
	b->commit++;
	done(b, id);
	box_notify_account(b);
}

void box_store_create(struct box_store *b, const char *name)
{
	(void)add_box(b, view_from_cstr(name), 0);
	box_notify_account(b);
}

void box_store_delete(struct box_store *b, const char *name)
{
	struct box *box = box_store_find(b, name);

	box->gone = true;
	box_notify(b, box);
}

void box_store_rename(struct box_store *b, const char *from, const char *to)
{
	struct view old = view_from_cstr(from);

	for (size_t i = 0; i < b->n; i++) {
		struct view name = buf_view(&b->boxes[i].name), below = view_sub(name, old.n, name.n);
		struct buf renamed = BUF_INIT(2048);

		if (!view_starts_with(name, old) || (below.n && below.p[0] != '/'))
			continue;
		buf_append_cstr(&renamed, to);
		buf_append_view(&renamed, below);
		buf_fini(&b->boxes[i].name);
		b->boxes[i].name = renamed;
	}
	box_notify_account(b);
}

void box_store_subscribe(struct box_store *b, const char *name, bool on)
{
	struct box *box = box_store_find(b, name);

	box->attributes = on ? box->attributes | 1 << 8 : box->attributes & ~(1u << 8);
	box_notify_account(b);
}

/* ---- dispatch ---- */

static bool is_write(const struct mailbox_msg *m)
{
	return m->type == MAILBOX_FLAGS || m->type == MAILBOX_COPY || m->type == MAILBOX_EXPUNGE ||
	       m->type == MAILBOX_CREATE || m->type == MAILBOX_DELETE || m->type == MAILBOX_ANNOTATE ||
	       m->type == MAILBOX_RENAME;
}

static void on_tree(struct box_store *b, uint32_t id, const struct mailbox_msg *m)
{
	switch ((int)m->type) {
	case MAILBOX_NAMES_WANT:
		names(b, id, &m->names_want);
		break;
	case MAILBOX_WATCH_ACCOUNT:
		watch_account(b, id, &m->watch_account);
		break;
	case MAILBOX_STATES_WANT:
		states(b, id, &m->states_want);
		break;
	case MAILBOX_CREATE:
		create(b, id, &m->create);
		break;
	case MAILBOX_DELETE:
		delete_box(b, id, box_find_name(b, m->delete.name));
		break;
	case MAILBOX_RENAME:
		rename_box(b, id, &m->rename);
		break;
	case MAILBOX_SUBSCRIBE:
		subscribe(b, id, &m->subscribe);
		break;
	case MAILBOX_OPEN:
		open_box(b, id, &m->open);
		break;
	case MAILBOX_APPEND:
		box_append(b, id, &m->append);
		break;
	case MAILBOX_ANNOTATIONS_WANT:
		box_annotations(b, id, &m->annotations_want);
		break;
	case MAILBOX_ANNOTATE:
		box_annotate(b, id, &m->annotate);
		break;
	case MAILBOX_QUOTA_WANT:
		(void)mailbox_send_quota(b->channel, id,
					 &(struct mailbox_quota){b->quota_used, b->quota_limit, 3, b->quota_messages});
		break;
	case MAILBOX_DATA:
		box_append_piece(b, id, &m->data);
		break;
	case MAILBOX_APPEND_NEXT:
		box_append_next(b, id, &m->append_next);
		break;
	case MAILBOX_APPEND_END:
		box_append_end(b, id);
		break;
	case MAILBOX_APPEND_ABORT:
		b->aborts++;
		box_append_forget(b);
		break;
	default:
		assert(!"a message nobody should send");
	}
}

/* Those that begin with session and mailbox. */
static bool on_box(struct box_store *b, uint32_t id, const struct mailbox_msg *m)
{
	struct box *box = m->type >= MAILBOX_UIDS_WANT ? box_find_id(b, m->uids_want.mailbox) : NULL;

	switch ((int)m->type) {
	case MAILBOX_UIDS_WANT:
		uids(b, id, box, &m->uids_want);
		return true;
	case MAILBOX_ROWS_WANT:
		rows(b, id, box, &m->rows_want);
		return true;
	case MAILBOX_BYTES_WANT:
		bytes(b, id, box, &m->bytes_want);
		return true;
	case MAILBOX_CHANGES_WANT:
		changes(b, id, box, &m->changes_want);
		return true;
	case MAILBOX_FLAGS:
		box_write_flags(b, id, box, &m->flags);
		return true;
	case MAILBOX_EXPUNGE:
		box_write_expunge(b, id, box, &m->expunge);
		return true;
	case MAILBOX_COPY:
		box_write_copy(b, id, box, &m->copy);
		return true;
	case MAILBOX_SEARCH:
		box_search(b, id, box, &m->search);
		return true;
	case MAILBOX_SORT:
		box_sort(b, id, box, &m->sort);
		return true;
	case MAILBOX_THREAD:
		box_thread(b, id, box, &m->thread);
		return true;
	case MAILBOX_WATCH:
		watch(b, id, find_session(b, m->watch.session), &m->watch);
		return true;
	default:
		return false;
	}
}

static void on_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct box_store *b = ctx;
	const struct mailbox_msg *m = msg;

	(void)c;
	b->asked++;
	if (b->mute && m->type != MAILBOX_SESSION_CLOSE)
		return;
	if (b->fail_code && is_write(m)) {
		box_fail(b, id, (uint8_t)(b->fail_code - 1));
		b->fail_code = 0;
	} else if (m->type == MAILBOX_SESSION_OPEN) {
		open_session(b, id, &m->session_open);
	} else if (m->type == MAILBOX_SESSION_CLOSE) {
		find_session(b, m->session_close.session)->id = 0;
		b->closed++;
	} else if (!on_box(b, id, m)) {
		on_tree(b, id, m);
	}
}

static void on_close(void *ctx, struct channel *c)
{
	(void)ctx;
	fprintf(stderr, "channel closed: %s\n", channel_error(c));
	abort();
}

void box_store_open(struct box_store *b, struct event_base *base, unsigned peer, int *ret_fd)
{
	static const struct channel_handlers handlers = {on_msg, on_close, NULL};
	int fds[2];

	memset(b, 0, sizeof *b);
	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	b->channel = channel_new(base, fds[0], &mailbox_proto, MAILBOX_PEER_STORE, peer, &handlers, b);
	*ret_fd = fds[1];
	b->parser = mime_parser_new(&mime_limits_default);
	b->page_rows = 3;
	b->page_ranges = 2;
	b->answer_ranges = 2;
	buf_init(&b->append.name, 2048);
	buf_init(&b->append.bytes, 64 << 20);
	buf_init(&b->append.keywords, BOX_KEYWORDS_BYTES);
	buf_init(&b->program, 1 << 20);
	buf_init(&b->search_text, 1 << 20);
	add_box(b, VIEW_LIT("INBOX"), 1 << 8);
	add_box(b, VIEW_LIT("Sent"), 1 << 2 | 1 << 8);
	add_box(b, VIEW_LIT("Trash"), 1 << 4);
}

void box_store_close(struct box_store *b)
{
	if (b->channel)
		channel_free(&b->channel);
	for (size_t i = 0; i < b->n; i++) {
		for (uint32_t j = 0; j < b->boxes[i].n; j++)
			message_fini(&b->boxes[i].messages[j]);
		free(b->boxes[i].messages);
		buf_fini(&b->boxes[i].name);
	}
	mime_parser_free(&b->parser);
	box_append_forget(b);
	box_annotations_forget(b);
	buf_fini(&b->append.name);
	buf_fini(&b->append.bytes);
	buf_fini(&b->append.keywords);
	buf_fini(&b->program);
	buf_fini(&b->search_text);
}
