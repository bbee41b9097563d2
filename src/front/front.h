/* SPDX-License-Identifier: ISC */
#ifndef POMBO_FRONT_FRONT_H
#define POMBO_FRONT_FRONT_H

#include "base/buf.h"
#include "base/id.h"
#include "base/map.h"
#include "conf/conf.h"
#include "front/conn.h"
#include "io/ports.h"
#include "ipc/channel.h"

/* The process of a front end whose clients log in to read their account's mail (imapd, popd): what all its connections share. The role
 * and the tests put it together; the functions that take a `void *front` have the form that serve.h and io/ports.h ask for. */
struct mailbox_msg;
struct tls_server;

/* What makes it IMAP, or POP3. */
struct front_protocol {
	unsigned store_peer, auth_peer; /* in the lists mailbox and auth */
	size_t session_bytes; /* of a session; it begins with its struct conn */
	/* Last words: `parting` stands ahead of each. */
	const char *parting;
	const char *too_slow; /* to log in */
	const char *idle; /* for too long; NULL: not a word */
	const char *too_many_errors;
	const char *login_ended, *store_away, *going_down;
	/* The session's own part, zeroed, behind its conn; and its end, after the last call. */
	void (*begin)(struct conn *c);
	void (*end)(struct conn *c);
	void (*greet)(struct conn *c);
	enum conn_state (*state)(const struct conn *c);
	/* One thing more; false: nothing to do for now. */
	bool (*advance)(struct conn *c);
	/* The connection closes: what is under way is given up. */
	void (*give_up)(struct conn *c);
	/* What the log says of the session that is over. */
	void (*log)(const struct conn *c, struct log_line *l);
	/* stored says something else than that a login has ended. NULL: it does not. */
	void (*on_store_msg)(struct front *f, const struct mailbox_msg *m);
	/* There is room on the channel to stored again. NULL: nobody waits for that. */
	void (*on_store_room)(struct front *f);
};

/* What of pombo.conf all protocols obey; a reload changes it under the connections. */
struct front_settings {
	struct buf hostname;
	uint64_t login_timeout_ms, idle_timeout_ms;
	uint32_t max_auth_failures, max_errors;
	bool plaintext_auth_on_loopback;
};

TAILQ_HEAD(conn_list, conn);

struct front {
	const struct front_protocol *protocol;
	struct event_base *base;
	struct front_settings settings;
	struct channel *store; /* NULL while stored is away */
	struct channel *auth; /* NULL while authd is away */
	struct tls_server *tls; /* NULL: no TLS to offer */
	struct conn_list conns;
	struct map by_store_id; /* what stored calls a session -> conn */
	struct id_source ids;
	uint64_t session_count, accepted_count, message_count;
	bool stopping;
	void (*on_stopped)(void *ctx); /* once, when stopping and the last connection is gone */
	void *on_stopped_ctx;
};

/* `index` of several processes of the kind. Settings come by front_configure(). */
void front_init(struct front *f, const struct front_protocol *protocol, struct event_base *base, unsigned index);
/* Closes every connection at once, without a word. */
void front_fini(struct front *f);
void front_configure(struct front *f, const struct conf *conf, uint64_t idle_timeout_ms);
/* A channel to stored (mailbox) or authd (auth); a second one replaces the first (the peer was restarted). Takes over `fd`. */
must_check int front_set_channel(void *front, const char *list, int fd);
/* Takes the reference over; connections under way keep what they have. */
void front_set_tls(void *front, struct tls_server *tls);
/* A connection to a port. Takes the stream over. */
void front_on_stream(void *front, struct stream *stream, const struct port_service *service);
/* Ends connections as soon as what they are doing is done; then `fn`, maybe before this returns. */
void front_stop(void *front, void (*fn)(void *ctx), void *ctx);
void front_count(void *front, uint64_t *ret_sessions, uint64_t *ret_accepted, uint64_t *ret_messages,
		 uint64_t *ret_in_flight);

/* The session of that name at stored, or NULL. */
struct conn *front_find(const struct front *f, uint64_t store_id);
/* For conn.c: a connection is no more. */
void front_conn_gone(struct front *f);

#endif
