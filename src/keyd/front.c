/* SPDX-License-Identifier: ISC
 * Answers one front end: waits for a question, signs or refuses, waits again.
 *
 * The thread follows its front end from core to core. The front end sleeps until it has its answer, so its core is free for just that time, and
 * OpenSSL's code is in its caches; the scheduler by itself prefers a core that is idle: waking that one, and filling its caches, costs the two
 * of them more CPU than the signature.
 *
 * Its turns are short, so the scheduler lets it run as soon as it is asked, before the front end has come to sleep: that one need not be
 * woken up then, nobody else comes in between, and it is not moved to a core that happens to be idle. */
#include "keyd/front.h"

#include "base/log.h"
#include "ipc/msgs/sign_msgs.h"
#include "ipc/sync.h"
#include "keyd/signer.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ANSWER_MS = 2000, PAYLOAD_MAX = KEYS_LIST_MAX + 1024, CPU_UNKNOWN = UINT16_MAX };

enum { TURN_NS = 100 * 1000 }; /* the shortest there is; the usual one is 3 ms */

/* linux/sched/types.h cannot be had beside sched.h. This is its first version, which every kernel takes. */
struct turn {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns; /* a turn's length, for the usual policy too since Linux 6.12 */
	uint64_t deadline_ns;
	uint64_t period_ns;
};
static_assert(sizeof(struct turn) == 48, "SCHED_ATTR_SIZE_VER0");

struct front {
	struct sync_channel channel;
	struct keys *keys;
	struct signer *signer;
	struct buf payload;
	struct buf signature;
	uint16_t cpu; /* where this thread stays */
	uint16_t asked_from; /* the last question */
};

void front_prepare(void)
{
	struct turn t = {.size = sizeof t};

	if (syscall(SYS_sched_getattr, 0, &t, sizeof t, 0) < 0)
		return;
	t.runtime_ns = TURN_NS;
	(void)syscall(SYS_sched_setattr, 0, &t, 0);
}

struct front *front_new(int fd, struct keys *k)
{
	struct front *f = xcalloc(1, sizeof *f);

	sync_channel_init(&f->channel, fd, &sign_proto, SIGN_PEER_KEY, SIGN_PEER_FRONT);
	f->keys = k;
	f->signer = signer_new(k);
	buf_init(&f->payload, PAYLOAD_MAX);
	buf_init(&f->signature, KEYS_SIGNATURE_MAX);
	f->cpu = f->asked_from = CPU_UNKNOWN;
	return f;
}

void front_free(struct front **fp)
{
	struct front *f = *fp;

	*fp = NULL;
	if (!f)
		return;
	sync_channel_fini(&f->channel);
	signer_free(&f->signer);
	buf_fini(&f->payload);
	buf_fini(&f->signature);
	free(f);
}

int front_fd(const struct front *f)
{
	return f->channel.fd;
}

/* To a core that asked twice running: one that asks now from here, now from there is not run after. */
static void follow(struct front *f, uint16_t cpu)
{
	uint16_t before = f->asked_from;
	cpu_set_t set;

	f->asked_from = cpu;
	if (cpu == f->cpu || cpu != before || cpu >= CPU_SETSIZE)
		return;
	f->cpu = cpu;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)sched_setaffinity(0, sizeof set, &set); /* a core that is not ours to use: we stay where we are */
}

static int answer(struct front *f, uint32_t id, enum sign_type type, bool encoded)
{
	return encoded ? sync_channel_answer(&f->channel, id, (uint16_t)type, buf_view(&f->payload), ANSWER_MS)
		       : -EMSGSIZE;
}

static int answer_keys(struct front *f, uint32_t id)
{
	_cleanup_(buf_fini) struct buf bytes = BUF_INIT(KEYS_LIST_MAX);
	struct view spki_der[KEYS_MAX];
	struct sign_key items[KEYS_MAX];
	struct sign_keys m = {.keys = items, .n_keys = (uint32_t)keys_list(f->keys, &bytes, spki_der)};

	for (size_t i = 0; i < m.n_keys; i++)
		items[i].spki_der = spki_der[i];
	return answer(f, id, SIGN_KEYS, sign_put_keys(&f->payload, &m));
}

static int answer_tls_sign(struct front *f, uint32_t id, const struct sign_tls_sign *m)
{
	const char *why;

	buf_reset(&f->signature);
	why = signer_sign_tls(f->signer, m->key_index, m->scheme, m->tbs, &f->signature);
	if (!why) {
		struct sign_signature yes = {.signature = buf_view(&f->signature)};

		return answer(f, id, SIGN_SIGNATURE, sign_put_signature(&f->payload, &yes));
	}
	log_event(LOG_LEVEL_WARNING, "signature_refused", why);
	return answer(f, id, SIGN_REFUSED,
		      sign_put_refused(&f->payload, &(struct sign_refused){.why = view_from_cstr(why)}));
}

static int answer_one(struct front *f)
{
	struct sign_msg m;
	uint32_t id;
	int r = sync_channel_take(&f->channel, &id, &m);

	if (r < 0)
		return r;
	buf_reset(&f->payload);
	switch (m.type) {
	case SIGN_KEYS_ASK:
		return answer_keys(f, id);
	case SIGN_TLS_SIGN:
		r = answer_tls_sign(f, id, &m.tls_sign);
		follow(f, m.tls_sign.cpu);
		return r;
	case SIGN_KEYS:
	case SIGN_SIGNATURE:
	case SIGN_REFUSED:
		break; /* ours to send: the decoder lets none in */
	}
	return -EPROTO;
}

const char *front_run(struct front *f)
{
	int r;

	do
		r = answer_one(f);
	while (r == 0);
	switch (r) {
	case -EPROTO:
		return "a frame that is not in the list";
	case -ETIMEDOUT:
		return "it does not read its answers";
	default:
		return NULL;
	}
}
