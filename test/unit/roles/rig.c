/* SPDX-License-Identifier: ISC
 * Real sessions of a front end with a stored and an authd that live in the test. */
#include "rig.h"

#include <assert.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void give_channel(struct rig *r, const char *list, int fd)
{
	int result = front_set_channel(r->front, list, fd);

	assert(result == 0);
}

static void open_store(struct rig *r)
{
	int fd;

	box_store_open(&r->store, r->base, r->front->protocol->store_peer, &fd);
	give_channel(r, "mailbox", fd);
}

void rig_open(struct rig *r, const char *config)
{
	struct buf text = BUF_INIT(65536), error = BUF_INIT(1024);
	int fd;

	memset(r, 0, sizeof *r);
	log_set(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	r->base = event_base_new();
	wire_open(&r->wire, r->base);
	buf_printf(&text, "hostname = mx.example.org\nallow-plaintext-auth-on-loopback = yes\n%s", config);
	if (conf_parse(buf_view(&text), "test", &r->conf, &error) < 0) {
		fprintf(stderr, "%s\n", buf_cstr(&error));
		abort();
	}
	buf_fini(&text);
	buf_fini(&error);
	r->front = rig_role.open(r->base, r->conf);
	open_store(r);
	fake_auth_open(&r->auth, r->base, r->front->protocol->auth_peer, &fd);
	give_channel(r, "auth", fd);
	wire_turn(&r->wire);
}

void rig_close(struct rig *r)
{
	wire_close(&r->wire);
	while (r->front->session_count)
		wire_turn(&r->wire);
	box_store_close(&r->store);
	fake_auth_close(&r->auth);
	rig_role.close(r->front);
	(void)event_base_loop(r->base, EVLOOP_NONBLOCK); /* streams free themselves */
	free(r->front);
	conf_free(&r->conf);
	event_base_free(r->base);
}

void rig_store_dies(struct rig *r)
{
	box_store_close(&r->store);
	wire_turn(&r->wire);
	open_store(r);
	wire_turn(&r->wire);
}

size_t rig_connect(struct rig *r, bool loopback)
{
	const struct port_service service = {rig_role.service, false};
	struct stream *stream;
	size_t client = wire_connect(&r->wire, loopback, rig_role.limits, &stream);

	front_on_stream(r->front, stream, &service);
	return client;
}

size_t rig_login(struct rig *r)
{
	size_t client = rig_connect(r, true);

	(void)wire_say(&r->wire, client, rig_role.login);
	assert(strstr(buf_cstr(&r->wire.heard), rig_role.logged_in));
	return client;
}
