/* SPDX-License-Identifier: ISC
 * The command line's connections: run/control.sock, and who may speak there. */
#include "stored/admin.h"

#include "mail/address_canon.h"
#include "stored/admin_submit.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 64, KEY_MAX = 640 };

/* One connection. */
struct admin_link {
	struct stored *sd;
	struct peer *peer;
	struct admin_submits *submits;
	bool backs_up; /* nothing is pruned meanwhile */
};

/* Who waits for the supervisor's word: one question at a time is enough; the others wait with it. But a reload that has begun may
 * have read what has changed since: who asks then waits for another. */
struct waiting {
	struct reply reply;
	struct waiting *next;
};

struct admin {
	struct stored *sd;
	int listener;
	struct event *accept;
	unsigned connections;
	struct waiting *for_overview, *for_reload, *for_next_reload;
};

/* ---- words ---- */

void admin_send_outcome(struct channel *c, uint32_t id, enum store_outcome outcome, struct view subject)
{
	static const struct {
		uint8_t exit_status;
		const char *text; /* follows the subject */
	} as[] = {
	    [STORE_OK] = {1, "internal error"},
	    [STORE_TEMPORARY] = {75, "temporary trouble with the store: see the server's log, then try again"},
	    [STORE_NO_MAILBOX] = {67, "there is no such mailbox"},
	    [STORE_EXISTS] = {73, "exists already: nothing was changed"},
	    [STORE_NOT_ALLOWED] = {77, "is an alias domain: use the domain it stands for"},
	    [STORE_OVER_QUOTA] = {77, "over quota"},
	    [STORE_TOO_BIG] = {65, "too big"},
	    [STORE_NO_MESSAGE] = {67, "there is no such message"},
	    [STORE_NO_SPACE] = {75, "the disk is full: make room, then try again"},
	    [STORE_IN_USE] = {77, "still has accounts, aliases or alias domains: remove those first"},
	    [STORE_BAD_REQUEST] = {65, "is not valid: write user@example.org, or example.org for a domain"},
	    [STORE_LIMIT] = {65, "has reached a limit"},
	    [STORE_NO_ACCOUNT] = {67, "there is no such account: see 'pombo account list'"},
	    [STORE_NO_DOMAIN] = {67, "there is no such domain: see 'pombo domain list'"},
	    [STORE_NO_ALIAS] = {67, "there is no such alias: see 'pombo alias list'"},
	    [STORE_STALE] = {75, "something changed meanwhile: try again"},
	};
	_cleanup_(buf_fini) struct buf text = BUF_INIT(1024);

	if (!c)
		return;
	buf_printf(&text, "%.*s%s%s", VIEW_FMT(subject), subject.n ? ": " : "", as[outcome].text);
	(void)admin_send_failed(c, id, &(struct admin_failed){as[outcome].exit_status, buf_view(&text)});
}

bool admin_domain_key(struct view typed, struct arena *a, struct view *ret)
{
	_cleanup_(buf_fini) struct buf key = BUF_INIT(KEY_MAX);

	if (typed.n == 0 || typed.p[0] == '[' || !address_domain_valid(typed, ADDRESS_UTF8) ||
	    !address_domain_canon(typed, &key))
		return false;
	*ret = arena_copy(a, buf_view(&key));
	return ret->p != NULL;
}

bool admin_address_key(struct view typed, bool catch_all, struct arena *a, struct view *ret)
{
	_cleanup_(buf_fini) struct buf key = BUF_INIT(KEY_MAX);
	struct address address;
	struct view domain;

	if (catch_all && typed.n && typed.p[0] == '@') {
		if (!admin_domain_key(view_sub(typed, 1, typed.n), a, &domain))
			return false;
		buf_append_char(&key, '@');
		buf_append_view(&key, domain);
	} else if (!address_parse(typed, ADDRESS_UTF8, a, &address) || address.is_literal ||
		   !address_canon(address.local, address.domain, &key)) {
		return false;
	}
	*ret = arena_copy(a, buf_view(&key));
	return ret->p != NULL;
}

/* ---- the supervisor's word ---- */

