/* SPDX-License-Identifier: ISC
 * A front end's way to the private keys of its certificates: asks keyd, synchronously. */
#include "ipc/tls_keys.h"

#include "ipc/msgs/sign_msgs.h"
#include "ipc/sync.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

enum {
	ANSWER_MS = 2000, /* 0.1 ms usually; RSA on a busy machine takes longer */
	KEYS_MAX = 8,
	SPKI_MAX = 8192,
	PAYLOAD_MAX = 2048,
};

/* keyd numbers its keys; here they are known by their public halves, so that a reload or a restart of keyd, at whatever moment,
 * never makes one key sign for another. */
struct tls_keys {
	struct sync_channel channel;
	bool open;
	bool listed;
	size_t n;
	struct buf spki[KEYS_MAX];
};

struct tls_keys *tls_keys_new(void)
{
	struct tls_keys *k = xcalloc(1, sizeof *k);

	for (size_t i = 0; i < KEYS_MAX; i++)
		buf_init(&k->spki[i], SPKI_MAX);
	return k;
}

static void hang_up(struct tls_keys *k)
{
	if (k->open)
		sync_channel_fini(&k->channel);
	k->open = false;
	k->listed = false;
}

void tls_keys_free(struct tls_keys **kp)
{
	struct tls_keys *k = *kp;

	*kp = NULL;
	if (!k)
		return;
	hang_up(k);
	for (size_t i = 0; i < KEYS_MAX; i++)
		buf_fini(&k->spki[i]);
	free(k);
}

void tls_keys_set_channel(struct tls_keys *k, int fd)
{
	hang_up(k);
	sync_channel_init(&k->channel, fd, &sign_proto, SIGN_PEER_FRONT, SIGN_PEER_KEY);
	k->open = true;
}

static int ask(struct tls_keys *k, enum sign_type type, struct view payload, struct sign_msg *ret)
{
	int err;

	if (!k->open)
		return -ENOTCONN;
	err = sync_channel_call(&k->channel, (uint16_t)type, payload, NULL, 0, ANSWER_MS, ret);
	if (err < 0)
		hang_up(k); /* gone, or odd: the supervisor starts another */
	return err;
}

static int list(struct tls_keys *k)
{
	struct sign_msg m;
	int err = ask(k, SIGN_KEYS_ASK, VIEW_EMPTY, &m);

	if (err < 0)
		return err;
	if (m.type != SIGN_KEYS)
		return -EPROTO;
	k->n = m.keys.n_keys;
	for (size_t i = 0; i < k->n; i++) {
		buf_reset(&k->spki[i]);
		buf_append_view(&k->spki[i], m.keys.keys[i].spki_der);
	}
	k->listed = true;
	return 0;
}

/* The number keyd knows the key by, or a negative errno. */
static int find(struct tls_keys *k, struct view spki_der)
{
	for (size_t i = 0; i < k->n && k->listed; i++)
		if (view_eq(buf_view(&k->spki[i]), spki_der))
			return (int)i;
	return -ENOKEY;
}

static int find_or_list(struct tls_keys *k, struct view spki_der)
{
	int i = find(k, spki_der);
	int err;

	if (i >= 0)
		return i;
	err = list(k); /* a new certificate came before its key, or after */
	return err < 0 ? err : find(k, spki_der);
}

static uint16_t this_cpu(void)
{
	int cpu = sched_getcpu();

	return cpu >= 0 && cpu < UINT16_MAX ? (uint16_t)cpu : UINT16_MAX;
}

int tls_keys_sign(void *ctx, struct view spki_der, uint16_t scheme, struct view tbs, struct buf *ret)
{
	struct tls_keys *k = ctx;
	_cleanup_(buf_fini) struct buf payload = BUF_INIT(PAYLOAD_MAX);
	struct sign_tls_sign question = {.scheme = scheme, .cpu = this_cpu(), .tbs = tbs};
	struct sign_msg m;
	int i = find_or_list(k, spki_der);
	int err;

	if (i < 0)
		return i;
	question.key_index = (uint8_t)i;
	if (!sign_put_tls_sign(&payload, &question))
		return -EINVAL;
	err = ask(k, SIGN_TLS_SIGN, buf_view(&payload), &m);
	if (err < 0)
		return err;
	if (m.type != SIGN_SIGNATURE) {
		k->listed = false; /* its keys may be others by now */
		return -EPERM;
	}
	buf_append_view(ret, m.signature.signature);
	return 0;
}
