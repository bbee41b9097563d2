/* SPDX-License-Identifier: ISC
 * imapd's and popd's channels: sessions, and which request goes where. */
#include "stored/mailbox_peer.h"

#include "stored/append.h"

#include <stdlib.h>

struct mailbox_link {
	struct stored *sd;
	struct peer *peer;
	struct append_table *appends; /* APPENDs under way */
	struct mailbox_link *next;
};

/* Codes of `failed` in msgs/mailbox.def. */
enum mailbox_failure {
	MAILBOX_FAILURE_TEMPORARY,
	MAILBOX_FAILURE_NO_MAILBOX,
	MAILBOX_FAILURE_EXISTS,
	MAILBOX_FAILURE_NOT_ALLOWED,
	MAILBOX_FAILURE_OVER_QUOTA,
	MAILBOX_FAILURE_TOO_BIG,
	MAILBOX_FAILURE_NO_MESSAGE,
	MAILBOX_FAILURE_NO_SPACE,
	MAILBOX_FAILURE_NO_SESSION,
	MAILBOX_FAILURE_IN_USE,
	MAILBOX_FAILURE_BAD_REQUEST,
	MAILBOX_FAILURE_LIMIT,
};

static void send_failed(struct channel *c, uint32_t id, enum mailbox_failure code, const char *text)
{
	(void)mailbox_send_failed(c, id, &(struct mailbox_failed){(uint8_t)code, view_from_cstr(text)});
}

void mailbox_send_outcome(struct channel *c, uint32_t id, enum store_outcome outcome)
{
	static const struct {
		enum mailbox_failure code;
		const char *text;
	} as[] = {
	    [STORE_OK] = {MAILBOX_FAILURE_TEMPORARY, "internal error"},
	    [STORE_TEMPORARY] = {MAILBOX_FAILURE_TEMPORARY, "temporary trouble with the mail store; try again"},
	    [STORE_NO_MAILBOX] = {MAILBOX_FAILURE_NO_MAILBOX, "no such mailbox"},
	    [STORE_EXISTS] = {MAILBOX_FAILURE_EXISTS, "a mailbox of that name exists"},
	    [STORE_NOT_ALLOWED] = {MAILBOX_FAILURE_NOT_ALLOWED, "not allowed for this mailbox name"},
	    [STORE_OVER_QUOTA] = {MAILBOX_FAILURE_OVER_QUOTA, "the account's quota is used up"},
	    [STORE_TOO_BIG] = {MAILBOX_FAILURE_TOO_BIG, "the message is too big"},
	    [STORE_NO_MESSAGE] = {MAILBOX_FAILURE_NO_MESSAGE, "the message is gone"},
	    [STORE_NO_SPACE] = {MAILBOX_FAILURE_NO_SPACE, "the server's disk is nearly full; try again later"},
	    [STORE_IN_USE] = {MAILBOX_FAILURE_IN_USE, "the mailbox has children"},
	    [STORE_BAD_REQUEST] = {MAILBOX_FAILURE_BAD_REQUEST, "the request makes no sense to the mail store"},
	    [STORE_LIMIT] = {MAILBOX_FAILURE_LIMIT, "a limit of the server is reached"},
	    [STORE_NO_ACCOUNT] = {MAILBOX_FAILURE_NO_SESSION, "the account is gone"},
	    [STORE_NO_DOMAIN] = {MAILBOX_FAILURE_BAD_REQUEST, "no such domain"},
	    [STORE_NO_ALIAS] = {MAILBOX_FAILURE_BAD_REQUEST, "no such alias"},
	    [STORE_STALE] = {MAILBOX_FAILURE_TEMPORARY, "something changed meanwhile; try again"},
	};

	if (c)
		send_failed(c, id, as[outcome].code, as[outcome].text);
}

struct uid_range *mailbox_copy_ranges(struct arena *a, const struct mailbox_range *ranges, uint32_t n)
{
	struct uid_range *copy = arena_array(a, n, sizeof *copy);

