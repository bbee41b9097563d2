/* SPDX-License-Identifier: ISC
 * The command line's way into an account's mailboxes. */
#include "cli/mail_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ANSWER_MS = 120000,
	PAYLOAD_MAX = 1024 * 1024,
	FREE_CREDIT = 262144, /* mailbox.def: data before the first `more` */
	PIECE_BYTES = 65536,
	CHUNK_BYTES = 262144,
};

/* ---- open, close ---- */

static int open_channel(struct mail_client *m, struct store_client *store, const char *account)
{
	const struct admin_mail_open open = {.address = view_from_cstr(account)};
	struct admin_msg opened;
	int sv[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return cli_fail_errno(CLI_OTHER, "cannot make a socket", errno, NULL);
	r = store_client_ask_fd(store, admin_put_mail_open(&store->payload, &open), ADMIN_MAIL_OPEN, account, sv[1],
				ADMIN_MAIL_OPENED, &opened);
	(void)close(sv[1]);
	if (r) {
		(void)close(sv[0]);
		return r;
	}
	sync_channel_init(&m->channel, sv[0], &mailbox_proto, MAILBOX_PEER_CLI, MAILBOX_PEER_STORE);
	m->address = view_to_cstr(opened.mail_opened.address);
	(void)!mailbox_put_session_open(&m->payload, &(struct mailbox_session_open){opened.mail_opened.grant});
	return 0;
}

static int open_session(struct mail_client *m, const char *account)
{
	struct mailbox_msg answer;
	int r = mail_client_ask(m, true, MAILBOX_SESSION_OPEN, account, MAILBOX_SESSION, &answer);

	if (r == 0)
		m->session = answer.session.session;
	return r;
}

int mail_client_attach(struct store_client *store, const char *account, struct mail_client *ret)
{
	int r;

	*ret = (struct mail_client){.payload = BUF_INIT(PAYLOAD_MAX)};
	r = open_channel(ret, store, account);
	if (r == 0)
		r = open_session(ret, account);
	if (r)
		mail_client_detach(ret);
	return r;
}

void mail_client_detach(struct mail_client *m)
{
	if (m->channel.proto)
		sync_channel_fini(&m->channel);
	buf_fini(&m->payload);
	free(m->address);
	m->address = NULL;
}

int mail_client_open(const struct cli *c, const char *account, bool judging, struct mail_client *ret)
{
	struct store_client store;
	int r = judging ? store_client_open_judging(c, &store) : store_client_open(c, &store);

	if (r)
		return r;
	r = mail_client_attach(&store, account, ret);
	if (r)
		store_client_close(&store);
	else
		ret->store = store;
	return r;
}

void mail_client_close(struct mail_client *m)
{
	mail_client_detach(m);
	store_client_close(&m->store);
}

char *mail_client_only_account(struct cli *c, int *ret_status)
{
	struct store_client s;
	struct admin_msg answer;
	char *address = NULL;

	*ret_status = store_client_open(c, &s);
	if (*ret_status)
		return NULL;
	*ret_status = store_client_ask(&s, admin_put_account_list(&s.payload, &(struct admin_account_list){VIEW_EMPTY}),
				       ADMIN_ACCOUNT_LIST, "account list", ADMIN_ACCOUNTS, &answer);
	if (*ret_status == 0 && answer.accounts.n_accounts == 1)
		address = view_to_cstr(answer.accounts.accounts[0].address);
	else if (*ret_status == 0)
		*ret_status = cli_fail(CLI_USAGE, "whose mail?", "there is not just one account",
				       "name the account: see 'pombo account list'");
	store_client_close(&s);
	return address;
}

/* ---- asking ---- */

static int no_answer(int error)
{
	return cli_fail_errno(CLI_NOT_RUNNING, "the mail store did not answer", error, "see the server's log");
}

int mail_client_call(struct mail_client *m, bool encoded, uint16_t type, const char *subject, struct mailbox_msg *ret)
{
	int r;

	if (!encoded) {
		buf_reset(&m->payload);
		return cli_fail(CLI_BAD_DATA, subject, "this is too long", NULL);
	}
	r = sync_channel_call(&m->channel, type, buf_view(&m->payload), NULL, 0, ANSWER_MS, ret);
	buf_reset(&m->payload);
	return r < 0 ? no_answer(r) : 0;
}

int mail_client_next(struct mail_client *m, struct mailbox_msg *ret)
{
	int r = sync_channel_next(&m->channel, ANSWER_MS, ret);

	return r < 0 ? no_answer(r) : 0;
}

int mail_client_failed(const struct mailbox_msg *answer, const char *subject)
{
	/* By the codes of `failed` in mailbox.def. */
	static const enum cli_status statuses[] = {CLI_TRY_AGAIN,   CLI_NO_SUCH,     CLI_CANNOT_CREATE, CLI_NOT_ALLOWED,
						   CLI_NOT_ALLOWED, CLI_BAD_DATA,    CLI_NO_SUCH,       CLI_TRY_AGAIN,
						   CLI_TRY_AGAIN,   CLI_NOT_ALLOWED, CLI_BAD_DATA,      CLI_BAD_DATA};
	_cleanup_(free_ptr) char *text = NULL;

	if (answer->type != MAILBOX_FAILED)
		return cli_fail(CLI_OTHER, "the mail store gave an odd answer", NULL, "see the server's log");
	text = view_to_cstr(answer->failed.text);
	return cli_fail(answer->failed.code < ARRAY_LEN(statuses) ? statuses[answer->failed.code] : CLI_OTHER, subject,
			text ? text : "failed", NULL);
}

int mail_client_ask(struct mail_client *m, bool encoded, uint16_t type, const char *subject, uint16_t want,
		    struct mailbox_msg *ret)
{
	int r = mail_client_call(m, encoded, type, subject, ret);

	return r || ret->type == want ? r : mail_client_failed(ret, subject);
}

/* ---- folders ---- */

static void add_folders(struct mail_folders *f, const struct mailbox_names *names)
{
	enum { MISSING = 1 << 9 };

	f->items = xrealloc(f->items, (f->n + names->n_names + 1) * sizeof *f->items);
	for (uint32_t i = 0; i < names->n_names; i++) {
		const struct mailbox_name *n = &names->names[i];

		if (n->attributes & MISSING)
			continue;
		f->items[f->n++] =
		    (struct mail_folder){n->mailbox, view_to_cstr(n->name), n->attributes, n->uidvalidity};
	}
}

int mail_client_folders(struct mail_client *m, struct mail_folders *ret)
{
	_cleanup_(buf_fini) struct buf after = BUF_INIT(1024);
	struct mailbox_msg answer;
	int r;

	*ret = (struct mail_folders){NULL, 0};
	do {
		const struct mailbox_names_want want = {m->session, buf_view(&after)};

		r = mail_client_ask(m, mailbox_put_names_want(&m->payload, &want), MAILBOX_NAMES_WANT, "folders",
				    MAILBOX_NAMES, &answer);
		if (r)
			break;
		add_folders(ret, &answer.names);
		if (answer.names.n_names) {
			buf_reset(&after);
			buf_append_view(&after, answer.names.names[answer.names.n_names - 1].name);
		}
	} while (answer.names.more && answer.names.n_names);
	if (r)
		mail_folders_fini(ret);
	return r;
}

void mail_folders_fini(struct mail_folders *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->items[i].name);
	free(f->items);
	*f = (struct mail_folders){NULL, 0};
}

