/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IPC_ROLE_H
#define POMBO_IPC_ROLE_H

#include "base/sandbox.h"
#include "conf/conf.h"
#include "ipc/channel.h"

/* The skeleton of every role's main(): talks to the supervisor over fd 3 (msgs/control.def), gathers settings,
 * channels, listeners and files, applies the sandbox, then runs the loop. A role is its table of callbacks:
 *
 *     int main(void) { static const struct role_spec spec = {…}; return role_run(&spec); }
 *
 * Order: setup (conf parsed) → prepare() [may still open files and load libraries; no threads yet] → sandbox → on_certificate,
 * on_file, on_listener, on_channel for each given, in this order → start() [may start threads] → ready → loop. After that
 * on_channel comes for each peer that was started anew. On a reload: role_conf() is the new one, then on_certificate, on_file
 * and on_listener for what is new, on_listener_gone for what is no more, then reloaded(). The former conf stays valid until
 * the reload after.
 *
 * A peer that breaks its channel's list loses the channel (on_close); the supervisor hears of it from here and starts that process
 * anew, or ours, whichever is trusted less. Either way fresh channels come.
 *
 * The loop has no locks: only the main thread touches events and channels. SIGINT, SIGTERM, SIGHUP and SIGPIPE are ignored: a
 * role ends when the supervisor says so or dies. It ends by _exit(): no atexit functions. */
struct role; /* the process's one role */
struct event_base;

struct role_spec {
	const char *name; /* "smtpd" */
	enum sandbox_profile sandbox;
	/* SANDBOX_OUT: the TCP ports to connect to, `max` at most; returns how many. NULL, or 0: any port. */
	size_t (*connect_ports)(struct role *r, uint16_t *ret, size_t max);
	/* Each may be NULL. int results: 0 or negative errno; an error ends the process with a log line. fds belong to the
	 * callee. */
	int (*prepare)(struct role *r);
	int (*on_listener)(struct role *r, const char *service, const char *address, uint16_t port, bool tls, int fd);
	/* A listener that a reload no longer names. */
	void (*on_listener_gone)(struct role *r, const char *service, const char *address, uint16_t port);
	/* `list` is smtp, auth, …; `peer` the kind of process at the other end; the role makes a channel or sync_channel of fd. */
	int (*on_channel)(struct role *r, const char *list, const char *peer, unsigned index, int fd);
	int (*on_file)(struct role *r, const char *name, int fd);
	int (*on_certificate)(struct role *r, struct view pem);
	int (*start)(struct role *r);
	int (*reloaded)(struct role *r); /* settings changed: role_conf() is the new one */
	/* Finish what is under way; call role_finished() when nothing is left; after grace_ms the process ends anyway. Without
	 * this callback: at once. */
	void (*stop)(struct role *r, uint32_t grace_ms);
	/* After stop() and the loop: nothing else is called any more. What others may still use until then is closed here. */
	void (*ended)(struct role *r);
	void (*count)(struct role *r, uint64_t *ret_sessions, uint64_t *ret_accepted, uint64_t *ret_messages,
		      uint64_t *ret_in_flight);
	uint64_t (*longest_write_us)(struct role *r); /* stored only */
	/* stored only: answers to role_ask_overview / role_ask_reload. An empty json: the supervisor did not answer. */
	void (*overview)(struct role *r, struct view json);
	void (*reload_done)(struct role *r, bool ok, struct view text);
};

int role_run(const struct role_spec *spec);

struct event_base *role_base(struct role *r);
const struct conf *role_conf(const struct role *r);
const char *
role_kind(const struct role *r); /* "mx", "submission", "imap", "pop", "store", "policy", "auth", "key", "dns" */
unsigned role_index(const struct role *r);
unsigned role_count(const struct role *r);
/* SANDBOX_STORE: where the role's folder is, as the process sees it: started as root, the folder is the root directory and this
 * is "/"; otherwise its absolute path. Never NULL once start() runs; "" for other profiles. */
const char *role_folder(const struct role *r);
bool role_first_start(const struct role *r); /* false after a crash of this role */
bool role_stopping(const struct role *r);
void role_finished(struct role *r);
bool role_ask_overview(struct role *r);
bool role_ask_reload(struct role *r);
/* relayd only: the supervisor connects to the UNIX socket of the route of that name. `fd` >= 0: connected, the callee's; otherwise `error`, a
 * positive errno. `path`: where the supervisor's settings lead, which may be newer than ours. The caller's storage, until fn was called or
 * role_connect_cancel(). False: the supervisor is gone. */
struct role_connect {
	struct role *role;
	void (*fn)(void *ctx, int fd, struct view path, int error);
	void *ctx;
	uint32_t id; /* 0: not under way */
};
must_check bool role_connect(struct role_connect *c, struct view route);
void role_connect_cancel(struct role_connect *c); /* fn is not called; harmless when nothing is under way */
/* The role's own state. */
void role_set_state(struct role *r, void *state);
void *role_state(const struct role *r);

#endif