static void wait_for(struct waiting **list, struct peer *peer, uint32_t id)
{
	struct waiting *w = xcalloc(1, sizeof *w);

	w->reply = reply_to(peer, id);
	w->next = *list;
	*list = w;
}

static void send_not_reachable(struct channel *c, uint32_t id)
{
	(void)admin_send_failed(c, id, &(struct admin_failed){69, VIEW_LIT("the server is not running")});
}

static void on_status_ask(struct admin_link *ap, uint32_t id)
{
	if (role_ask_overview(ap->sd->role))
		wait_for(&ap->sd->admin->for_overview, ap->peer, id);
	else
		send_not_reachable(ap->peer->channel, id);
}

static void on_reload_ask(struct admin_link *ap, uint32_t id)
{
	struct admin *admin = ap->sd->admin;

	if (admin->for_reload)
		wait_for(&admin->for_next_reload, ap->peer, id);
	else if (role_ask_reload(ap->sd->role))
		wait_for(&admin->for_reload, ap->peer, id);
	else
		send_not_reachable(ap->peer->channel, id);
}

void admin_overview(struct stored *sd, struct view json)
{
	struct waiting *w;

	while (sd->admin && (w = sd->admin->for_overview)) {
		struct channel *c = reply_channel(&w->reply);

		sd->admin->for_overview = w->next;
		if (c && json.n)
			(void)admin_send_status(c, w->reply.id, &(struct admin_status){json});
		else if (c)
			send_not_reachable(c, w->reply.id);
		reply_end(&w->reply);
		free(w);
	}
}

static void answer_reload(struct waiting *list, bool ok, struct view text)
{
	struct waiting *w;

	while ((w = list)) {
		struct channel *c = reply_channel(&w->reply);

		list = w->next;
		text = view_sub(text, 0, 1024);
		if (c && ok)
			(void)admin_send_done(c, w->reply.id, &(struct admin_done){text});
		else if (c)
			(void)admin_send_failed(c, w->reply.id, &(struct admin_failed){78, text});
		reply_end(&w->reply);
		free(w);
	}
}

void admin_reload_done(struct stored *sd, bool ok, struct view text)
{
	struct admin *admin = sd->admin;
	struct waiting *done;

	if (!admin)
		return;
	done = admin->for_reload;
	admin->for_reload = admin->for_next_reload;
	admin->for_next_reload = NULL;
	answer_reload(done, ok, text);
	if (admin->for_reload && !role_ask_reload(sd->role)) {
		answer_reload(admin->for_reload, false, VIEW_LIT("the server is not running"));
		admin->for_reload = NULL;
	}
}

/* ---- a connection ---- */

static admin_request_fn *const requests[] = {
    [ADMIN_DOMAIN_ADD] = admin_on_domain_add,
    [ADMIN_DOMAIN_ALIAS] = admin_on_domain_alias,
    [ADMIN_DOMAIN_REMOVE] = admin_on_domain_remove,
    [ADMIN_DOMAIN_LIST] = admin_on_domain_list,
    [ADMIN_ACCOUNT_ADD] = admin_on_account_add,
    [ADMIN_ACCOUNT_PASSWORD] = admin_on_account_password,
    [ADMIN_ACCOUNT_QUOTA] = admin_on_account_quota,
    [ADMIN_ACCOUNT_REMOVE] = admin_on_account_remove,
    [ADMIN_ACCOUNT_ENABLE] = admin_on_account_enable,
    [ADMIN_ACCOUNT_CONFIRM] = admin_on_account_confirm,
    [ADMIN_ACCOUNT_LIST] = admin_on_account_list,
    [ADMIN_ACCOUNT_SHOW] = admin_on_account_show,
    [ADMIN_SEND_AS] = admin_on_send_as,
    [ADMIN_ALIAS_ADD] = admin_on_alias_add,
    [ADMIN_ALIAS_REMOVE] = admin_on_alias_remove,
    [ADMIN_ALIAS_LIST] = admin_on_alias_list,
    [ADMIN_QUEUE_LIST] = admin_on_queue_list,
    [ADMIN_QUEUE_FIGURES_ASK] = admin_on_queue_figures_ask,
    [ADMIN_QUEUE_CHANGE] = admin_on_queue_change,
    [ADMIN_TRACE_ASK] = admin_on_trace_ask,
    [ADMIN_TRACE_FIND] = admin_on_trace_find,
    [ADMIN_REFUSALS_FIND] = admin_on_refusals_find,
    [ADMIN_MAIL_OPEN] = admin_on_mail_open,
    [ADMIN_REINDEX] = admin_on_reindex,
    [ADMIN_REINDEX_ASK] = admin_on_reindex_ask,
    [ADMIN_DNS_ASK] = admin_on_dns_ask,
    [ADMIN_DKIM_LIST] = admin_on_dkim_list,
    [ADMIN_DKIM_ADD] = admin_on_dkim_add,
    [ADMIN_DKIM_LOOK] = admin_on_dkim_look,
    [ADMIN_BACKUP_BEGIN] = admin_on_backup_begin,
    [ADMIN_BACKUP_WANT] = admin_on_backup_want,
    [ADMIN_BACKUP_BYTES_WANT] = admin_on_backup_bytes_want,
};

