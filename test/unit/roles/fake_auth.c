/* SPDX-License-Identifier: ISC
 * An authd that lives in the test. */
#include "fake_auth.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static void deny(struct fake_auth *a, uint32_t id, const struct auth_denied *why)
{
	a->denied++;
	(void)auth_send_denied(a->channel, id, why);
}

static void grant(struct fake_auth *a, uint32_t id, const char *final)
{
	struct auth_granted m = {VIEW_LIT("0123456789abcdef0123456789abcdef"), VIEW_LIT("me@example.org"),
				 view_from_cstr(final)};

	(void)auth_send_granted(a->channel, id, &m);
}

static void challenge(struct fake_auth *a, uint32_t id, const char *text)
{
	(void)auth_send_challenge(a->channel, id, &(struct auth_challenge){7, view_from_cstr(text)});
}

static void judge(struct fake_auth *a, uint32_t id, struct view response)
{
	if (view_eq(response, VIEW_LIT("\0me\0secret")))
		grant(a, id, "");
	else if (view_eq_lit(response, "hi"))
		challenge(a, id, "nonce");
	else if (view_eq_lit(response, "proof"))
		grant(a, id, "v=ok");
	else
		deny(a, id, &(struct auth_denied){.temporary = view_eq_lit(response, "busy")});
}

static void login(struct fake_auth *a, uint32_t id, const struct auth_login *m)
{
	if (view_eq_lit(m->user, "me") && view_eq_lit(m->password, "secret"))
		grant(a, id, "");
	else
		deny(a, id, &(struct auth_denied){.temporary = view_eq_lit(m->user, "busy")});
}

static void start(struct fake_auth *a, uint32_t id, const struct auth_start *m)
{
	if (!view_eq_lit(m->mechanism, "PLAIN") && !view_eq_lit(m->mechanism, "SCRAM-SHA-256"))
		deny(a, id, &(struct auth_denied){.unknown_mechanism = true});
	else if (m->has_initial)
		judge(a, id, m->initial);
	else
		challenge(a, id, "");
}

static void on_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	const struct auth_msg *m = msg;
	struct fake_auth *a = ctx;

	(void)c;
	if (a->mute)
		return;
	if (m->type == AUTH_CANCEL)
		a->cancelled++;
	else if (m->type == AUTH_STEP)
		judge(a, id, m->step.response);
	else if (m->type == AUTH_LOGIN)
		login(a, id, &m->login);
	else
		start(a, id, &m->start);
}

static void on_close(void *ctx, struct channel *c)
{
	(void)ctx;
	fprintf(stderr, "channel closed: %s\n", channel_error(c));
	abort();
}

void fake_auth_open(struct fake_auth *a, struct event_base *base, unsigned peer, int *ret_fd)
{
	static const struct channel_handlers handlers = {on_msg, on_close, NULL};
	int fds[2];

	*a = (struct fake_auth){0};
	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	a->channel = channel_new(base, fds[0], &auth_proto, AUTH_PEER_AUTH, peer, &handlers, a);
	*ret_fd = fds[1];
}

void fake_auth_close(struct fake_auth *a)
{
	if (a->channel)
		channel_free(&a->channel);
}