	for (uint32_t i = 0; copy && i < n; i++)
		copy[i] = (struct uid_range){ranges[i].first, ranges[i].last};
	return copy;
}

struct mailbox_range *mailbox_make_ranges(struct arena *a, const struct uid_range *ranges, size_t n)
{
	struct mailbox_range *copy = arena_array(a, n, sizeof *copy);

	for (size_t i = 0; copy && i < n; i++)
		copy[i] = (struct mailbox_range){ranges[i].first, ranges[i].last};
	return copy;
}

struct view *mailbox_copy_words(struct arena *a, const struct mailbox_word *words, uint32_t n)
{
	struct view *copy = arena_array(a, n, sizeof *copy);

	for (uint32_t i = 0; copy && i < n; i++)
		copy[i] = arena_copy(a, words[i].word);
	return copy;
}

/* ---- sessions ---- */

static void on_session_open(struct mailbox_link *mp, uint32_t id, const struct mailbox_session_open *m)
{
	struct grant *g = sessions_find_grant(mp->sd->sessions, m->grant, mp->peer);
	struct session *s = g ? sessions_open(mp->sd->sessions, g, mp->peer) : NULL;
	struct channel *c = mp->peer->channel;

	if (s)
		(void)mailbox_send_session(c, id, &(struct mailbox_session){s->id, view_from_cstr(g->address)});
	else
		send_failed(c, id, MAILBOX_FAILURE_NO_SESSION, "the login is not valid any more");
}

static void on_watch(struct mailbox_link *mp, uint32_t id, struct session *s, const struct mailbox_watch *m)
{
	sessions_watch(mp->sd->sessions, s, m->mailbox, m->highestmodseq_seen);
	(void)mailbox_send_done(mp->peer->channel, id, &(struct mailbox_done){0});
}

static void on_watch_account(struct mailbox_link *mp, uint32_t id, struct session *s,
			     const struct mailbox_watch_account *m)
{
	sessions_watch_account(mp->sd->sessions, s, m->on, m->annotations);
	(void)mailbox_send_done(mp->peer->channel, id, &(struct mailbox_done){0});
}

/* ---- dispatch ---- */

