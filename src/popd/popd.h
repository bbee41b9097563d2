/* SPDX-License-Identifier: ISC */
#ifndef POMBO_POPD_POPD_H
#define POMBO_POPD_POPD_H

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

struct popd_settings {
	struct buf hostname;
	uint64_t login_timeout_ms, idle_timeout_ms;
	uint32_t max_auth_failures, max_errors;
	bool plaintext_auth_on_loopback;
};

struct popd {
	struct event_base *base;
	struct popd_settings settings; /* a reload changes them under the sessions */
	struct channel *store; /* NULL while stored is away */
	struct channel *auth; /* NULL while authd is away */
	struct tls_server *tls; /* NULL: no TLS to offer */
	struct session_list sessions;
	struct map by_store_id; /* what stored calls a session -> session */
	struct id_source ids;
	uint64_t session_count, accepted_count, message_count;
	bool stopping;
	void (*on_stopped)(void *ctx); /* once, when stopping and the last session is gone */
	void *on_stopped_ctx;
};

/* `index` of several processes of the kind. */
void popd_init(struct popd *d, struct event_base *base, unsigned index, const struct conf *conf);
/* Closes every session at once, without a word. */
void popd_fini(struct popd *d);
void popd_configure(struct popd *d, const struct conf *conf);
/* Channels to stored and authd; a second one replaces the first (the peer was restarted). Take over `fd`. */
void popd_set_store(struct popd *d, int fd);
void popd_set_auth(struct popd *d, int fd);
/* Takes the reference over; sessions under way keep what they have. */
void popd_set_tls(struct popd *d, struct tls_server *tls);
/* A connection to the port of `service` (static); `tls_first`: TLS before the greeting. Takes the stream over. */
void popd_accept(struct popd *d, struct stream *stream, const char *service, bool tls_first);
/* Ends sessions as soon as what they are doing is done; then `fn`, maybe before this returns. */
void popd_stop(struct popd *d, void (*fn)(void *ctx), void *ctx);
/* What a stream of this protocol is allowed. */
extern const struct stream_limits popd_stream_limits;

/* For session.c: a session is no more. */
void popd_session_gone(struct popd *d);

#endif
