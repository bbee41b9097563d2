/* SPDX-License-Identifier: ISC
 * Real imapd sessions with a stored and an authd that live in the test. */
#include "imapd_rig.h"

#include <assert.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	imapd_init(&r->imapd, r->base, 0, r->conf);
	box_store_open(&r->store, r->base, MAILBOX_PEER_IMAP, &fd);
	imapd_set_store(&r->imapd, fd);
	fake_auth_open(&r->auth, r->base, AUTH_PEER_IMAP, &fd);
	imapd_set_auth(&r->imapd, fd);
	wire_turn(&r->wire);
}

void rig_close(struct rig *r)
{
	wire_close(&r->wire);
	while (r->imapd.session_count)
		wire_turn(&r->wire);
	box_store_close(&r->store);
	fake_auth_close(&r->auth);
	imapd_fini(&r->imapd);
	(void)event_base_loop(r->base, EVLOOP_NONBLOCK); /* streams free themselves */
	conf_free(&r->conf);
	event_base_free(r->base);
}

void rig_store_dies(struct rig *r)
{
	int fd;

	box_store_close(&r->store);
	wire_turn(&r->wire);
	box_store_open(&r->store, r->base, MAILBOX_PEER_IMAP, &fd);
	imapd_set_store(&r->imapd, fd);
	wire_turn(&r->wire);
}

size_t rig_connect(struct rig *r, bool loopback)
{
	struct stream *stream;
	size_t client = wire_connect(&r->wire, loopback, &imapd_stream_limits, &stream);

	imapd_accept(&r->imapd, stream, "imap", false);
	return client;
}

size_t rig_login(struct rig *r)
{
	size_t client = rig_connect(r, true);

	(void)wire_say(&r->wire, client, "l LOGIN me secret\r\n");
	assert(strstr(buf_cstr(&r->wire.heard), "l OK"));
	return client;
}

size_t rig_select(struct rig *r)
{
	size_t client = rig_login(r);

	(void)wire_say(&r->wire, client, "s SELECT INBOX\r\n");
	assert(strstr(buf_cstr(&r->wire.heard), "s OK"));
	return client;
}
