/* SPDX-License-Identifier: ISC
 * keyd's process: takes keys from the supervisor, answers the front ends. */
#include "keyd/keyd.h"

#include "ipc/msgs/dkim_msgs.h"
#include "keyd/dkim.h"
#include "keyd/front.h"
#include "keyd/fronts.h"
#include "keyd/keys.h"

#include <errno.h>
#include <string.h>

struct state {
	struct keys *tls;
	struct fronts *fronts;
	struct dkim_keys *dkim;
};

int keyd_prepare(struct role *r)
{
	struct state *state;
	bool locked;
	int err = keys_prepare(&locked);

	if (err < 0)
		return err;
	if (!locked)
		log_event(LOG_LEVEL_WARNING, "keys_not_locked",
			  "the kernel locks no memory for us (RLIMIT_MEMLOCK): keys could be swapped out");
	front_prepare();
	state = xcalloc(1, sizeof *state);
	state->tls = keys_new();
	state->fronts = fronts_new(role_base(r), state->tls);
	state->dkim = dkim_keys_new();
	role_set_state(r, state);
	return 0;
}

static void log_not_loaded(const char *file, const char *why)
{
	struct log_line l;

	log_begin(&l, LOG_LEVEL_ERROR, "key_not_loaded");
	log_cstr(&l, "file", file);
	log_cstr(&l, "message", why);
	log_end(&l);
}

/* Mail goes out unsigned rather than not at all: what is wrong with these keys ends nobody. */
static int load_dkim(struct state *state, int fd)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(400);

	if (dkim_keys_load(state->dkim, fd, &error) < 0)
		log_not_loaded("keys/dkim", buf_cstr(&error));
	return 0;
}

/* A damaged file at a reload leaves the former key in use. */
int keyd_file(struct role *r, const char *name, int fd)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(200);
	struct state *state = role_state(r);
	int err;

	if (strcmp(name, "dkim-keys") == 0)
		return load_dkim(state, fd);
	if (strcmp(name, "tls-key") != 0) {
		fd_close(&fd);
		return -EINVAL;
	}
	err = keys_load(state->tls, fd, &error);
	if (err == 0)
		return 0;
	log_not_loaded(name, buf_cstr(&error));
	return keys_count(state->tls) > 0 ? 0 : err;
}

/* With keys of one purpose at least: the command line starts one for DKIM alone. */
int keyd_start(struct role *r)
{
	const struct state *state = role_state(r);

	return keys_count(state->tls) > 0 || dkim_keys_count(state->dkim) > 0 ? 0 : -ENOKEY;
}

static void on_close(void *ctx, struct channel *c)
{
	(void)ctx;
	(void)c;
}

/* ---- DKIM, for stored ---- */

static void on_dkim_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	_cleanup_(buf_fini) struct buf signature = BUF_INIT(DKIM_SIGNATURE_MAX);
	const struct dkim_msg *m = msg;
	bool no_key = false;
	const char *why;

	if (m->type != DKIM_SIGN)
		return;
	why = dkim_keys_sign(ctx, m->sign.domain, m->sign.selector, m->sign.input, &signature, &no_key);
	if (!why) {
		(void)dkim_send_signature(c, id, &(struct dkim_signature){buf_view(&signature)});
		return;
	}
	log_event(LOG_LEVEL_WARNING, "signature_refused", why);
	(void)dkim_send_refused(c, id, &(struct dkim_refused){no_key, view_from_cstr(why)});
}

void keyd_serve_dkim(struct event_base *base, int fd, struct dkim_keys *k)
{
	static const struct channel_handlers handlers = {on_dkim_msg, on_close, NULL};

	(void)channel_new(base, fd, &dkim_proto, DKIM_PEER_KEY, DKIM_PEER_STORE, &handlers, k);
}

int keyd_channel(struct role *r, const char *list, const char *peer, unsigned index, int fd)
{
	struct state *state = role_state(r);

	(void)index;
	if (strcmp(list, "sign") == 0) {
		return fronts_add(state->fronts, fd);
	} else if (strcmp(list, "dkim") == 0 && strcmp(peer, "store") == 0) {
		keyd_serve_dkim(role_base(r), fd, state->dkim);
	} else {
		fd_close(&fd);
		return -EINVAL;
	}
	return 0;
}