static void on_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct admin_link *ap = ctx;
	const struct admin_msg *m = msg;

	if (m->type == ADMIN_BACKUP_BEGIN && !ap->backs_up) {
		ap->backs_up = true;
		ap->sd->backups++;
	}
	if (m->type == ADMIN_STATUS_ASK)
		on_status_ask(ap, id);
	else if (m->type == ADMIN_RELOAD_ASK)
		on_reload_ask(ap, id);
	else if (admin_submit_msg(ap->submits, id, m))
		return;
	else if (m->type < ARRAY_LEN(requests) && requests[m->type])
		requests[m->type](ap->sd, ap->peer, id, m);
	else
		admin_send_outcome(c, id, STORE_BAD_REQUEST, VIEW_LIT("the request"));
}

static void on_close(void *ctx, struct channel *c)
{
	struct admin_link *ap = ctx;

	(void)c;
	admin_submits_free(&ap->submits);
	if (ap->backs_up)
		ap->sd->backups--;
	if (ap->sd->admin)
		ap->sd->admin->connections--;
	ap->peer->channel = NULL;
	peer_unref(&ap->peer);
	free(ap);
}

static struct admin *admin_of(struct stored *sd)
{
	if (!sd->admin) {
		sd->admin = xcalloc(1, sizeof *sd->admin);
		sd->admin->sd = sd;
		sd->admin->listener = -1;
	}
	return sd->admin;
}

int admin_add(struct stored *sd, int fd)
{
	static const struct channel_handlers handlers = {.on_msg = on_msg, .on_close = on_close};
	struct admin_link *ap = xcalloc(1, sizeof *ap);

	admin_of(sd)->connections++;
	ap->sd = sd;
	ap->peer = peer_new();
	ap->submits = admin_submits_new(sd, ap->peer);
	ap->peer->channel =
	    channel_new(role_base(sd->role), fd, &admin_proto, ADMIN_PEER_STORE, ADMIN_PEER_CLI, &handlers, ap);
	return 0;
}

/* The socket's mode keeps others out already; this holds also where it was made wider by mistake. */
static bool may_speak(int fd)
{
	struct ucred peer;
	socklen_t n = sizeof peer;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && (peer.uid == 0 || peer.uid == getuid());
}

static void on_connection(evutil_socket_t listener, short what, void *arg)
{
	struct admin *admin = arg;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	if (fd < 0)
		return;
	if (admin->connections >= CONNECTIONS_MAX || !may_speak(fd)) {
		(void)close(fd);
		return;
	}
	(void)!admin_add(admin->sd, fd);
}

int admin_listen(struct stored *sd, int fd)
{
	struct admin *admin = admin_of(sd);

	if (admin->accept)
		event_free(admin->accept);
	fd_close(&admin->listener);
	admin->listener = fd;
	if (evutil_make_socket_nonblocking(fd) < 0)
		return -errno;
	admin->accept = event_new(role_base(sd->role), fd, EV_READ | EV_PERSIST, on_connection, admin);
	return admin->accept && event_add(admin->accept, NULL) == 0 ? 0 : -ENOMEM;
}