const struct mail_folder *mail_folders_find(const struct mail_folders *f, struct view name)
{
	for (size_t i = 0; i < f->n; i++)
		if (view_eq(view_from_cstr(f->items[i].name), name))
			return &f->items[i];
	return NULL;
}

int mail_client_make_folder(struct mail_client *m, struct view name, uint32_t special_use, bool *ret_made)
{
	enum { EXISTS = 2 };
	_cleanup_(free_ptr) char *subject = view_to_cstr(name);
	const struct mailbox_create create = {m->session, name, special_use};
	const struct mailbox_subscribe subscribe = {m->session, name, true};
	struct mailbox_msg answer;
	int r = mail_client_call(m, mailbox_put_create(&m->payload, &create), MAILBOX_CREATE, subject, &answer);

	*ret_made = false;
	if (r || (answer.type == MAILBOX_FAILED && answer.failed.code == EXISTS))
		return r;
	if (answer.type != MAILBOX_CREATED)
		return mail_client_failed(&answer, subject);
	*ret_made = true;
	return mail_client_ask(m, mailbox_put_subscribe(&m->payload, &subscribe), MAILBOX_SUBSCRIBE, subject,
			       MAILBOX_DONE, &answer);
}

/* ---- messages ---- */

static void add_rows(struct mail_rows *rows, const struct mailbox_rows *page)
{
	rows->items = xrealloc(rows->items, (rows->n + page->n_rows + 1) * sizeof *rows->items);
	for (uint32_t i = 0; i < page->n_rows; i++) {
		const struct mailbox_row *r = &page->rows[i];

		if (r->expunged)
			continue;
		rows->items[rows->n++] = (struct mail_row){
		    .uid = r->uid,
		    .flags = r->flags,
		    .date_s = r->internaldate_s,
		    .size_bytes = r->size_bytes,
		    .message_id = r->message_id,
		    .keywords = view_to_cstr(r->keywords),
		    .uidl = view_to_cstr(r->uidl),
		};
	}
}