/* The session that a request names: always its first field, where it has one. */
static uint64_t session_of(const struct mailbox_msg *m)
{
	switch (m->type) {
	case MAILBOX_SESSION_CLOSE:
		return m->session_close.session;
	case MAILBOX_NAMES_WANT:
		return m->names_want.session;
	case MAILBOX_WATCH_ACCOUNT:
		return m->watch_account.session;
	case MAILBOX_STATES_WANT:
		return m->states_want.session;
	case MAILBOX_CREATE:
		return m->create.session;
	case MAILBOX_DELETE:
		return m->delete.session;
	case MAILBOX_RENAME:
		return m->rename.session;
	case MAILBOX_SUBSCRIBE:
		return m->subscribe.session;
	case MAILBOX_OPEN:
		return m->open.session;
	case MAILBOX_UIDS_WANT:
		return m->uids_want.session;
	case MAILBOX_ROWS_WANT:
		return m->rows_want.session;
	case MAILBOX_BYTES_WANT:
		return m->bytes_want.session;
	case MAILBOX_WATCH:
		return m->watch.session;
	case MAILBOX_CHANGES_WANT:
		return m->changes_want.session;
	case MAILBOX_FLAGS:
		return m->flags.session;
	case MAILBOX_EXPUNGE:
		return m->expunge.session;
	case MAILBOX_COPY:
		return m->copy.session;
	case MAILBOX_APPEND:
		return m->append.session;
	case MAILBOX_SEARCH:
		return m->search.session;
	case MAILBOX_SORT:
		return m->sort.session;
	case MAILBOX_THREAD:
		return m->thread.session;
	case MAILBOX_QUOTA_WANT:
		return m->quota_want.session;
	case MAILBOX_IMPORTED_WANT:
		return m->imported_want.session;
	case MAILBOX_REPLACE_FOLDERS:
		return m->replace_folders.session;
	case MAILBOX_EXPUNGE_TIMES_WANT:
		return m->expunge_times_want.session;
	case MAILBOX_GONE_WANT:
		return m->gone_want.session;
	case MAILBOX_UNDELETE:
		return m->undelete.session;
	case MAILBOX_UNDELETE_MAILBOX:
		return m->undelete_mailbox.session;
	case MAILBOX_ANNOTATIONS_WANT:
		return m->annotations_want.session;
	case MAILBOX_ANNOTATE:
		return m->annotate.session;
	case MAILBOX_SESSION_OPEN:
	case MAILBOX_SESSION:
	case MAILBOX_SESSION_ENDED:
	case MAILBOX_FAILED:
	case MAILBOX_DONE:
	case MAILBOX_NAMES:
	case MAILBOX_ACCOUNT_CHANGED:
	case MAILBOX_ANNOTATED:
	case MAILBOX_STATES:
	case MAILBOX_CREATED:
	case MAILBOX_OPENED:
	case MAILBOX_UIDS:
	case MAILBOX_ROWS:
	case MAILBOX_MARKS:
	case MAILBOX_BYTES:
	case MAILBOX_CHANGED:
	case MAILBOX_CHANGES:
	case MAILBOX_FLAGS_DONE:
	case MAILBOX_EXPUNGED:
	case MAILBOX_COPIED:
	case MAILBOX_DATA:
	case MAILBOX_APPEND_NEXT:
	case MAILBOX_APPEND_END:
	case MAILBOX_APPEND_ABORT:
	case MAILBOX_MORE:
	case MAILBOX_APPENDED:
	case MAILBOX_MATCHES:
	case MAILBOX_SORTED:
	case MAILBOX_THREADS:
	case MAILBOX_QUOTA:
	case MAILBOX_APPEND_AS:
	case MAILBOX_IMPORTED:
	case MAILBOX_EXPUNGE_TIMES:
	case MAILBOX_UNDELETED:
	case MAILBOX_GONE_MAILBOXES:
	case MAILBOX_ANNOTATIONS:
		return 0;
	}
	return 0;
}

static mailbox_request_fn *const requests[] = {
    [MAILBOX_NAMES_WANT] = mailbox_on_names_want,
    [MAILBOX_STATES_WANT] = mailbox_on_states_want,
    [MAILBOX_CREATE] = mailbox_on_create,
    [MAILBOX_DELETE] = mailbox_on_delete,
    [MAILBOX_RENAME] = mailbox_on_rename,
    [MAILBOX_SUBSCRIBE] = mailbox_on_subscribe,
    [MAILBOX_OPEN] = mailbox_on_open,
    [MAILBOX_UIDS_WANT] = mailbox_on_uids_want,
    [MAILBOX_ROWS_WANT] = mailbox_on_rows_want,
    [MAILBOX_BYTES_WANT] = mailbox_on_bytes_want,
    [MAILBOX_CHANGES_WANT] = mailbox_on_changes_want,
    [MAILBOX_FLAGS] = mailbox_on_flags,
    [MAILBOX_EXPUNGE] = mailbox_on_expunge,
    [MAILBOX_COPY] = mailbox_on_copy,
    [MAILBOX_SEARCH] = mailbox_on_search,
    [MAILBOX_SORT] = mailbox_on_sort,
    [MAILBOX_THREAD] = mailbox_on_thread,
    [MAILBOX_QUOTA_WANT] = mailbox_on_quota_want,
    [MAILBOX_ANNOTATIONS_WANT] = mailbox_on_annotations_want,
    [MAILBOX_ANNOTATE] = mailbox_on_annotate,
    [MAILBOX_IMPORTED_WANT] = mailbox_on_imported_want,
    [MAILBOX_REPLACE_FOLDERS] = mailbox_on_replace_folders,
    [MAILBOX_EXPUNGE_TIMES_WANT] = mailbox_on_expunge_times_want,
    [MAILBOX_GONE_WANT] = mailbox_on_gone_want,
    [MAILBOX_UNDELETE] = mailbox_on_undelete,
    [MAILBOX_UNDELETE_MAILBOX] = mailbox_on_undelete_mailbox,
};

