/* SPDX-License-Identifier: ISC
 * The role policyd: a channel to stored, a question at a time. */
#include "ipc/role.h"
#include "mail/charset.h"
#include "policyd/body_hash.h"
#include "policyd/judge.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct state {
	struct judge *judge;
	struct channel *store;
};

static int prepare(struct role *r)
{
	struct state *state = xcalloc(1, sizeof *state);

	charset_preload(); /* files cannot be opened later */
	if (body_hash_prepare() < 0)
		return -EIO;
	state->judge = judge_new();
	role_set_state(r, state);
	return 0;
}

static void on_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	struct state *state = ctx;

	judge_hear(state->judge, c, id, msg);
}

static void on_close(void *ctx, struct channel *c)
{
	struct state *state = ctx;

	if (state->store == c)
		state->store = NULL;
}

static int on_channel(struct role *r, const char *list, const char *peer, unsigned index, int fd)
{
	static const struct channel_handlers handlers = {.on_msg = on_msg, .on_close = on_close};
	struct state *state = role_state(r);

	(void)peer;
	(void)index;
	if (strcmp(list, "judge") != 0) {
		(void)close(fd);
		return -EINVAL;
	}
	if (state->store)
		channel_free(&state->store);
	state->store =
	    channel_new(role_base(r), fd, &judge_proto, JUDGE_PEER_POLICY, JUDGE_PEER_STORE, &handlers, state);
	return state->store ? 0 : -ENOMEM;
}

int main(void)
{
	static const struct role_spec spec = {
	    .name = "policyd",
	    .sandbox = SANDBOX_PURE,
	    .prepare = prepare,
	    .on_channel = on_channel,
	};

	return role_run(&spec);
}