int mail_client_rows(struct mail_client *m, const char *folder, struct mail_rows *ret)
{
	enum { FLAGS = 1, INTERNALDATE = 4, SIZE = 8, UIDL = 128, MESSAGE_ID = 256 };
	struct mailbox_range all = {1, UINT32_MAX};
	const struct mailbox_open open = {m->session, view_from_cstr(folder)};
	struct mailbox_msg answer;
	struct mailbox_rows_want want = {.session = m->session,
					 .ranges = &all,
					 .n_ranges = 1,
					 .fields = FLAGS | INTERNALDATE | SIZE | UIDL | MESSAGE_ID};
	int r;

	*ret = (struct mail_rows){0};
	r = mail_client_ask(m, mailbox_put_open(&m->payload, &open), MAILBOX_OPEN, folder, MAILBOX_OPENED, &answer);
	if (r)
		return r;
	*ret = (struct mail_rows){answer.opened.mailbox, answer.opened.uidvalidity, answer.opened.uidnext, NULL, 0};
	want.mailbox = ret->mailbox;
	do {
		r = mail_client_ask(m, mailbox_put_rows_want(&m->payload, &want), MAILBOX_ROWS_WANT, folder,
				    MAILBOX_ROWS, &answer);
		if (r)
			break;
		add_rows(ret, &answer.rows);
		want.uid_from = answer.rows.next;
	} while (want.uid_from);
	if (r)
		mail_rows_fini(ret);
	return r;
}

void mail_rows_fini(struct mail_rows *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->items[i].keywords);
		free(r->items[i].uidl);
	}
	free(r->items);
	*r = (struct mail_rows){0};
}

bool mail_client_is_uidl(struct view id)
{
	enum { BYTES_MAX = 70 };

	for (size_t i = 0; i < id.n; i++)
		if (id.p[i] <= ' ' || id.p[i] > '~')
			return false;
	return id.n > 0 && id.n <= BYTES_MAX;
}

static int put_frame(struct mail_client *m, bool encoded, uint16_t type)
{
	int r = encoded ? sync_channel_follow(&m->channel, type, buf_view(&m->payload), NULL, 0, ANSWER_MS) : -E2BIG;

	buf_reset(&m->payload);
	return r;
}