/* Messages outside the table; false: not one of them. */
static bool on_other(struct mailbox_link *mp, uint32_t id, struct session *s, const struct mailbox_msg *m)
{
	if (m->type == MAILBOX_SESSION_CLOSE)
		sessions_close(mp->sd->sessions, s);
	else if (m->type == MAILBOX_WATCH)
		on_watch(mp, id, s, &m->watch);
	else if (m->type == MAILBOX_WATCH_ACCOUNT)
		on_watch_account(mp, id, s, &m->watch_account);
	else if (m->type == MAILBOX_APPEND)
		append_begin(mp->appends, id, s, &m->append);
	else
		return false;
	return true;
}

static void on_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct mailbox_link *mp = ctx;
	const struct mailbox_msg *m = msg;
	struct session *s;

	if (m->type == MAILBOX_SESSION_OPEN) {
		on_session_open(mp, id, &m->session_open);
		return;
	}
	if (append_continue(mp->appends, id, m))
		return;
	s = sessions_find(mp->sd->sessions, session_of(m), mp->peer);
	if (!s) {
		if (m->type != MAILBOX_SESSION_CLOSE)
			send_failed(c, id, MAILBOX_FAILURE_NO_SESSION, "no such session");
		return;
	}
	if (m->type != MAILBOX_ROWS_WANT)
		mailbox_forget_ahead(s);
	if (on_other(mp, id, s, m))
		return;
	if (m->type < ARRAY_LEN(requests) && requests[m->type])
		requests[m->type](mp->sd, mp->peer, id, s, m);
	else
		send_failed(c, id, MAILBOX_FAILURE_BAD_REQUEST, "not a request");
}

static void on_close(void *ctx, struct channel *c)
{
	struct mailbox_link *mp = ctx;
	struct mailbox_link **link = &mp->sd->mailbox_peers;

	(void)c;
	while (*link != mp)
		link = &(*link)->next;
	*link = mp->next;
	append_table_free(&mp->appends);
	sessions_forget_peer(mp->sd->sessions, mp->peer);
	mp->peer->channel = NULL;
	op_go_on(mp->peer);
	peer_unref(&mp->peer);
	free(mp);
}

static void on_drain(void *ctx, struct channel *c)
{
	(void)c;
	op_go_on(((struct mailbox_link *)ctx)->peer);
}

int mailbox_peer_add(struct stored *sd, const char *kind, int fd)
{
	static const struct channel_handlers handlers = {.on_msg = on_msg, .on_close = on_close, .on_drain = on_drain};
	struct view name = view_from_cstr(kind);
	unsigned peer = view_eq_lit(name, "pop")   ? MAILBOX_PEER_POP
			: view_eq_lit(name, "cli") ? MAILBOX_PEER_CLI
						   : MAILBOX_PEER_IMAP;
	struct mailbox_link *mp = xcalloc(1, sizeof *mp);

	mp->sd = sd;
	mp->peer = peer_new();
	mp->peer->is_cli = peer == MAILBOX_PEER_CLI;
	mp->peer->is_paced = true;
	mp->appends = append_table_new(sd, mp->peer);
	mp->next = sd->mailbox_peers;
	sd->mailbox_peers = mp;
	mp->peer->channel =
	    channel_new(role_base(sd->role), fd, &mailbox_proto, MAILBOX_PEER_STORE, peer, &handlers, mp);
	return 0;
}
