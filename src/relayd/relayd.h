/* SPDX-License-Identifier: ISC */
#ifndef POMBO_RELAYD_RELAYD_H
#define POMBO_RELAYD_RELAYD_H

#include "ipc/msgs/relay_msgs.h"
#include "ipc/role.h"
#include "relayd/job.h"
#include "relayd/resolver.h"
#include "relayd/room.h"

#include "base/map.h"

/* What the parts of this process share. One thread. */
struct destination;
struct event_base;
struct routes;
struct sts;
struct tally;
struct tls_client;

struct relayd {
	struct role *role;
	struct event_base *base;
	struct channel *store; /* NULL while stored is away */
	struct resolver *resolver;
	struct routes *routes;
	struct tls_client *tls;
	struct sts *sts;
	struct tally *tally;
	struct map jobs; /* by token */
	struct map destinations; /* by key */
	TAILQ_HEAD(, report) reports; /* not confirmed by stored yet */
	struct room room;
	unsigned credit; /* jobs that stored may still send */
	unsigned reporting; /* jobs that are over here and not yet in stored */
	size_t job_bytes; /* that all jobs in hand hold */
	uint64_t accepted, sent, deferred, failed;
	bool credit_scheduled;
	bool passwords_given; /* with the settings that come */
	bool stopping; /* nothing new is sent; what is at the dot is waited for */
	bool reopen_due; /* stored is to hear that ways have changed */
	struct buf ways; /* routes_describe(), as of the last settings */
};

const struct conf *relayd_conf(const struct relayd *r);

/* ---- report.c: what became of recipients, until stored has it on disk ---- */
enum fate_outcome { FATE_RELEASED, FATE_SENT, FATE_DEFERRED, FATE_FAILED };
struct fate {
	uint64_t id;
	enum fate_outcome outcome;
	bool dsn_passed;
	bool said; /* by the other server: code and text are its reply; otherwise they are our own words */
	uint16_t code;
	struct dsn_status enhanced;
	struct view text;
};
struct report_about {
	struct view mx; /* host */
	struct view ip; /* with port */
	struct view tls;
	uint32_t closed_s;
	struct view route; /* its name */
	struct view destination; /* destination_id() */
};
/* Fates of recipients of `j`, which has `j->open` fewer afterwards; with none left the job is over and freed. Copied. */
void report_fates(struct relayd *r, struct job *j, const struct report_about *about, const struct fate *fates,
		  size_t n);
/* One fate for all recipients that have none yet. */
void report_rest(struct relayd *r, struct job *j, const struct report_about *about, const struct fate *fate);
/* Is a fate of that lease not confirmed by stored yet? */
bool report_is_open(const struct relayd *r, uint64_t token);
/* While the role stops: ends it once every fate that somebody could still hear of is on disk. */
void report_end_when_told(struct relayd *r);
/* A new channel: says which tokens are not over, and the reports again. */
void report_resume(struct relayd *r);

/* ---- store.c: the channel ---- */
must_check int store_add(struct relayd *r, int fd);
/* Ways have changed: stored makes due who waits, now or when it is there again. */
void store_reopen(struct relayd *r);
/* Forgets and frees a job. */
void store_job_drop(struct relayd *r, struct job **j);
/* The same, for what will not be sent: its lease ends as nobody names it any more, or, where fates of others of its recipients have still to be
 * told, with them. */
void store_job_give_back(struct relayd *r, struct job **j);
/* Its message is another one from now on. Takes over m->message. */
void store_job_replace(struct relayd *r, struct job *j, const struct relay_variant *m);
/* A job is over, and stored has its last result. */
void store_job_over(struct relayd *r);

#endif