static int begin_append(struct mail_client *m, const struct mail_append *a)
{
	struct mailbox_word *words = xcalloc(a->n_keywords + 1, sizeof *words);
	const struct mailbox_append append = {
	    .session = m->session,
	    .name = a->folder,
	    .flags = a->flags,
	    .keywords = words,
	    .n_keywords = (uint32_t)a->n_keywords,
	    .has_date = true,
	    .internaldate_s = a->date_s,
	    .size_bytes = a->spool ? a->spool->n : a->message.n,
	};
	bool encoded;
	int r;

	for (size_t i = 0; i < a->n_keywords; i++)
		words[i].word = a->keywords[i];
	encoded = mailbox_put_append(&m->payload, &append);
	free(words);
	r = encoded ? sync_channel_begin(&m->channel, MAILBOX_APPEND, buf_view(&m->payload), NULL, 0, ANSWER_MS)
		    : -E2BIG;
	buf_reset(&m->payload);
	if (r == 0)
		r = put_frame(m,
			      mailbox_put_append_as(&m->payload,
						    &(struct mailbox_append_as){a->uidl, a->identity, a->ignore_quota}),
			      MAILBOX_APPEND_AS);
	return r;
}

static struct view next_piece(const struct mail_append *a, uint64_t at, struct buf *room)
{
	return a->spool ? spool_read(a->spool, at, room) : view_sub(a->message, at, PIECE_BYTES);
}

/* As fast as stored takes it. 1: it has answered already. */
static int put_message(struct mail_client *m, const struct mail_append *a, struct mailbox_msg *answer)
{
	_cleanup_(buf_fini) struct buf room = BUF_INIT(SPOOL_PIECE_BYTES);
	uint64_t credit = FREE_CREDIT, at = 0;
	struct view piece;

	while ((piece = next_piece(a, at, &room)).n) {
		int r;

		if (credit < piece.n) {
			r = sync_channel_next(&m->channel, ANSWER_MS, answer);
			if (r < 0 || answer->type != MAILBOX_MORE)
				return r < 0 ? r : 1;
			credit += answer->more.bytes;
			continue;
		}
		r = put_frame(m, mailbox_put_data(&m->payload, &(struct mailbox_data){piece}), MAILBOX_DATA);
		if (r < 0)
			return r;
		credit -= piece.n;
		at += piece.n;
	}
	return a->spool ? a->spool->error : 0;
}

int mail_client_append(struct mail_client *m, const struct mail_append *a, struct mailbox_msg *ret)
{
	int r = begin_append(m, a);

	if (r == 0)
		r = put_message(m, a, ret);
	if (r == 0)
		r = put_frame(m, mailbox_put_append_end(&m->payload, &(struct mailbox_append_end){0}),
			      MAILBOX_APPEND_END);
	else if (r > 0)
		return 0;
	do {
		if (r == 0)
			r = sync_channel_next(&m->channel, ANSWER_MS, ret);
	} while (r == 0 && ret->type == MAILBOX_MORE);
	return r < 0 ? no_answer(r) : 0;
}

int mail_client_piece(struct mail_client *m, uint64_t mailbox, uint32_t uid, uint64_t offset, struct view *ret)
{
	const struct mailbox_bytes_want want = {m->session, mailbox, uid, offset, CHUNK_BYTES};
	struct mailbox_msg answer;
	int r = mail_client_ask(m, mailbox_put_bytes_want(&m->payload, &want), MAILBOX_BYTES_WANT, "a message",
				MAILBOX_BYTES, &answer);

	if (r)
		return r;
	if (answer.bytes.bytes.n == 0)
		return cli_fail(CLI_OTHER, "a message is shorter than the store says", NULL, NULL);
	*ret = answer.bytes.bytes;
	return 0;
}

int mail_client_message(struct mail_client *m, uint64_t mailbox, uint32_t uid, uint64_t size_bytes, struct buf *out)
{
	uint64_t offset = 0;
	struct view piece;

	while (offset < size_bytes) {
		int r = mail_client_piece(m, mailbox, uid, offset, &piece);

		if (r)
			return r;
		buf_append_view(out, piece);
		offset += piece.n;
	}
	return out->overflow ? cli_fail(CLI_BAD_DATA, "a message is too long for this", NULL, NULL) : 0;
}
