/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IMAPD_IMAPD_H
#define POMBO_IMAPD_IMAPD_H

#include "base/buf.h"
#include "base/id.h"
#include "base/map.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "io/stream.h"

#include <sys/queue.h>

/* The process: what all sessions share. The role (main.c) and the tests put it together. */
struct channel;
struct session;

TAILQ_HEAD(session_list, session);

/* What of pombo.conf the process obeys; a reload changes it under the sessions. */
struct imapd_settings {
	struct buf hostname;
	uint64_t max_message_bytes;
	uint64_t max_bytes_in_flight;
	uint64_t login_timeout_ms, idle_timeout_ms;
	uint32_t max_auth_failures, max_errors;
	bool plaintext_auth_on_loopback;
	bool unauthenticate; /* is offered */
	uint64_t progress_ms; /* a command that takes longer says now and then that it is under way */
};

struct imapd {
	struct event_base *base;
	struct imapd_settings settings;
	struct channel *store; /* NULL while stored is away */
	struct channel *auth; /* NULL while authd is away */
	struct tls_server *tls; /* NULL: no TLS to offer */
	struct session_list sessions;
	struct map by_store_id; /* what stored calls a session -> session */
	struct id_source ids;
	uint64_t bytes_in_flight; /* of messages being appended, not yet credited by stored */
	uint64_t session_count, accepted_count, message_count;
	struct event *progress; /* armed while some command waits for stored */
	struct event *turns; /* imapd_give_turns() */
	bool stopping;
	void (*on_stopped)(void *ctx); /* once, when stopping and the last session is gone */
	void *on_stopped_ctx;
};

/* `index` of several processes of the kind. */
void imapd_init(struct imapd *d, struct event_base *base, unsigned index, const struct conf *conf);
/* Closes every session at once, without a word. */
void imapd_fini(struct imapd *d);
void imapd_configure(struct imapd *d, const struct conf *conf);
/* Channels to stored and authd; a second one replaces the first (the peer was restarted). Take over `fd`. */
void imapd_set_store(struct imapd *d, int fd);
void imapd_set_auth(struct imapd *d, int fd);
/* Takes the reference over; sessions under way keep what they have. */
void imapd_set_tls(struct imapd *d, struct tls_server *tls);
/* A connection to the port of `service` (static); `tls_first`: TLS before the greeting. Takes the stream over. */
void imapd_accept(struct imapd *d, struct stream *stream, const char *service, bool tls_first);
/* Ends sessions with BYE as soon as what they are doing is done; then `fn`, maybe before this returns. */
void imapd_stop(struct imapd *d, void (*fn)(void *ctx), void *ctx);
/* What a stream of this protocol is allowed. */
extern const struct stream_limits imapd_stream_limits;

/* For session.c: bytes that go to stored without having been asked for yet; false: too many in all sessions. */
must_check bool imapd_take_room(struct imapd *d, uint64_t bytes);
void imapd_give_room(struct imapd *d, uint64_t bytes);
/* For command.c: some command waits; should it take long, its client hears of it (RFC 9585). */
void imapd_watch_progress(struct imapd *d);
/* Commands that wait for their turn (AWAIT_TURN) go on after the loop has looked at all connections. */
void imapd_give_turns(struct imapd *d);
/* For session.c: a session is no more. */
void imapd_session_gone(struct imapd *d);

#endif
