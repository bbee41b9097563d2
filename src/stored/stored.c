/* SPDX-License-Identifier: ISC
 * stored: owns the mail. Takes messages in, has them judged, commits them; answers the front ends' reads beside that. */
#include "stored/stored.h"

#include "ipc/msgs/dns_msgs.h"
#include "ipc/msgs/fetch_msgs.h"
#include "stored/indexer.h"
#include "stored/judge.h"
#include "stored/outbound.h"
#include "stored/refusals.h"
#include "stored/rotation.h"
#include "stored/session.h"
#include "stored/signer.h"
#include "stored/tls_reports.h"

#include "store/housekeep.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

enum {
	READS_WAITING_MAX = 20000,
	SPOOL_WAITING_MAX = 4096, /* of at most 64 KiB each */
	TICK_S = 1,
};

static struct stored *of(struct role *r)
{
	return role_state(r);
}

static struct store_settings settings_of(const struct conf *c)
{
	return (struct store_settings){
	    .disk_reserve_bytes = c->disk_reserve,
	    .default_quota_bytes = c->default_quota,
	    .undelete_s = (int64_t)(c->undelete_time / 1000),
	    .delimiter = c->recipient_delimiter[0],
	    .postmaster = view_from_cstr(c->postmaster),
	    .hostname = view_from_cstr(c->hostname),
	};
}

static int prepare(struct role *r)
{
	struct stored *sd = xcalloc(1, sizeof *sd);

	sd->role = r;
	sd->sessions = sessions_new();
	role_set_state(r, sd);
	return search_prepare();
}

static int on_channel(struct role *r, const char *list, const char *peer, unsigned index, int fd)
{
	struct stored *sd = of(r);
	struct view name = view_from_cstr(list);

	if (view_eq_lit(name, "smtp"))
		return smtp_peer_add(sd, peer, fd);
	if (view_eq_lit(name, "mailbox"))
		return mailbox_peer_add(sd, peer, fd);
	if (view_eq_lit(name, "cred"))
		return cred_peer_add(sd, fd);
	if (view_eq_lit(name, "relay"))
		return outbound_add(sd, fd);
	if (view_eq_lit(name, "admin"))
		return admin_add(sd, fd);
	if (view_eq_lit(name, "fetch"))
		return channel_renew(&sd->fetch, role_base(r), fd, &fetch_proto, FETCH_PEER_STORE, FETCH_PEER_FETCH);
	if (view_eq_lit(name, "dns"))
		return channel_renew(&sd->dns, role_base(r), fd, &dns_proto, DNS_PEER_STORE, DNS_PEER_DNS);
	if (view_eq_lit(name, "dkim"))
		return signer_add(sd, fd);
	if (view_eq_lit(name, "judge")) {
		if (!sd->judges)
			sd->judges = judges_new(role_base(r));
		return judges_add(sd->judges, index, fd);
	}
	return -EINVAL;
}

static int on_listener(struct role *r, const char *service, const char *address, uint16_t port, bool tls, int fd)
{
	(void)address;
	(void)port;
	(void)tls;
	if (!view_eq_lit(view_from_cstr(service), "control"))
		return -EINVAL;
	return admin_listen(of(r), fd);
}

/* `pombo init` alone hands us this: where there is no store, that is an error for everybody else. */
static int on_file(struct role *r, const char *name, int fd)
{
	fd_close(&fd);
	if (!view_eq_lit(view_from_cstr(name), "create-store"))
		return -EINVAL;
	of(r)->create = true;
	return 0;
}

static void look_at_space(struct stored *sd)
{
	bool low = store_space_is_low(sd->store);

	if (low == sd->space_is_low)
		return;
	sd->space_is_low = low;
	log_event(LOG_LEVEL_WARNING, low ? "space-low" : "space-back",
		  low ? "free disk space is below disk-reserve: new mail is refused for now (452)"
		      : "new mail is taken again");
	smtp_peers_tell_space(sd, low);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct stored *sd = arg;

	(void)fd;
	(void)what;
	look_at_space(sd);
	clock_watch_tick(sd);
	upkeep_tick(sd);
	outbound_tick(sd);
	notices_tick(sd);
	traces_tick(sd);
	tls_reports_tick(sd);
	rotation_tick(sd);
	signer_tick(sd);
}

