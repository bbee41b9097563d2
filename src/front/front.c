/* SPDX-License-Identifier: ISC
 * A front end's process: its channels, its connections, its end. */
#include "front/front.h"

#include "io/tls.h"
#include "ipc/msgs/auth_msgs.h"
#include "ipc/msgs/mailbox_msgs.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void front_init(struct front *f, const struct front_protocol *protocol, struct event_base *base, unsigned index)
{
	*f = (struct front){.protocol = protocol, .base = base};
	TAILQ_INIT(&f->conns);
	map_init(&f->by_store_id);
	id_source_init(&f->ids, index, 0);
	buf_init(&f->settings.hostname, 1024);
}

void front_configure(struct front *f, const struct conf *conf, uint64_t idle_timeout_ms)
{
	struct front_settings *s = &f->settings;

	buf_reset(&s->hostname);
	buf_append_cstr(&s->hostname, conf->hostname);
	s->login_timeout_ms = conf->login_timeout;
	s->idle_timeout_ms = idle_timeout_ms;
	s->max_auth_failures = (uint32_t)conf->max_auth_failures;
	s->max_errors = (uint32_t)conf->max_command_errors;
	s->plaintext_auth_on_loopback = conf->allow_plaintext_auth_on_loopback;
}

/* ---- stored ---- */

struct conn *front_find(const struct front *f, uint64_t store_id)
{
	return map_u64_get(&f->by_store_id, store_id);
}

static void on_store_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct front *f = ctx;
	const struct mailbox_msg *m = msg;
	struct conn *ended = NULL;

	(void)c;
	(void)id;
	if (m->type == MAILBOX_SESSION_ENDED)
		ended = front_find(f, m->session_ended.session);
	else if (f->protocol->on_store_msg)
		f->protocol->on_store_msg(f, m);
	if (ended)
		conn_part(ended, f->protocol->login_ended);
}

/* stored has forgotten its sessions, so ours are worth nothing. */
static void end_logins(struct front *f)
{
	struct conn *c;

	TAILQ_FOREACH (c, &f->conns, link)
		if (c->store_id)
			conn_part(c, f->protocol->store_away);
}

static void on_store_close(void *ctx, struct channel *c)
{
	struct front *f = ctx;

	if (f->store != c)
		return;
	log_event(LOG_LEVEL_WARNING, "store_away", NULL);
	f->store = NULL;
	end_logins(f);
}

static void on_store_drain(void *ctx, struct channel *c)
{
	struct front *f = ctx;

	(void)c;
	if (f->protocol->on_store_room)
		f->protocol->on_store_room(f);
}

static void set_store(struct front *f, int fd)
{
	static const struct channel_handlers handlers = {on_store_msg, on_store_close, on_store_drain};
	struct channel *old = f->store;

	f->store = NULL;
	if (old)
		end_logins(f);
	channel_free(&old);
	f->store = channel_new(f->base, fd, &mailbox_proto, f->protocol->store_peer, MAILBOX_PEER_STORE, &handlers, f);
}

int front_set_channel(void *front, const char *list, int fd)
{
	struct front *f = front;

	if (strcmp(list, "auth") == 0)
		return channel_renew(&f->auth, f->base, fd, &auth_proto, f->protocol->auth_peer, AUTH_PEER_AUTH);
	if (strcmp(list, "mailbox") == 0) {
		set_store(f, fd);
		return 0;
	}
	(void)close(fd);
	return -EINVAL;
}

/* ---- connections ---- */

void front_set_tls(void *front, struct tls_server *tls)
{
	struct front *f = front;

	tls_server_unref(&f->tls);
	f->tls = tls;
}

void front_on_stream(void *front, struct stream *stream, const struct port_service *service)
{
	struct front *f = front;

	if (f->stopping || (service->tls_first && !f->tls)) {
		stream_close(stream);
		return;
	}
	f->session_count++;
	f->accepted_count++;
	conn_new(f, stream, service->name, service->tls_first);
}

static void tell_stopped(struct front *f)
{
	if (f->stopping && f->session_count == 0 && f->on_stopped) {
		f->on_stopped(f->on_stopped_ctx);
		f->on_stopped = NULL;
	}
}

void front_conn_gone(struct front *f)
{
	f->session_count--;
	tell_stopped(f);
}

void front_stop(void *front, void (*fn)(void *ctx), void *ctx)
{
	struct front *f = front;
	struct conn *c;

	f->stopping = true;
	f->on_stopped = fn;
	f->on_stopped_ctx = ctx;
	TAILQ_FOREACH (c, &f->conns, link)
		conn_stop(c);
	tell_stopped(f);
}

void front_count(void *front, uint64_t *ret_sessions, uint64_t *ret_accepted, uint64_t *ret_messages,
		 uint64_t *ret_in_flight)
{
	const struct front *f = front;

	*ret_sessions = f->session_count;
	*ret_accepted = f->accepted_count;
	*ret_messages = f->message_count;
	*ret_in_flight = 0;
}

void front_fini(struct front *f)
{
	struct conn *c;

	TAILQ_FOREACH (c, &f->conns, link)
		conn_close(c);
	channel_free(&f->store);
	channel_free(&f->auth);
	tls_server_unref(&f->tls);
	map_fini(&f->by_store_id);
	buf_fini(&f->settings.hostname);
}
