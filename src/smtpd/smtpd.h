/* SPDX-License-Identifier: ISC */
#ifndef POMBO_SMTPD_SMTPD_H
#define POMBO_SMTPD_SMTPD_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/id.h"
#include "base/mem.h"
#include "smtpd/settings.h"

#include <sys/queue.h>

/* The process: what all sessions share. The role (main.c) and the tests put it together. */
struct channel;
struct refusals;
struct event_base;
struct session;
struct stream;
struct tls_server;

/* Bits, as the command table uses them. */
enum smtpd_kind { SMTPD_MX = 1, SMTPD_SUBMISSION = 2 };

enum { SMTPD_SPARE_BUFFERS = 16 };

TAILQ_HEAD(session_list, session);

struct smtpd {
	struct event_base *base;
	enum smtpd_kind kind;
	struct settings *settings; /* of sessions to come */
	struct channel *store; /* NULL while stored is away */
	struct channel *auth; /* NULL on mx, and while authd is away */
	struct tls_server *tls; /* NULL: no TLS to offer */
	struct refusals *refusals; /* what stored is to know of what was refused */
	struct session_list sessions;
	struct session_list stalled; /* waiting for room on the channel to stored */
	struct id_source ids;
	struct arena scratch; /* of one command */
	struct buf text; /* of one reply or log field */
	struct buf spare[SMTPD_SPARE_BUFFERS]; /* message buffers between two uses */
	unsigned spare_count;
	uint64_t bytes_held; /* in all sessions: message bytes not yet handed on, and envelopes */
	uint64_t stalled_count;
	uint64_t session_count, accepted_count, message_count;
	bool space_low;
	bool stopping;
	void (*on_stopped)(void *ctx); /* once, when stopping and the last session is gone */
	void *on_stopped_ctx;
};

/* `index` of several processes of the kind. 0, or -EINVAL with a message in `error`. */
must_check int smtpd_new(struct event_base *base, enum smtpd_kind kind, unsigned index, const struct conf *conf,
			 struct smtpd **ret, struct buf *error);
/* Closes every session at once, without a word. */
void smtpd_free(struct smtpd **d);
/* New settings for sessions to come. */
must_check int smtpd_configure(struct smtpd *d, const struct conf *conf, struct buf *error);
/* Channels to stored and authd; a second one replaces the first (the peer was restarted). Take over `fd`. */
must_check int smtpd_set_store(struct smtpd *d, int fd);
must_check int smtpd_set_auth(struct smtpd *d, int fd);
/* Takes the reference over; sessions under way keep what they have. */
void smtpd_set_tls(struct smtpd *d, struct tls_server *tls);
/* A connection to the port of `service` (static); `tls_first`: TLS before the greeting. Takes the stream over. */
void smtpd_accept(struct smtpd *d, struct stream *stream, const char *service, bool tls_first);
/* Ends sessions with 421 as soon as what they are doing is done; then `fn`, maybe before this returns. */
void smtpd_stop(struct smtpd *d, void (*fn)(void *ctx), void *ctx);

/* The session is to run again when the channel to stored has room. */
void smtpd_stall(struct smtpd *d, struct session *s);
void smtpd_unstall(struct smtpd *d, struct session *s);
/* For session.c: a session is no more. */
void smtpd_session_gone(struct smtpd *d);
/* True when there is a stored to ask and its channel has room; with stored away true too, so that the
 * asking fails and is answered. */
bool smtpd_store_has_room(const struct smtpd *d);
/* A text for a reply or a log field, valid until the next call. */
struct view smtpd_text(struct smtpd *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Message buffers, kept warm between messages. */
struct buf smtpd_take_buffer(struct smtpd *d, size_t max_bytes);
void smtpd_give_buffer(struct smtpd *d, struct buf *b);

#endif
