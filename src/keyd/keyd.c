/* SPDX-License-Identifier: ISC
 * keyd's process: takes keys from the supervisor, answers the front ends. */
#include "keyd/keyd.h"

#include "ipc/msgs/sign_msgs.h"
#include "keyd/keys.h"

#include <errno.h>
#include <string.h>

int keyd_prepare(struct role *r)
{
	bool locked;
	int err = keys_prepare(&locked);

	if (err < 0)
		return err;
	if (!locked)
		log_event(LOG_LEVEL_WARNING, "keys_not_locked",
			  "the kernel locks no memory for us (RLIMIT_MEMLOCK): keys could be swapped out");
	role_set_state(r, keys_new());
	return 0;
}

/* A damaged file at a reload leaves the former key in use. */
int keyd_file(struct role *r, const char *name, int fd)
{
	_cleanup_(buf_fini) struct buf error = BUF_INIT(200);
	struct keys *k = role_state(r);
	struct log_line l;
	int err;

	if (strcmp(name, "tls-key") != 0) {
		fd_close(&fd);
		return -EINVAL;
	}
	err = keys_load(k, fd, &error);
	if (err == 0)
		return 0;
	log_begin(&l, LOG_LEVEL_ERROR, "key_not_loaded");
	log_cstr(&l, "file", name);
	log_cstr(&l, "message", buf_cstr(&error));
	log_end(&l);
	return keys_count(k) > 0 ? 0 : err;
}

int keyd_start(struct role *r)
{
	return keys_count(role_state(r)) > 0 ? 0 : -ENOKEY;
}

static void answer_keys(struct keys *k, struct channel *c, uint32_t id)
{
	struct sign_key items[KEYS_MAX];
	struct sign_keys m = {.keys = items, .n_keys = (uint32_t)keys_count(k)};

	for (size_t i = 0; i < m.n_keys; i++)
		items[i].spki_der = keys_spki(k, i);
	(void)sign_send_keys(c, id, &m);
}

static void answer_tls_sign(struct keys *k, struct channel *c, uint32_t id, const struct sign_tls_sign *m)
{
	_cleanup_(buf_fini) struct buf signature = BUF_INIT(KEYS_SIGNATURE_MAX);
	const char *why = keys_sign_tls(k, m->key_index, m->scheme, m->tbs, &signature);
	struct sign_signature yes = {.signature = buf_view(&signature)};
	struct sign_refused no = {.why = view_from_cstr(why ? why : "")};

	if (!why) {
		(void)sign_send_signature(c, id, &yes);
		return;
	}
	log_event(LOG_LEVEL_WARNING, "signature_refused", why);
	(void)sign_send_refused(c, id, &no);
}

static void on_msg(void *ctx, struct channel *c, uint32_t id, const void *msg)
{
	const struct sign_msg *m = msg;

	switch (m->type) {
	case SIGN_KEYS_ASK:
		answer_keys(ctx, c, id);
		break;
	case SIGN_TLS_SIGN:
		answer_tls_sign(ctx, c, id, &m->tls_sign);
		break;
	case SIGN_KEYS:
	case SIGN_SIGNATURE:
	case SIGN_REFUSED:
		break; /* ours to send: the decoder lets none in */
	}
}

static void on_close(void *ctx, struct channel *c)
{
	(void)ctx;
	(void)c;
}

void keyd_serve(struct event_base *base, int fd, struct keys *k)
{
	static const struct channel_handlers handlers = {on_msg, on_close, NULL};

	(void)channel_new(base, fd, &sign_proto, SIGN_PEER_KEY, SIGN_PEER_FRONT, &handlers, k);
}

int keyd_channel(struct role *r, const char *list, const char *peer, unsigned index, int fd)
{
	(void)peer;
	(void)index;
	if (strcmp(list, "sign") != 0) {
		fd_close(&fd);
		return -EINVAL;
	}
	keyd_serve(role_base(r), fd, role_state(r));
	return 0;
}
