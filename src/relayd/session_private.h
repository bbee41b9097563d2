/* SPDX-License-Identifier: ISC */
#ifndef POMBO_RELAYD_SESSION_PRIVATE_H
#define POMBO_RELAYD_SESSION_PRIVATE_H

#include "io/stream.h"
#include "mail/smtp_data.h"
#include "mail/smtp_reply.h"
#include "relayd/destination.h"
#include "relayd/dial.h"
#include "relayd/hosts.h"
#include "relayd/policy.h"
#include "relayd/session.h"

/* What session.c (the connection) and transaction.c (the mail) share. */

/* What the next reply answers. */
enum expect {
	EXPECT_GREETING,
	EXPECT_EHLO,
	EXPECT_HELO,
	EXPECT_STARTTLS,
	EXPECT_AUTH,
	EXPECT_RSET,
	EXPECT_MAIL,
	EXPECT_RCPT,
	EXPECT_DATA,
	EXPECT_END, /* of the message */
	EXPECT_QUIT,
};

enum { EXPECT_MAX = 128, TRANSACTION_RCPTS_MAX = 100, FATE_TEXT_MAX = 1024 };

enum session_state {
	SESSION_DIALING,
	SESSION_HELLO, /* connected: greeting, EHLO, TLS, AUTH */
	SESSION_IDLE,
	SESSION_SENDING, /* a transaction */
	SESSION_QUITTING,
	SESSION_OVER,
};

/* What EHLO offered. */
struct offers {
	bool pipelining, chunking, eightbitmime, smtputf8, dsn, starttls, requiretls, size_given;
	bool auth_plain, auth_login;
	uint64_t size_max; /* 0: none said */
	unsigned rcpt_max, mail_max, domain_max; /* 0: none said (RFC 9422) */
};

struct waiting_reply {
	enum expect what;
	unsigned rcpt; /* index in the job */
};

enum body_state { BODY_NOT_BEGUN, BODY_SENDING, BODY_SENT };

/* The transaction under way. */
struct transaction {
	struct job *job;
	struct arena arena; /* texts of fates */
	unsigned rcpts[TRANSACTION_RCPTS_MAX]; /* indexes in the job */
	size_t rcpt_count;
	size_t next_rcpt; /* to be asked */
	size_t accepted;
	size_t lmtp_next; /* LMTP: whose reply after the dot comes next */
	bool mail_written, mail_failed, data_written, chunked;
	bool was_idle; /* over a connection that had idled: it may be dead, so nothing is sent ahead */
	enum body_state body;
	uint64_t body_at;
	uint32_t closed_s; /* its end closes the destination for so long */
	uint64_t last_dot_ms; /* when its end must be written */
	struct smtp_stuff stuff;
	struct fate fates[TRANSACTION_RCPTS_MAX];
	size_t fate_count;
};

struct session_private {
	struct session *self;
	struct relayd *relayd;
	struct destination *destination;
	struct hosts *hosts;
	size_t host_at; /* in hosts */
	uint64_t tried; /* bits of hosts that were tried */
	struct dial *dial;
	struct stream *stream;
	struct ip peer; /* once connected */
	enum session_state state;
	uint64_t wait_ms; /* for a reply: until it begins, and from there until it is whole */
	uint64_t reply_began_ms; /* of one that has come in part; 0: none */
	uint64_t heard_ms; /* when the other side last said or took something, or had its turn */
	struct policy policy;
	struct offers offers;
	struct smtp_reply reply;
	struct waiting_reply expects[EXPECT_MAX];
	size_t expect_first, expect_count;
	unsigned auth_step;
	unsigned sent_messages;
	unsigned mails; /* MAIL commands: each counts for MAILMAX, whatever became of it */
	struct buf domains; /* of recipients so far, a line each; with RCPTDOMAINMAX alone */
	unsigned domain_count;
	bool in_tls; /* its handshake is under way */
	bool tls_tried, esmtp, was_ready, needs_rset, again_in_plaintext, told_ready;
	bool was_idle; /* the other side may have closed it meanwhile */
	struct buf mx, ip, tls,
	    local; /* for reports; a UNIX socket's path stands in `ip`, and that it is one in `tls` */
	bool connected; /* to this host */
	int verified; /* enum tls_verified, of this connection */
	unsigned failed_hosts, unfit_hosts; /* unfit: cannot keep what REQUIRETLS asks (RFC 8689 §4.2.1) */
	unsigned mailless_hosts; /* of the failed ones: greeted with 521, they never take mail (RFC 7504) */
	struct dsn_status unfit_status;
	struct buf last_error; /* of the last host that would not */
	unsigned last_code;
	struct dsn_status last_status;
	bool last_said; /* it said so itself */
	struct transaction tx;
	struct buf scratch;
};

/* ---- session.c ---- */
struct host *session_host(const struct session_private *s);
void session_expect(struct session_private *s, enum expect what, unsigned rcpt);
/* Writes a line and waits for its reply. */
void session_command(struct session_private *s, enum expect what, unsigned rcpt, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void session_set_wait(struct session_private *s, uint64_t ms);
struct report_about session_about(const struct session_private *s);
/* The connection is of no more use. What was written and has not left goes nowhere. */
void session_hang_up(struct session_private *s);
/* The transaction has ended (its job given back or reported): the next job, or idle, or goodbye. */
void session_next(struct session_private *s);

/* Why this host is of no use, for reports and people. */
void session_remember_error(struct session_private *s, unsigned code, struct dsn_status status, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* This host cannot keep what REQUIRETLS asks: where that is true of all, mail that asks for it fails. Once a host. */
void session_is_unfit(struct session_private *s, struct dsn_status status);
void session_tell_ready(struct session_private *s);
/* This host is ourselves (RFC 5321 §5.1): better ones are left, or the mail comes back to us. True: another host is tried, once the stream is
 * closed. */
must_check bool session_found_ourselves(struct session_private *s);

/* ---- hello.c ---- */
void hello_reply(struct session_private *s, enum expect what);
/* The handshake failed, or the connection ended in it. */
void hello_tls_failed(struct session_private *s, const char *why);
void hello_start_tls(struct session_private *s);
void hello_on_tls(void *ctx, const char *error);
/* May MAIL have REQUIRETLS here (RFC 8689 §2)? In TLS, with a verified certificate of a name that somebody vouches for, where it is offered. */
bool hello_may_requiretls(const struct session_private *s);

/* ---- tls_outcome.c ---- */
void tls_outcome_never(struct session_private *s); /* the policy lets nothing go to this host */
void tls_outcome_not_offered(struct session_private *s); /* it goes on without TLS, or does not go on */
void tls_outcome_broken(struct session_private *s, const char *why); /* no handshake */
void tls_outcome_established(struct session_private *s, int verified, const char *why);

/* ---- envelope.c ---- */
void envelope_write_mail(struct session_private *s);
/* Of the next recipient that has not been asked for. */
void envelope_write_rcpt(struct session_private *s);

/* ---- transaction.c ---- */
void transaction_begin(struct session_private *s, struct job *j);
/* Writes what may be written now. */
void transaction_push(struct session_private *s);
void transaction_reply(struct session_private *s, const struct waiting_reply *w);
/* The connection broke: `why` for people. */
void transaction_broken(struct session_private *s, const char *why);
/* Its time passed: that of its lease, or of a reply. */
void transaction_too_late(struct session_private *s);
/* All of the message has left, its end too: the other side has it or not, nobody can take it back. */
bool transaction_is_past_dot(const struct session_private *s);
void transaction_drop(struct session_private *s);

#endif