static int open_store(struct stored *sd)
{
	const struct conf *c = role_conf(sd->role);
	struct store_settings settings = settings_of(c);
	const char *why = NULL;
	const struct store_options options = {
	    .dir = role_folder(sd->role), .create = sd->create, .node = (uint32_t)c->node};
	int e = store_open(&options, &sd->store, &why);

	if (e < 0) {
		struct log_line l;

		log_begin(&l, LOG_LEVEL_ERROR, "store-not-opened");
		log_cstr(&l, "why", why ? why : "");
		log_errno(&l, e);
		log_end(&l);
		return e;
	}
	store_set(sd->store, &settings);
	return 0;
}

static int open_readers(struct stored *sd)
{
	unsigned n = (unsigned)role_conf(sd->role)->reader_threads;

	sd->reader_connections = xcalloc(n, sizeof *sd->reader_connections);
	for (sd->reader_count = 0; sd->reader_count < n; sd->reader_count++) {
		int e = store_reader_open(sd->store, &sd->reader_connections[sd->reader_count]);

		if (e < 0)
			return e;
	}
	sd->rotation = rotation_new(sd);
	if (signer_new(sd, &sd->signer) < 0)
		return -EIO;
	return pool_new(sd->completions, n, READS_WAITING_MAX, &sd->readers);
}

static int start(struct role *r)
{
	struct stored *sd = of(r);
	struct timeval second = {.tv_sec = TICK_S};
	int e = open_store(sd);

	if (!sd->judges)
		sd->judges = judges_new(role_base(r));
	if (e == 0)
		e = completions_new(role_base(r), &sd->completions);
	if (e == 0)
		e = open_readers(sd);
	if (e == 0)
		e = pool_new(sd->completions, (unsigned)role_conf(r)->spool_threads, SPOOL_WAITING_MAX, &sd->spoolers);
	if (e == 0)
		e = write_thread_new(sd, &sd->writer);
	if (e == 0)
		e = indexer_new(sd->store, &sd->indexer);
	if (e < 0)
		return e;
	sd->tick = event_new(role_base(r), -1, EV_PERSIST, on_tick, sd);
	if (!sd->tick || event_add(sd->tick, &second) < 0)
		return -ENOMEM;
	look_at_space(sd);
	clock_watch_tick(sd);
	return 0;
}

static int reloaded(struct role *r)
{
	struct store_settings settings = settings_of(role_conf(r));

	store_set(of(r)->store, &settings);
	return 0;
}

/* The front ends have ended before us. What comes in this turn of the loop still finds the store. */
static void stop(struct role *r, uint32_t grace_ms)
{
	(void)grace_ms;
	role_finished(r);
}

/* What is still under way is finished, then the store is closed in order. */
static void ended(struct role *r)
{
	struct stored *sd = of(r);

	refusals_write_all(sd);
	indexer_free(&sd->indexer);
	write_thread_free(&sd->writer);
	pool_free(&sd->spoolers);
	pool_free(&sd->readers);
	for (unsigned i = 0; i < sd->reader_count; i++)
		store_reader_close(&sd->reader_connections[i]);
	store_close(&sd->store);
}

static void count(struct role *r, uint64_t *ret_sessions, uint64_t *ret_accepted, uint64_t *ret_messages,
		  uint64_t *ret_in_flight)
{
	const struct stored *sd = of(r);

	*ret_sessions = sessions_count(sd->sessions);
	*ret_accepted = 0;
	*ret_messages = sd->messages;
	*ret_in_flight = sd->bytes_in_flight;
}

static uint64_t longest_write_us(struct role *r)
{
	return of(r)->writer ? write_longest_us(of(r)->writer) : 0;
}

static void overview(struct role *r, struct view json)
{
	admin_overview(of(r), json);
}

static void reload_done(struct role *r, bool ok, struct view text)
{
	admin_reload_done(of(r), ok, text);
}

int main(void)
{
	static const struct role_spec spec = {
	    .name = "stored",
	    .sandbox = SANDBOX_STORE,
	    .prepare = prepare,
	    .on_channel = on_channel,
	    .on_listener = on_listener,
	    .on_file = on_file,
	    .start = start,
	    .reloaded = reloaded,
	    .stop = stop,
	    .ended = ended,
	    .count = count,
	    .longest_write_us = longest_write_us,
	    .overview = overview,
	    .reload_done = reload_done,
	};

	return role_run(&spec);
}
